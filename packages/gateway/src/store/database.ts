/**
 * Opens the gateway's database: rights, schema, durability settings and, for the gateway, an integrity check.
 *
 * Synchronous: the gateway calls it inside its worker thread, `coapsule device` directly. A database that is
 * damaged, foreign or newer is refused before anything is written to it.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { keyBeside, type MasterKeySource } from '../vault/master-key.ts';
import { type DataFolder, prepareDataFolder } from './data-folder.ts';
import { type FolderLock, isFolderHeld, lockDataFolder } from './folder-lock.ts';
import { expectKnownSchema, hasTable, migrate, readSchemaVersion, schemaVersion } from './schema.ts';
import { type SealedDatabase, scrub, sealStore, type UnlockedStore, unlockStore } from './sealing.ts';
import { damaged, StoreFault, storeFaultOf } from './store-fault.ts';

/** How to open. */
export interface OpenOptions {
  /** Make the folder and the database when they are missing. */
  readonly create: boolean;
  /** Claim the folder for this process. The whole file is checked unless another gateway holds it. */
  readonly asGateway: boolean;
  /** What opens the secrets; beside the data unless said otherwise, and made there for a new store. */
  readonly masterKey?: MasterKeySource | undefined;
}

/** An open database with its folder; `close` also gives up the claim. */
export interface OpenDatabase extends SealedDatabase {
  readonly folder: DataFolder;
  /** What the operator should know. */
  readonly warnings: readonly string[];
  close(): void;
}

/**
 * Open the database of a data folder.
 *
 * @throws StoreFault with the cause and the next step; the files are then as they were.
 */
export function openDatabase(path: string, options: OpenOptions): OpenDatabase {
  const folder = prepareDataFolder(path, { create: options.create });
  const lock = options.asGateway ? lockDataFolder(folder) : undefined;
  let database: DatabaseSync | undefined;
  let unlocked: UnlockedStore;
  try {
    database = connect(folder.databasePath, false);
    expectKnownSchema(database, folder.databasePath);
    expectNoBackup(database, folder.databasePath);
    // The gateway has checked what it holds.
    if (options.asGateway || !isFolderHeld(folder)) expectSound(database, folder.databasePath);
    unlocked = prepareForWriting(database, folder, lock, options.masterKey ?? { kind: 'beside' });
  } catch (error) {
    database?.close();
    lock?.release();
    throw storeFaultOf(error, folder.databasePath);
  }
  const opened = database;
  return {
    database: opened,
    secrets: unlocked.secrets,
    folder,
    warnings: [...folder.warnings, ...unlocked.warnings],
    close() {
      if (opened.isOpen) opened.close();
      lock?.release();
    },
  };
}

/**
 * Look whether a data folder can be used, the whole file too, and write nothing.
 *
 * @throws StoreFault as `openDatabase` would.
 */
export function checkDatabase(path: string, masterKey: MasterKeySource): DataFolder {
  const folder = prepareDataFolder(path, { create: false });
  let database: DatabaseSync | undefined;
  try {
    database = connect(untouched(folder.databasePath), true);
    expectKnownSchema(database, folder.databasePath);
    expectNoBackup(database, folder.databasePath);
    expectSound(database, folder.databasePath);
    unlockStore(database, folder, masterKey, false);
  } catch (error) {
    throw storeFaultOf(error, folder.databasePath);
  } finally {
    database?.close();
  }
  return folder;
}

function connect(path: string | URL, readOnly: boolean): DatabaseSync {
  return new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true, readOnly });
}

/** Without a write-ahead log nobody has it open: read as it lies, or SQLite would leave files of its own behind. */
function untouched(path: string): string | URL {
  return existsSync(`${path}-wal`) ? path : immutable(path);
}

/** A file that nobody changes: SQLite makes no file beside it. */
export function immutable(path: string): URL {
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  return url;
}

/** OSCORE would go on with numbers that were used since the backup was made (RFC 8613 §7.2.1). */
function expectNoBackup(database: DatabaseSync, path: string): void {
  if (!hasTable(database, 'backup') || database.prepare('SELECT 1 FROM backup').get() === undefined) return;
  throw new StoreFault(
    'not-ours',
    `${path} is a backup that was copied there`,
    'make a data folder of it with: coapsule restore FILE --data FOLDER',
  );
}

/** @throws StoreFault `damaged` for a database that SQLite finds a fault in. */
export function expectSound(database: DatabaseSync, path: string): void {
  const row = database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
  if (row.quick_check !== 'ok') throw damaged(path, row.quick_check);
}

function prepareForWriting(
  database: DatabaseSync,
  folder: DataFolder,
  lock: FolderLock | undefined,
  masterKey: MasterKeySource,
): UnlockedStore {
  // Before anything is written: with another key nothing here is of use.
  const known = unlockStore(database, folder, masterKey, true);
  // Write-ahead log: `coapsule device` writes while the gateway runs. FULL: a commit is on the disk when it returns.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = 1;');
  const isReady = known !== undefined && readSchemaVersion(database) === schemaVersion;
  const unlocked = isReady ? known : migrateAlone(database, folder, lock, masterKey);
  // Only who holds the folder writes the whole file anew; what is left waits for the next gateway.
  const left = lock && scrub(database);
  // A gateway says so at each start; who adds a device hears of it there.
  const isTold = masterKey.kind === 'beside' && lock !== undefined;
  const warnings = [left ?? [], isTold ? besideTheData(folder) : []].flat();
  return { secrets: unlocked.secrets, warnings: [...unlocked.warnings, ...warnings] };
}

function besideTheData(folder: DataFolder): string {
  return `${keyBeside(folder.path)} opens the secrets of the store and lies beside them: whoever takes the folder has both; keep it elsewhere with --master-key (docs/secrets.md)`;
}

/** A running gateway of an older version must not find its tables changed under it. */
function migrateAlone(
  database: DatabaseSync,
  folder: DataFolder,
  lock: FolderLock | undefined,
  masterKey: MasterKeySource,
): UnlockedStore {
  const claim = lock ?? lockDataFolder(folder);
  try {
    const isNew = readSchemaVersion(database) === 0;
    migrate(database);
    const unlocked =
      unlockStore(database, folder, masterKey, true) ?? sealStore(database, folder, masterKey, isNew);
    if (lock === undefined) scrub(database);
    return unlocked;
  } finally {
    if (lock === undefined) claim.release();
  }
}
