/**
 * Dates of certificates as milliseconds since 1970, and as text. The core has no clock, so it has no `Date` either.
 *
 * @module
 */

const msPerDay = 86_400_000;

/** Days from 1970-01-01 to a date of the Gregorian calendar; `month` from 1. */
function daysSince1970(year: number, month: number, day: number): number {
  // Years that begin in March put the leap day at their end.
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

/** Milliseconds since 1970, or `undefined` for a date or time of day that does not exist (also a leap second). */
export function utcToMs(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number | undefined {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  const days = daysSince1970(year, month, day);
  const nextMonth = month === 12 ? daysSince1970(year + 1, 1, 1) : daysSince1970(year, month + 1, 1);
  if (days >= nextMonth) return undefined;
  return days * msPerDay + ((hour * 60 + minute) * 60 + second) * 1000;
}

/** `2026-03-01 12:30:00 UTC`; the year has more digits after 9999. */
export function formatUtc(ms: number): string {
  const days = Math.floor(ms / msPerDay);
  // 400 years have 146,097 days; one guess is at most a year off.
  let year = 1970 + Math.floor((days * 400) / 146_097);
  while (daysSince1970(year, 1, 1) > days) year--;
  while (daysSince1970(year + 1, 1, 1) <= days) year++;
  let month = 1;
  while (month < 12 && daysSince1970(year, month + 1, 1) <= days) month++;
  const day = days - daysSince1970(year, month, 1) + 1;
  const seconds = Math.floor((ms - days * msPerDay) / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
  return `${date} ${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)} UTC`;
}
