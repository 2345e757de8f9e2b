/** What the store keeps of devices that sleep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Representation, SleepyCommand } from '../../src/sleepy/sleepy-command.ts';
import { Store } from '../../src/store/store.ts';
import { temporaryFolder } from './temporary-folder.ts';

const command: SleepyCommand = {
  id: 7,
  device: 'meter',
  method: 'PUT',
  target: '/setpoint?unit=C',
  payload: Uint8Array.of(1, 2),
  contentFormat: 0,
  ifMatch: [Uint8Array.of(0xab, 0xcd), new Uint8Array()],
  ifNoneMatch: true,
  from: 'dashboard',
  createdAtMs: 10,
  expiresAtMs: 20,
  state: 'queued',
  answer: undefined,
};

function representation(path: string, receivedAtMs: number): Representation {
  const payload = new TextEncoder().encode(path);
  const etag = Uint8Array.of(1);
  return { device: 'meter', path, payload, contentFormat: undefined, etag, receivedAtMs, freshUntilMs: 99 };
}

test('commands and representations come back as they were, also in the next process', async (t) => {
  const folder = temporaryFolder(t);
  const done: SleepyCommand = {
    ...command,
    id: 3,
    state: 'done',
    answer: { code: 0x44, payload: Uint8Array.of(9), contentFormat: undefined },
  };
  const store = await Store.open(folder);
  await store.changeSleepy([
    { kind: 'command', command },
    { kind: 'command', command: done },
    { kind: 'representation', representation: representation('/a', 5), most: 64 },
  ]);
  await store.close();
  await using again = await Store.open(folder);
  assert.deepEqual(await again.sleepyCommands(), [done, command]);
  assert.deepEqual(await again.representation('meter', '/a'), representation('/a', 5));
  await again.changeSleepy([
    { kind: 'remove-commands', ids: [3] },
    { kind: 'command', command: { ...command, state: 'cancelled' } },
    { kind: 'no-representation', device: 'meter', path: '/a' },
  ]);
  assert.deepEqual(
    (await again.sleepyCommands()).map(({ id, state }) => [id, state]),
    [[7, 'cancelled']],
  );
  assert.equal(await again.representation('meter', '/a'), undefined);
});

test('of one device the newest representations are kept', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  for (const [path, at] of [
    ['/a', 1],
    ['/b', 3],
    ['/c', 2],
  ] as const)
    await store.changeSleepy([{ kind: 'representation', representation: representation(path, at), most: 2 }]);
  assert.equal(await store.representation('meter', '/a'), undefined);
  assert.ok(await store.representation('meter', '/b'));
  assert.ok(await store.representation('meter', '/c'));
});
