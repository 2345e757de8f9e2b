/**
 * More room for a column of numbers: a typed array has the length that it was made with.
 *
 * @module
 */

/** From so many places on a column is large. */
const large = 8192;

/**
 * How many places a column gets that needs so many. A large one gets four times as many: each array that it leaves behind is a
 * hole among others that the C library keeps, while memory that was never written to is not there yet.
 */
export function placesFor(needed: number): number {
  return needed < large ? 2 * needed : 4 * needed;
}

/** A copy with more places, which hold 0. */
export function grown<Numbers extends Int32Array | Uint32Array | Uint16Array | Float64Array | Uint8Array>(
  from: Numbers,
  length: number,
): Numbers {
  const to = new (from.constructor as new (length: number) => Numbers)(length);
  to.set(from);
  return to;
}
