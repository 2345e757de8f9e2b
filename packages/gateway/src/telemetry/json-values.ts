/**
 * The values in a JSON document that a device sent: a number, text or truth value, or those in an object, each under its key.
 *
 * `unit` and `time` of an object are about it: they say what its `value` is measured in, and when all of it was. What is in arrays,
 * or deeper than four objects, is no value.
 */
import { deviceTime, type Measurement } from './measurement.ts';
import { unitOf } from './text-value.ts';

/** Objects in objects. */
const maxDepth = 4;

/** Numbers from here on are ms since 1970, those below seconds: 1973 by the one, 5138 by the other. */
const firstMilliseconds = 1e11;

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * The values of a document.
 *
 * @param most So many are taken, and no more.
 */
export function jsonValues(document: unknown, most: number): readonly Measurement[] {
  const found: Measurement[] = [];
  collect(document as Json, '', 0, found, most);
  return found;
}

function collect(value: Json, name: string, depth: number, found: Measurement[], most: number): void {
  if (found.length >= most || value === null || Array.isArray(value)) return;
  if (typeof value !== 'object') {
    if (isScalar(value)) found.push({ name, unit: '', value });
    return;
  }
  if (depth >= maxDepth) return;
  const members = value as { readonly [key: string]: Json };
  const deviceAtMs = timeIn(members);
  const begin = found.length;
  const isMeasured = Object.hasOwn(members, 'value') && isScalar(members['value'] as Json);
  for (const [key, member] of Object.entries(members)) {
    if (found.length >= most) break;
    if (key === 'time' && deviceAtMs !== undefined) continue;
    if (isMeasured && key === 'unit' && typeof member === 'string') continue;
    if (isMeasured && key === 'value') {
      const { unit } = members;
      const symbol = typeof unit === 'string' ? (unitOf(unit) ?? unit.slice(0, maxUnitLength)) : '';
      found.push({ name, unit: symbol, value: member as string | number | boolean });
    } else collect(member, name === '' ? key : `${name}/${key}`, depth + 1, found, most);
  }
  if (deviceAtMs === undefined) return;
  for (const [offset, one] of found.slice(begin).entries()) {
    // What is inside may say a time of its own.
    if (one.deviceAtMs === undefined) found[begin + offset] = { ...one, deviceAtMs };
  }
}

/** Longest unit in characters. */
const maxUnitLength = 64;

function isScalar(value: Json): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

function timeIn(members: { readonly [key: string]: Json }): number | undefined {
  if (!Object.hasOwn(members, 'time')) return undefined;
  const { time } = members;
  if (typeof time === 'number' && time > 0) return deviceTime(time < firstMilliseconds ? time * 1000 : time);
  // Only what is a date by ISO 8601: Date.parse takes much else for one.
  if (typeof time !== 'string' || !/^\d{4}-\d\d-\d\d(T|$)/.test(time)) return undefined;
  const atMs = Date.parse(time);
  return Number.isNaN(atMs) ? undefined : atMs;
}
