/**
 * A secured temperature sensor on `coaps://[::]:5684` with a certificate, for clients with a certificate of the same
 * authority, and nobody else. `coapsule keys` makes the files:
 *
 *     npx coapsule keys ca && npx coapsule keys cert localhost --server && npx coapsule keys cert sensor-7
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/pki-server.ts [PORT [CERT KEY CA]]
 */
import { readFile } from 'node:fs/promises';
import { content, Server } from 'coapsule';

const [port = 5684, cert = 'localhost.pem', key = 'localhost.key', ca = 'ca.pem'] = process.argv.slice(2);

const server = new Server();
server.resource('/temperature', { get: () => content('22.5'), attributes: { rt: 'temperature' } });
server.resource('/whoami', {
  get: ({ peer: { security } }) => content(security.kind === 'dtls' ? security.identity : 'nobody'),
});
const listener = await server.listen(`coaps://[::]:${port}`, {
  certificate: { chain: await readFile(cert), privateKey: await readFile(key) },
  clientCertificates: { trustAnchors: await readFile(ca) },
  onAssociation: (event) => {
    if (event.kind === 'handshake-failed') console.error(`${event.failure.cause}: ${event.failure.detail}`);
  },
});
console.log(`listening on ${listener.uri}`);
