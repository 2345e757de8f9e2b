/**
 * Structure-agnostic mutations of a corpus: what line noise, a broken peer or an attacker makes of a datagram.
 *
 * @module
 */

import type { SeededRandom } from '../../src/testing/seeded-random.ts';

/** Longest mutated input in bytes; above one Ethernet frame, so that lengths have room to lie. */
const maxLength = 4096;

/** Values that sit at the edges of length fields. */
const edgeBytes = [0x00, 0x01, 0x0c, 0x0d, 0x0e, 0x0f, 0x7f, 0x80, 0xfe, 0xff] as const;

type Mutation = (input: Uint8Array, random: SeededRandom, corpus: readonly Uint8Array[]) => Uint8Array;

const mutations: readonly Mutation[] = [
  flipBits,
  setBytes,
  changeLengthField,
  truncate,
  cutOut,
  insertNoise,
  repeatPart,
  splice,
  append,
];

/** A mutated copy of one corpus entry, or, one time in sixteen, plain noise; 0 … 4096 bytes. */
export function mutate(corpus: readonly Uint8Array[], random: SeededRandom): Uint8Array {
  if (corpus.length === 0 || random.integer(16) === 0) return noise(random, random.integer(128));
  let input = random.pick(corpus).slice();
  const rounds = 1 + random.integer(4);
  for (let round = 0; round < rounds; round++) {
    input = random.pick(mutations)(input, random, corpus).slice(0, maxLength);
  }
  return input;
}

function noise(random: SeededRandom, length: number): Uint8Array {
  return random.fill(new Uint8Array(length));
}

function flipBits(input: Uint8Array, random: SeededRandom): Uint8Array {
  if (input.length === 0) return input;
  for (let count = 1 + random.integer(8); count > 0; count--) {
    const bit = random.integer(input.length * 8);
    input[bit >> 3] = (input[bit >> 3] as number) ^ (1 << (bit & 7));
  }
  return input;
}

function setBytes(input: Uint8Array, random: SeededRandom): Uint8Array {
  if (input.length === 0) return input;
  for (let count = 1 + random.integer(4); count > 0; count--) {
    const at = random.integer(input.length);
    input[at] = random.integer(2) === 0 ? random.pick(edgeBytes) : random.integer(256);
  }
  return input;
}

/** Takes 1, 2 or 3 bytes for a length and makes it a little larger or smaller, nothing, or all that fits. */
function changeLengthField(input: Uint8Array, random: SeededRandom): Uint8Array {
  const size = 1 + random.integer(3);
  if (input.length < size) return input;
  const at = random.integer(input.length - size + 1);
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (input[at + i] as number);
  const rest = input.length - at - size;
  value = random.pick([value - 1, value + 1, 0, 256 ** size - 1, rest, rest + 1, rest - 1, value * 2]);
  for (let i = size - 1; i >= 0; i--) {
    input[at + i] = value;
    value = Math.floor(value / 256);
  }
  return input;
}

function truncate(input: Uint8Array, random: SeededRandom): Uint8Array {
  return input.slice(0, random.integer(input.length + 1));
}

function cutOut(input: Uint8Array, random: SeededRandom): Uint8Array {
  const [start, end] = range(input, random);
  return join(input.subarray(0, start), input.subarray(end));
}

function insertNoise(input: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.integer(input.length + 1);
  return join(input.subarray(0, at), noise(random, 1 + random.integer(16)), input.subarray(at));
}

function repeatPart(input: Uint8Array, random: SeededRandom): Uint8Array {
  const [start, end] = range(input, random);
  const part = input.subarray(start, end);
  const times = 1 + random.integer(8);
  return join(input.subarray(0, end), ...Array<Uint8Array>(times).fill(part), input.subarray(end));
}

/** The beginning of one input and the end of another. */
function splice(input: Uint8Array, random: SeededRandom, corpus: readonly Uint8Array[]): Uint8Array {
  const other = random.pick(corpus);
  return join(
    input.subarray(0, random.integer(input.length + 1)),
    other.subarray(random.integer(other.length + 1)),
  );
}

/** Two inputs one after the other, as two messages in one datagram. */
function append(input: Uint8Array, random: SeededRandom, corpus: readonly Uint8Array[]): Uint8Array {
  return join(input, random.pick(corpus));
}

function range(input: Uint8Array, random: SeededRandom): [number, number] {
  const a = random.integer(input.length + 1);
  const b = random.integer(input.length + 1);
  return [Math.min(a, b), Math.max(a, b)];
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
