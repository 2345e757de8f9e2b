import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AssociationRow } from '../../src/store/association-row.ts';
import type { BegunRequest } from '../../src/store/request-table.ts';
import { Store } from '../../src/store/store.ts';
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

function request(messageId: number, change: Partial<BegunRequest> = {}): BegunRequest {
  const token = Uint8Array.of(1, 2);
  return { association: 'a', messageId, token, nowMs: 1_000_000, lifetimeMs: 247_000, ...change };
}

test('a request that began, or was answered, before a restart is recognised after it', async (t) => {
  const path = temporaryFolder(t);
  {
    await using store = await Store.open(path);
    await store.changeAssociation({ kind: 'add', row, nowMs: 1 });
    assert.equal(await store.beginRequest(request(1)), 'new');
    assert.equal(await store.beginRequest(request(2)), 'new');
    await store.finishRequest(request(2), Uint8Array.of(9));
  }
  await using store = await Store.open(path);
  assert.deepEqual(await store.beginRequest(request(1)), { answer: undefined });
  assert.deepEqual(await store.beginRequest(request(2)), { answer: Uint8Array.of(9) });
  for (const other of [request(3), request(1, { token: new Uint8Array(0) })]) {
    assert.equal(await store.beginRequest(other), 'new');
  }
});

test('a request is forgotten after its lifetime, when the clock was set back, and with its association', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  await store.changeAssociation({ kind: 'add', row, nowMs: 1 });
  await store.beginRequest(request(1));
  assert.deepEqual(await store.beginRequest(request(1, { nowMs: 1_246_999 })), { answer: undefined });
  assert.equal(await store.beginRequest(request(1, { nowMs: 500 })), 'new');
  assert.equal(await store.beginRequest(request(1, { nowMs: 1_247_000 })), 'new');
  await store.changeAssociation({ kind: 'remove', name: 'a' });
  assert.equal(await store.beginRequest(request(1)), 'no-association');
  await store.finishRequest(request(1), Uint8Array.of(1));
  await store.changeAssociation({ kind: 'add', row, nowMs: 1 });
  assert.equal(await store.beginRequest(request(1)), 'new');
});

test('of an association the newest 64 requests are remembered', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  await store.changeAssociation({ kind: 'add', row, nowMs: 1 });
  await Promise.all(Array.from({ length: 65 }, (_, messageId) => store.beginRequest(request(messageId))));
  assert.deepEqual(await store.beginRequest(request(1)), { answer: undefined });
  assert.equal(await store.beginRequest(request(0)), 'new');
});
