/**
 * Whether the time of AES-CCM in WebAssembly tells anything about a tag, a plaintext or a key.
 *
 * A record of one of two classes, chosen at random, is worked on and timed, some hundred thousand times; then Welch's t-test
 * compares the two distributions, with all samples and with the slowest cut off at several bounds, since interruptions of the machine
 * are there (the method of Reparaz, Balasch, Verbauwhede, "dude, is my code constant time?", 2017). |t| above 10 is a
 * difference, below 4.5 is none that so many samples can show. A comparison that does leak shows that the method sees one.
 */

import type { AeadKey } from '../src/core/foundation/crypto-provider.ts';
import { AesCcmKey } from '../src/crypto/aes-ccm/aes-ccm-key.ts';
import { instantiateAesCcm } from '../src/crypto/aes-ccm/aes-ccm-module.ts';
import { systemRandom } from '../src/node/system-random.ts';
import { report } from './figure.ts';

const short = process.argv.includes('--short');
const samples = short ? 20_000 : 200_000;
/** Records for one sample: the clock has a step of some ten nanoseconds. */
const batch = 8;

const module = instantiateAesCcm();
const length = 60;
const sealedLength = length + 8;
const nonce = new Uint8Array(12);
const additionalData = new Uint8Array(13);
const rawKey = systemRandom.fill(new Uint8Array(16));
const key = new AesCcmKey(module, 'AES_128_CCM_8', rawKey);
const sealed = systemRandom.fill(new Uint8Array(sealedLength));
key.seal(nonce, additionalData, sealed, 0, length);

/** What a sample works on. It is copied here before the clock starts, by the same steps for both classes. */
const inputs = Array.from({ length: batch }, () => new Uint8Array(sealedLength));

/** 64 batches of inputs, each input made by `make`. */
type Pool = readonly Uint8Array[];
const poolSize = 64;
const pool = (make: () => Uint8Array): Pool => Array.from({ length: poolSize * batch }, make);
const zeros = (): Uint8Array => new Uint8Array(sealedLength);
const randoms = (): Uint8Array => systemRandom.fill(new Uint8Array(sealedLength));
const withWrongByte = (at: number) => (): Uint8Array =>
  sealed.map((byte, index) => (index === at ? byte ^ 0x80 : byte));

interface Comparison {
  readonly name: string;
  readonly classes: readonly [Pool, Pool];
  readonly work: (input: Uint8Array) => void;
}

const open = (record: Uint8Array): void => {
  key.open(nonce, additionalData, record, 0, sealedLength);
};
const payload = new Uint8Array(sealedLength);
let lastKey: AeadKey = key;

const comparisons: readonly Comparison[] = [
  {
    name: 'a good tag and a bad one',
    classes: [pool(() => sealed.slice()), pool(withWrongByte(sealedLength - 1))],
    work: open,
  },
  {
    name: 'a tag with a wrong first byte and one with a wrong last byte',
    classes: [pool(withWrongByte(length)), pool(withWrongByte(sealedLength - 1))],
    work: open,
  },
  {
    name: 'one plaintext and random ones',
    classes: [pool(zeros), pool(randoms)],
    work: (record) => key.seal(nonce, additionalData, record, 0, length),
  },
  {
    name: 'one key and random ones',
    classes: [pool(zeros), pool(randoms)],
    work: (record) => {
      lastKey = new AesCcmKey(module, 'AES_128_CCM_8', record.subarray(0, 16));
      lastKey.seal(nonce, additionalData, payload, 0, length);
    },
  },
];

let compared = 0;
const leaking: Comparison = {
  name: 'control: comparisons that end at the first wrong byte',
  classes: [pool(withWrongByte(0)), pool(withWrongByte(sealedLength - 1))],
  work: (record) => {
    for (let repeat = 0; repeat < 4; repeat++) {
      for (let at = 0; at < sealedLength && record[at] === sealed[at]; at++) compared++;
    }
  },
};

/** Of all bounds, the t that is the farthest from 0. */
function largestT({ classes, work }: Comparison): number {
  const choices = systemRandom.fill(new Uint8Array(2 * samples));
  const times: [number[], number[]] = [[], []];
  const warmUp = samples / 10;
  for (let sample = -warmUp; sample < samples; sample++) {
    const at = 2 * Math.abs(sample % samples);
    const choice = ((choices[at] as number) & 1) as 0 | 1;
    const first = ((choices[at + 1] as number) % poolSize) * batch;
    for (let i = 0; i < batch; i++) inputs[i]?.set(classes[choice][first + i] as Uint8Array);
    const begin = performance.now();
    for (let i = 0; i < batch; i++) work(inputs[i] as Uint8Array);
    const elapsed = performance.now() - begin;
    if (sample >= 0) times[choice].push(elapsed);
  }
  const all = [...times[0], ...times[1]].sort((a, b) => a - b);
  const ts = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1].flatMap((share) => {
    const bound = all[Math.ceil(share * all.length) - 1] as number;
    const [a, b] = times.map((list) => list.filter((time) => time <= bound)) as [number[], number[]];
    // Where one class is cut off altogether, the larger shares tell it.
    return a.length < 100 || b.length < 100 ? [] : [Math.abs(welch(a, b))];
  });
  return Math.max(...ts);
}

/** Welch's t of two samples. */
function welch(a: readonly number[], b: readonly number[]): number {
  const [meanA, errorA] = meanAndError(a);
  const [meanB, errorB] = meanAndError(b);
  return (meanA - meanB) / Math.sqrt(errorA + errorB);
}

function meanAndError(values: readonly number[]): [mean: number, squaredError: number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return [mean, variance / values.length];
}

for (const comparison of comparisons) {
  report({
    name: `|t|, ${comparison.name}`,
    value: largestT(comparison),
    unit: '',
    goal: 4.5,
    better: 'lower',
  });
}
report({ name: `|t|, ${leaking.name}`, value: largestT(leaking), unit: '', goal: 10, better: 'higher' });
if (lastKey === key || compared === 0) throw new Error('nothing was measured');
