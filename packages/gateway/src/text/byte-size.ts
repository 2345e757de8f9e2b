/**
 * Sizes in bytes as people write them.
 */

/** A size in bytes, at least 1: digits, with K, M or G for powers of 1,024; undefined for what is none. */
export function parseSize(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  const size = Number(digits) * 1024 ** ' KMG'.indexOf(unit.toUpperCase() || ' ');
  return digits === '' || size < 1 || !Number.isSafeInteger(size) ? undefined : size;
}
