/**
 * Lengths of time as people write them: `90s`, `15m`, `1h`, `30d`, `1y`.
 */

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 } as const;

/** Milliseconds; a year is 365 days. Undefined for a text that is none. */
export function parseDuration(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,9})([smhdwy])$/.exec(text) ?? [];
  return digits === '' ? undefined : Number(digits) * units[unit as keyof typeof units];
}

/** As `parseDuration` reads it, in the largest unit that fits; a whole number of seconds. */
export function durationText(ms: number): string {
  for (const [unit, length] of Object.entries(units).reverse()) {
    if (ms >= length && ms % length === 0) return `${ms / length}${unit}`;
  }
  return `${Math.round(ms / 1000)}s`;
}

/** What `parseSilence` takes. */
export const silenceWanted = 'expected a length of time from 1s to 366d, such as 10m';

/** How long a device may be silent. */
export function parseSilence(text: string): number | undefined {
  const ms = parseDuration(text);
  return ms !== undefined && ms >= 1000 && ms <= 366 * units.d ? ms : undefined;
}
