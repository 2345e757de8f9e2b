import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { prepareDataFolder } from '../../src/store/data-folder.ts';
import { openDatabase } from '../../src/store/database.ts';
import { lockDataFolder } from '../../src/store/folder-lock.ts';
import { migrate, readSchemaVersion, schemaVersion } from '../../src/store/schema.ts';
import type { StoreFault } from '../../src/store/store-fault.ts';
import { temporaryFolder } from './temporary-folder.ts';

function oldFixture(path: string): string {
  const file = prepareDataFolder(path, { create: true }).databasePath;
  const database = new DatabaseSync(file);
  migrate(database, 1);
  database.exec(
    `INSERT INTO reading (path, value, peer_address, received_at_ms) VALUES ('/sensors/a', x'32322e35', '[::1]:1', 5);
     INSERT INTO device (id, psk, added_at_ms) VALUES ('a', x'01', 7)`,
  );
  database.close();
  return file;
}

test('a database of schema version 1 is brought to the newest version and keeps its rows', (t) => {
  const path = temporaryFolder(t);
  oldFixture(path);
  const opened = openDatabase(path, { create: false, asGateway: true });
  t.after(() => opened.close());
  assert.equal(readSchemaVersion(opened.database), schemaVersion);
  assert.deepEqual(
    { ...opened.database.prepare('SELECT path, identity FROM reading').get() },
    {
      path: '/sensors/a',
      identity: null,
    },
  );
  assert.deepEqual(
    { ...opened.database.prepare('SELECT identity, bytes FROM account').get() },
    { identity: '', bytes: 4 + 2 * '/sensors/a'.length + 128 },
  );
  assert.equal(opened.database.prepare('SELECT readings FROM account_path').get()?.['readings'], 1);
  assert.equal(opened.database.prepare('SELECT count(*) AS n FROM device').get()?.['n'], 1);
  assert.equal(opened.database.prepare('SELECT count(*) AS n FROM deduplication').get()?.['n'], 0);
});

test('a step that fails leaves the version and the tables as they were', (t) => {
  const path = temporaryFolder(t);
  const database = new DatabaseSync(oldFixture(path));
  t.after(() => database.close());
  database.exec('CREATE TABLE deduplication (in_the_way INTEGER)');
  assert.throws(() => migrate(database), /already exists/);
  assert.equal(readSchemaVersion(database), 1);
  assert.equal(database.isTransaction, false);
});

test('a database of a newer schema is refused and not changed', (t) => {
  const path = temporaryFolder(t);
  const file = oldFixture(path);
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA user_version = ${schemaVersion + 1}`);
  database.close();
  const before = readFileSync(file);
  assert.throws(
    () => openDatabase(path, { create: true, asGateway: true }),
    (fault: StoreFault) =>
      fault.code === 'newer-schema' && fault.message.includes(`schema version ${schemaVersion + 1}`),
  );
  assert.deepEqual(readFileSync(file), before);
});

test('a database of another program is refused and not changed', (t) => {
  const path = temporaryFolder(t);
  const { databasePath } = prepareDataFolder(path, { create: true });
  const database = new DatabaseSync(databasePath);
  database.exec('CREATE TABLE diary (entry TEXT)');
  database.close();
  const before = readFileSync(databasePath);
  assert.throws(
    () => openDatabase(path, { create: true, asGateway: true }),
    (fault: StoreFault) => fault.code === 'not-ours',
  );
  assert.deepEqual(readFileSync(databasePath), before);
});

test('an old database is not migrated while a gateway holds the folder', (t) => {
  const path = temporaryFolder(t);
  const file = oldFixture(path);
  const lock = lockDataFolder(prepareDataFolder(path, { create: false }));
  t.after(() => lock.release());
  assert.throws(
    () => openDatabase(path, { create: false, asGateway: false }),
    (fault: StoreFault) => fault.code === 'in-use',
  );
  const database = new DatabaseSync(join(file));
  assert.equal(readSchemaVersion(database), 1);
  database.close();
});
