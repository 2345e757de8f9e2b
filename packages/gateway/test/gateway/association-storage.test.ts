import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ipAddress, type KeptAssociation, type ResumableAssociation } from 'coapsule';
import { AssociationStorage } from '../../src/gateway/association-storage.ts';
import { lineLog } from '../../src/server/log.ts';
import { Store } from '../../src/store/store.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function kept(name: string, changes: Partial<KeptAssociation> = {}): KeptAssociation {
  return {
    name,
    address: ipAddress('192.0.2.1', 40_000),
    identity: text(name),
    authentication: { kind: 'psk' },
    context: `store:1 ${name}`,
    certificateExpiresAt: undefined,
    state: new Uint8Array(186).fill(1),
    reserved: 64,
    edge: 0,
    ...changes,
  };
}

async function fixture(t: TestContext) {
  const store = await Store.open(temporaryFolder(t));
  t.after(() => store.close());
  const current = new Set<unknown>();
  const storage = new AssociationStorage({
    endpoint: 'coaps',
    store,
    directory: { areCurrent: async (held) => held.map(({ stamp }) => current.has(stamp)) },
    clock: () => 1_000_000,
    log: lineLog(() => {}, 0),
  });
  return { storage, current };
}

async function resume(storage: AssociationStorage): Promise<readonly ResumableAssociation[]> {
  const all: ResumableAssociation[] = [];
  for await (const some of storage.resume(64)) all.push(...some);
  return all;
}

test('what was kept comes back whole, with what it was proved with', async (t) => {
  const { storage, current } = await fixture(t);
  const certificateExpiresAt = new Date(2_000_000);
  const all = [
    kept('psk'),
    kept('x509', {
      authentication: { kind: 'x509', certificate: Uint8Array.of(1) },
      certificateExpiresAt,
    }),
    kept('raw', { authentication: { kind: 'raw-public-key', publicKey: Uint8Array.of(2) } }),
  ];
  for (const one of all) {
    current.add(one.context);
    await storage.add(one);
  }
  const resumed = await resume(storage);
  assert.deepEqual(
    resumed.toSorted((a, b) => a.name.localeCompare(b.name)),
    all
      .toSorted((a, b) => a.name.localeCompare(b.name))
      .map((one) => ({ ...one, writeFrom: 64, reserved: 128, exact: false, reviewed: true })),
  );
});

test('an association whose key does not count any more is not taken over, and forgotten', async (t) => {
  const { storage, current } = await fixture(t);
  await storage.add(kept('rotated'));
  await storage.add(kept('same'));
  current.add(kept('same').context);
  assert.deepEqual(
    (await resume(storage)).map(({ name }) => name),
    ['same'],
  );
  current.add(kept('rotated').context);
  assert.equal((await resume(storage)).length, 1);
});

test('what is asked for at once becomes durable in that order: an edge of a new association is not lost', async (t) => {
  const { storage, current } = await fixture(t);
  current.add(kept('a').context);
  await Promise.all([
    storage.add(kept('a')),
    storage.setEdge('a', 7),
    storage.reserve('a', 500),
    storage.setEdge('a', 9),
  ]);
  const [resumed] = await resume(storage);
  assert.equal(resumed?.edge, 9);
  assert.equal(resumed?.writeFrom, 500);
});

test('a request is remembered with its answer, under its association, until the association goes', async (t) => {
  const { storage } = await fixture(t);
  await storage.add(kept('a'));
  await storage.add(kept('b'));
  const request = { messageId: 7, token: Uint8Array.of(1, 2), lifetimeMs: 247_000 };
  assert.equal(await storage.rememberRequest('a', request), undefined);
  assert.deepEqual(await storage.rememberRequest('a', request), { answer: undefined });
  assert.equal(await storage.rememberRequest('b', request), undefined);
  await storage.setAnswer('a', request, Uint8Array.of(3));
  assert.deepEqual(await storage.rememberRequest('a', request), { answer: Uint8Array.of(3) });
  await storage.remove('a');
  await assert.rejects(storage.rememberRequest('a', request), /not kept/);
  await storage.setAnswer('a', request, Uint8Array.of(3));
});
