/**
 * The values that were measured, on an open database: stored with their reading, and read in the order of their time.
 *
 * A series is what one identity measures at one path under one name in one unit. `add` belongs inside the transaction that stores
 * the reading; what the values take is counted in the account of their writer, as its readings are. What becomes of old ones is
 * in aggregate-table.ts.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { type Measurement, type StoredMeasurement, timeOf } from '../telemetry/measurement.ts';

/** What is taken of a reading. */
export interface MeasuredReading {
  readonly path: string;
  readonly identity: string | undefined;
  readonly receivedAtMs: number;
  readonly measurements?: readonly Measurement[];
}

/** What one identity measures at one path under one name in one unit. */
export interface Series {
  readonly id: number;
  readonly identity: string;
  readonly path: string;
  readonly name: string;
  readonly unit: string;
}

/** Which series are asked for; what is undefined says nothing. */
export interface SeriesQuestion {
  /** The path itself, or those below it (it ends with `/` then). */
  readonly path?: { readonly text: string; readonly below: boolean } | undefined;
  readonly identity?: string | undefined;
  readonly name?: string | undefined;
  readonly unit?: string | undefined;
  /** After this one, in the order of their ids. */
  readonly after: number;
  readonly limit: number;
}

/** Where a page of measurements ends. */
export interface MeasurementMark {
  readonly atMs: number;
  readonly series: number;
  readonly reading: number;
  readonly position: number;
}

/** Which measurements are asked for. */
export interface MeasurementQuestion {
  readonly series: readonly number[];
  readonly fromMs: number;
  /** Not itself. */
  readonly toMs: number;
  readonly newestFirst: boolean;
  readonly after?: MeasurementMark | undefined;
  readonly limit: number;
}

/** Some measurements, and where they end. */
export interface MeasurementPage {
  readonly measurements: readonly StoredMeasurement[];
  /** Undefined: there are no more. */
  readonly next: MeasurementMark | undefined;
}

/** Series of one identity for each path that it may write: each has a row, and is looked at by retention. */
export const seriesForPath = 16;

/** What a measurement takes on the disk besides its value, about. */
const measurementBytes = 48;

/** What a series takes besides its texts, about; it stands in two indices. */
const seriesBytes = 192;

/** What values take in the account of their writer, at most. */
export function sizeOfMeasurements(reading: MeasuredReading): number {
  const { path, identity = '', measurements = [] } = reading;
  return measurements.reduce(
    (sum, one) => sum + sizeOf(one.value) + seriesSize({ path, identity, name: one.name, unit: one.unit }),
    0,
  );
}

function sizeOf(value: Measurement['value']): number {
  return (
    measurementBytes +
    (typeof value === 'string' ? Buffer.byteLength(value) : value instanceof Uint8Array ? value.length : 8)
  );
}

/** What a measurement takes, about: the same of one that is stored. */
export function sizeInSql(value: string): string {
  return `${measurementBytes} + iif(typeof(${value}) IN ('text', 'blob'), octet_length(${value}), 8)`;
}

/** What a series takes, about. */
export function seriesSize({ path, identity, name, unit }: Omit<Series, 'id'>): number {
  return seriesBytes + 2 * (path.length + name.length + unit.length) + 3 * identity.length;
}

/** See the module comment; every statement is prepared once. */
export class MeasurementTable {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepare(database);
  }

  /** Whether the writer of a reading would have more than so many series with it. */
  exceedsSeries({ path, identity = '', measurements = [] }: MeasuredReading, most: number): boolean {
    const { findSeries, countSeries } = this.#statements;
    const added = new Set<string>();
    for (const { name, unit } of measurements) {
      if (findSeries.get(path, name, unit, identity) === undefined) added.add(JSON.stringify([name, unit]));
    }
    return added.size > 0 && (countSeries.get(identity) as { n: number }).n + added.size > most;
  }

  /** Store the values of a reading; call after the reading got its id, in its transaction. */
  add(reading: MeasuredReading, id: number): void {
    const { findSeries, countOne, addSeries, addMeasurement, addBytes } = this.#statements;
    const { path, identity = '', receivedAtMs, measurements = [] } = reading;
    if (measurements.length === 0) return;
    let bytes = 0;
    for (const [position, { name, unit, value, sum, deviceAtMs }] of measurements.entries()) {
      let series = findSeries.get(path, name, unit, identity) as { id: number } | undefined;
      if (series === undefined) {
        series = addSeries.get(identity, path, name, unit) as { id: number };
        bytes += seriesSize({ path, identity, name, unit });
      } else countOne.run(series.id);
      bytes += sizeOf(value);
      addMeasurement.run(
        series.id,
        timeOf(deviceAtMs, receivedAtMs),
        id,
        position,
        written(value),
        sum ?? null,
        deviceAtMs ?? null,
        receivedAtMs,
      );
    }
    addBytes.run(bytes, identity);
  }

  /** Series that a question is about, in the order of their ids. */
  series({ path, identity, name, unit, after, limit }: SeriesQuestion): readonly Series[] {
    const conditions = ['id > ?'];
    const values: SQLInputValue[] = [after];
    const add = (condition: string, ...given: readonly SQLInputValue[]): void => {
      conditions.push(condition);
      values.push(...given);
    };
    // '0' follows '/' in ASCII.
    if (path?.below) add('path > ? AND path < ?', path.text, `${path.text.slice(0, -1)}0`);
    else if (path !== undefined) add('path = ?', path.text);
    if (identity !== undefined) add('identity = ?', identity);
    if (name !== undefined) add('name = ?', name);
    if (unit !== undefined) add('unit = ?', unit);
    return this.#database
      .prepare(
        `SELECT id, identity, path, name, unit FROM series WHERE ${conditions.join(' AND ')} ORDER BY id LIMIT ?`,
      )
      .all(...values, limit) as unknown as readonly Series[];
  }

  /** Measurements of some series together, in the order of their time. */
  page(question: MeasurementQuestion): MeasurementPage {
    const { series, limit, newestFirst } = question;
    // Of each series a few at a time: most of them may have nothing among the first.
    const atOnce = Math.max(1, Math.ceil(limit / Math.max(1, series.length)));
    const sources = series.flatMap((id) => {
      const source = new SeriesReader(this.#statements, question, id, atOnce);
      return source.first === undefined ? [] : [source];
    });
    const rows: MeasurementRow[] = [];
    while (rows.length < limit && sources.length > 0) {
      let next = 0;
      for (let index = 1; index < sources.length; index++) {
        if (isBefore(sources[index]?.first, sources[next]?.first, newestFirst)) next = index;
      }
      const source = sources[next] as SeriesReader;
      rows.push(source.take());
      if (source.first === undefined) sources.splice(next, 1);
    }
    const last = rows.at(-1);
    return {
      measurements: rows.map(measurementOf),
      next: sources.length === 0 || last === undefined ? undefined : markOf(last),
    };
  }
}

/** What is left of one series on the way. */
class SeriesReader {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #question: MeasurementQuestion;
  readonly #series: number;
  readonly #atOnce: number;
  #rows: MeasurementRow[];
  #index = 0;

  constructor(
    statements: ReturnType<typeof prepare>,
    question: MeasurementQuestion,
    series: number,
    atOnce: number,
  ) {
    this.#statements = statements;
    this.#question = question;
    this.#series = series;
    this.#atOnce = atOnce;
    this.#rows = this.#read(startOf(question, series));
  }

  get first(): MeasurementRow | undefined {
    return this.#rows[this.#index];
  }

  take(): MeasurementRow {
    const row = this.#rows[this.#index++] as MeasurementRow;
    if (this.#index === this.#rows.length && this.#index === this.#atOnce) {
      this.#rows = this.#read([row.at_ms, row.reading, row.position]);
      this.#index = 0;
    }
    return row;
  }

  #read(start: readonly [number, number, number]): MeasurementRow[] {
    const { rising, falling } = this.#statements;
    const { newestFirst, fromMs, toMs } = this.#question;
    const rows = newestFirst
      ? falling.all(this.#series, ...start, fromMs, this.#atOnce)
      : rising.all(this.#series, ...start, toMs, this.#atOnce);
    return rows as unknown as MeasurementRow[];
  }
}

/** Behind any reading of one time, and before any. */
const last = Number.MAX_SAFE_INTEGER;
const first = -1;

/** Where to begin in a series: behind the mark, in the order of time, series, reading and position. */
function startOf(
  { after, fromMs, toMs, newestFirst }: MeasurementQuestion,
  series: number,
): [number, number, number] {
  if (after === undefined) return newestFirst ? [toMs, first, first] : [fromMs, first, first];
  if (after.series === series) return [after.atMs, after.reading, after.position];
  const comesAfter = newestFirst ? series < after.series : series > after.series;
  return comesAfter === newestFirst ? [after.atMs, last, last] : [after.atMs, first, first];
}

function isBefore(
  one: MeasurementRow | undefined,
  other: MeasurementRow | undefined,
  newestFirst: boolean,
): boolean {
  if (one === undefined || other === undefined) return one !== undefined;
  const order = one.at_ms - other.at_ms || one.series - other.series;
  return newestFirst ? order > 0 : order < 0;
}

interface MeasurementRow {
  series: number;
  at_ms: number;
  reading: number;
  position: number;
  value: number | string | Uint8Array | null;
  kind: 'integer' | 'real' | 'text' | 'blob' | 'null';
  sum: number | null;
  device_at_ms: number | null;
  received_at_ms: number;
  identity: string;
  path: string;
  name: string;
  unit: string;
}

function markOf({ at_ms: atMs, series, reading, position }: MeasurementRow): MeasurementMark {
  return { atMs, series, reading, position };
}

function measurementOf(row: MeasurementRow): StoredMeasurement {
  const { identity, path, name, unit, value, kind } = row;
  return {
    ...{ identity, path, name, unit },
    value: kind === 'integer' ? value === 1 : (value ?? undefined),
    ...(row.sum === null ? {} : { sum: row.sum }),
    ...(row.device_at_ms === null ? {} : { deviceAtMs: row.device_at_ms }),
    atMs: row.at_ms,
    receivedAtMs: row.received_at_ms,
  };
}

/** Numbers are floats in the database, and so truth values can be its integers. */
function written(value: Measurement['value']): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return value ?? null;
}

const columns = `m.series, m.at_ms, m.reading, m.position, m.value, typeof(m.value) AS kind, m.sum,
  m.device_at_ms, m.received_at_ms, s.identity, s.path, s.name, s.unit
  FROM measurement AS m JOIN series AS s ON s.id = m.series`;

function prepare(database: DatabaseSync) {
  return {
    findSeries: database.prepare(
      'SELECT id FROM series WHERE path = ? AND name = ? AND unit = ? AND identity = ?',
    ),
    countSeries: database.prepare('SELECT count(*) AS n FROM series WHERE identity = ?'),
    addSeries: database.prepare(
      'INSERT INTO series (identity, path, name, unit, measurements) VALUES (?, ?, ?, ?, 1) RETURNING id',
    ),
    countOne: database.prepare('UPDATE series SET measurements = measurements + 1 WHERE id = ?'),
    addMeasurement: database.prepare('INSERT INTO measurement VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    addBytes: database.prepare('UPDATE account SET bytes = bytes + ? WHERE identity = ?'),
    rising: database.prepare(
      `SELECT ${columns} WHERE m.series = ? AND (m.at_ms, m.reading, m.position) > (?, ?, ?) AND m.at_ms < ?
       ORDER BY m.at_ms, m.reading, m.position LIMIT ?`,
    ),
    falling: database.prepare(
      `SELECT ${columns} WHERE m.series = ? AND (m.at_ms, m.reading, m.position) < (?, ?, ?) AND m.at_ms >= ?
       ORDER BY m.at_ms DESC, m.reading DESC, m.position DESC LIMIT ?`,
    ),
  };
}
