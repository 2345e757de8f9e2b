/**
 * SHA-256 (FIPS 180-4 §6.2) and HMAC with it (RFC 2104), in a page.
 *
 * @module
 */

import type { CryptoProvider } from 'coapsule/core';

/** The first 32 bits of the fractional parts of roots of the first 64 primes (FIPS 180-4 §4.2.2, §5.3.3). */
const primes = Array.from({ length: 312 }, (_, n) => n).filter(
  (n) => n > 1 && !Array.from({ length: n }, (_, m) => m).some((m) => m > 1 && n % m === 0),
);
const fraction = (root: number): number => ((root - Math.floor(root)) * 2 ** 32) | 0;
const roundConstants = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const start = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

type RunningHash = ReturnType<CryptoProvider['hash']>;

/** A hash that goes on. */
export class Sha256 implements RunningHash {
  #state: Int32Array = start.slice();
  #pending: Uint8Array = new Uint8Array(64);
  #length = 0;

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const used = this.#length % 64;
      const taken = bytes.subarray(at, at + 64 - used);
      this.#pending.set(taken, used);
      this.#length += taken.length;
      at += taken.length;
      if (this.#length % 64 === 0) compress(this.#state, this.#pending);
    }
  }

  digest(): Uint8Array {
    const ending = new Sha256();
    ending.#state = this.#state.slice();
    ending.#pending = this.#pending.slice();
    ending.#length = this.#length;
    const bits = this.#length * 8;
    ending.update(new Uint8Array([0x80, ...new Uint8Array((119 - (this.#length % 64)) % 64)]));
    const length = new DataView(new ArrayBuffer(8));
    length.setUint32(0, Math.floor(bits / 2 ** 32));
    length.setUint32(4, bits >>> 0);
    ending.update(new Uint8Array(length.buffer));
    const result = new DataView(new ArrayBuffer(32));
    ending.#state.forEach((word, at) => {
      result.setInt32(4 * at, word);
    });
    return new Uint8Array(result.buffer);
  }
}

/** The digest of the parts, joined in order. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = new Sha256();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** The MAC of the parts, joined in order; a longer key than a block is hashed. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sha256(key) : key);
  const inner = sha256(
    block.map((byte) => byte ^ 0x36),
    ...parts,
  );
  return sha256(
    block.map((byte) => byte ^ 0x5c),
    inner,
  );
}

function compress(state: Int32Array, block: Uint8Array): void {
  const view = new DataView(block.buffer, block.byteOffset, 64);
  const schedule = new Int32Array(64);
  for (let at = 0; at < 16; at++) schedule[at] = view.getInt32(4 * at);
  for (let at = 16; at < 64; at++) {
    const early = schedule[at - 15]!;
    const late = schedule[at - 2]!;
    const sigma0 = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
    const sigma1 = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
    schedule[at] = schedule[at - 16]! + sigma0 + schedule[at - 7]! + sigma1;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let round = 0; round < 64; round++) {
    const sum1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const choose = (e & f) ^ (~e & g);
    const first = (h + sum1 + choose + roundConstants[round]! + schedule[round]!) | 0;
    const sum0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + sum0 + majority) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, at) => {
    state[at]! += word;
  });
}

function turn(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
