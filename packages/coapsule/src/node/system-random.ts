/**
 * Randomness of the operating system, by way of `node:crypto` (RFC 4086).
 *
 * @module
 */

import { randomFillSync } from 'node:crypto';
import type { RandomSource } from '../core/foundation/random-source.ts';

/** A call costs as much as some kilobytes: what is as short as a token or the random of a Hello is taken from a supply. */
const supply = new Uint8Array(4096);
const longestSupplied = 32;
let used: number = supply.length;

/** A cryptographically secure `RandomSource`. */
export const systemRandom: RandomSource = {
  fill(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (length > longestSupplied) return randomFillSync(bytes);
    if (used + length > supply.length) {
      randomFillSync(supply);
      used = 0;
    }
    bytes.set(supply.subarray(used, used + length));
    // Nobody finds here what was given out.
    supply.fill(0, used, used + length);
    used += length;
    return bytes;
  },
};
