import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { prepareDataFolder } from '../../src/store/data-folder.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { type StoreFault, storeFaultOf } from '../../src/store/store-fault.ts';
import { temporaryFolder } from './temporary-folder.ts';

const noModes = process.platform === 'win32' && 'access rights are kept differently on Windows';
const gateway = { create: true, asGateway: true } as const;

test('the data folder is made 0700 and every file in it 0600', { skip: noModes }, (t) => {
  const path = join(temporaryFolder(t), 'data');
  const opened = openDatabase(path, gateway);
  t.after(() => opened.close());
  new DeviceTable(opened).add({
    id: 'a',
    credential: { kind: 'psk', key: new Uint8Array(16) },
    rules: [],
    addedAtMs: 1,
  });
  assert.equal(statSync(path).mode & 0o777, 0o700);
  const files = readdirSync(path);
  for (const needed of ['coapsule.db', 'coapsule.db-wal', 'coapsule.db-shm'])
    assert.ok(files.includes(needed), needed);
  for (const file of files) assert.equal(statSync(join(path, file)).mode & 0o777, 0o600, file);
});

test('a database that others may read is refused, with the command that closes it', {
  skip: noModes,
}, (t) => {
  const path = temporaryFolder(t);
  openDatabase(path, gateway).close();
  chmodSync(join(path, 'coapsule.db'), 0o644);
  assert.throws(
    () => openDatabase(path, gateway),
    (fault: StoreFault) => fault.code === 'open-to-others' && fault.nextStep.includes('chmod 600'),
  );
});

test('a folder that others may list is used with a warning', { skip: noModes }, (t) => {
  const path = temporaryFolder(t);
  chmodSync(path, 0o755);
  assert.match(prepareDataFolder(path, { create: true }).warnings.join(), /chmod 700/);
});

test('a folder that others may write, or that belongs to somebody else, is refused', {
  skip: noModes,
}, (t) => {
  for (const mode of [0o770, 0o702, 0o777]) {
    const path = temporaryFolder(t);
    chmodSync(path, mode);
    assert.throws(
      () => openDatabase(path, gateway),
      (fault: StoreFault) => fault.code === 'open-to-others' && fault.nextStep.includes('chmod 700'),
    );
    assert.deepEqual(readdirSync(path), []);
  }
  if (process.getuid?.() !== 0) return;
  const path = temporaryFolder(t);
  chownSync(path, 65_534, 65_534);
  assert.throws(
    () => openDatabase(path, gateway),
    (fault: StoreFault) => fault.code === 'no-permission' && /another user/.test(fault.message),
  );
});

test('a link in place of a file of the store is refused, and what it leads to is not touched', {
  skip: noModes,
}, (t) => {
  for (const name of ['coapsule.db', 'coapsule.db-wal', 'gateway.lock', 'gateway.pid']) {
    const path = temporaryFolder(t);
    const elsewhere = join(temporaryFolder(t), 'elsewhere');
    symlinkSync(elsewhere, join(path, name));
    assert.throws(
      () => openDatabase(path, gateway),
      (fault: StoreFault) => fault.code === 'not-ours' && fault.message.includes(name),
    );
    assert.equal(existsSync(elsewhere), false);
  }
});

test('a folder where none can be made is refused at once', { skip: !existsSync('/proc/self') }, () => {
  for (const path of ['/proc/coapsule', '/proc/coapsule/a/b']) {
    assert.throws(
      () => openDatabase(path, gateway),
      (fault: StoreFault) => fault.code === 'no-permission',
    );
  }
});

test('missing folders above are made, for their owner only', { skip: noModes }, (t) => {
  const path = join(temporaryFolder(t), 'a', 'b');
  openDatabase(path, gateway).close();
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
});

test('a path below a file is refused as no folder', (t) => {
  const file = join(temporaryFolder(t), 'file');
  writeFileSync(file, 'x');
  for (const path of [file, join(file, 'data')]) {
    assert.throws(
      () => openDatabase(path, gateway),
      (fault: StoreFault) => fault.code === 'not-a-folder',
    );
  }
});

test('a missing store is not made for a command that only reads', (t) => {
  const path = temporaryFolder(t);
  assert.throws(
    () => openDatabase(path, { create: false, asGateway: false }),
    (fault: StoreFault) => fault.code === 'no-store',
  );
  assert.deepEqual(readdirSync(path), []);
});

test('a file that is no database is refused as damaged and not changed', (t) => {
  const path = temporaryFolder(t);
  const { databasePath } = prepareDataFolder(path, { create: true });
  writeFileSync(databasePath, 'this is no database, but somebody may need it '.repeat(100));
  const before = readFileSync(databasePath);
  assert.throws(
    () => openDatabase(path, gateway),
    (fault: StoreFault) => fault.code === 'damaged' && fault.nextStep.includes('backup'),
  );
  assert.deepEqual(readFileSync(databasePath), before);
});

test('a database with a damaged page inside is refused by the check at the start, of the gateway and of other commands', (t) => {
  const path = temporaryFolder(t);
  const opened = openDatabase(path, gateway);
  const insert = opened.database.prepare(
    "INSERT INTO reading (path, value, peer_address, received_at_ms) VALUES ('/sensors/' || ?, zeroblob(500), '', 0)",
  );
  for (let row = 0; row < 200; row += 1) insert.run(row);
  const { databasePath } = opened.folder;
  opened.close();
  const bytes = readFileSync(databasePath);
  for (let page = 8; page < bytes.length / 4096; page += 1) bytes.fill(0xa5, page * 4096, page * 4096 + 64);
  writeFileSync(databasePath, bytes);
  for (const asGateway of [true, false]) {
    assert.throws(
      () => openDatabase(path, { create: true, asGateway }),
      (fault: StoreFault) => fault.code === 'damaged',
    );
  }
  assert.deepEqual(readFileSync(databasePath), bytes);
});

test('a write-ahead log without its database is refused, since SQLite would delete it', (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, 'coapsule.db-wal'), 'committed readings', { mode: 0o600 });
  assert.throws(
    () => openDatabase(path, gateway),
    (fault: StoreFault) => fault.code === 'damaged',
  );
  assert.equal(readFileSync(join(path, 'coapsule.db-wal'), 'utf8'), 'committed readings');
});

test('errors of the system become faults that name the cause and the next step', () => {
  const cases = [
    [{ code: 'EACCES' }, 'no-permission'],
    [{ code: 'EROFS' }, 'no-permission'],
    [{ code: 'ENOSPC' }, 'disk-full'],
    [{ code: 'ERR_SQLITE_ERROR', errcode: 13 }, 'disk-full'],
    [{ code: 'ERR_SQLITE_ERROR', errcode: 1032, message: 'readonly' }, 'no-permission'],
    [{ code: 'ERR_SQLITE_ERROR', errcode: 11, message: 'malformed' }, 'damaged'],
    [{ code: 'ERR_SQLITE_ERROR', errcode: 5 }, 'in-use'],
    [{ message: 'odd' }, 'failed'],
  ] as const;
  for (const [error, code] of cases) {
    const fault = storeFaultOf(error, '/somewhere');
    assert.equal(fault.code, code);
    assert.match(fault.message, /\/somewhere/);
    assert.notEqual(fault.nextStep, '');
  }
});
