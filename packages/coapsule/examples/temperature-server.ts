/**
 * A secured temperature sensor on `coaps://[::]:5684`: two clients with keys of their own, and nobody else.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/temperature-server.ts [PORT]
 */
import { content, Server } from 'coapsule';

const keys = new Map([
  ['sensor-042', new TextEncoder().encode('MySecret16ByteK!')],
  ['sensor-043', new TextEncoder().encode('AnotherKey16Byt!')],
]);

const server = new Server();
server.resource('/temperature', { get: () => content('22.5'), attributes: { rt: 'temperature' } });
const listener = await server.listen(`coaps://[::]:${process.argv[2] ?? 5684}`, { psk: { lookup: keys } });
console.log(`listening on ${listener.uri}`);
