import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceDirectory } from '../../src/gateway/device-directory.ts';
import type { Device } from '../../src/store/device-table.ts';

const device = (change: Partial<Device> = {}): Device => ({
  id: 'a',
  psk: Uint8Array.of(1),
  keyVersion: 1,
  addedAtMs: 1,
  rotatedAtMs: undefined,
  rules: ['GET:/x'],
  ...change,
});

function directory(stored: Map<string, Device>, looked: string[] = []): DeviceDirectory {
  return new DeviceDirectory({
    device: async (id) => {
      looked.push(id);
      return stored.get(id);
    },
    psks: [{ identity: 'cli', key: Uint8Array.of(2) }],
    demo: [{ identity: 'demo', key: Uint8Array.of(3) }],
    anyIdentityKey: undefined,
  });
}

test('rules are looked up once, and again after another process has written', async () => {
  const looked: string[] = [];
  const known = directory(new Map([['a', device()]]), looked);
  for (let round = 0; round < 3; round += 1) assert.equal((await known.rules('a'))?.length, 1);
  assert.equal(looked.length, 1);
  await known.revoked();
  await known.rules('a');
  assert.equal(looked.length, 2);
});

test('a look-up that was under way while the store changed is not kept', async () => {
  const stored = new Map([['a', device()]]);
  const known = directory(stored);
  const early = known.rules('a');
  const revoked = known.revoked();
  stored.delete('a');
  await Promise.all([early, revoked]);
  assert.equal(await known.rules('a'), undefined);
});

test('only identities whose admitted key is not theirs any more are revoked, each once', async () => {
  const stored = new Map([
    ['a', device()],
    ['b', device({ id: 'b' })],
    ['c', device({ id: 'c' })],
  ]);
  const known = directory(stored);
  for (const identity of ['a', 'b', 'c', 'cli', 'demo', 'nobody']) await known.key(identity);
  stored.set('b', device({ id: 'b', keyVersion: 2 }));
  stored.delete('c');
  assert.deepEqual(await known.revoked(), ['b', 'c']);
  assert.deepEqual(await known.revoked(), []);
});

test('a rule that cannot be read gives no right', async () => {
  const known = directory(new Map([['a', device({ rules: ['nonsense', 'GET:/x'] })]]));
  assert.equal((await known.rules('a'))?.length, 1);
});
