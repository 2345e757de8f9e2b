import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { AssociationRow } from '../../src/store/association-row.ts';
import type { Reading, RequestFingerprint } from '../../src/store/reading-table.ts';
import { Store } from '../../src/store/store.ts';
import type { StoreFault } from '../../src/store/store-fault.ts';
import { temporaryFolder } from './temporary-folder.ts';

const row: AssociationRow = {
  name: 'a',
  endpoint: 'coaps',
  host: '192.0.2.1',
  port: 40_000,
  identity: Uint8Array.of(1),
  authentication: 'psk',
  credential: undefined,
  keyStamp: 'store:1 1',
  expiresAtMs: undefined,
  state: new Uint8Array(186),
  reserved: 64,
  edge: 0,
};

function reading(text: string): Reading {
  return {
    path: '/sensors/a',
    value: new TextEncoder().encode(text),
    contentFormat: undefined,
    identity: 'a',
    peerAddress: '',
    receivedAtMs: 1_000_000,
  };
}

function fingerprint(messageId: number): RequestFingerprint {
  return { peer: 'a', messageId, token: new Uint8Array(0), digest: new Uint8Array(32), lifetimeMs: 1000 };
}

/** A store, and a second hand on its database that makes the next commits fail and looks at what is there. */
async function fixture(t: TestContext) {
  const path = temporaryFolder(t);
  const store = await Store.open(path);
  t.after(() => store.close());
  const other = new DatabaseSync(join(path, 'coapsule.db'));
  t.after(() => other.close());
  const stored = () => ({
    readings: other.prepare('SELECT count(*) AS n FROM reading').get()?.['n'],
    edges: other
      .prepare('SELECT edge FROM association')
      .all()
      .map((one) => one['edge']),
  });
  return { store, other, stored };
}

const failing = (event: string): string =>
  `CREATE TRIGGER broken BEFORE ${event} BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END`;

test('a reading is never durable before an edge that was asked for before it, also when the commit of the edge failed', async (t) => {
  const { store, other, stored } = await fixture(t);
  await store.changeAssociation({ kind: 'add', row, nowMs: 1 });
  other.exec(failing('UPDATE OF edge ON association'));
  const edge = store.changeAssociation({ kind: 'edge', name: 'a', edge: 7, nowMs: 2 });
  const first = store.record(reading('1'), fingerprint(1));
  await assert.rejects(edge, /disk I\/O error/);
  await assert.rejects(first, /disk I\/O error/, 'in a group of its own, with the edge still missing');
  await assert.rejects(store.record(reading('1'), fingerprint(1)), /disk I\/O error/);
  assert.deepEqual(stored(), { readings: 0, edges: [0] });
  other.exec('DROP TRIGGER broken');
  await store.record(reading('1'), fingerprint(1));
  assert.deepEqual(stored(), { readings: 1, edges: [7] });
});

test('an edge that is made up for later never takes back a newer one', async (t) => {
  const { store, other, stored } = await fixture(t);
  await store.changeAssociation({ kind: 'add', row, nowMs: 1 });
  other.exec(failing('UPDATE OF edge ON association'));
  const lost = [7, 8].map((edge) => store.changeAssociation({ kind: 'edge', name: 'a', edge, nowMs: 2 }));
  assert.equal((await Promise.allSettled(lost)).filter(({ status }) => status === 'rejected').length, 2);
  other.exec('DROP TRIGGER broken');
  await store.changeAssociation({ kind: 'edge', name: 'a', edge: 9, nowMs: 3 });
  assert.deepEqual(stored().edges, [9]);
  await store.changeAssociation({ kind: 'edge', name: 'a', edge: 8, nowMs: 4 });
  await store.record(reading('1'), fingerprint(1));
  assert.deepEqual(stored().edges, [8], 'what was made up for is not done again');
});

test('an association that could not be added is gone with the next commit, whatever the disk kept of it', async (t) => {
  const { store, other, stored } = await fixture(t);
  other.exec(failing('INSERT ON association'));
  const add = store.changeAssociation({ kind: 'add', row, nowMs: 1 });
  const edge = store.changeAssociation({ kind: 'edge', name: 'a', edge: 5, nowMs: 1 });
  await assert.rejects(add, /disk I\/O error/);
  await assert.rejects(edge, /not in the store/);
  // As after a COMMIT whose flush failed: the row is there although the store was told that it is not.
  await assert.rejects(store.changeAssociation({ kind: 'add', row, nowMs: 1 }), /disk I\/O error/);
  other.exec('DROP TRIGGER broken');
  other.exec(
    `INSERT INTO association VALUES ('a', 'coaps', '', 1, x'', 'psk', NULL, '', NULL, x'', 64, 0, 0, 1, 0)`,
  );
  await store.record(reading('1'), fingerprint(1));
  assert.deepEqual(stored(), { readings: 1, edges: [] });
});

test('a change of an association that is not there is told to who asked for it, and the rest of its group is stored', async (t) => {
  const { store, stored } = await fixture(t);
  const changes = [
    store.changeAssociation({ kind: 'reserve', name: 'a', upTo: 500 }),
    store.changeAssociation({ kind: 'edge', name: 'a', edge: 5, nowMs: 1 }),
    store.changeAssociation({
      kind: 'suspend',
      name: 'a',
      host: '192.0.2.1',
      port: 1,
      state: new Uint8Array(0),
      next: 1,
      edge: 1,
    }),
  ];
  const together = store.record(reading('1'), fingerprint(1));
  for (const change of changes) {
    await assert.rejects(change, (fault: StoreFault) => /not in the store/.test(fault.message));
  }
  await together;
  await store.changeAssociation({ kind: 'remove', name: 'a' });
  assert.deepEqual(stored(), { readings: 1, edges: [] });
});
