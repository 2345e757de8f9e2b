/**
 * The data folder on disk: its path, its access rights and the names of the files in it.
 *
 * The folder is created 0700 and every file that holds keys 0600 (Windows keeps its own rights). It opens no
 * database; that is database.ts.
 */
import { accessSync, closeSync, constants, mkdirSync, openSync, type Stats, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
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

const keepsModes = process.platform !== 'win32';

/**
 * Make sure the folder and its database file exist with narrow access rights.
 *
 * @param path the folder, relative to the working directory or absolute.
 * @param options.create make the folder and an empty database file when they are missing.
 * @throws StoreFault `no-store`, `no-permission`, `not-a-folder`, `open-to-others` or `damaged`.
 */
export function prepareDataFolder(path: string, options: { readonly create: boolean }): DataFolder {
  const folder = resolve(path);
  const databasePath = join(folder, 'coapsule.db');
  const warnings: string[] = [];
  try {
    if (options.create) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const stat = statOf(folder);
    if (stat === undefined) {
      throw new StoreFault('no-store', `there is no data folder ${folder}`, 'name it with --data');
    }
    if (!stat.isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    if (keepsModes && (stat.mode & 0o077) !== 0) {
      warnings.push(`${folder} is open to other users; close it with: chmod 700 ${folder}`);
    }
  } catch (error) {
    throw storeFaultOf(error, folder);
  }
  try {
    createDatabaseFile(databasePath, folder, options.create);
    for (const file of [databasePath, `${databasePath}-wal`, `${databasePath}-shm`]) {
      const mode = statOf(file)?.mode ?? 0;
      if (keepsModes && (mode & 0o077) !== 0) {
        throw new StoreFault(
          'open-to-others',
          `${file} holds keys and is open to other users`,
          `close it with: chmod 600 ${file}`,
        );
      }
      if (statOf(file) !== undefined) accessSync(file, constants.R_OK | constants.W_OK);
    }
  } catch (error) {
    throw storeFaultOf(error, databasePath);
  }
  return {
    path: folder,
    databasePath,
    lockPath: join(folder, 'gateway.lock'),
    processIdPath: join(folder, 'gateway.pid'),
    warnings,
  };
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
  closeSync(openSync(databasePath, 'a', 0o600));
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
