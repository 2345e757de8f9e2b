/**
 * The handshake alone: connects to the other end of a serial line by DTLS, with certificates on both sides, and asks for
 * nothing. Prints who is there and what it took.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/serial-handshake.ts [ttyUSB0:115200 [CERT KEY CA]]
 */
import { readFile } from 'node:fs/promises';
import { Client, describeCertificates, type TraceEvent } from 'coapsule';
import { lineOfClient } from './serial-line.ts';

const [named, cert = 'sensor-7.pem', key = 'sensor-7.key', ca = 'ca.pem'] = process.argv.slice(2);

function show(event: TraceEvent): void {
  if (event.kind !== 'connected' || event.authentication.kind !== 'x509') return;
  const [server] = describeCertificates(event.authentication.certificate);
  console.log(`handshake completed with ${server?.subject}, ${event.suite}`);
}

await using client = new Client({
  certificate: { chain: await readFile(cert), privateKey: await readFile(key) },
  trustAnchors: await readFile(ca),
  serverName: 'localhost',
  trace: show,
});
// An empty message, so that there is a reason to connect (RFC 7252 §4.3).
const { handshakeMs } = await client.ping(`coaps+serial://${lineOfClient(named)}`);
console.error(`it took ${handshakeMs?.toFixed(0)} ms`);
