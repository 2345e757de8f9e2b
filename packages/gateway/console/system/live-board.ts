/**
 * The latest values and their past, as the live view keeps them: bounded, by path and name. Pure state, no clock.
 *
 * @module
 */

import type { LiveValue } from '../../src/console/api-types.ts';

/** One quantity. */
export interface LiveEntry {
  readonly key: string;
  readonly latest: LiveValue;
  /** The change from the number before; null for what is no number. */
  readonly change: number | null;
  /** How often it has become another value. */
  readonly changes: number;
  /** The latest numbers, the oldest first, and when they were. */
  readonly history: readonly (readonly [atMs: number, value: number])[];
}

/** A number, when it was, and when the gateway got it, in ms since 1970. */
export interface PastValue {
  readonly atMs: number;
  readonly receivedAtMs: number;
  readonly value: number;
}

/** Numbers of each quantity that are kept for its sparkline. */
export const longestHistory = 300;
/** Quantities that are kept; beyond it new ones are passed over. */
export const mostEntries = 5000;

/** Numbers of a quantity that is plotted. */
export const longestPlot = 5000;

/** By path and name, in their order. */
export type LiveEntries = ReadonlyMap<string, LiveEntry>;

/** The name of a quantity. */
export function keyOf({ path, name }: Pick<LiveValue, 'path' | 'name'>): string {
  return `${path} ${name}`;
}

/** The entries with newer values in them; a map of its own. */
export function withValues(entries: LiveEntries, values: readonly LiveValue[]): LiveEntries {
  const next = new Map(entries);
  for (const latest of values) {
    const key = keyOf(latest);
    const before = next.get(key);
    if (before === undefined && next.size >= mostEntries) continue;
    const { value, atMs } = latest;
    // A stream that begins anew begins with what is known.
    if (before !== undefined && before.latest.atMs === atMs && before.latest.value === value) continue;
    const isNumber = typeof value === 'number' && Number.isFinite(value);
    const last = before?.history.at(-1)?.[1];
    next.set(key, {
      ...{ key, latest },
      change: isNumber && last !== undefined ? value - last : null,
      changes: before === undefined ? 0 : before.changes + (before.latest.value === value ? 0 : 1),
      history: isNumber
        ? [...(before?.history ?? []).slice(1 - longestHistory), [atMs, value] as const]
        : (before?.history ?? []),
    });
  }
  return next;
}

/** Entries by the segments of their paths, for the tree: those that have letters in them. */
export function groupsOf(
  entries: LiveEntries,
  search: string,
): readonly (readonly [path: string, of: readonly LiveEntry[]])[] {
  const groups = new Map<string, LiveEntry[]>();
  const wanted = search.trim().toLowerCase();
  for (const entry of entries.values()) {
    const { path, name, identity } = entry.latest;
    if (wanted !== '' && !`${path} ${name} ${identity ?? ''}`.toLowerCase().includes(wanted)) continue;
    const group = groups.get(path);
    if (group === undefined) groups.set(path, [entry]);
    else group.push(entry);
  }
  return [...groups].sort(([one], [other]) => (one < other ? -1 : 1));
}

/** The numbers of a name in what `/api/history` gives, the oldest first. */
export function numbersOf(answer: unknown, name: string): readonly PastValue[] {
  const { measurements } = answer as { readonly measurements?: unknown };
  if (!Array.isArray(measurements)) return [];
  const rows = measurements as readonly { readonly [column: string]: unknown }[];
  return rows
    .flatMap(({ name: named, value, at, receivedAt }) => {
      const [atMs, receivedAtMs] = [Date.parse(String(at)), Date.parse(String(receivedAt))];
      const isOne = named === name && typeof value === 'number' && !Number.isNaN(atMs + receivedAtMs);
      return isOne ? [{ atMs, receivedAtMs, value }] : [];
    })
    .sort((one, other) => one.atMs - other.atMs);
}

/** The numbers of a plot with those that came since, or that the gateway has kept. */
export function joined(
  points: LiveEntry['history'],
  more: { readonly live?: LiveEntry['history']; readonly past?: readonly PastValue[] },
): LiveEntry['history'] {
  const { live = [], past = [] } = more;
  // One of the page is when it came; what is kept knows when it was.
  const kept = new Set(past.map(({ receivedAtMs }) => receivedAtMs));
  const byTime = new Map<number, number>();
  for (const [atMs, value] of [...points, ...live]) if (!kept.has(atMs)) byTime.set(atMs, value);
  for (const { atMs, value } of past) byTime.set(atMs, value);
  return [...byTime].sort(([one], [other]) => one - other).slice(-longestPlot);
}

/** The path of a line through the history, in a box of a hundred by twenty. */
export function sparkline(history: LiveEntry['history'], points = 60): string {
  const shown = history.slice(-points);
  if (shown.length < 2) return '';
  const values = shown.map(([, value]) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const height = most - least || 1;
  return values
    .map((value, at) => {
      const x = (100 * at) / (values.length - 1);
      const y = 18 - (16 * (value - least)) / height;
      return `${at === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join('');
}
