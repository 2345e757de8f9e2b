/**
 * Times as all views say them: as ISO 8601 has them, with 24 hours, in the time zone of who looks. Pure functions.
 *
 * @module
 */

/** The time of a day, such as `16:05:09`. @param atMs ms since 1970. */
export function timeOfDay(atMs: number): string {
  const time = new Date(atMs);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(':');
}

/** The day, such as `2026-03-01`. @param atMs ms since 1970. */
export function day(atMs: number): string {
  const time = new Date(atMs);
  return `${time.getFullYear()}-${twoDigits(time.getMonth() + 1)}-${twoDigits(time.getDate())}`;
}

/** Both, such as `2026-03-01 16:05:09`. @param atMs ms since 1970. */
export function dateAndTime(atMs: number): string {
  return `${day(atMs)} ${timeOfDay(atMs)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
