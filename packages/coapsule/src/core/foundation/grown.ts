/**
 * More room for a column of numbers: a typed array has the length that it was made with.
 *
 * @module
 */

/** A copy with more places, which hold `rest`. */
export function grown<Numbers extends Int32Array | Uint32Array | Float64Array | Uint8Array>(
  from: Numbers,
  length: number,
  rest = 0,
): Numbers {
  const to = new (from.constructor as new (length: number) => Numbers)(length);
  to.set(from);
  if (rest !== 0) to.fill(rest, from.length);
  return to;
}
