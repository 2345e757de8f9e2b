/** The contracts of src/keeping with the engines that need nothing else: memory and SQLite. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Store } from '../../src/store/store.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { deviceKeepingContract } from './device-keeping.ts';
import {
  MemoryDevices,
  MemoryOwners,
  MemoryReadings,
  MemoryRegistrations,
  MemoryStream,
} from './memory-keeping.ts';
import { readingKeepingContract } from './reading-keeping.ts';
import { readingStreamContract, streamed } from './reading-stream.ts';
import { registrationKeepingContract } from './registration-keeping.ts';
import { sessionOwnersContract } from './session-owners.ts';

/** A store, and the part in it of another thread. */
async function openStore(t: TestContext): Promise<{ readonly store: Store; readonly other: Store }> {
  const store = await Store.open(join(temporaryFolder(t), randomUUID()));
  const other = Store.connect(await store.clientPort());
  t.after(async () => {
    await other.close();
    await store.close();
  });
  return { store, other };
}

deviceKeepingContract('memory', async () => {
  const keeping = new MemoryDevices();
  const clear = (): Promise<void> => clearDevices(keeping);
  return { keeping, other: keeping, credentials: keeping, clear };
});

deviceKeepingContract('SQLite', async (t) => {
  const { store, other } = await openStore(t);
  return { keeping: store, other, credentials: other, clear: () => clearDevices(store) };
});

async function clearDevices(keeping: Pick<MemoryDevices, 'homedDevices' | 'removeDevices'>): Promise<void> {
  for await (const page of keeping.homedDevices()) {
    for (const { home, device } of page) await keeping.removeDevices(home, [device.id]);
  }
}

registrationKeepingContract('memory', async () => {
  const keeping = new MemoryRegistrations();
  const clear = async (): Promise<void> => keeping.removeRegistrations(['one', 'two', 'three']);
  return { keeping, other: keeping, clear };
});

registrationKeepingContract('SQLite', async (t) => {
  const { store, other } = await openStore(t);
  const clear = async (): Promise<void> => store.removeRegistrations(['one', 'two', 'three']);
  return { keeping: store, other, clear };
});

readingKeepingContract('memory', async () => new MemoryReadings());

readingKeepingContract('SQLite', async (t) => (await openStore(t)).store);

readingStreamContract('memory', async () => {
  const stream = new MemoryStream(1000);
  return { stream, other: stream };
});

sessionOwnersContract('memory', async () => {
  const owners = new MemoryOwners(() => 0);
  const end = async (id: Uint8Array): Promise<void> => {
    const held = await owners.ownerOf(id);
    if (held !== undefined) await owners.release(id, held);
  };
  return { owners, other: owners, end };
});

test('memory: a session is owned for the time that was said, and no longer', async () => {
  let now = 0;
  const owners = new MemoryOwners(() => now);
  const id = Uint8Array.of(1);
  assert.deepEqual(await owners.claim(id, 'north', 10), { kind: 'owned', fence: 1 });
  now = 9;
  assert.ok(await owners.renew(id, { owner: 'north', fence: 1 }, 10));
  now = 18;
  assert.deepEqual(await owners.ownerOf(id), { owner: 'north', fence: 1 });
  now = 19;
  assert.deepEqual(await owners.claim(id, 'south', 10), { kind: 'owned', fence: 2 });
});

test('memory: who was away while readings were forgotten is told that there is a gap', async () => {
  const stream = new MemoryStream(3);
  const mark = await stream.end();
  await stream.append([1, 2, 3, 4].map((n) => streamed(n)));
  const page = await stream.after(mark, 10);
  assert.ok(page.hasGap);
  assert.deepEqual(page.readings, [streamed(2), streamed(3), streamed(4)]);
  assert.equal((await stream.after(page.mark, 10)).hasGap, false);
});
