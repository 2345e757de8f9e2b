/**
 * A light that can be switched and observed, on plain CoAP and on CoAPs. The secured endpoint is one call more, with
 * one key for whoever has it and the identity hint `CoAP`, as small devices are often set up.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/light-server.ts [PORT SECURE-PORT]
 */
import { Code, changed, content, failure, Server } from 'coapsule';

const [port = 5683, securePort = 5684] = process.argv.slice(2);
let state: Uint8Array | string = '{"status": true}';

const server = new Server();
server.resource('/light', {
  // Observers need to hear nothing for an hour; who asks only once should ask again soon.
  get: (request) =>
    content(state, { contentFormat: 'text/plain', maxAgeSeconds: request.observe ? 3600 : 10 }),
  put: (request) => {
    if (request.payload.length === 0) return failure(Code.BadRequest, 'the new state is empty');
    state = request.payload.slice();
    server.notify('/light');
    return changed();
  },
  observable: true,
});

const plain = await server.listen(`coap://[::]:${port}`);
const secured = await server.listen(`coaps://[::]:${securePort}`, {
  psk: { hint: 'CoAP', dangerouslyAcceptAnyIdentity: new TextEncoder().encode('esp32c3_key') },
});
console.log(`listening on ${plain.uri} and ${secured.uri}`);
