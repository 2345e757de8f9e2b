/**
 * The same reading sent four ways, and what somebody on the line can read of each: plain CoAP, a payload that the
 * application has encrypted, DTLS, and OSCORE.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/what-an-eavesdropper-sees.ts
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import { Client, changed, OscoreContext, OscoreContexts, Server } from 'coapsule';

const path = '/patients/7/pulse';
const reading = 'pulse=72';

/** A store that lasts as long as this program, whose contexts nobody uses again. */
const store = { load: async () => undefined, save: async () => undefined };
const masterSecret = randomBytes(16);
const [device, server] = [Uint8Array.of(1), Uint8Array.of(2)];
const parameters = { masterSecret, store, firstUse: true };
await using atDevice = await OscoreContext.open({ ...parameters, senderId: device, recipientId: server });
await using atServer = await OscoreContext.open({ ...parameters, senderId: server, recipientId: device });

const psk = { identity: 'device-1', key: randomBytes(16) };
await using ward = new Server();
ward.resource(path, { post: () => changed() });
const oscore = new OscoreContexts([atServer]);
const plain = await ward.listen('coap://127.0.0.1:0', { oscore });
const secured = await ward.listen('coaps://127.0.0.1:0', {
  psk: { lookup: new Map([[psk.identity, psk.key]]) },
});

/** The reading under AES-128-GCM: what many call encryption enough. */
function encrypted(): Uint8Array {
  const [key, nonce] = [randomBytes(16), randomBytes(12)];
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(reading), cipher.final(), cipher.getAuthTag()]);
}

const ways: [name: string, uri: string, payload: string | Uint8Array, protection: object][] = [
  ['plain CoAP', plain.uri, reading, {}],
  ['encrypted payload', plain.uri, encrypted(), {}],
  ['DTLS', secured.uri, reading, { psk }],
  ['OSCORE', plain.uri, reading, { oscore: atDevice }],
];
for (const [name, uri, payload, protection] of ways) {
  const line: Uint8Array[] = [];
  await using client = new Client({ ...protection, capture: ({ datagram }) => line.push(datagram) });
  await client.post(`${uri}${path}`, { payload });
  const seen = Buffer.concat(line).toString('latin1');
  // The method of a request is the second byte of plain CoAP; under OSCORE it is POST, whatever is asked for.
  const has = (what: string): string => (seen.includes(what) ? 'read' : 'hidden');
  console.log(`${name}: path ${has('patients')}, reading ${has(reading)}, ${line.length} datagrams`);
}
