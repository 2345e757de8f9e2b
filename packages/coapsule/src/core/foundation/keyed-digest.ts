/**
 * A keyed 64-bit digest of byte strings: HalfSipHash-2-4 (J.-P. Aumasson, D. J. Bernstein, 2012).
 *
 * For comparing received messages with each other, and for tables of what peers choose: who does not know the key cannot
 * choose keys that all lie in one place. The digest never leaves the process; it is no MAC, and nothing may be authenticated
 * with it.
 *
 * @module
 */

import { type RandomSource, randomBytes } from './random-source.ts';

/** Computes digests under one random key; not reentrant. */
export class KeyedDigest {
  readonly #key0: number;
  readonly #key1: number;
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;
  /** First half of the digest that `update` computed last, as a signed 32-bit integer. */
  high = 0;
  /** Second half. */
  low = 0;

  /** @param random Gives the 8 bytes of the key. */
  constructor(random: RandomSource) {
    const key = randomBytes(random, 8);
    this.#key0 = littleEndian32(key, 0);
    this.#key1 = littleEndian32(key, 4);
  }

  /** Computes the digest of `bytes` into `high` and `low`. */
  update(bytes: Uint8Array): void {
    this.#begin();
    const { length } = bytes;
    const whole = length - (length % 4);
    for (let i = 0; i < whole; i += 4) this.#compress(littleEndian32(bytes, i));
    let last = length << 24;
    for (let i = whole; i < length; i++) last |= (bytes[i] as number) << (8 * (i - whole));
    this.#finish(last);
  }

  /**
   * A hash of a text for a table: half of the digest, a signed 32-bit integer. The lower eight bits of each character count,
   * which is all there is to addresses.
   */
  hashOf(text: string): number {
    this.#begin();
    const { length } = text;
    const whole = length - (length % 4);
    for (let i = 0; i < whole; i += 4) {
      const low = (text.charCodeAt(i) & 255) | ((text.charCodeAt(i + 1) & 255) << 8);
      const high = (text.charCodeAt(i + 2) & 255) | ((text.charCodeAt(i + 3) & 255) << 8);
      this.#compress(low | (high << 16));
    }
    let last = length << 24;
    for (let i = whole; i < length; i++) last |= (text.charCodeAt(i) & 255) << (8 * (i - whole));
    this.#finish(last);
    return this.high;
  }

  #begin(): void {
    this.#v0 = this.#key0;
    this.#v1 = this.#key1 ^ 0xee;
    this.#v2 = this.#key0 ^ 0x6c796765;
    this.#v3 = this.#key1 ^ 0x74656462;
  }

  /** @param last The bytes behind the last whole word, and the length. */
  #finish(last: number): void {
    this.#compress(last);
    this.#v2 ^= 0xee;
    this.#rounds(4);
    this.high = this.#v1 ^ this.#v3;
    this.#v1 ^= 0xdd;
    this.#rounds(4);
    this.low = this.#v1 ^ this.#v3;
  }

  #compress(word: number): void {
    this.#v3 ^= word;
    this.#rounds(2);
    this.#v0 ^= word;
  }

  #rounds(count: number): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}

function littleEndian32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] as number) |
    ((bytes[offset + 1] as number) << 8) |
    ((bytes[offset + 2] as number) << 16) |
    ((bytes[offset + 3] as number) << 24)
  );
}
