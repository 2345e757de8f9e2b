/**
 * Randomness as the core sees it: injected, so that a test can repeat a run from its seed.
 *
 * @module
 */

/** A source of random bytes. In production a CSPRNG (RFC 4086); in tests a seeded generator. */
export interface RandomSource {
  /** Fills all of `bytes` and returns it. */
  fill(bytes: Uint8Array): Uint8Array;
}

/** `length` fresh random bytes. */
export function randomBytes(source: RandomSource, length: number): Uint8Array {
  return source.fill(new Uint8Array(length));
}

/** A random integer of 0 ≤ n < 2^16. */
export function randomUint16(source: RandomSource): number {
  const bytes = source.fill(new Uint8Array(2));
  return ((bytes[0] as number) << 8) | (bytes[1] as number);
}

/** A random number of 0 ≤ x < 1, with 32 bits of randomness. */
export function randomFraction(source: RandomSource): number {
  const bytes = source.fill(new Uint8Array(4));
  return new DataView(bytes.buffer).getUint32(0) / 0x1_0000_0000;
}
