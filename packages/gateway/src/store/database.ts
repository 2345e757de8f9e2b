/**
 * Opens the gateway's database: rights, schema, durability settings and, for the gateway, an integrity check.
 *
 * Synchronous: the gateway calls it inside its worker thread, `coapsule device` directly. A database that is
 * damaged, foreign or newer is refused before anything is written to it.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { type DataFolder, prepareDataFolder } from './data-folder.ts';
import { type FolderLock, isFolderHeld, lockDataFolder } from './folder-lock.ts';
import { expectKnownSchema, migrate, readSchemaVersion, schemaVersion } from './schema.ts';
import { damaged, storeFaultOf } from './store-fault.ts';

/** How to open. */
export interface OpenOptions {
  /** Make the folder and the database when they are missing. */
  readonly create: boolean;
  /** Claim the folder for this process. The whole file is checked unless another gateway holds it. */
  readonly asGateway: boolean;
  /** Look whether it can be used, the whole file too, and write nothing. */
  readonly checkOnly?: boolean;
}

/** An open database with its folder; `close` also gives up the claim. */
export interface OpenDatabase {
  readonly database: DatabaseSync;
  readonly folder: DataFolder;
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
  try {
    database = new DatabaseSync(options.checkOnly ? untouched(folder.databasePath) : folder.databasePath, {
      timeout: 5000,
      enableForeignKeyConstraints: true,
      readOnly: options.checkOnly ?? false,
    });
    expectKnownSchema(database, folder.databasePath);
    // The gateway has checked what it holds.
    if (options.asGateway || options.checkOnly || !isFolderHeld(folder)) {
      expectSound(database, folder.databasePath);
    }
    if (!options.checkOnly) prepareForWriting(database, folder, lock);
  } catch (error) {
    database?.close();
    lock?.release();
    throw storeFaultOf(error, folder.databasePath);
  }
  const opened = database;
  return {
    database: opened,
    folder,
    close() {
      if (opened.isOpen) opened.close();
      lock?.release();
    },
  };
}

/** Without a write-ahead log nobody has it open: read as it lies, or SQLite would leave files of its own behind. */
function untouched(path: string): string | URL {
  if (existsSync(`${path}-wal`)) return path;
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  return url;
}

function expectSound(database: DatabaseSync, path: string): void {
  const row = database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
  if (row.quick_check !== 'ok') throw damaged(path, row.quick_check);
}

function prepareForWriting(database: DatabaseSync, folder: DataFolder, lock: FolderLock | undefined): void {
  // Write-ahead log: `coapsule device` writes while the gateway runs. FULL: a commit is on the disk when it returns.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = 1;');
  migrateAlone(database, folder, lock);
}

/** A running gateway of an older version must not find its tables changed under it. */
function migrateAlone(database: DatabaseSync, folder: DataFolder, lock: FolderLock | undefined): void {
  if (readSchemaVersion(database) === schemaVersion) return;
  const claim = lock ?? lockDataFolder(folder);
  try {
    migrate(database);
  } finally {
    if (lock === undefined) claim.release();
  }
}
