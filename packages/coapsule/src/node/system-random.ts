/**
 * Randomness of the operating system, by way of `node:crypto` (RFC 4086).
 *
 * @module
 */

import { randomFillSync } from 'node:crypto';
import type { RandomSource } from '../core/foundation/random-source.ts';

/** A cryptographically secure `RandomSource`. */
export const systemRandom: RandomSource = {
  fill(bytes: Uint8Array): Uint8Array {
    return randomFillSync(bytes);
  },
};
