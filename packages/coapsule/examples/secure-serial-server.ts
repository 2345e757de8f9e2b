/**
 * CoAP secured by DTLS on a serial line, with certificates on both sides: `/a` answers `Hello World` to clients that have
 * a certificate of the same authority, and to nobody else. `coapsule keys` makes the files:
 *
 *     npx coapsule keys ca && npx coapsule keys cert localhost --server && npx coapsule keys cert sensor-7
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/secure-serial-server.ts [ttyGS0:115200 [CERT KEY CA]]
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/secure-serial-client.ts [ttyUSB0:115200 [CERT KEY CA]]
 *
 * Packets have at most 1024 bytes, and the read buffer has 2048: `serial: { mtu, bufferBytes }` changes that.
 */
import { readFile } from 'node:fs/promises';
import { content, Server } from 'coapsule';
import { lineOfServer } from './serial-line.ts';

const [named, cert = 'localhost.pem', key = 'localhost.key', ca = 'ca.pem'] = process.argv.slice(2);
const line = await lineOfServer(named);
const server = new Server();
server.resource('/a', {
  get: ({ peer: { security } }) => {
    if (security.kind === 'dtls') console.log(`asked by ${security.identity}`);
    return content('Hello World');
  },
});
const listener = await server.listen(`coaps+serial://${line}`, {
  certificate: { chain: await readFile(cert), privateKey: await readFile(key) },
  clientCertificates: { trustAnchors: await readFile(ca) },
  onAssociation: (event) => {
    if (event.kind === 'handshake-failed') console.error(`${event.failure.cause}: ${event.failure.detail}`);
  },
});
console.log(`listening on ${listener.uri}`);
