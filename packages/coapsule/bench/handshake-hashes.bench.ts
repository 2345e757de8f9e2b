/**
 * What SHA-256 in WebAssembly is worth in a handshake: DTLS 1.2 with a pre-shared key and a cookie, both sides in memory.
 */

import { DtlsLayer } from '../src/core/dtls/dtls-layer.ts';
import type { CryptoProvider } from '../src/core/foundation/crypto-provider.ts';
import { ipAddress } from '../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../src/core/foundation/utf8.ts';
import { choose, instantiateModules } from '../src/crypto/fast-crypto.ts';
import { nodeCrypto } from '../src/crypto/node-crypto.ts';
import { systemRandom } from '../src/node/system-random.ts';
import { VirtualClock } from '../src/testing/virtual-clock.ts';
import { median, report } from './figure.ts';

const short = process.argv.includes('--short');
const rounds = short ? 7 : 25;
/** No more than a server without time passing takes from one network. */
const handshakes = 200;
const identity = encodeUtf8('sensor-042');
const key = encodeUtf8('MySecret16ByteK!');

/** CPU µs for a handshake, both sides together. */
function cpuMicros(crypto: CryptoProvider): number {
  const { now } = new VirtualClock();
  const server = new DtlsLayer({ role: 'server', crypto, random: systemRandom });
  const client = new DtlsLayer({
    role: 'client',
    crypto,
    random: systemRandom,
    config: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] },
  });
  let connected = 0;
  const begin = process.cpuUsage();
  for (let count = 0; count < handshakes; count++) {
    const address = ipAddress('192.0.2.1', 1024 + count);
    client.connect(address, {}, now);
    for (let isBusy = true; isBusy; ) {
      isBusy = false;
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        for (let output = one.poll(); output !== undefined; output = one.poll()) {
          isBusy = true;
          if (output.kind === 'transmit') other.handle({ address, datagram: output.datagram }, now);
          if (output.kind === 'psk-lookup') one.answerPskLookup(output.lookup, { identity, key }, now);
          if (output.kind === 'connected') connected++;
        }
      }
    }
  }
  const spent = process.cpuUsage(begin);
  if (connected !== 2 * handshakes) throw new Error(`${connected / 2} of ${handshakes} handshakes`);
  return (spent.user + spent.system) / handshakes;
}

const { provider } = choose({}, instantiateModules);
// Both make their records in WebAssembly: only the hashes differ.
const { hash, digest, hmac } = nodeCrypto;
const hashesOfNode: CryptoProvider = { ...provider, hash, digest, hmac };
for (let round = 0; round < 5; round++) {
  cpuMicros(provider);
  cpuMicros(hashesOfNode);
}
const ours: number[] = [];
const node: number[] = [];
for (let round = 0; round < rounds; round++) {
  ours.push(cpuMicros(provider));
  node.push(cpuMicros(hashesOfNode));
}
console.log(`both sides: ${median(ours).toFixed(0)} µs CPU, with node:crypto ${median(node).toFixed(0)}`);
report({
  name: 'PSK handshake, hashes of node:crypto over those of WebAssembly',
  value: median(node.map((value, index) => value / (ours[index] as number))),
  unit: 'times',
  goal: 1.1,
  better: 'higher',
});
