import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { SeededRandom } from 'coapsule/testing';
import type { AssociationRow, ResumedRow } from '../../src/store/association-row.ts';
import type { ResumeRequest } from '../../src/store/association-table.ts';
import { prepareDataFolder } from '../../src/store/data-folder.ts';
import { migrate } from '../../src/store/schema.ts';
import { Store } from '../../src/store/store.ts';
import { temporaryFolder } from './temporary-folder.ts';

const hourMs = 3_600_000;

function row(name: string, changes: Partial<AssociationRow> = {}): AssociationRow {
  return {
    name,
    endpoint: 'coaps',
    host: '192.0.2.1',
    port: 40_000,
    identity: Uint8Array.of(1, 2),
    authentication: 'psk',
    credential: undefined,
    keyStamp: 'store:1 1',
    expiresAtMs: undefined,
    state: new Uint8Array(188).fill(3),
    reserved: 64,
    edge: 0,
    ...changes,
  };
}

type Request = Omit<ResumeRequest, 'after' | 'pageSize'>;

function resume(changes: Partial<Request> = {}): Request {
  return { endpoint: 'coaps', ahead: 64, nowMs: 10 * hourMs, maxAgeMs: hourMs, maxCount: 100, ...changes };
}

async function resumed(store: Store, request: Request, pageSize?: number): Promise<readonly ResumedRow[]> {
  const all: ResumedRow[] = [];
  for await (const rows of store.resumeAssociations(request, pageSize)) all.push(...rows);
  return all;
}

test('an association comes back in the next process with numbers that no process had', async (t) => {
  const path = temporaryFolder(t);
  {
    await using store = await Store.open(path);
    await store.changeAssociation({ kind: 'add', row: row('a'), nowMs: 10 * hourMs });
    await store.changeAssociation({ kind: 'reserve', name: 'a', upTo: 500 });
    await store.changeAssociation({ kind: 'edge', name: 'a', edge: 17, nowMs: 10 * hourMs });
  }
  await using store = await Store.open(path);
  const [first] = await resumed(store, resume());
  assert.deepEqual(first, { ...row('a', { reserved: 564, edge: 17 }), writeFrom: 500, exact: false });
  const [second] = await resumed(store, resume());
  assert.equal(second?.writeFrom, 564, 'a process that crashed at once may have used its reservation');
});

test('a clean end leaves exact values, which count once', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  await store.changeAssociation({ kind: 'add', row: row('a'), nowMs: 10 * hourMs });
  const state = new Uint8Array(180).fill(9);
  await store.changeAssociation({
    kind: 'suspend',
    name: 'a',
    host: '192.0.2.2',
    port: 41_000,
    state,
    next: 12,
    edge: 8,
  });
  const [taken] = await resumed(store, resume());
  assert.equal(taken?.exact, true);
  assert.equal(taken?.writeFrom, 12);
  assert.equal(taken?.host, '192.0.2.2');
  assert.deepEqual(taken?.state, state);
  const [again] = await resumed(store, resume());
  assert.equal(again?.exact, false);
  assert.equal(again?.writeFrom, 12 + 64);
});

test('many associations come back some at a time: each once, by when they were heard, exact where they were left so', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  const names = Array.from({ length: 50 }, (_, i) => `a${String(i).padStart(2, '0')}`);
  for (const [i, name] of names.entries()) {
    // Three at a time were heard in the same millisecond.
    const nowMs = 10 * hourMs - 1000 + Math.floor(i / 3);
    const credential = i % 2 === 0 ? Uint8Array.of(i) : undefined;
    await store.changeAssociation({ kind: 'add', row: row(name, { credential }), nowMs });
    if (i % 4 !== 0) continue;
    const state = new Uint8Array(180 + i).fill(i);
    const place = { host: '192.0.2.2', port: 41_000 };
    await store.changeAssociation({ kind: 'suspend', name, ...place, state, next: 12, edge: i });
  }
  for (const time of [1, 2]) {
    const taken = await resumed(store, resume(), 7);
    assert.deepEqual(
      taken.map(({ name }) => name),
      names,
    );
    for (const [i, one] of taken.entries()) {
      assert.equal(one.exact, time === 1 && i % 4 === 0);
      assert.equal(one.writeFrom, (i % 4 === 0 ? 12 : 64) + 64 * (time - 1));
      assert.equal(one.reserved, one.writeFrom + 64);
      assert.deepEqual(one.credential, i % 2 === 0 ? Uint8Array.of(i) : undefined);
      if (i % 4 === 0) assert.deepEqual(one.state, new Uint8Array(180 + i).fill(i));
    }
  }
});

test('a reservation never goes back', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  await store.changeAssociation({ kind: 'add', row: row('a'), nowMs: 10 * hourMs });
  await store.changeAssociation({ kind: 'reserve', name: 'a', upTo: 30 });
  assert.equal((await resumed(store, resume()))[0]?.writeFrom, 64);
});

test('what was not heard for too long, is too much, has expired, or was removed does not come back', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  for (const [name, nowMs] of [
    ['old', 8 * hourMs],
    ['third', 9.7 * hourMs],
    ['second', 9.8 * hourMs],
    ['first', 9.9 * hourMs],
    ['removed', 10 * hourMs],
  ] as const) {
    await store.changeAssociation({ kind: 'add', row: row(name), nowMs });
  }
  await store.changeAssociation({
    kind: 'add',
    row: row('expired', { expiresAtMs: 9.99 * hourMs }),
    nowMs: 9.95 * hourMs,
  });
  await store.changeAssociation({ kind: 'remove', name: 'removed' });
  await assert.rejects(store.changeAssociation({ kind: 'reserve', name: 'removed', upTo: 900 }));
  await store.changeAssociation({
    kind: 'add',
    row: row('of another', { endpoint: 'other' }),
    nowMs: 10 * hourMs,
  });
  const names = (await resumed(store, resume({ maxCount: 2 }))).map(({ name }) => name);
  assert.deepEqual(names, ['second', 'first']);
  assert.equal((await resumed(store, resume())).length, 2, 'the others are gone for good');
});

test('what has expired does not come back, nor the next time, where there is room for all', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  for (const [name, expiresAtMs] of [
    ['expired', 9.99 * hourMs],
    ['good', 10.01 * hourMs],
    ['for ever', undefined],
  ] as const) {
    await store.changeAssociation({ kind: 'add', row: row(name, { expiresAtMs }), nowMs: 9.9 * hourMs });
  }
  for (const nowMs of [10 * hourMs, 9.95 * hourMs]) {
    const names = (await resumed(store, resume({ nowMs }))).map(({ name }) => name);
    assert.deepEqual(names, ['for ever', 'good']);
  }
});

test('an edge is durable no later than a reading that was asked for after it', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  await store.changeAssociation({ kind: 'add', row: row('a'), nowMs: 10 * hourMs });
  const order: string[] = [];
  const edge = store.changeAssociation({ kind: 'edge', name: 'a', edge: 5, nowMs: 10 * hourMs });
  const reading = store.record(
    {
      path: '/sensors/a',
      value: Uint8Array.of(1),
      contentFormat: undefined,
      identity: 'a',
      peerAddress: '',
      receivedAtMs: 1,
    },
    { peer: 'a', messageId: 1, token: new Uint8Array(0), digest: new Uint8Array(32), lifetimeMs: 1000 },
  );
  void edge.then(() => order.push('edge'));
  void reading.then(() => order.push('reading'));
  await Promise.all([edge, reading]);
  assert.deepEqual(order, ['edge', 'reading']);
});

test('a database of schema version 3 gets room for associations and keeps its devices', async (t) => {
  const path = temporaryFolder(t);
  const database = new DatabaseSync(prepareDataFolder(path, { create: true }).databasePath);
  migrate(database, 3);
  database.exec("INSERT INTO device (id, psk, added_at_ms) VALUES ('a', x'01', 7)");
  database.close();
  await using store = await Store.open(path);
  assert.equal((await store.devices()).length, 1);
  assert.deepEqual(await resumed(store, resume()), []);
});

test('associations of schema version 18 are taken over behind what was reserved for each, and exact where they were left so', async (t) => {
  const path = temporaryFolder(t);
  const database = new DatabaseSync(prepareDataFolder(path, { create: true }).databasePath);
  migrate(database, 18);
  const insert = database.prepare(
    "INSERT INTO association VALUES (?, 'coaps', '192.0.2.1', 40000, x'01', 'psk', NULL, 'k', NULL, x'0303', ?, 5, ?, ?)",
  );
  insert.run('crashed', 500, 0, 9.8 * hourMs);
  insert.run('ended', 12, 1, 9.9 * hourMs);
  database.close();
  for (const [started, exact] of [
    [0, true],
    [1, false],
  ] as const) {
    await using store = await Store.open(path);
    assert.deepEqual(
      (await resumed(store, resume())).map((one) => [one.name, one.writeFrom, one.reserved, one.exact]),
      [
        ['crashed', 500 + 64 * started, 564 + 64 * started, false],
        ['ended', 12 + 64 * started, 76 + 64 * started, exact],
      ],
    );
  }
});

test('whatever is written and taken over, in any order, a process begins with the first number that none had before', async (t) => {
  const random = new SeededRandom(18);
  const pick = (below: number): number => random.integer(below);
  await using store = await Store.open(temporaryFolder(t));
  const nowMs = 10 * hourMs;
  const endpoints = ['coaps', 'coaps 1'];
  /** What each has reserved, and whether that is exact. */
  const known = new Map<string, { endpoint: string; reserved: number; exact: boolean }>();
  for (let step = 0; step < 600; step++) {
    const name = `a${pick(6)}`;
    const one = known.get(name);
    const action = pick(8);
    if (one === undefined || action === 0) {
      const endpoint = endpoints[pick(2)] as string;
      await store.changeAssociation({ kind: 'add', row: row(name, { endpoint }), nowMs });
      known.set(name, { endpoint, reserved: 64, exact: false });
    } else if (action <= 2) {
      const upTo = one.reserved + pick(200) - 50;
      await store.changeAssociation({ kind: 'reserve', name, upTo });
      Object.assign(one, { reserved: Math.max(one.reserved, upTo), exact: false });
    } else if (action <= 4) {
      await store.changeAssociation({ kind: 'edge', name, edge: step, nowMs });
      one.exact = false;
    } else if (action === 5) {
      const next = one.reserved - pick(20);
      const rest = { host: '192.0.2.2', port: 41_000, state: new Uint8Array(180), edge: step };
      await store.changeAssociation({ kind: 'suspend', name, next, ...rest });
      Object.assign(one, { reserved: next, exact: true });
    } else {
      const endpoint = endpoints[pick(2)] as string;
      const ahead = 1 + pick(100);
      const taken = await resumed(store, resume({ endpoint, ahead }), 1 + pick(3));
      const expected = [...known].filter(([, { endpoint: its }]) => its === endpoint);
      assert.deepEqual(
        new Map(taken.map((its) => [its.name, [its.writeFrom, its.reserved, its.exact]])),
        new Map(expected.map(([its, { reserved, exact }]) => [its, [reserved, reserved + ahead, exact]])),
        `step ${step}`,
      );
      for (const [, its] of expected) Object.assign(its, { reserved: its.reserved + ahead, exact: false });
    }
  }
});

test('what is written while others are taken over is in use, and does not come on a later page', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  for (const [i, name] of ['a', 'b', 'c', 'd'].entries())
    await store.changeAssociation({ kind: 'add', row: row(name), nowMs: 9.9 * hourMs + i });
  const names: string[] = [];
  for await (const rows of store.resumeAssociations(resume(), 2)) {
    names.push(...rows.map(({ name }) => name));
    if (names.length > 2) continue;
    await store.changeAssociation({ kind: 'edge', name: 'a', edge: 3, nowMs: 10 * hourMs });
    await store.changeAssociation({ kind: 'add', row: row('e'), nowMs: 10 * hourMs });
  }
  assert.deepEqual(names, ['a', 'b', 'c', 'd']);
});
