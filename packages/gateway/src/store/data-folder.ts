/**
 * The data folder on disk: its path, its access rights and the names of the files in it.
 *
 * The folder is created 0700 and every file that holds keys 0600 (Windows keeps its own rights). It opens no
 * database; that is database.ts.
 */
import {
  accessSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StoreFault, storeFaultOf } from './store-fault.ts';

/** The files of one data folder. */
export interface DataFolder {
  readonly path: string;
  readonly databasePath: string;
  readonly lockPath: string;
  readonly processIdPath: string;
  /** What the operator should know, such as a folder that others may list. */
  readonly warnings: readonly string[];
}

/** What is where in a data folder; looks at nothing. */
export function dataFolderAt(path: string): DataFolder {
  const folder = resolve(path);
  return {
    path: folder,
    databasePath: join(folder, 'coapsule.db'),
    lockPath: join(folder, 'gateway.lock'),
    processIdPath: join(folder, 'gateway.pid'),
    warnings: [],
  };
}

const keepsModes = process.platform !== 'win32';

/**
 * Make sure the folder and its database file exist with narrow access rights.
 *
 * @param path the folder, relative to the working directory or absolute.
 * @param options.create make the folder and an empty database file when they are missing.
 * @throws StoreFault `no-store`, `no-permission`, `not-a-folder`, `open-to-others`, `not-ours` or `damaged`.
 */
export function prepareDataFolder(path: string, options: { readonly create: boolean }): DataFolder {
  const at = dataFolderAt(path);
  const { path: folder, databasePath, lockPath, processIdPath } = at;
  const warnings: string[] = [];
  try {
    if (options.create) makeFolder(folder);
    const stat = statOf(folder);
    if (stat === undefined) {
      throw new StoreFault('no-store', `there is no data folder ${folder}`, 'name it with --data');
    }
    if (!stat.isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    expectOwn(folder, stat);
    if (keepsModes && (stat.mode & 0o022) !== 0) {
      throw new StoreFault(
        'open-to-others',
        `other users may write to ${folder}, which holds keys`,
        `close it with: chmod 700 ${folder}`,
      );
    }
    if (keepsModes && (stat.mode & 0o077) !== 0) {
      warnings.push(`${folder} is open to other users; close it with: chmod 700 ${folder}`);
    }
  } catch (error) {
    throw storeFaultOf(error, folder);
  }
  const files = [databasePath, `${databasePath}-wal`, `${databasePath}-shm`];
  try {
    for (const file of [...files, lockPath, processIdPath]) expectRegular(file);
    createDatabaseFile(databasePath, folder, options.create);
    for (const file of files) {
      const stat = lstatSync(file, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      expectOwn(file, stat);
      if (keepsModes && (stat.mode & 0o077) !== 0) {
        throw new StoreFault(
          'open-to-others',
          `${file} holds keys and is open to other users`,
          `close it with: chmod 600 ${file}`,
        );
      }
      accessSync(file, constants.R_OK | constants.W_OK);
    }
  } catch (error) {
    throw storeFaultOf(error, databasePath);
  }
  return { ...at, warnings };
}

/** Makes a folder and those above it, one by one: where none can be made the recursive form may never end. */
function makeFolder(folder: string): void {
  if (statOf(folder) !== undefined) return;
  const above = dirname(folder);
  if (above !== folder) makeFolder(above);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (statOf(folder) === undefined) throw error;
  }
}

/** Whoever owns a file can open it to others, and whoever owns a folder can replace what is in it. */
function expectOwn(path: string, { uid }: Stats): void {
  const own = process.getuid?.();
  if (own === undefined || uid === own) return;
  throw new StoreFault(
    'no-permission',
    `${path} belongs to another user (${uid}, this is ${own})`,
    'run as the user that owns it, or name another folder with --data',
  );
}

/** A link could lead the keys to a place that others read. */
function expectRegular(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isFile()) return;
  throw new StoreFault(
    'not-ours',
    `${path} is ${stat.isSymbolicLink() ? 'a link' : 'no regular file'}`,
    'it was left untouched: remove it, or name another folder with --data',
  );
}

function createDatabaseFile(databasePath: string, folder: string, create: boolean): void {
  const size = statOf(databasePath)?.size;
  const walSize = statOf(`${databasePath}-wal`)?.size ?? 0;
  // SQLite deletes the write-ahead log of an empty database: committed readings would vanish without a word.
  if ((size ?? 0) === 0 && walSize > 0) {
    throw new StoreFault(
      'damaged',
      `the database ${databasePath} is missing or empty, but its write-ahead log is there`,
      'nothing was changed: restore coapsule.db from a backup, or move the data folder aside',
    );
  }
  if (size !== undefined) return;
  if (!create) {
    throw new StoreFault(
      'no-store',
      `there is no gateway database in ${folder}`,
      'name the gateway’s folder with --data, or add a device first',
    );
  }
  // SQLite gives -wal and -shm the rights of the database file, so this one decides for all three.
  closeSync(openSync(databasePath, 'ax', 0o600));
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
