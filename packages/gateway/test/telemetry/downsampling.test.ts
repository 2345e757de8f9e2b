/** Retention: old measurements become minutes, quarters of an hour and hours, then nothing; in bounded steps, and nothing counts twice. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AggregateTable,
  addToBuckets,
  type Bucket,
  type BucketMark,
} from '../../src/store/aggregate-table.ts';
import { MeasurementTable, seriesSize } from '../../src/store/measurement-table.ts';
import { OutboxTable } from '../../src/store/outbox-table.ts';
import { ReadingTable } from '../../src/store/reading-table.ts';
import { migrate } from '../../src/store/schema.ts';
import { type KeptSpans, parseRetention, spansFor, spansText } from '../../src/telemetry/retention-rules.ts';
import { RetentionSweep } from '../../src/telemetry/retention-sweep.ts';
import { bucketPages } from '../../src/telemetry/telemetry-reader.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = 1_699_999_200_000; // begins an hour

interface Sample {
  readonly atMs: number;
  readonly value: number | string;
}

function openTables() {
  const database = new DatabaseSync(':memory:');
  migrate(database);
  const measurements = new MeasurementTable(database);
  const readings = new ReadingTable(database, new OutboxTable(database), measurements);
  const aggregates = new AggregateTable(database);
  const record = (
    samples: readonly Sample[],
    receivedAtMs: number,
    identity = 'a',
    path = '/sensors/a',
  ): void => {
    const values = samples.map(({ atMs, value }) => ({ name: 'x', unit: '', value, deviceAtMs: atMs }));
    const reading = { path, value: Uint8Array.of(1), contentFormat: 110, identity, peerAddress: 'p' };
    readings.record({ ...reading, receivedAtMs, measurements: values }, undefined, { keepNewest: 1 });
  };
  const counts = (): number[] => [
    Number(database.prepare('SELECT count(*) AS n FROM measurement').get()?.['n']),
    ...[minute, 15 * minute, hour].map((step) =>
      Number(database.prepare('SELECT count(*) AS n FROM aggregate WHERE step_ms = ?').get(step)?.['n']),
    ),
  ];
  const known = (stepMs: number, limit = 1000): Bucket[] => {
    const all = new Map<number, Bucket>();
    let after: BucketMark | undefined;
    do {
      const page = aggregates.buckets({ series: 1, fromMs: 0, toMs: 8.64e15, stepMs, after, limit });
      for (const bucket of page.buckets) addToBuckets(all, stepMs, bucket);
      after = page.next;
    } while (after !== undefined);
    return [...all.values()].sort((a, b) => a.atMs - b.atMs);
  };
  return { database, aggregates, record, counts, known };
}

const spans: KeptSpans = { rawMs: hour, newest: 1000, aggregatesMs: [day, 7 * day, 30 * day] };
const rules = [{ path: { segments: ['sensors'], below: true }, ...spans }];

function sweep(
  { aggregates }: Pick<ReturnType<typeof openTables>, 'aggregates'>,
  nowMs: number,
  mostRows = 64,
): number {
  let moved = 0;
  let after: number | undefined = 0;
  for (let steps = 0; after !== undefined; steps++) {
    const outcome = aggregates.downsample({ nowMs, rules, after, mostRows, mostSeries: 4 });
    assert.ok(outcome.moved <= mostRows, `${outcome.moved} rows in one step`);
    assert.ok(steps < 10_000, 'a pass ends');
    moved += outcome.moved;
    after = outcome.next;
  }
  return moved;
}

test('what is old becomes minutes, then quarters, then hours, then nothing, and a step never moves more than it may', () => {
  const tables = openTables();
  const samples = Array.from({ length: 720 }, (_, index) => ({ atMs: start + index * 10_000, value: index }));
  tables.record(samples, start + 2 * hour);
  sweep(tables, start + 2 * hour);
  assert.deepEqual(tables.counts(), [360, 60, 0, 0]);
  assert.deepEqual(
    tables.known(hour).map(({ count, min, max, last }) => [count, min, max, last]),
    [
      [360, 0, 359, 359],
      [360, 360, 719, 719],
    ],
  );
  sweep(tables, start + 2 * day);
  assert.deepEqual(tables.counts(), [0, 0, 8, 0]);
  sweep(tables, start + 8 * day);
  assert.deepEqual(tables.counts(), [0, 0, 0, 2]);
  assert.deepEqual(
    tables.known(day).map(({ count, sum, min, max, last }) => [count, sum, min, max, last]),
    [[720, (719 * 720) / 2, 0, 719, 719]],
  );
  sweep(tables, start + 40 * day);
  assert.deepEqual(tables.counts(), [0, 0, 0, 0]);
  // The series goes with what was in it, and so does what it took in the account of its writer.
  sweep(tables, start + 40 * day);
  assert.equal(tables.database.prepare('SELECT count(*) AS n FROM series').get()?.['n'], 0);
  const { bytes } = tables.database.prepare('SELECT bytes FROM account').get() as { bytes: number };
  assert.equal(bytes, 1 + 20 + 128, 'the newest reading alone');
});

test('beyond the newest of a series the oldest become minutes however young they are, and texts go', () => {
  const tables = openTables();
  const samples = Array.from({ length: 1010 }, (_, index) => ({
    atMs: start + index * 1000,
    value: index % 2 === 0 ? index : 'on',
  }));
  tables.record(samples, start + hour / 2);
  sweep(tables, start + hour / 2);
  assert.deepEqual(tables.counts(), [1000, 1, 0, 0]);
  assert.equal(tables.known(hour)[0]?.count, 505, 'numbers alone are in aggregates, and all of them');
});

test('a measurement that arrives late is added to what its time has become', () => {
  const tables = openTables();
  tables.record([{ atMs: start, value: 10 }], start);
  sweep(tables, start + 8 * day);
  assert.deepEqual(tables.counts(), [0, 0, 0, 1]);
  tables.record([{ atMs: start + minute, value: 2 }], start + 8 * day);
  sweep(tables, start + 8 * day);
  assert.deepEqual(tables.counts(), [0, 0, 0, 1]);
  assert.deepEqual(
    tables.known(hour).map(({ count, min, max, last }) => [count, min, max, last]),
    [[2, 2, 10, 2]],
  );
});

test('numbers whose sum no double can hold stop nobody’s retention', () => {
  const tables = openTables();
  const most = 1.7e308;
  const samples = [most, most, -most, -most].map((value, n) => ({
    ...{ value, atMs: start + Math.floor(n / 2) * minute + n },
  }));
  tables.record(samples, start + 2 * minute);
  tables.record([{ value: 1, atMs: start }], start, 'b', '/sensors/b');
  for (const nowMs of [start + 2 * hour, start + 2 * day, start + 8 * day]) sweep(tables, nowMs);
  assert.deepEqual(tables.counts(), [0, 0, 0, 2]);
  const [hourly] = tables.known(hour);
  assert.deepEqual([hourly?.min, hourly?.max, hourly?.sum, hourly?.count], [-most, most, 0, 4]);
});

test('whatever is measured and whenever it is swept, nothing is lost or counted twice, and the account is exact', () => {
  const sample = fc.record({
    atMs: fc.integer({ min: 0, max: 3 * day }).map((offset) => start + offset),
    value: fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.constant('text')),
  });
  const round = fc.record({
    samples: fc.array(sample, { maxLength: 30 }),
    sweepAt: fc.integer({ min: 0, max: 20 * day }).map((offset) => start + offset),
    mostRows: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(fc.array(round, { maxLength: 6 }), fc.integer({ min: 1, max: 50 }), (rounds, limit) => {
      const tables = openTables();
      const numbers: { atMs: number; value: number }[] = [];
      for (const { samples, sweepAt, mostRows } of rounds) {
        if (samples.length > 0) tables.record(samples, start + 3 * day);
        for (const { atMs, value } of samples) if (typeof value === 'number') numbers.push({ atMs, value });
        sweep(tables, sweepAt, mostRows);
      }
      const wanted = new Map<number, { count: number; sum: number; min: number; max: number }>();
      for (const { atMs, value } of numbers) {
        const key = Math.floor(atMs / hour) * hour;
        const before = wanted.get(key) ?? { count: 0, sum: 0, min: value, max: value };
        wanted.set(key, {
          count: before.count + 1,
          sum: before.sum + value,
          min: Math.min(before.min, value),
          max: Math.max(before.max, value),
        });
      }
      const known = rounds.length === 0 ? [] : tables.known(hour, limit);
      assert.deepEqual(
        known.map(({ atMs, count, sum, min, max }) => [atMs, { count, sum, min, max }]),
        [...wanted].sort(([a], [b]) => a - b),
      );
      assert.deepEqual(accountOf(tables.database), accountFromRows(tables.database));
      tables.database.close();
    }),
    { numRuns: process.env['COAPSULE_LONG'] === '1' ? 3000 : 100, seed: 3 },
  );
});

function accountOf(database: DatabaseSync): unknown {
  return database.prepare('SELECT sum(bytes) AS bytes FROM account').get()?.['bytes'] ?? 0;
}

function accountFromRows(database: DatabaseSync): number {
  const sum = (sql: string): number => Number(database.prepare(sql).get()?.['n'] ?? 0);
  const series = database
    .prepare('SELECT identity, path, name, unit FROM series')
    .all() as unknown as Parameters<typeof seriesSize>[0][];
  return (
    sum('SELECT sum(length(value) + 2 * length(path) + 128) AS n FROM reading') +
    sum(
      "SELECT sum(48 + iif(typeof(value) IN ('text', 'blob'), octet_length(value), 8)) AS n FROM measurement",
    ) +
    96 * sum('SELECT count(*) AS n FROM aggregate') +
    series.reduce((bytes, one) => bytes + seriesSize(one), 0)
  );
}

test('spans of time are read in windows and pages, from both ends, with what every place has', async () => {
  const tables = openTables();
  const samples = Array.from({ length: 300 }, (_, index) => ({
    atMs: start + index * 7 * minute,
    value: index,
  }));
  tables.record(samples, start + 2 * day);
  sweep(tables, start + 35 * hour);
  assert.ok(tables.counts().filter((count) => count > 0).length > 2, 'they are in several places');
  const { aggregates } = tables;
  const store = {
    buckets: async (question: Parameters<AggregateTable['buckets']>[0]) => aggregates.buckets(question),
    extent: async (series: number) => aggregates.extent(series),
  };
  const series = [{ id: 1, identity: 'a', path: '/sensors/a', name: 'x', unit: '' }];
  for (const newestFirst of [false, true]) {
    const found: number[] = [];
    let cursor: number[] | undefined;
    for (let pages = 0; pages < 100; pages++) {
      const question = {
        ...{ path: undefined, identity: undefined, name: undefined, unit: undefined },
        cursor,
      };
      const query = {
        ...question,
        fromMs: 0,
        toMs: 8.64e15,
        newestFirst,
        limit: 5,
        step: { ms: hour, aggregates: [] },
      };
      let next: string | undefined;
      for await (const page of bucketPages(store, series, query)) {
        found.push(...page.rows.map(({ count }) => count));
        next = page.cursor;
      }
      if (next === undefined) break;
      cursor = Buffer.from(next, 'base64url').toString().split(',').map(Number);
    }
    const wanted = tables.known(hour).map(({ count }) => count);
    assert.deepEqual(found, newestFirst ? wanted.toReversed() : wanted);
  }
});

test('rules are read from text, the first that covers a path counts, and what they do not say has its default', () => {
  const rule = parseRetention('/sensors/ward-3/*=raw:7d,newest:500,1m:off,1h:2y');
  assert.ok(typeof rule !== 'string', String(rule));
  assert.equal(spansText(rule), 'raw:1w,newest:500,1m:off,15m:180d,1h:2y');
  assert.equal(spansFor('/sensors/ward-3/x', [rule]), rule);
  assert.equal(spansText(spansFor('/sensors/other', [rule])), 'raw:30d,newest:100000,1m:30d,15m:180d,1h:2y');
  for (const [text, wrong] of [
    ['raw:7d', /is not PATH=SPANS/],
    ['sensors=raw:7d', /does not start with/],
    ['/a=raw:7', /is not a length of time/],
    ['/a=newest:0', /is not a number of measurements/],
    ['/a=day:1d', /is none of raw, newest, 1m, 15m, 1h/],
  ] as const) {
    assert.match(String(parseRetention(text)), wrong);
  }
});

test('without minutes what is old becomes quarters of an hour at once, and without any aggregates nothing', () => {
  for (const [aggregatesMs, wanted] of [
    [
      [0, day, 0],
      [0, 0, 1, 0],
    ],
    [
      [0, 0, 0],
      [0, 0, 0, 0],
    ],
  ] as const) {
    const { aggregates, record, counts } = openTables();
    record([{ atMs: start, value: 1 }], start);
    const [rule] = rules;
    assert.ok(rule !== undefined);
    const nowMs = start + 2 * hour;
    aggregates.downsample({
      nowMs,
      rules: [{ ...rule, aggregatesMs }],
      after: 0,
      mostRows: 10,
      mostSeries: 10,
    });
    assert.deepEqual(counts(), wanted);
  }
});

/** A timer whose time the test moves. */
class ManualTimer {
  #nowMs = 0;
  #due: { readonly atMs: number; readonly action: () => void } | undefined;

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, action: () => void): () => void {
    this.#due = { atMs: this.#nowMs + delayMs, action };
    return () => {
      this.#due = undefined;
    };
  }

  /** Time goes by, and nothing is due. */
  pass(ms: number): void {
    this.#nowMs += ms;
  }

  get delayMs(): number | undefined {
    return this.#due && this.#due.atMs - this.#nowMs;
  }

  /** To the next that is due, and until what it began has ended. */
  async next(): Promise<void> {
    const due = this.#due ?? assert.fail('nothing is due');
    this.#due = undefined;
    this.#nowMs = due.atMs;
    due.action();
    await new Promise(setImmediate);
  }
}

test('a pass goes in steps with pauses, rests a minute, and goes on after a fault', async () => {
  const timer = new ManualTimer();
  const asked: number[] = [];
  const outcomes: (number | undefined | Error)[] = [7, 9, undefined, new Error('no disk'), undefined];
  const errors: unknown[] = [];
  const sweeping = new RetentionSweep({
    store: {
      async downsample({ after }) {
        asked.push(after);
        const next = outcomes.shift();
        if (next instanceof Error) throw next;
        // The second step had much to do, and took its time.
        if (after === 7) timer.pass(30);
        return { next, moved: after === 7 ? 256 : 1 };
      },
    },
    rules: () => [],
    clock: () => start + timer.now(),
    timer,
    onError: (error) => errors.push(error),
    onJump: () => assert.fail('the clock is steady'),
  });
  const delays: (number | undefined)[] = [];
  for (let step = 0; step < 5; step++) {
    delays.push(timer.delayMs);
    await timer.next();
  }
  assert.deepEqual(asked, [0, 7, 9, 0, 0]);
  assert.deepEqual(delays, [minute, 50, 60, minute, minute]);
  assert.equal(errors.length, 1);
  sweeping.stop();
  assert.equal(timer.delayMs, undefined);
});

test('a clock that jumps ahead by a year makes nothing old until it has held for a day', async () => {
  const timer = new ManualTimer();
  const times: number[] = [];
  const jumps: number[] = [];
  let offset = 0;
  const sweeping = new RetentionSweep({
    store: {
      async downsample({ nowMs }) {
        times.push(nowMs - start - timer.now());
        return { next: undefined, moved: 0 };
      },
    },
    rules: () => [],
    clock: () => start + timer.now() + offset,
    timer,
    onError: (error) => assert.fail(String(error)),
    onJump: (aheadMs) => jumps.push(aheadMs),
  });
  await timer.next();
  offset = 365 * day;
  for (let minutes = 0; minutes < 24 * 60; minutes++) await timer.next();
  assert.ok(times.every((time) => time === 0));
  assert.deepEqual(jumps, [365 * day]);
  await timer.next();
  assert.equal(times.at(-1), 365 * day);
  // Back is believed at once: it makes nothing old.
  offset = -365 * day;
  await timer.next();
  assert.equal(times.at(-1), -365 * day);
  sweeping.stop();
});
