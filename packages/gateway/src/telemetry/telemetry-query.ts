/**
 * What is asked of kept measurements, in the parameters of an HTTP or CoAP query.
 */
import { resourcePath } from '../text/resource-path.ts';
import { parseDuration } from './duration.ts';

/** What may be known of a span of time. */
export const aggregateNames = ['min', 'max', 'mean', 'sum', 'count', 'last'] as const;

/** One of them. */
export type AggregateName = (typeof aggregateNames)[number];

/** See the module comment. */
export interface TelemetryQuery {
  /** A path, or what is below one (it ends with `/` then). */
  readonly path: { readonly text: string; readonly below: boolean } | undefined;
  readonly identity: string | undefined;
  readonly name: string | undefined;
  readonly unit: string | undefined;
  readonly fromMs: number;
  /** Not itself. */
  readonly toMs: number;
  readonly newestFirst: boolean;
  readonly limit: number;
  /** Spans of time instead of measurements. */
  readonly step: { readonly ms: number; readonly aggregates: readonly AggregateName[] } | undefined;
  /** Where the page before ended. */
  readonly cursor: readonly number[] | undefined;
}

/** What a query may ask for, and how much. */
export interface QueryBounds {
  readonly names: readonly string[];
  readonly usualLimit: number;
  readonly mostLimit: number;
}

/** Shortest and longest step. */
const [shortestStepMs, longestStepMs] = [1000, 366 * 86_400_000];

/** Numbers from here on are ms since 1970, those below seconds. */
const firstMilliseconds = 1e11;

/** Behind every time that is kept. */
const forever = 8.64e15;

/**
 * Reads a query.
 *
 * @param nowMs what times such as `-24h` are relative to.
 * @returns the query, or a sentence that says what is wrong with it.
 */
export function parseTelemetryQuery(
  parameters: Iterable<readonly [string, string]>,
  nowMs: number,
  { names, usualLimit, mostLimit }: QueryBounds,
): TelemetryQuery | string {
  const given = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (!names.includes(name)) return `"${name}" is not known; there are ${names.join(', ')}`;
    if (given.has(name)) return `"${name}" is there twice`;
    given.set(name, value);
  }
  const path = given.get('path');
  const at = path === undefined ? undefined : pathOf(path);
  if (typeof at === 'string') return at;
  const [from, to] = [given.get('from'), given.get('to')];
  const fromMs = from === undefined ? 0 : timeOf(from, nowMs);
  const toMs = to === undefined ? forever : timeOf(to, nowMs);
  if (fromMs === undefined || toMs === undefined) {
    return `"${fromMs === undefined ? from : to}" is no time: give 2026-01-31T12:00:00Z, seconds or ms since 1970, or -24h`;
  }
  const order = given.get('order') ?? 'oldest';
  if (order !== 'newest' && order !== 'oldest') return `order is newest or oldest, not "${order}"`;
  const limit = numberOf(given.get('limit') ?? String(usualLimit), mostLimit);
  if (limit === undefined) return `limit is a number from 1 to ${mostLimit}, not "${given.get('limit')}"`;
  const step = stepOf(given.get('step'), given.get('aggregate'));
  if (typeof step === 'string') return step;
  const cursor = given.get('cursor');
  const mark = cursor === undefined ? undefined : readCursor(cursor, step === undefined ? 4 : 2);
  if (cursor !== undefined && mark === undefined) {
    return 'the cursor is not one of this question: give the one that the answer before had, with the same parameters';
  }
  return {
    path: at,
    identity: given.get('identity'),
    name: given.get('name'),
    unit: given.get('unit'),
    ...{ fromMs, toMs, limit, step },
    newestFirst: order === 'newest',
    cursor: mark,
  };
}

function pathOf(text: string): TelemetryQuery['path'] | string {
  const below = text.endsWith('/*');
  const path = resourcePath(below ? text.slice(0, -1) : text);
  if (path === undefined || !path.startsWith('/'))
    return `"${text}" is no path such as /sensors/a or /sensors/*`;
  return { text: path, below };
}

/** A time in ms since 1970. */
function timeOf(text: string, nowMs: number): number | undefined {
  const ago = text.startsWith('-') ? parseDuration(text.slice(1)) : undefined;
  if (ago !== undefined) return nowMs - ago;
  if (/^\d{1,16}(\.\d{1,9})?$/.test(text)) {
    const number = Number(text);
    return Math.min(forever, Math.ceil(number < firstMilliseconds ? number * 1000 : number));
  }
  if (!/^\d{4}-\d\d(-\d\d(T\S*)?)?$/.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

function numberOf(text: string, most: number): number | undefined {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  return number >= 1 && number <= most ? number : undefined;
}

function stepOf(step: string | undefined, aggregate: string | undefined): TelemetryQuery['step'] | string {
  if (step === undefined) {
    return aggregate === undefined
      ? undefined
      : 'aggregate is for spans of time: give a step such as 15m too';
  }
  const ms = parseDuration(step);
  if (ms === undefined || ms < shortestStepMs || ms > longestStepMs) {
    return `step is a length of time from 1s to 366d, not "${step}"`;
  }
  const names = aggregate?.split(',') ?? aggregateNames;
  const unknown = names.find((name) => !aggregateNames.includes(name as AggregateName));
  if (unknown !== undefined) return `"${unknown}" is none of ${aggregateNames.join(', ')}`;
  return { ms, aggregates: names as readonly AggregateName[] };
}

/** Where a page ends, as a text. */
export function cursorText(mark: readonly number[]): string {
  return Buffer.from(mark.join(',')).toString('base64url');
}

function readCursor(text: string, length: number): readonly number[] | undefined {
  const mark = Buffer.from(text, 'base64url').toString().split(',').map(Number);
  return mark.length === length && mark.every(Number.isSafeInteger) ? mark : undefined;
}
