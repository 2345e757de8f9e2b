import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { AssociationTable } from '../../src/store/association-table.ts';
import { prepareDataFolder } from '../../src/store/data-folder.ts';
import { checkDatabase, type OpenDatabase, openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { migrate } from '../../src/store/schema.ts';
import { resealStore, scrub } from '../../src/store/sealing.ts';
import type { StoreFault } from '../../src/store/store-fault.ts';
import { type MasterKeySource, newMasterKey } from '../../src/vault/master-key.ts';
import { temporaryFolder } from './temporary-folder.ts';

const psk = Buffer.from('5e9a11c0ffee0123456789abcdef0042', 'hex');
const removedPsk = Buffer.from('a0b1c2d3e4f50617283940a1b2c3d4e5', 'hex');
const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const masterSalt = Buffer.from('9e7ca92223786340', 'hex');
const state = Buffer.from('the keys of an association, 188 bytes of them'.repeat(4));
const secrets = { psk, removedPsk, masterSecret, masterSalt, state: state.subarray(0, 40) };

/** As a version that sealed nothing left it: with rows, with pages of rows that are gone, and with a log that was not emptied. */
function folderInClear(path: string): void {
  const { databasePath } = prepareDataFolder(path, { create: true });
  const database = new DatabaseSync(databasePath);
  migrate(database, 9);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;');
  const add = database.prepare('INSERT INTO device (id, psk, credential, added_at_ms) VALUES (?, ?, ?, 1)');
  add.run('a', psk, 'psk');
  add.run('o', new Uint8Array(0), 'oscore');
  for (let i = 0; i < 300; i++) add.run(`removed-${i}`, removedPsk, 'psk');
  database
    .prepare('INSERT INTO oscore_context VALUES (?, ?, ?, ?, ?, NULL, ?, ?, 7, 8)')
    .run(
      ...([
        'o',
        masterSecret,
        masterSalt,
        Uint8Array.of(1),
        Uint8Array.of(2),
        'AES-CCM-16-64-128',
        'SHA-256',
      ] as const),
    );
  const keep = database.prepare(
    "INSERT INTO association VALUES (?, 'coaps', '192.0.2.1', 1, x'61', 'psk', NULL, 'store:1 1', NULL, ?, 64, 0, 0, 5)",
  );
  for (let i = 0; i < 50; i++) keep.run(`n${i}`, state);
  database.exec('PRAGMA wal_checkpoint(FULL)');
  database.exec("DELETE FROM device WHERE id LIKE 'removed-%'; DELETE FROM association WHERE name > 'n3'");
  // As after a crash: the log stays.
  for (const file of ['coapsule.db', 'coapsule.db-wal', 'coapsule.db-shm'])
    copyFileSync(join(path, file), join(path, `${file}.kept`));
  database.close();
  for (const file of ['coapsule.db', 'coapsule.db-wal', 'coapsule.db-shm'])
    renameSync(join(path, `${file}.kept`), join(path, file));
}

/** Which secrets stand in clear in which files of the folder. */
function found(path: string): string[] {
  return readdirSync(path).flatMap((file) => {
    const content = readFileSync(join(path, file));
    return Object.entries(secrets)
      .filter(([, secret]) => content.includes(secret))
      .map(([name]) => `${name} in ${file}`);
  });
}

function contents(path: string): Record<string, Buffer> {
  return Object.fromEntries(readdirSync(path).map((file) => [file, readFileSync(join(path, file))]));
}

function opened(path: string, masterKey?: MasterKeySource, asGateway = true): OpenDatabase {
  return openDatabase(path, { create: true, asGateway, masterKey });
}

function keyFile(path: string): MasterKeySource {
  writeFileSync(path, newMasterKey().text, { mode: 0o600 });
  return { kind: 'file', path, from: 'test' };
}

function addDevice(store: OpenDatabase, id: string, key: Uint8Array): void {
  new DeviceTable(store).add({ id, credential: { kind: 'psk', key }, rules: [], addedAtMs: 1 });
}

function keyOf(store: OpenDatabase, id: string): Buffer | undefined {
  const credential = new DeviceTable(store).find(id)?.credential;
  return credential?.kind === 'psk' ? Buffer.from(credential.key) : undefined;
}

test('a store in clear is sealed at its first opening, and no key stays in its files, log or free pages', (t) => {
  const path = temporaryFolder(t);
  folderInClear(path);
  assert.deepEqual(
    new Set(found(path).map((name) => name.split(' ')[0])),
    new Set(Object.keys(secrets)),
    'the search finds what is there',
  );
  const store = opened(path);
  try {
    assert.deepEqual(found(path), [], 'while it is open');
    assert.deepEqual(keyOf(store, 'a'), psk);
    const context = new DeviceTable(store).find('o')?.credential;
    assert.ok(context?.kind === 'oscore');
    assert.deepEqual(Buffer.from(context.masterSecret), masterSecret);
    assert.deepEqual(Buffer.from(context.masterSalt as Uint8Array), masterSalt);
    const { lengths, bytes, unopened } = new AssociationTable(store).resume({
      ...{
        endpoint: 'coaps',
        ahead: 64,
        nowMs: 5,
        maxAgeMs: 10,
        maxCount: 100,
        after: undefined,
        pageSize: 100,
      },
    });
    assert.equal(unopened, 0);
    assert.equal(lengths[2], state.length);
    assert.ok(Buffer.from(bytes).includes(state));
  } finally {
    store.close();
  }
  assert.deepEqual(found(path), [], 'when it is closed');
  assert.equal(store.database.isOpen, false);
});

test('what is written later is sealed too', (t) => {
  const path = temporaryFolder(t);
  const store = opened(path);
  t.after(() => store.close());
  addDevice(store, 'a', psk);
  new DeviceTable(store).rotate('a', { kind: 'psk', key: removedPsk }, 5);
  new DeviceTable(store).add({
    id: 'o',
    credential: {
      ...{
        kind: 'oscore',
        masterSecret,
        masterSalt,
        senderId: Uint8Array.of(1),
        recipientId: Uint8Array.of(2),
      },
      ...{ idContext: undefined, aead: 'AES-CCM-16-64-128', hkdf: 'SHA-256' },
    },
    rules: [],
    addedAtMs: 1,
  });
  const associations = new AssociationTable(store);
  const row = {
    ...{
      name: 'n',
      endpoint: 'coaps',
      host: 'h',
      port: 1,
      identity: Uint8Array.of(1),
      authentication: 'psk',
    },
    ...{ credential: undefined, keyStamp: 's', expiresAtMs: undefined, state, reserved: 64, edge: 0 },
  };
  associations.apply({ kind: 'add', row, nowMs: 1 });
  const { name, host, port, edge } = row;
  associations.apply({ kind: 'suspend', name, host, port, state, next: 64, edge });
  assert.deepEqual(found(path), []);
  store.database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  assert.deepEqual(found(path), []);
});

test('a wrong or missing master key is refused and changes no file', (t) => {
  const path = temporaryFolder(t);
  const keys = temporaryFolder(t);
  const right = keyFile(join(keys, 'right'));
  const wrong = keyFile(join(keys, 'wrong'));
  const store = opened(path, right);
  addDevice(store, 'a', psk);
  store.close();
  const before = contents(path);
  const refused = (work: () => unknown, message: RegExp): void => {
    assert.throws(work, (fault: StoreFault) => fault.code === 'master-key' && message.test(fault.message));
    assert.deepEqual(
      { ...contents(path), 'gateway.lock': undefined },
      { ...before, 'gateway.lock': undefined },
    );
  };
  for (const asGateway of [true, false]) {
    refused(
      () => opened(path, wrong, asGateway),
      /wrong is not the master key of this store: it is \w{12}, and/,
    );
    refused(
      () => opened(path, undefined, asGateway),
      /are sealed, and their master key \(\w{12}\) is not in/,
    );
  }
  refused(() => checkDatabase(path, wrong), /not the master key/);
  refused(() => checkDatabase(path, { kind: 'beside' }), /is not in/);
  checkDatabase(path, right);
  const again = opened(path, right);
  t.after(() => again.close());
  assert.deepEqual(keyOf(again, 'a'), psk);
});

test('a key beside the data is made once, for its owner only, and warned about at each start of a gateway', (t) => {
  const path = temporaryFolder(t);
  const first = opened(path);
  assert.match(first.warnings.join('\n'), /whoever takes the folder has both/);
  first.close();
  const key = readFileSync(join(path, 'master.key'));
  const device = opened(path, undefined, false);
  assert.deepEqual(device.warnings, []);
  device.close();
  const second = opened(path);
  assert.match(second.warnings.join('\n'), /--master-key/);
  second.close();
  assert.deepEqual(readFileSync(join(path, 'master.key')), key);
  const keys = temporaryFolder(t);
  const elsewhere = opened(join(keys, 'data'), keyFile(join(keys, 'key')));
  assert.deepEqual(elsewhere.warnings, []);
  assert.equal(existsSync(join(keys, 'data', 'master.key')), false);
  elsewhere.close();
});

test('a secret that was moved from another row does not open: the device is named, the association forgotten', (t) => {
  const path = temporaryFolder(t);
  const store = opened(path);
  t.after(() => store.close());
  addDevice(store, 'a', psk);
  addDevice(store, 'b', removedPsk);
  store.database.exec("UPDATE device SET psk = (SELECT psk FROM device WHERE id = 'b') WHERE id = 'a'");
  assert.throws(
    () => new DeviceTable(store).find('a'),
    (fault: StoreFault) => fault.code === 'damaged' && /device\.psk of a does not open/.test(fault.message),
  );
  assert.deepEqual(keyOf(store, 'b'), removedPsk);
  const associations = new AssociationTable(store);
  for (const name of ['n1', 'n2']) {
    const row = {
      ...{ name, endpoint: 'coaps', host: 'h', port: 1, identity: Uint8Array.of(1), authentication: 'psk' },
      ...{ credential: undefined, keyStamp: 's', expiresAtMs: undefined, state, reserved: 64, edge: 0 },
    };
    associations.apply({ kind: 'add', row, nowMs: 1 });
  }
  store.database.exec(
    "UPDATE association SET state = (SELECT state FROM association WHERE name = 'n2') WHERE name = 'n1'",
  );
  const page = associations.resume({
    ...{
      endpoint: 'coaps',
      ahead: 64,
      nowMs: 1,
      maxAgeMs: 10,
      maxCount: 100,
      after: undefined,
      pageSize: 100,
    },
  });
  assert.deepEqual([page.names, page.unopened], [['n2'], 1]);
  assert.equal(store.database.prepare('SELECT count(*) AS n FROM association').get()?.['n'], 1);
});

test('after a change of the master key only the new one opens, and nothing sealed with the old one is left', (t) => {
  const path = temporaryFolder(t);
  const keys = temporaryFolder(t);
  const [old, renewed] = [keyFile(join(keys, 'old')), keyFile(join(keys, 'new'))];
  const store = opened(path, old);
  addDevice(store, 'a', psk);
  store.database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  const row = store.database.prepare("SELECT psk FROM device WHERE id = 'a'").get();
  const sealed = Buffer.from(row?.['psk'] as Uint8Array);
  assert.ok(readFileSync(join(path, 'coapsule.db')).includes(sealed));
  const { count } = resealStore(store, store.folder, renewed);
  assert.equal(count, 1);
  assert.equal(scrub(store.database), undefined);
  store.close();
  for (const content of Object.values(contents(path))) assert.ok(!content.includes(sealed));
  assert.throws(() => opened(path, old), /not the master key/);
  const again = opened(path, renewed);
  assert.deepEqual(keyOf(again, 'a'), psk);
  assert.throws(() => resealStore(again, again.folder, renewed), /is the one that the store has/);
  again.close();
});

test('a change of the master key that fails in the middle leaves all of it under the old key', (t) => {
  const path = temporaryFolder(t);
  const store = opened(path);
  t.after(() => store.close());
  for (const id of ['a', 'b', 'c']) addDevice(store, id, psk);
  store.database.exec(
    "CREATE TRIGGER stop BEFORE UPDATE ON device WHEN NEW.id = 'c' BEGIN SELECT RAISE(ABORT, 'stop'); END",
  );
  assert.throws(() => resealStore(store, store.folder, { kind: 'beside' }), /stop/);
  for (const id of ['a', 'b', 'c']) assert.deepEqual(keyOf(store, id), psk);
  store.close();
  // The new key lies there and counts for nothing.
  assert.ok(existsSync(join(path, 'master.key.next')));
  const again = opened(path);
  assert.deepEqual(keyOf(again, 'c'), psk);
  again.close();
});

test('a change of the key beside the data that ended before the key had its name goes on at the next opening', (t) => {
  for (const asGateway of [true, false]) {
    const path = temporaryFolder(t);
    const store = opened(path);
    addDevice(store, 'a', psk);
    const old = readFileSync(join(path, 'master.key'));
    resealStore(store, store.folder, { kind: 'beside' });
    store.close();
    // As it was between the commit and the renaming.
    renameSync(join(path, 'master.key'), join(path, 'master.key.next'));
    writeFileSync(join(path, 'master.key'), old, { mode: 0o600 });
    checkDatabase(path, { kind: 'beside' });
    const again = opened(path, undefined, asGateway);
    assert.deepEqual(keyOf(again, 'a'), psk);
    again.close();
    assert.equal(existsSync(join(path, 'master.key.next')), false);
    assert.notDeepEqual(readFileSync(join(path, 'master.key')), old);
  }
});

test('while somebody else reads the database the old contents stay, which is told, and go at the next start', (t) => {
  const path = temporaryFolder(t);
  folderInClear(path);
  const reader = new DatabaseSync(join(path, 'coapsule.db'));
  reader.exec('BEGIN; SELECT count(*) FROM device');
  const store = opened(path);
  assert.match(store.warnings.join('\n'), /stay in its files until the next start/);
  store.close();
  reader.close();
  const again = opened(path);
  t.after(() => again.close());
  assert.deepEqual(found(path), []);
  assert.doesNotMatch(again.warnings.join('\n'), /stay in its files/);
});

test('a process that opened the store before the master key was changed writes nothing that could not be opened', (t) => {
  const path = temporaryFolder(t);
  opened(path).close();
  const device = opened(path, undefined, false);
  const store = opened(path);
  resealStore(store, store.folder, { kind: 'beside' });
  assert.throws(() => addDevice(device, 'a', psk), /was changed meanwhile/);
  device.close();
  store.close();
  const again = opened(path, undefined, false);
  addDevice(again, 'a', psk);
  assert.deepEqual(keyOf(again, 'a'), psk);
  again.close();
  rmSync(path, { recursive: true });
});
