/**
 * Repeatable randomness for tests: xoshiro128** (Blackman, Vigna), seeded through splitmix32.
 *
 * Not for production: whoever sees a few outputs can compute the rest.
 *
 * @module
 */

import type { RandomSource } from '../core/foundation/random-source.ts';

/** A `RandomSource` that gives the same bytes for the same seed, on every platform. */
export class SeededRandom implements RandomSource {
  readonly seed: number;
  readonly #state: Uint32Array = new Uint32Array(4);

  /** @param seed Any integer; its low 32 bits count. */
  constructor(seed: number) {
    this.seed = seed;
    let mixed = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let z = mixed;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#state[i] = z ^ (z >>> 16);
    }
  }

  fill(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.uint32();
      for (let j = 0; j < 4 && i + j < bytes.length; j++) bytes[i + j] = word >>> (8 * j);
    }
    return bytes;
  }

  /** The next 32 random bits as a non-negative number. */
  uint32(): number {
    const s = this.#state;
    const [s0, s1, s2, s3] = s as unknown as [number, number, number, number];
    const scrambled = Math.imul(s1, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const t2 = s2 ^ s0;
    const t3 = s3 ^ s1;
    s[1] = s1 ^ t2;
    s[0] = s0 ^ t3;
    s[2] = t2 ^ (s1 << 9);
    s[3] = (t3 << 11) | (t3 >>> 21);
    return result;
  }

  /** A number of 0 ≤ x < 1. */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** An integer of 0 ≤ n < `bound`; `bound` is at most 2^32. */
  integer(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  /** One of `items`, which has at least one. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)] as T;
  }
}
