/**
 * AES-CCM of records in WebAssembly against `node:crypto`: CPU time to seal and to open one, at several lengths.
 *
 * In a loop, where `node:crypto` is at its best: in a server it costs more (docs/decisions/050).
 */

import type { AeadKey } from '../src/core/foundation/crypto-provider.ts';
import { AesCcmKey } from '../src/crypto/aes-ccm/aes-ccm-key.ts';
import { instantiateAesCcm } from '../src/crypto/aes-ccm/aes-ccm-module.ts';
import { nodeAead } from '../src/crypto/node-aead.ts';
import { systemRandom } from '../src/node/system-random.ts';
import { median, report } from './figure.ts';

const short = process.argv.includes('--short');
const records = short ? 4000 : 20_000;
const rounds = short ? 5 : 9;

const module = instantiateAesCcm();
const nonce = new Uint8Array(12);
const additionalData = new Uint8Array(13);
const rawKey = systemRandom.fill(new Uint8Array(16));

/** CPU µs for a record that is sealed and opened by the next of these keys. */
function cpuMicros(keys: readonly AeadKey[], length: number): number {
  const buffer = new Uint8Array(13 + length + 8);
  const { user, system } = process.cpuUsage();
  for (let count = 0; count < records; count++) {
    const key = keys[count % keys.length] as AeadKey;
    nonce[10] = count >>> 8;
    nonce[11] = count;
    key.seal(nonce, additionalData, buffer, 13, length);
    if (key.open(nonce, additionalData, buffer, 13, length + 8) !== length) throw new Error('not opened');
  }
  const spent = process.cpuUsage({ user, system });
  return (spent.user + spent.system) / records;
}

/** Both in turns, so that they share what else the machine does; the median of each. */
function compare(one: readonly AeadKey[], other: readonly AeadKey[], length: number): [number, number] {
  const samples: [number[], number[]] = [[], []];
  cpuMicros(one, length);
  cpuMicros(other, length);
  for (let round = 0; round < rounds; round++) {
    samples[0].push(cpuMicros(one, length));
    samples[1].push(cpuMicros(other, length));
  }
  return [median(samples[0]), median(samples[1])];
}

const inModule = [new AesCcmKey(module, 'AES_128_CCM_8', rawKey, module.payloadCapacity)];
const inNode = [nodeAead('AES_128_CCM_8', rawKey)];
const goals: readonly (readonly [length: number, goal: number])[] = [
  [40, 3],
  [60, 3],
  [100, 2.5],
  [256, 1.5],
  [1024, 0.6],
];
for (const [length, goal] of goals) {
  const [webAssembly, node] = compare(inModule, inNode, length);
  console.log(
    `${length} bytes, sealed and opened: WebAssembly ${webAssembly.toFixed(2)}, node:crypto ${node.toFixed(2)} µs CPU`,
  );
  report({
    name: `AES-128-CCM-8 of ${length} bytes, node:crypto over WebAssembly`,
    value: node / webAssembly,
    unit: 'times',
    goal,
    better: 'higher',
  });
}
if (!short) {
  // Where node:crypto becomes the faster of both.
  for (const length of [512, 768, 896, 1280, 1536, 2048]) {
    const [webAssembly, node] = compare(inModule, inNode, length);
    console.log(`${length} bytes: node:crypto over WebAssembly ${(node / webAssembly).toFixed(2)}`);
  }
}
{
  const many = Array.from({ length: 10_000 }, () => new AesCcmKey(module, 'AES_128_CCM_8', rawKey));
  const [one, inTurn] = compare(inModule, many, 60);
  console.log(
    `60 bytes: with one key ${one.toFixed(2)}, with 10,000 keys in turn ${inTurn.toFixed(2)} µs CPU`,
  );
  report({
    name: 'AES-128-CCM-8 of 60 bytes, 10,000 keys in turn over one key',
    value: inTurn / one,
    unit: 'times',
    goal: 1.8,
    better: 'lower',
  });
}
