/**
 * The exchange of messages without security: reads a resource at the other end of a serial line and prints code and body.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/serial-client.ts [ttyUSB0:115200 [PATH]]
 */
import { Client } from 'coapsule';
import { lineOfClient } from './serial-line.ts';

const [named, path = '/a'] = process.argv.slice(2);
await using client = new Client();
const response = await client.get(`coap+serial://${lineOfClient(named)}${path}`);
console.log(`${response.codeText} ${response.text()}`);
