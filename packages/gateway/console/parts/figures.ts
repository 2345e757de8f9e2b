/**
 * Numbers as people read them, and what stands where there is none.
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

/** A value as `format` has it, or a dash where nothing is known. */
export function orDash<T>(value: T | null | undefined, format: (value: T) => string = String): string {
  return value == null ? '–' : format(value);
}

/** Milliseconds with their unit. */
export function milliseconds(value: number): string {
  return `${figure(value)} ms`;
}
