/**
 * The secured exchange: reads `/a` at the other end of a serial line over DTLS, with certificates on both sides, and prints
 * code and body.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/secure-serial-client.ts [ttyUSB0:115200 [CERT KEY CA]]
 */
import { readFile } from 'node:fs/promises';
import { Client } from 'coapsule';
import { lineOfClient } from './serial-line.ts';

const [named, cert = 'sensor-7.pem', key = 'sensor-7.key', ca = 'ca.pem'] = process.argv.slice(2);
await using client = new Client({
  certificate: { chain: await readFile(cert), privateKey: await readFile(key) },
  trustAnchors: await readFile(ca),
  // A line has no host name: this is the one in the certificate of the server.
  serverName: 'localhost',
});
const response = await client.get(`coaps+serial://${lineOfClient(named)}/a`);
console.log(`${response.codeText} ${response.text()}`);
