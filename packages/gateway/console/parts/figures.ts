/**
 * Numbers and bytes as people read them.
 *
 * @module
 */

/** A number with up to `digits` digits behind the point, none of them a needless zero, and thin spaces between thousands. */
export function figure(value: number, digits = 1): string {
  if (!Number.isFinite(value)) return '∞';
  const [whole = '', fraction] = String(Number(value.toFixed(digits))).split('.');
  const grouped = /e/.test(whole) ? whole : whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** A share, 0 … 1, in percent. */
export function percent(share: number, digits = 1): string {
  return `${figure(100 * share, digits)} %`;
}

/** Bytes as pairs of digits. */
export function hex(bytes: Uint8Array, separator = ' '): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(separator);
}
