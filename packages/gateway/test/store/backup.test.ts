import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { AssociationTable } from '../../src/store/association-table.ts';
import { backUp } from '../../src/store/backup.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { OscoreTable } from '../../src/store/oscore-table.ts';
import { restore, restoreJump } from '../../src/store/restore.ts';
import { Store } from '../../src/store/store.ts';
import type { StoreFault } from '../../src/store/store-fault.ts';
import { temporaryFolder } from './temporary-folder.ts';

const psk = Buffer.from('5e9a11c0ffee0123456789abcdef0042', 'hex');
const state = Buffer.from('the keys of an association, 188 bytes of them'.repeat(4));
const beside = { kind: 'beside' } as const;
const madeAtMs = 1_700_000_000_000;

/** A data folder with a device of each kind, an association and a reading, open as by a gateway. */
function dataFolder(t: TestContext): string {
  const path = join(temporaryFolder(t), 'data');
  const store = openDatabase(path, { create: true, asGateway: false });
  const devices = new DeviceTable(store);
  devices.add({ id: 'a', credential: { kind: 'psk', key: psk }, rules: ['GET:/x'], addedAtMs: 1 });
  devices.add({
    id: 'o',
    credential: {
      ...{ kind: 'oscore', masterSecret: psk, masterSalt: undefined },
      ...{ senderId: Uint8Array.of(1), recipientId: Uint8Array.of(2), idContext: undefined },
      ...{ aead: 'AES-CCM-16-64-128', hkdf: 'SHA-256' },
    },
    rules: [],
    addedAtMs: 1,
  });
  new OscoreTable(store).save({
    deviceId: 'o',
    addedAtMs: 1,
    keyVersion: 1,
    senderEdge: 300,
    recipientEdge: 64,
  });
  new AssociationTable(store).apply({
    kind: 'add',
    row: {
      ...{
        name: 'n',
        endpoint: 'coaps',
        host: 'h',
        port: 1,
        identity: Uint8Array.of(1),
        authentication: 'psk',
      },
      ...{ credential: undefined, keyStamp: 's', expiresAtMs: undefined, state, reserved: 64, edge: 0 },
    },
    nowMs: 1,
  });
  store.close();
  return path;
}

const reading = (n: number) => ({
  ...{ path: '/sensors/a', value: Buffer.from(String(n)), contentFormat: undefined, identity: 'a' },
  ...{ peerAddress: '[::1]:1', receivedAtMs: madeAtMs + n },
});

function beginAt(path: string, keyOf: string): string {
  mkdirSync(path, { mode: 0o700 });
  copyFileSync(join(keyOf, 'master.key'), join(path, 'master.key'));
  return path;
}

function edges(path: string): unknown {
  const store = openDatabase(path, { create: false, asGateway: false });
  const found = new OscoreTable(store).edges('o');
  store.close();
  return found;
}

const fault = (code: string, message: RegExp) => (error: StoreFault) =>
  error.code === code && message.test(error.message);

test('a backup is made while the store is written, and holds all that was acknowledged before it began', async (t) => {
  const path = dataFolder(t);
  await using store = await Store.open(path);
  const terms = { retention: { keepNewest: 0 } } as never;
  for (let n = 0; n < 200; n++) await store.record(reading(n) as never, undefined, terms);
  const file = join(path, '..', 'backup.db');
  let isMade = false;
  const made = backUp(path, file, madeAtMs).finally(() => {
    isMade = true;
  });
  let written = 200;
  while (!isMade) await store.record(reading(written++) as never, undefined, terms);
  const { readings, devices } = await made;
  assert.ok(readings >= 200 && readings <= written, `${readings} of ${written}`);
  assert.equal(devices, 2);
  assert.equal(statSync(file).mode & 0o777, process.platform === 'win32' ? 0o666 : 0o600);
  assert.deepEqual(
    readdirSync(join(path, '..')).filter((name) => name.startsWith('backup')),
    ['backup.db'],
  );
  const copy = new DatabaseSync(file, { readOnly: true });
  t.after(() => copy.close());
  const ids = copy
    .prepare('SELECT id FROM reading ORDER BY id')
    .all()
    .map(({ id }) => id);
  assert.deepEqual(
    ids,
    Array.from({ length: readings }, (_, i) => i + 1),
    'without gaps',
  );
});

test('firmware is in a backup and comes back with it; what is missing or damaged is told, and a damaged backup makes no store', async (t) => {
  const path = dataFolder(t);
  const image = Buffer.alloc(2_500_000, 'firmware of a pump, ');
  const sha256 = createHash('sha256').update(image).digest('hex');
  const other = createHash('sha256').update('other').digest('hex');
  mkdirSync(join(path, 'firmware'));
  writeFileSync(join(path, 'firmware', `${sha256}.bin`), image);
  writeFileSync(join(path, 'firmware', `${other}.bin`), 'damaged');
  const database = new DatabaseSync(join(path, 'coapsule.db'));
  const put = database.prepare('INSERT INTO resource_state (name, value) VALUES (?, ?)');
  for (const [version, digest] of [
    ['1', sha256],
    ['2', sha256],
    ['3', other],
    ['4', 'ab'.repeat(32)],
  ] as const)
    put.run(
      `firmware:pump/${version}`,
      Buffer.from(JSON.stringify({ name: 'pump', version, sha256: digest })),
    );
  database.close();
  const at = (name: string): string => join(path, '..', name);
  const { firmware } = await backUp(path, at('backup.db'), madeAtMs);
  assert.deepEqual(firmware, { files: 1, missing: ['pump/3', 'pump/4'] });
  const restored = restore(at('backup.db'), beginAt(at('restored'), path), beside, madeAtMs);
  assert.equal(restored.firmware, 1);
  assert.deepEqual(readdirSync(at('restored/firmware')), [`${sha256}.bin`]);
  assert.ok(readFileSync(at(`restored/firmware/${sha256}.bin`)).equals(image));
  const store = new DatabaseSync(at('restored/coapsule.db'), { readOnly: true });
  t.after(() => store.close());
  assert.deepEqual(store.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'backup_%'").all(), []);
  assert.ok(statSync(at('restored/coapsule.db')).size < 1_000_000, 'nothing of it stays in the store');

  const without = await backUp(path, at('small.db'), madeAtMs, false);
  assert.equal(without.firmware, undefined);
  assert.equal(restore(at('small.db'), beginAt(at('small'), path), beside, madeAtMs).firmware, 0);

  const broken = new DatabaseSync(at('backup.db'));
  broken.prepare('UPDATE backup_firmware SET piece = ? WHERE position = 0').run(Buffer.from('other'));
  broken.close();
  assert.throws(
    () => restore(at('backup.db'), beginAt(at('none'), path), beside, madeAtMs),
    fault('damaged', /has other contents than its name says/),
  );
  assert.equal(existsSync(at('none/coapsule.db')), false);
});

test('a backup has no association, nothing of one, and no key in clear', async (t) => {
  const path = dataFolder(t);
  const row = new DatabaseSync(join(path, 'coapsule.db'));
  const sealed = Buffer.from(row.prepare('SELECT state FROM association').get()?.['state'] as Uint8Array);
  row.close();
  const file = join(path, '..', 'backup.db');
  const { keyId } = await backUp(path, file, madeAtMs);
  assert.match(keyId, /^\w{12}$/);
  const content = readFileSync(file);
  assert.ok(!content.includes(sealed.subarray(17, 60)), 'the sealed keys of the association');
  assert.ok(!content.includes(psk));
  assert.ok(!content.includes(state.subarray(0, 40)));
  assert.ok(!content.includes(readFileSync(join(path, 'master.key')).subarray(0, 64)));
});

test('a backup replaces no file, and leaves none when it cannot be made', async (t) => {
  const path = dataFolder(t);
  const there = join(path, '..', 'there');
  writeFileSync(there, 'mine');
  await assert.rejects(backUp(path, there, madeAtMs), fault('in-the-way', /is there already/));
  assert.equal(readFileSync(there, 'latin1'), 'mine');
  await assert.rejects(
    backUp(join(path, 'no'), join(path, '..', 'b'), madeAtMs),
    fault('no-store', /no data folder/),
  );
  writeFileSync(join(path, 'coapsule.db'), 'no database at all, for a while of bytes');
  await assert.rejects(backUp(path, join(path, '..', 'b'), madeAtMs), fault('damaged', /damaged/));
  assert.deepEqual(readdirSync(join(path, '..')).sort(), ['data', 'there']);
});

test('a restored store has the devices and readings of the backup; OSCORE numbers are ahead of all that were used', async (t) => {
  const path = dataFolder(t);
  const file = join(path, '..', 'backup.db');
  await backUp(path, file, madeAtMs);
  const target = beginAt(join(path, '..', 'restored'), path);
  const dayMs = 86_400_000;
  const facts = restore(file, target, beside, madeAtMs + dayMs);
  assert.deepEqual([facts.devices, facts.readings, facts.contexts, facts.exhausted], [2, 0, 1, []]);
  assert.deepEqual(edges(target), { senderEdge: 300 + 2 ** 32 + 86_400_000, recipientEdge: 2 ** 40 });
  const store = openDatabase(target, { create: false, asGateway: true });
  const credential = new DeviceTable(store).find('a')?.credential;
  assert.deepEqual(credential?.kind === 'psk' && Buffer.from(credential.key), psk);
  assert.equal(store.database.prepare('SELECT count(*) AS n FROM association').get()?.['n'], 0);
  store.close();
  // The second time from one backup: above all that the first one may have used in an hour.
  const again = beginAt(join(path, '..', 'again'), path);
  restore(file, again, beside, madeAtMs + dayMs + 3_600_000);
  assert.deepEqual(edges(again), {
    senderEdge: 300 + 2 ** 32 + 86_400_000 + 3600 * restoreJump.perSecond,
    recipientEdge: 2 ** 40,
  });
});

test('a context that has no numbers left after a restore is named, and not wound back', async (t) => {
  const path = dataFolder(t);
  const store = openDatabase(path, { create: false, asGateway: false });
  const used = 2 ** 40 - 1000;
  new OscoreTable(store).save({
    deviceId: 'o',
    addedAtMs: 1,
    keyVersion: 1,
    senderEdge: used,
    recipientEdge: 0,
  });
  store.close();
  const file = join(path, '..', 'backup.db');
  await backUp(path, file, madeAtMs);
  const target = beginAt(join(path, '..', 'restored'), path);
  assert.deepEqual(restore(file, target, beside, madeAtMs).exhausted, ['o']);
  assert.deepEqual(edges(target), { senderEdge: 2 ** 40, recipientEdge: 2 ** 40 });
});

test('restore refuses a folder in use, one that is not empty, and what is no backup, and changes nothing there', async (t) => {
  const path = dataFolder(t);
  const file = join(path, '..', 'backup.db');
  await backUp(path, file, madeAtMs);
  const before = readdirSync(path);
  assert.throws(
    () => restore(file, path, beside, madeAtMs),
    fault('in-the-way', /is not empty: it has coapsule\.db/),
  );
  assert.deepEqual(readdirSync(path), before);
  {
    await using _store = await Store.open(path);
    assert.throws(() => restore(file, path, beside, madeAtMs), fault('in-the-way', /is not empty/));
  }
  const target = beginAt(join(path, '..', 'restored'), path);
  writeFileSync(join(target, 'mine'), 'x');
  assert.throws(() => restore(file, target, beside, madeAtMs), fault('in-the-way', /it has mine/));
  assert.deepEqual(readdirSync(target).sort(), ['master.key', 'mine']);
  const fresh = join(path, '..', 'fresh');
  assert.throws(
    () => restore(`${file}-no`, fresh, beside, madeAtMs),
    fault('no-store', /there is no backup/),
  );
  const live = join(path, 'coapsule.db');
  assert.throws(() => restore(live, fresh, beside, madeAtMs), fault('not-ours', /is no backup/));
  assert.throws(
    () => restore(file, fresh, beside, madeAtMs),
    fault('master-key', /their master key \(\w{12}\) is not in/),
  );
  assert.throws(() => restore(file, target, beside, madeAtMs - 1), fault('failed', /clock/));
  const cut = join(path, '..', 'cut.db');
  writeFileSync(cut, readFileSync(file).subarray(0, statSync(file).size >> 1));
  assert.throws(() => restore(cut, fresh, beside, madeAtMs), fault('damaged', /damaged/));
  assert.equal(existsSync(fresh), false);
});

test('a backup that is copied into a folder by hand does not open: it has to be restored', async (t) => {
  const path = dataFolder(t);
  const file = join(path, '..', 'backup.db');
  await backUp(path, file, madeAtMs);
  const target = beginAt(join(path, '..', 'copied'), path);
  copyFileSync(file, join(target, 'coapsule.db'));
  for (const asGateway of [true, false]) {
    assert.throws(
      () => openDatabase(target, { create: false, asGateway }),
      (error: StoreFault) => /is a backup/.test(error.message) && /coapsule restore/.test(error.nextStep),
    );
  }
  assert.deepEqual(readFileSync(join(target, 'coapsule.db')), readFileSync(file));
});

test('a backup that came back from a medium with other rights is restored for its owner only', async (t) => {
  const path = dataFolder(t);
  const file = join(path, '..', 'backup.db');
  await backUp(path, file, madeAtMs);
  for (const mode of [0o644, 0o444]) {
    chmodSync(file, mode);
    const target = beginAt(join(path, '..', `restored-${mode}`), path);
    assert.equal(restore(file, target, beside, madeAtMs).devices, 2);
    const { mode: found } = statSync(join(target, 'coapsule.db'));
    assert.equal(found & 0o777, process.platform === 'win32' ? 0o666 : 0o600);
  }
});

test('a restore that was interrupted is repeated in the same folder', async (t) => {
  const path = dataFolder(t);
  const file = join(path, '..', 'backup.db');
  await backUp(path, file, madeAtMs);
  const target = beginAt(join(path, '..', 'restored'), path);
  writeFileSync(join(target, 'coapsule.db.part'), 'half of it', { mode: 0o600 });
  writeFileSync(join(target, 'gateway.lock'), '', { mode: 0o600 });
  assert.equal(restore(file, target, beside, madeAtMs).devices, 2);
  assert.equal(existsSync(join(target, 'coapsule.db.part')), false);
});
