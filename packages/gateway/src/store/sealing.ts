/**
 * How the secrets of a database are opened at the start, sealed for the first time, and sealed anew under another master key.
 *
 * The table `sealing` has one row: which master key it is (a name that tells nothing about it), a known text that only opens
 * with it, and whether the file may still hold secrets from before the last time that all were sealed. A wrong master key is
 * refused before anything is written. Why each step comes when it does is docs/decisions/063.
 */
import { existsSync, rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import {
  formerKey,
  keyBeside,
  type MasterKeySource,
  moveDurably,
  newMasterKey,
  readMasterKey,
  writeMasterKey,
} from '../vault/master-key.ts';
import { SecretBox, type SecretPlace } from '../vault/secret-box.ts';
import type { DataFolder } from './data-folder.ts';
import { hasTable } from './schema.ts';
import { sealAnew } from './sealed-columns.ts';
import { StoreFault } from './store-fault.ts';
import { inTransaction } from './transaction.ts';

/** An open database, and what opens the secrets in it. */
export interface SealedDatabase {
  readonly database: DatabaseSync;
  readonly secrets: SecretBox;
}

/** A master key that fits. */
export interface UnlockedStore {
  readonly secrets: SecretBox;
  readonly warnings: readonly string[];
}

/** What the row of `sealing` says. */
interface SealingRow {
  readonly key_id: string;
  readonly key_check: Uint8Array;
  readonly scrub_due: number;
}

const checkPlace: SecretPlace = { table: 'sealing', column: 'key_check', row: '1' };
const checkText = new TextEncoder().encode('coapsule');

/**
 * Finds the master key of a store whose secrets are sealed.
 *
 * @param mayWrite Ends a change of the key beside the data that was interrupted; else it is only looked at.
 * @returns undefined when nothing is sealed yet.
 * @throws StoreFault `master-key` for one that cannot be read or is not the one; nothing was changed.
 */
export function unlockStore(
  database: DatabaseSync,
  folder: DataFolder,
  source: MasterKeySource,
  mayWrite: boolean,
): UnlockedStore | undefined {
  const row = sealingRow(database);
  if (row === undefined) {
    // What was named has to be right from the start.
    if (source.kind === 'file') readMasterKey(source.path, source.from);
    return undefined;
  }
  const warnings: string[] = [];
  const read = (path: string, from: string): SecretBox => {
    const { key, warning } = readMasterKey(path, from);
    if (warning !== undefined) warnings.push(warning);
    return new SecretBox(key);
  };
  if (source.kind === 'file') {
    const secrets = read(source.path, source.from);
    if (!fits(secrets, row)) throw wrongKey(source.path, secrets, row);
    return { secrets, warnings };
  }
  const path = keyBeside(folder.path);
  const next = nextKey(folder);
  if (!existsSync(path) && !existsSync(next)) throw noKey(folder, row);
  const secrets = existsSync(path) ? read(path, 'the key beside the data') : undefined;
  if (secrets !== undefined && fits(secrets, row)) return { secrets, warnings };
  // Everything was sealed anew, and then the process ended before the key had its name.
  const renewed = existsSync(next) ? read(next, 'the key beside the data') : undefined;
  if (renewed === undefined || !fits(renewed, row)) {
    const wrong = secrets ?? renewed;
    throw wrong === undefined ? noKey(folder, row) : wrongKey(path, wrong, row);
  }
  if (mayWrite) takeNextKey(next, path, row.key_id);
  return { secrets: renewed, warnings };
}

/**
 * Seals the secrets of a store for the first time, and takes what was in clear off the file. Nobody else may have the folder.
 *
 * @param isNew Nothing was ever in it.
 */
export function sealStore(
  database: DatabaseSync,
  folder: DataFolder,
  source: MasterKeySource,
  isNew: boolean,
): UnlockedStore {
  const { key, warning } = source.kind === 'file' ? readMasterKey(source.path, source.from) : ownKey(folder);
  const secrets = new SecretBox(key);
  inTransaction(database, () => {
    sealAnew(database, undefined, secrets);
    setSealing(database, secrets, !isNew);
  });
  return { secrets, warnings: [warning ?? []].flat() };
}

/**
 * Seals everything anew under another master key. Nobody else may have the folder. After a crash either the old key counts,
 * for all of it, or the new one.
 *
 * @param to Where the new key is; `beside` makes one.
 * @returns how many secrets there are.
 */
export function resealStore(
  { database, secrets }: SealedDatabase,
  folder: DataFolder,
  to: MasterKeySource,
): { readonly count: number; readonly secrets: SecretBox } {
  const next = nextKey(folder);
  let key: Uint8Array;
  if (to.kind === 'file') key = readMasterKey(to.path, to.from).key;
  else {
    const made = newMasterKey();
    // On the disk before anything needs it.
    writeMasterKey(next, made.text);
    key = made.key;
  }
  const renewed = new SecretBox(key);
  if (renewed.keyId === secrets.keyId) {
    throw new StoreFault(
      'master-key',
      `the new master key is the one that the store has (${secrets.keyId})`,
      'make another one: coapsule keys master FILE',
    );
  }
  const count = inTransaction(database, () => {
    const resealed = sealAnew(database, secrets, renewed);
    setSealing(database, renewed, true);
    return resealed;
  });
  if (to.kind === 'beside') takeNextKey(next, keyBeside(folder.path), renewed.keyId);
  return { count, secrets: renewed };
}

/**
 * Takes off the file what was there before the secrets were sealed: SQLite leaves old contents in pages that it does not use
 * any more, and in its write-ahead log. Does nothing when that was done. Nobody else may have the folder.
 *
 * @returns what to tell the operator when somebody else reads the database, so that it is done at the next start.
 * @throws StoreFault `disk-full`: a second copy has to find room for a moment.
 */
export function scrub(database: DatabaseSync): string | undefined {
  if (sealingRow(database)?.scrub_due !== 1) return undefined;
  // All of it is written anew, into the log; then the log goes to the file, over what was there, and is cut off.
  database.exec('VACUUM');
  if (!emptyLog(database)) {
    return 'another process reads the database: secrets from before they were sealed stay in its files until the next start';
  }
  database.exec('UPDATE sealing SET scrub_due = 0');
  return undefined;
}

/** The name of the master key that the secrets are sealed with; undefined when they are in clear yet. */
export function masterKeyOf(database: DatabaseSync): string | undefined {
  return sealingRow(database)?.key_id;
}

/**
 * A transaction that refuses to write what another process could not open: the master key may have been changed since the store
 * was opened.
 */
export function inSealedTransaction<T>({ database, secrets }: SealedDatabase, work: () => T): T {
  return inTransaction(database, () => {
    if (sealingRow(database)?.key_id === secrets.keyId) return work();
    throw new StoreFault(
      'master-key',
      'the master key of the store was changed meanwhile',
      'nothing was changed: try again',
    );
  });
}

function emptyLog(database: DatabaseSync): boolean {
  const { timeout } = database.prepare('PRAGMA busy_timeout').get() as { timeout: number };
  // Who reads may do so for long; there is a next time.
  database.exec('PRAGMA busy_timeout = 200');
  const { busy } = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
  database.exec(`PRAGMA busy_timeout = ${timeout}`);
  return busy === 0;
}

function sealingRow(database: DatabaseSync): SealingRow | undefined {
  if (!hasTable(database, 'sealing')) return undefined;
  return database.prepare('SELECT key_id, key_check, scrub_due FROM sealing').get() as SealingRow | undefined;
}

function setSealing(database: DatabaseSync, secrets: SecretBox, isScrubDue: boolean): void {
  database
    .prepare('INSERT OR REPLACE INTO sealing VALUES (1, ?, ?, ?)')
    .run(secrets.keyId, secrets.seal(checkPlace, checkText), isScrubDue ? 1 : 0);
}

function fits(secrets: SecretBox, { key_check }: SealingRow): boolean {
  try {
    secrets.open(checkPlace, key_check);
    return true;
  } catch {
    return false;
  }
}

/** The key beside the data, made when there is none. On the disk before anything needs it. */
function ownKey(folder: DataFolder): { readonly key: Uint8Array; readonly warning: string | undefined } {
  const path = keyBeside(folder.path);
  if (existsSync(path)) return readMasterKey(path, 'the key beside the data');
  const { key, text } = newMasterKey();
  writeMasterKey(path, text);
  return { key, warning: undefined };
}

/** Where a new key beside the data waits until everything is sealed with it. */
function nextKey({ path }: DataFolder): string {
  return `${keyBeside(path)}.next`;
}

/** @param keyId Of the next one. */
function takeNextKey(next: string, path: string, keyId: string): void {
  keepKeyBefore(path, keyId);
  try {
    moveDurably(next, path);
  } catch (error) {
    // Another process that opened the store has done it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  rmSync(next, { force: true });
}

/** The key beside the data may be the only copy of one that older backups need: it stays, under its name. */
function keepKeyBefore(path: string, nextId: string): void {
  if (!existsSync(path)) return;
  const { key } = readMasterKey(path, 'the key beside the data');
  const { keyId } = new SecretBox(key);
  if (keyId !== nextId) writeMasterKey(formerKey(path, keyId), `${Buffer.from(key).toString('hex')}\n`);
}

function noKey({ path, databasePath }: DataFolder, { key_id }: SealingRow): StoreFault {
  return new StoreFault(
    'master-key',
    `the secrets in ${databasePath} are sealed, and their master key (${key_id}) is not in ${path}`,
    'name its file with --master-key or COAPSULE_MASTER_KEY; nothing was changed',
  );
}

function wrongKey(path: string, { keyId }: SecretBox, { key_id }: SealingRow): StoreFault {
  return new StoreFault(
    'master-key',
    `${path} is not the master key of this store: it is ${keyId}, and the secrets are sealed with ${key_id}`,
    'name the right file with --master-key; to change the key: coapsule store rekey. Nothing was changed',
  );
}
