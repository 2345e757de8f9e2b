/** Measurements in the database: stored with their readings, read in pages. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { openDatabase } from '../../src/store/database.ts';
import type { MeasurementMark } from '../../src/store/measurement-table.ts';
import type { Reading, RequestFingerprint } from '../../src/store/reading-table.ts';
import { Store } from '../../src/store/store.ts';
import type { Measurement, StoredMeasurement } from '../../src/telemetry/measurement.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const everything = { fromMs: 0, toMs: 8.64e15, newestFirst: false };

function reading(path: string, measurements: readonly Measurement[], change: Partial<Reading> = {}): Reading {
  return {
    path,
    value: Uint8Array.of(1),
    contentFormat: 110,
    identity: 'sensor-1',
    peerAddress: '[::1]:40000',
    receivedAtMs: 1_000_000,
    measurements,
    ...change,
  };
}

const one = (value: Measurement['value'], name = 'x', deviceAtMs?: number): Measurement => ({
  name,
  unit: '',
  value,
  deviceAtMs,
});

function request(messageId: number): RequestFingerprint {
  return {
    peer: 'a',
    messageId,
    token: Uint8Array.of(1),
    digest: new Uint8Array(32),
    lifetimeMs: 247_000,
  };
}

async function openStore(t: TestContext): Promise<{ store: Store; path: string }> {
  const path = temporaryFolder(t);
  const store = await Store.open(path);
  t.after(() => store.close());
  return { store, path };
}

async function all(store: Store, question = everything, limit = 500): Promise<readonly StoredMeasurement[]> {
  const series = (await store.series({ after: 0, limit: 1000 })).map(({ id }) => id);
  const found: StoredMeasurement[] = [];
  let after: MeasurementMark | undefined;
  do {
    const page = await store.measurements({ ...question, series, after, limit });
    found.push(...page.measurements);
    after = page.next;
  } while (after !== undefined);
  return found;
}

test('values of every kind come back as they were, with identity, path, unit and both times', async (t) => {
  const { store } = await openStore(t);
  const values = [22.5, 3, 'open', true, false, Uint8Array.of(1, 2), -0.1] as const;
  await store.record(
    reading(
      '/sensors/a',
      values.map((value, index) => one(value, `n${index}`, 900_000 + index)),
    ),
    request(1),
  );
  await store.record(
    reading('/sensors/b', [{ name: '', unit: 'J', value: undefined, sum: 7 }], { identity: undefined }),
    request(2),
  );
  const found = await all(store);
  assert.deepEqual(
    found.slice(0, -1).map(({ value }) => value),
    values,
  );
  assert.deepEqual(found[0], {
    ...{ identity: 'sensor-1', path: '/sensors/a', name: 'n0', unit: '', value: 22.5 },
    ...{ deviceAtMs: 900_000, atMs: 900_000, receivedAtMs: 1_000_000 },
  });
  assert.deepEqual(found.at(-1), {
    ...{ identity: '', path: '/sensors/b', name: '', unit: 'J', value: undefined, sum: 7 },
    ...{ atMs: 1_000_000, receivedAtMs: 1_000_000 },
  });
});

test('a request that comes again adds no values, and one that is refused has none', async (t) => {
  const { store } = await openStore(t);
  const first = reading('/sensors/a', [one(1)]);
  await store.record(first, request(1));
  assert.deepEqual(await store.record(first, request(1)), { first: true, repeat: true });
  await store.record(reading('/sensors/a', [one(2)]), request(2), {
    quota: { maxPaths: 10, maxBytes: 100 },
  });
  await store.record(reading('/sensors/a', [one(3)]), request(3), { outboxBytes: 0 });
  assert.deepEqual(
    (await all(store)).map(({ value }) => value),
    [1],
  );
});

test('what values take counts in the account of their writer, and names are bounded as paths are', async (t) => {
  const { store, path } = await openStore(t);
  const quota = { maxPaths: 1, maxBytes: 100_000 };
  const names = (count: number, from = 0): Measurement[] =>
    Array.from({ length: count }, (_, index) => one(index, `n${from + index}`));
  await store.record(reading('/sensors/a', names(16)), request(1), { quota });
  assert.deepEqual(await store.record(reading('/sensors/a', names(1, 16)), request(2), { quota }), {
    refused: 'too-many-paths',
  });
  assert.ok(!('refused' in (await store.record(reading('/sensors/a', names(16)), request(3), { quota }))));
  const long = Array.from({ length: 3 }, (_, index) => one('x'.repeat(40_000), `n${index}`));
  assert.deepEqual(await store.record(reading('/sensors/a', long), request(4), { quota }), {
    refused: 'too-many-bytes',
  });
  assert.equal((await all(store)).length, 32);
  const { database, close } = openDatabase(path, { create: false, asGateway: false });
  t.after(close);
  const { bytes } = database.prepare('SELECT bytes FROM account').get() as { bytes: number };
  // Two readings, 32 values and 16 series, as measurement-table.ts counts them.
  const series = Array.from({ length: 16 }, (_, index) => 192 + 2 * (10 + `n${index}`.length) + 3 * 8);
  assert.equal(bytes, 2 * (1 + 20 + 128) + 32 * 56 + series.reduce((sum, size) => sum + size, 0));
});

test('pages of many series are one list in the order of time, whatever their size and direction', async (t) => {
  const { store } = await openStore(t);
  const sample = fc.record({
    path: fc.constantFrom('/sensors/a', '/sensors/b', '/sensors/c'),
    name: fc.constantFrom('', 'x', 'y'),
    at: fc.integer({ min: 1, max: 12 }),
  });
  const samples = fc.sample(fc.array(sample, { minLength: 1, maxLength: 5 }), { numRuns: 60, seed: 7 });
  const written: { value: number; at: number }[] = [];
  for (const [id, group] of samples.entries()) {
    const path = group[0]?.path ?? '/sensors/a';
    const measurements = group.map(({ name, at }) => {
      written.push({ value: written.length, at });
      return one(written.length - 1, name, at);
    });
    await store.record(reading(path, measurements), request(id));
  }
  const byTime = written.map(({ at }) => at).sort((a, b) => a - b);
  for (const limit of [1, 2, 7, 500]) {
    for (const newestFirst of [false, true]) {
      const found = await all(store, { ...everything, newestFirst }, limit);
      assert.deepEqual(
        found.map(({ atMs }) => atMs),
        newestFirst ? byTime.toReversed() : byTime,
      );
      assert.equal(new Set(found.map(({ value }) => value)).size, written.length, `limit ${limit}`);
      const some = await all(store, { fromMs: 4, toMs: 9, newestFirst }, limit);
      assert.equal(some.length, byTime.filter((at) => at >= 4 && at < 9).length);
    }
  }
});

test('series are found by path, by what is below one, by identity, name and unit', async (t) => {
  const { store } = await openStore(t);
  await store.record(reading('/sensors/a', [one(1), { ...one(2, 'y'), unit: 'V' }]), request(1));
  await store.record(reading('/sensors/a/b', [one(3)], { identity: 'other' }), request(2));
  await store.record(reading('/sensors0', [one(4)], { identity: undefined }), request(3));
  const found = async (question: object): Promise<string[]> =>
    (await store.series({ after: 0, limit: 10, ...question })).map(({ path, name }) => `${path} ${name}`);
  assert.deepEqual(await found({ path: { text: '/sensors/', below: true } }), [
    '/sensors/a x',
    '/sensors/a y',
    '/sensors/a/b x',
  ]);
  assert.deepEqual(await found({ path: { text: '/sensors/a', below: false }, name: 'x' }), ['/sensors/a x']);
  assert.deepEqual(await found({ unit: 'V' }), ['/sensors/a y']);
  assert.deepEqual(await found({ identity: 'other' }), ['/sensors/a/b x']);
  assert.deepEqual(await found({ identity: '' }), ['/sensors0 x']);
});

test('of a path the newest are kept exactly, over refusals, transactions that fail and another bound', async (t) => {
  const { store, path } = await openStore(t);
  const counted = (): unknown => {
    const { database, close } = openDatabase(path, { create: false, asGateway: false });
    const rows = database.prepare('SELECT id FROM reading ORDER BY id').all();
    close();
    return rows.map((row) => row['id']);
  };
  const put = (id: number, keepNewest: number | undefined, bytes = 1) =>
    store.record(reading('/sensors/a', [], { value: new Uint8Array(bytes) }), request(id), {
      keepNewest,
      quota: { maxPaths: 10, maxBytes: 10_000 },
    });
  for (const id of [1, 2, 3, 4]) await put(id, 3);
  assert.deepEqual(counted(), [2, 3, 4]);
  assert.deepEqual(await put(5, 3, 20_000), { refused: 'too-many-bytes' });
  const other = openDatabase(path, { create: false, asGateway: false });
  other.database.exec(
    "CREATE TRIGGER full BEFORE INSERT ON deduplication BEGIN SELECT RAISE(ABORT, 'no'); END",
  );
  await assert.rejects(put(6, 3));
  other.database.exec('DROP TRIGGER full');
  other.close();
  assert.deepEqual(counted(), [2, 3, 4]);
  await put(7, 3);
  assert.equal((counted() as unknown[]).length, 3);
  // Without a bound in between, and then with a smaller one.
  await put(8, undefined);
  await put(9, undefined);
  assert.equal((counted() as unknown[]).length, 5);
  await put(10, 2);
  assert.equal((counted() as unknown[]).length, 2);
});
