/**
 * Floating-point numbers of 16 bits, which JavaScript does not have.
 *
 * RFC 8949 Appendix D, IEEE 754 binary16.
 *
 * @module
 */

/** The number that 16 bits stand for. */
export function halfToNumber(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The 16 bits of a number, or `undefined` when they cannot hold it exactly. NaN is 0x7e00 (RFC 8949 §4.2.2). */
export function numberToHalf(value: number): number | undefined {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return sign | 0x7c00;
  if (magnitude < 2 ** -14) {
    const fraction = magnitude * 2 ** 24;
    return Number.isInteger(fraction) ? sign | fraction : undefined;
  }
  if (magnitude > 65_504) return undefined;
  const exponent = Math.floor(Math.log2(magnitude));
  const fraction = magnitude * 2 ** (10 - exponent);
  return Number.isInteger(fraction) && fraction >= 1024 && fraction < 2048
    ? sign | ((exponent + 15) << 10) | (fraction - 1024)
    : undefined;
}
