import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceDirectory } from '../../src/gateway/device-directory.ts';
import type { Device } from '../../src/store/device-table.ts';

const device = (change: Partial<Device> = {}): Device => ({
  id: 'a',
  credential: { kind: 'psk', key: Uint8Array.of(1) },
  keyVersion: 1,
  addedAtMs: 1,
  rotatedAtMs: undefined,
  rules: ['GET:/x'],
  ...change,
});

const stamp = 'store:1 1';

function byFingerprint(stored: Map<string, Device>, fingerprint: string): Device | undefined {
  return [...stored.values()].find(
    ({ credential }) => 'fingerprint' in credential && credential.fingerprint === fingerprint,
  );
}

function directory(stored: Map<string, Device>, looked: string[] = []): DeviceDirectory {
  return new DeviceDirectory({
    device: async (id) => {
      looked.push(id);
      return stored.get(id);
    },
    deviceByFingerprint: async (fingerprint) => byFingerprint(stored, fingerprint),
    keyVersions: async (ids) => ids.map((id) => stored.get(id)),
    demo: [{ identity: 'demo', key: Uint8Array.of(3) }],
    configured: () => ({ psks: [{ identity: 'cli', key: Uint8Array.of(2) }], anyIdentityKey: undefined }),
  });
}

test('rules are looked up once, and again after another process has written', async () => {
  const looked: string[] = [];
  const known = directory(new Map([['a', device()]]), looked);
  for (let round = 0; round < 3; round += 1) assert.equal((await known.rules('a', stamp))?.length, 1);
  assert.equal(looked.length, 1);
  known.storeChanged();
  await known.rules('a', stamp);
  assert.equal(looked.length, 2);
});

test('a look-up that was under way while the store changed is not kept', async () => {
  const stored = new Map([['a', device()]]);
  const known = directory(stored);
  const early = known.rules('a', stamp);
  known.storeChanged();
  stored.delete('a');
  await early;
  assert.equal(await known.rules('a', stamp), undefined);
});

test('a key comes with the stamp of its source, which is current until the source or the key changes', async () => {
  const stored = new Map([['a', device()]]);
  const known = new DeviceDirectory({
    device: async (id) => stored.get(id),
    deviceByFingerprint: async (fingerprint) => byFingerprint(stored, fingerprint),
    keyVersions: async (ids) => ids.map((id) => stored.get(id)),
    demo: [{ identity: 'demo', key: Uint8Array.of(3) }],
    configured: () => ({
      psks: [{ identity: 'cli', key: Uint8Array.of(2) }],
      anyIdentityKey: Uint8Array.of(4),
    }),
  });
  const stamps = new Map<string, unknown>();
  for (const identity of ['a', 'cli', 'demo', 'whoever']) {
    stamps.set(identity, (await known.admission(identity))?.context);
  }
  const held = [...stamps].map(([identity, before]) => ({ identity, stamp: before }));
  assert.deepEqual(await known.areCurrent(held), [true, true, true, true]);
  assert.deepEqual(
    [...stamps.values()].map((one) => String(one).replace(/:[\da-f]{8}$/, '')),
    [stamp, 'command-line', 'demo', 'any'],
  );
  stored.set('a', device({ keyVersion: 2 }));
  for (const id of ['demo', 'whoever', 'cli']) stored.set(id, device({ id }));
  assert.deepEqual(await known.areCurrent(held), [false, true, false, false]);
  stored.delete('a');
  assert.match(String((await known.admission('a'))?.context), /^any:/);
});

test('an association gets the rights of its own source only, never those of a device of the same name', async () => {
  const stored = new Map<string, Device>();
  const known = directory(stored);
  const published = (await known.admission('demo'))?.context;
  // Those of any device, and what the demo adds.
  assert.equal((await known.rules('demo', published))?.length, 5);
  stored.set('demo', device({ id: 'demo', rules: ['*:/*'] }));
  known.storeChanged();
  assert.equal(await known.rules('demo', published), undefined);
  assert.equal((await known.rules('demo', stamp))?.length, 1);
});

test('a rule that cannot be read gives no right', async () => {
  const known = directory(new Map([['a', device({ rules: ['nonsense', 'GET:/x'] })]]));
  assert.equal((await known.rules('a', stamp))?.length, 1);
});

test('a raw public key and a certificate are those of their device alone, and no pre-shared key opens it', async () => {
  const rpk = device({ id: 'raw', credential: { kind: 'rpk', fingerprint: 'sha256:01' } });
  const cert = device({
    id: 'pki',
    credential: { kind: 'cert', fingerprint: 'sha256:02', expiresAtMs: undefined },
    keyVersion: 3,
  });
  const stored = new Map([
    ['raw', rpk],
    ['pki', cert],
  ]);
  const known = directory(stored);
  assert.deepEqual(await known.ownerOfKey('sha256:01'), { identity: 'raw', context: stamp });
  assert.deepEqual(await known.ownerOfCertificate('pki', 'sha256:02'), {
    identity: 'pki',
    context: 'store:1 3',
  });
  assert.equal(await known.ownerOfKey('sha256:02'), undefined);
  assert.equal(await known.ownerOfCertificate('raw', 'sha256:01'), undefined);
  assert.equal(await known.ownerOfCertificate('other', 'sha256:02'), undefined);
  for (const id of ['raw', 'pki']) assert.equal(await known.admission(id), undefined);
  assert.deepEqual(await known.areCurrent([{ identity: 'pki', stamp: 'store:1 3' }]), [true]);
  stored.set('cli', device({ id: 'cli', credential: { kind: 'rpk', fingerprint: 'sha256:03' } }));
  assert.equal(await known.ownerOfKey('sha256:03'), undefined, 'the command line gives that name a key');
});
