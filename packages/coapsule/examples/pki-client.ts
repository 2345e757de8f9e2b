/**
 * Reads `/temperature` from a secured server, with a certificate on both sides, and shows who the server is.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/pki-client.ts [URI [CERT KEY CA]]
 */
import { readFile } from 'node:fs/promises';
import { Client } from 'coapsule';

const [uri = 'coaps://localhost/temperature', cert = 'sensor-7.pem', key = 'sensor-7.key', ca = 'ca.pem'] =
  process.argv.slice(2);
await using client = new Client({
  certificate: { chain: await readFile(cert), privateKey: await readFile(key) },
  trustAnchors: await readFile(ca),
});

const response = await client.get(uri);
console.log(`Secure response: ${response.text()}`);
const { security } = response.peer;
if (security.kind === 'dtls' && security.authentication.kind === 'x509') {
  const { subject, notAfter } = security.authentication.certificate;
  console.error(`from ${subject}, certified until ${notAfter.toISOString()}, by ${security.suite}`);
}
