/**
 * Plain CoAP on a serial line: `/a` answers `Hello World`. Without a line it makes a virtual one for the client.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/serial-server.ts [ttyGS0:115200]
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/serial-client.ts [ttyUSB0:115200]
 */
import { content, Server } from 'coapsule';
import { lineOfServer } from './serial-line.ts';

const line = await lineOfServer(process.argv[2]);
const server = new Server();
server.resource('/a', { get: () => content('Hello World') });
const listener = await server.listen(`coap+serial://${line}`);
console.log(`listening on ${listener.uri}`);
