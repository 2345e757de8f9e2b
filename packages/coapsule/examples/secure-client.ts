/**
 * Reads `/temperature` from a secured server, as `sensor-042`, and shows what the handshake cost.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/secure-client.ts [URI]
 */
import { Client } from 'coapsule';

const uri = process.argv[2] ?? 'coaps://localhost/temperature';
await using client = new Client({
  psk: { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') },
});

const first = await client.get(uri);
console.log(`Secure response: ${first.text()}`);
const second = await client.get(uri);
console.error(
  `handshake ${first.handshakeMs?.toFixed(1)} ms, ` +
    `first request ${first.roundTripMs.toFixed(1)} ms, second ${second.roundTripMs.toFixed(1)} ms`,
);
