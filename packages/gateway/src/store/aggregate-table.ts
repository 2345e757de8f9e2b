/**
 * What old measurements become, on an open database: first minutes, then quarters of an hour, then hours, each with minimum,
 * maximum, sum, count and last; then nothing.
 *
 * A measurement is moved, never copied: at any time it counts in one place, so that what is asked of a span of time is the sum of
 * all places. One that arrives late is moved behind those that went before. Only numbers make aggregates. Work goes in steps that
 * are bounded in rows and series, each in a transaction of the caller.
 */
import type { DatabaseSync } from 'node:sqlite';
import { aggregateSteps, type RetentionRule, spansFor } from '../telemetry/retention-rules.ts';
import { type Series, seriesSize, sizeInSql } from './measurement-table.ts';

/** What is known of a span of time. */
export interface Bucket {
  /** When it begins. */
  readonly atMs: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly count: number;
  readonly last: number;
  readonly lastAtMs: number;
}

/** One step of the work. */
export interface DownsampleTask {
  readonly nowMs: number;
  readonly rules: readonly RetentionRule[];
  /** Series with greater ids. */
  readonly after: number;
  readonly mostRows: number;
  readonly mostSeries: number;
}

/** What a step has done. */
export interface DownsampleOutcome {
  /** Where the next step begins; undefined: all series were looked at. */
  readonly next: number | undefined;
  /** Measurements and aggregates that are somewhere else now, or nowhere. */
  readonly moved: number;
}

/** Which part of a series is asked for. */
export interface BucketQuestion {
  readonly series: number;
  readonly fromMs: number;
  /** Not itself. */
  readonly toMs: number;
  readonly stepMs: number;
  readonly after?: BucketMark | undefined;
  readonly limit: number;
}

/** Where a part ends: in the measurements (place 0), or in aggregates of one length. */
export interface BucketMark {
  readonly place: number;
  readonly atMs: number;
  readonly reading: number;
  readonly position: number;
}

/** A part of what is asked for: a bucket may have more in the next one. */
export interface BucketPage {
  readonly buckets: readonly Bucket[];
  readonly next: BucketMark | undefined;
}

/** What an aggregate takes on the disk, about. */
const aggregateBytes = 96;

/** The largest that a sum can be: two infinite ones would make one that is no number, which no row can hold. */
function boundedSum(one: number, other: number): number {
  return Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, one + other));
}

/** Two parts of one bucket as one. */
function mergedBucket(one: Bucket, other: Bucket): Bucket {
  const later = other.lastAtMs >= one.lastAtMs ? other : one;
  return {
    atMs: Math.min(one.atMs, other.atMs),
    min: Math.min(one.min, other.min),
    max: Math.max(one.max, other.max),
    sum: boundedSum(one.sum, other.sum),
    count: one.count + other.count,
    last: later.last,
    lastAtMs: later.lastAtMs,
  };
}

/** Buckets by their begin. */
export function addToBuckets(buckets: Map<number, Bucket>, stepMs: number, part: Bucket): void {
  const atMs = Math.floor(part.atMs / stepMs) * stepMs;
  const before = buckets.get(atMs);
  buckets.set(atMs, before === undefined ? { ...part, atMs } : { ...mergedBucket(before, part), atMs });
}

/** See the module comment; every statement is prepared once. */
export class AggregateTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** One step; call inside a transaction. */
  downsample({ nowMs, rules, after, mostRows, mostSeries }: DownsampleTask): DownsampleOutcome {
    const rows = this.#statements.nextSeries.all(after, mostSeries) as unknown as readonly SeriesRow[];
    let room = mostRows;
    for (const series of rows) {
      room -= this.#downsampleSeries(series, { nowMs, rules, room });
      // It may have more to move: the next step begins with it.
      if (room <= 0) return { next: series.id - 1, moved: mostRows - room };
    }
    return { next: rows.length < mostSeries ? undefined : rows.at(-1)?.id, moved: mostRows - room };
  }

  #downsampleSeries(
    series: SeriesRow,
    { nowMs, rules, room }: { nowMs: number; rules: readonly RetentionRule[]; room: number },
  ): number {
    const { countRows, setCount, removeSeries, addBytes } = this.#statements;
    const { rawMs, newest, aggregatesMs } = spansFor(series.path, rules);
    const change: Change = { rows: 0, bytes: 0 };
    const places = aggregateSteps.map((_, index) => (aggregatesMs[index] as number) > 0);
    const placeAfter = (index: number): number | undefined => {
      const found = places.indexOf(true, index);
      return found < 0 ? undefined : aggregateSteps[found];
    };
    const raw = this.#moveMeasurements(series, nowMs - rawMs, newest, placeAfter(0), room, change);
    if (raw > 0) setCount.run(series.measurements - raw, series.id);
    for (const [index, stepMs] of aggregateSteps.entries()) {
      if (change.rows >= room) break;
      const oldest = nowMs - (aggregatesMs[index] as number);
      this.#moveAggregates(series, stepMs, oldest, placeAfter(index + 1), room - change.rows, change);
    }
    if (change.rows === 0 && series.measurements === 0) {
      const { n } = countRows.get(series.id) as { n: number };
      if (n === 0) {
        removeSeries.run(series.id);
        change.bytes -= seriesSize(series);
      }
    }
    if (change.bytes !== 0) addBytes.run(change.bytes, series.identity);
    return change.rows;
  }

  /** @returns how many are gone from there. */
  #moveMeasurements(
    series: SeriesRow,
    oldestMs: number,
    newest: number,
    toStep: number | undefined,
    most: number,
    change: Change,
  ): number {
    const { oldMeasurements, removeMeasurements } = this.#statements;
    const before = (toMs: number, limit: number): readonly OldMeasurement[] =>
      oldMeasurements.all(series.id, toMs, limit) as unknown as readonly OldMeasurement[];
    const surplus = Math.min(series.measurements - newest, most);
    const old = before(oldestMs, most);
    const moved = old.length >= surplus ? old : before(Number.MAX_SAFE_INTEGER, surplus);
    const end = moved.at(-1);
    if (end === undefined) return 0;
    removeMeasurements.run(series.id, end.at_ms, end.reading, end.position);
    change.rows += moved.length;
    for (const { size } of moved) change.bytes -= size;
    const numbers = moved.filter(({ kind }) => kind === 'real');
    this.#merge(
      series,
      toStep,
      numbers.map(({ at_ms: atMs, value }) => bucketOf(atMs, value as number)),
      change,
    );
    return moved.length;
  }

  #moveAggregates(
    series: SeriesRow,
    stepMs: number,
    oldestMs: number,
    toStep: number | undefined,
    most: number,
    change: Change,
  ): void {
    const { oldAggregates, removeAggregates } = this.#statements;
    const rows = oldAggregates.all(series.id, stepMs, oldestMs, most) as unknown as readonly AggregateRow[];
    const end = rows.at(-1);
    if (end === undefined) return;
    removeAggregates.run(series.id, stepMs, end.at_ms);
    change.rows += rows.length;
    change.bytes -= rows.length * aggregateBytes;
    this.#merge(series, toStep, rows.map(bucketOfRow), change);
  }

  #merge(series: SeriesRow, stepMs: number | undefined, parts: readonly Bucket[], change: Change): void {
    if (stepMs === undefined) return;
    const { findAggregate, putAggregate } = this.#statements;
    const buckets = new Map<number, Bucket>();
    for (const part of parts) addToBuckets(buckets, stepMs, part);
    for (const [atMs, bucket] of buckets) {
      const row = findAggregate.get(series.id, stepMs, atMs) as unknown as AggregateRow | undefined;
      const whole = row === undefined ? bucket : mergedBucket(bucketOfRow(row), bucket);
      if (row === undefined) change.bytes += aggregateBytes;
      const { min, max, sum, count, last, lastAtMs } = whole;
      putAggregate.run(series.id, stepMs, atMs, min, max, sum, count, last, lastAtMs);
    }
  }

  /** A part of what is known of a series, from all places. */
  buckets({ series, fromMs, toMs, stepMs, after, limit }: BucketQuestion): BucketPage {
    const { numbers, aggregates } = this.#statements;
    const buckets = new Map<number, Bucket>();
    let mark = after ?? { place: 0, atMs: fromMs, reading: -1, position: -1 };
    let room = limit;
    if (mark.place === 0) {
      const rows = numbers.all(series, mark.atMs, mark.reading, mark.position, toMs, room);
      for (const row of rows as unknown as readonly OldMeasurement[]) {
        if (row.kind === 'real') addToBuckets(buckets, stepMs, bucketOf(row.at_ms, row.value as number));
        mark = { place: 0, atMs: row.at_ms, reading: row.reading, position: row.position };
      }
      if (rows.length === room) return { buckets: [...buckets.values()], next: mark };
      room -= rows.length;
      mark = { place: 1, atMs: fromMs - 1, reading: 0, position: 0 };
    }
    for (; mark.place <= aggregateSteps.length; mark = { ...mark, place: mark.place + 1, atMs: fromMs - 1 }) {
      const rows = aggregates.all(series, aggregateSteps[mark.place - 1] as number, mark.atMs, toMs, room);
      for (const row of rows as unknown as readonly AggregateRow[]) {
        addToBuckets(buckets, stepMs, bucketOfRow(row));
        mark = { ...mark, atMs: row.at_ms };
      }
      if (rows.length === room) return { buckets: [...buckets.values()], next: mark };
      room -= rows.length;
    }
    return { buckets: [...buckets.values()], next: undefined };
  }

  /** When the first and last of what is known of a series are; undefined for nothing. */
  extent(series: number): { readonly firstMs: number; readonly lastMs: number } | undefined {
    const { firstMs, lastMs } = this.#statements.extent.get(series, series, series, series) as {
      firstMs: number | null;
      lastMs: number | null;
    };
    return firstMs === null || lastMs === null ? undefined : { firstMs, lastMs };
  }
}

/** What a step changes in one series. */
interface Change {
  rows: number;
  bytes: number;
}

interface SeriesRow extends Series {
  readonly measurements: number;
}

interface OldMeasurement {
  readonly at_ms: number;
  readonly reading: number;
  readonly position: number;
  readonly value: unknown;
  readonly kind: string;
  readonly size: number;
}

interface AggregateRow {
  readonly at_ms: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly count: number;
  readonly last: number;
  readonly last_at_ms: number;
}

function bucketOf(atMs: number, value: number): Bucket {
  return { atMs, min: value, max: value, sum: value, count: 1, last: value, lastAtMs: atMs };
}

function bucketOfRow({
  at_ms: atMs,
  last_at_ms: lastAtMs,
  min,
  max,
  sum,
  count,
  last,
}: AggregateRow): Bucket {
  return { atMs, min, max, sum, count, last, lastAtMs };
}

function prepare(database: DatabaseSync) {
  const size = sizeInSql('value');
  return {
    nextSeries: database.prepare('SELECT * FROM series WHERE id > ? ORDER BY id LIMIT ?'),
    setCount: database.prepare('UPDATE series SET measurements = ? WHERE id = ?'),
    countRows: database.prepare(
      'SELECT count(*) AS n FROM (SELECT 1 FROM aggregate WHERE series = ? LIMIT 1)',
    ),
    removeSeries: database.prepare('DELETE FROM series WHERE id = ?'),
    addBytes: database.prepare('UPDATE account SET bytes = bytes + ? WHERE identity = ?'),
    oldMeasurements: database.prepare(
      `SELECT at_ms, reading, position, value, typeof(value) AS kind, ${size} AS size FROM measurement
       WHERE series = ? AND at_ms < ? ORDER BY at_ms, reading, position LIMIT ?`,
    ),
    removeMeasurements: database.prepare(
      'DELETE FROM measurement WHERE series = ? AND (at_ms, reading, position) <= (?, ?, ?)',
    ),
    numbers: database.prepare(
      `SELECT at_ms, reading, position, value, typeof(value) AS kind FROM measurement
       WHERE series = ? AND (at_ms, reading, position) > (?, ?, ?) AND at_ms < ?
       ORDER BY at_ms, reading, position LIMIT ?`,
    ),
    oldAggregates: database.prepare(
      'SELECT * FROM aggregate WHERE series = ? AND step_ms = ? AND at_ms < ? ORDER BY at_ms LIMIT ?',
    ),
    removeAggregates: database.prepare(
      'DELETE FROM aggregate WHERE series = ? AND step_ms = ? AND at_ms <= ?',
    ),
    aggregates: database.prepare(
      'SELECT * FROM aggregate WHERE series = ? AND step_ms = ? AND at_ms > ? AND at_ms < ? ORDER BY at_ms LIMIT ?',
    ),
    findAggregate: database.prepare('SELECT * FROM aggregate WHERE series = ? AND step_ms = ? AND at_ms = ?'),
    putAggregate: database.prepare('INSERT OR REPLACE INTO aggregate VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    extent: database.prepare(
      `SELECT min(first) AS firstMs, max(last) AS lastMs FROM (
         SELECT min(at_ms) AS first, NULL AS last FROM measurement WHERE series = ?
         UNION ALL SELECT NULL, max(at_ms) FROM measurement WHERE series = ?
         UNION ALL SELECT min(at_ms), NULL FROM aggregate WHERE series = ?
         UNION ALL SELECT NULL, max(at_ms) FROM aggregate WHERE series = ?)`,
    ),
  };
}
