/**
 * The exclusive claim of one gateway on its data folder.
 *
 * It is an exclusive transaction on a small SQLite file of its own. The operating system drops it when the process
 * ends, however it ends, so a crash never leaves a folder locked; a file with a process id alone would. The process
 * id stands in a file beside it for the message only. `coapsule device` works without this claim.
 */
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { DataFolder } from './data-folder.ts';
import { StoreFault, storeFaultOf } from './store-fault.ts';

/** Longer than the look of `isFolderHeld`. */
const lockTimeoutMs = 100;

/** A held claim; `release` gives the folder free and is harmless when called twice. */
export interface FolderLock {
  release(): void;
}

/**
 * Claim the folder for this process.
 *
 * @throws StoreFault `in-use` when another gateway, also one in this process, holds it.
 */
export function lockDataFolder(folder: DataFolder): FolderLock {
  let lock: DatabaseSync | undefined;
  try {
    closeSync(openSync(folder.lockPath, 'a', 0o600));
    lock = new DatabaseSync(folder.lockPath, { timeout: lockTimeoutMs });
    lock.exec('BEGIN EXCLUSIVE');
    writeFileSync(folder.processIdPath, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    lock?.close();
    const fault = lockFault(error, folder);
    if (fault.code !== 'in-use') throw fault;
    throw inUse(folder);
  }
  const held = lock;
  return {
    release() {
      if (!held.isOpen) return;
      rmSync(folder.processIdPath, { force: true });
      held.close();
    },
  };
}

/**
 * Whether a gateway holds the folder now; claims it for a moment and changes nothing.
 *
 * @throws StoreFault when that cannot be found out.
 */
export function isFolderHeld(folder: DataFolder): boolean {
  if (!existsSync(folder.lockPath)) return false;
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(folder.lockPath, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE; ROLLBACK');
    return false;
  } catch (error) {
    const fault = lockFault(error, folder);
    if (fault.code === 'in-use') return true;
    throw fault;
  } finally {
    lock?.close();
  }
}

/**
 * Claim the folder for a moment; changes nothing.
 *
 * @throws StoreFault `in-use` when a gateway holds it.
 */
export function expectFolderFree(folder: DataFolder): void {
  if (isFolderHeld(folder)) throw inUse(folder);
}

function inUse(folder: DataFolder): StoreFault {
  return new StoreFault(
    'in-use',
    `another gateway${holderOf(folder)} uses the data folder ${folder.path}`,
    'stop it first, or give this one its own folder with --data',
  );
}

function lockFault(error: unknown, { lockPath }: DataFolder): StoreFault {
  const fault = storeFaultOf(error, lockPath);
  if (fault.code !== 'damaged') return fault;
  return new StoreFault(
    'damaged',
    `the lock file ${lockPath} is damaged`,
    'delete this file: it holds no data',
  );
}

function holderOf(folder: DataFolder): string {
  try {
    return ` (process ${Number.parseInt(readFileSync(folder.processIdPath, 'utf8'), 10)})`;
  } catch {
    return '';
  }
}
