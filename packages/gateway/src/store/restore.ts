/**
 * A data folder made from a backup. What must never go backwards does not:
 *
 * - DTLS associations are not in a backup: devices make new handshakes.
 * - OSCORE Sender Sequence Numbers go on far above all that can have been used since: by 2^32, and by 1000 for each second since the
 *   backup was made. A gateway that sends less than that to one device, on average since then, repeats no nonce (RFC 8613 §7.2.1),
 *   also when one backup is restored several times. Of 2^40 numbers a context has room for 200 restores and more. So do those of the
 *   contexts that the explorer of the console has used.
 * - Which requests came over OSCORE since then is not known, so none is fresh by its number: each device is asked to prove with an Echo
 *   that its first request was made now (Appendix B.1.2), and a recorded one is not carried out.
 */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { type MasterKeySource, moveDurably } from '../vault/master-key.ts';
import { type BackupFacts, factsOf } from './backup.ts';
import { takeFirmware } from './backup-firmware.ts';
import { type DataFolder, dataFolderAt } from './data-folder.ts';
import { immutable, openDatabase } from './database.ts';
import { lockDataFolder } from './folder-lock.ts';
import { expectKnownSchema, hasTable } from './schema.ts';
import { unlockStore } from './sealing.ts';
import { damaged, StoreFault, storeFaultOf } from './store-fault.ts';

/** What a restore has brought back. */
export interface RestoredFacts extends BackupFacts {
  /** Devices under OSCORE whose numbers went ahead. */
  readonly contexts: number;
  /** Those that have no numbers left: they need a new context. */
  readonly exhausted: readonly string[];
  /** Files of firmware. */
  readonly firmware: number;
  readonly warnings: readonly string[];
}

/** Numbers that OSCORE contexts go ahead by, at least and for each second since the backup. */
export const restoreJump: { readonly least: number; readonly perSecond: number } = {
  least: 2 ** 32,
  perSecond: 1000,
};

/** RFC 8613 §7.2.1: numbers are below. */
const sequenceEnd = 2 ** 40;

/** What may be in a folder that is to become a data folder: its key, and what a restore that was interrupted left. */
const harmless = [
  'master.key',
  'gateway.lock',
  'gateway.lock-journal',
  'gateway.pid',
  'gateway.sock',
  // Its files are named by what they hold; those that no version has go when the gateway starts.
  'firmware',
  'coapsule.db.part',
  'coapsule.db.part-journal',
];

/**
 * Makes a data folder of a backup.
 *
 * @param path A folder that is empty but for `master.key`, or that is not there.
 * @throws StoreFault; there is no store in the folder then.
 */
export function restore(
  file: string,
  path: string,
  masterKey: MasterKeySource,
  nowMs: number,
): RestoredFacts {
  const folder = dataFolderAt(path);
  const madeAtMs = checkBackup(file, folder, masterKey);
  if (nowMs < madeAtMs) {
    throw new StoreFault(
      'failed',
      `the backup was made on ${new Date(madeAtMs).toISOString()}, which the clock of this machine has before it`,
      'set the clock: how far OSCORE numbers have to go ahead hangs on it',
    );
  }
  makeEmptyFolder(folder.path);
  const lock = lockDataFolder(folder);
  const part = `${folder.databasePath}.part`;
  let changed: Pick<RestoredFacts, 'contexts' | 'exhausted' | 'firmware'>;
  try {
    expectEmpty(folder.path);
    for (const left of [part, `${part}-journal`]) rmSync(left, { force: true });
    closeSync(openSync(part, 'wx', 0o600));
    copyFileSync(file, part);
    // The copy has the rights of the backup now, which may be those of any medium: open to all, or to read only.
    chmodSync(part, 0o600);
    changed = goAhead(part, nowMs - madeAtMs, folder.path);
    sync(part);
    moveDurably(part, folder.databasePath);
  } catch (error) {
    rmSync(part, { force: true });
    throw storeFaultOf(error, folder.path);
  } finally {
    lock.release();
  }
  // Brings it up to date, and shows that the gateway can open it.
  const opened = openDatabase(folder.path, { create: false, asGateway: true, masterKey });
  try {
    return { ...factsOf(opened.database, madeAtMs), ...changed, warnings: opened.warnings };
  } finally {
    opened.close();
  }
}

/** @returns when it was made. */
function checkBackup(file: string, folder: DataFolder, masterKey: MasterKeySource): number {
  let database: DatabaseSync | undefined;
  try {
    if (!statSync(file).isFile()) throw new StoreFault('not-ours', `${file} is no file`, 'name a backup');
    database = new DatabaseSync(immutable(file), { readOnly: true });
    expectKnownSchema(database, file);
    if (!hasTable(database, 'backup')) throw noBackup(file);
    const row = database.prepare('SELECT made_at_ms FROM backup').get() as { made_at_ms: number } | undefined;
    if (row === undefined) throw noBackup(file);
    const { integrity_check: check } = database.prepare('PRAGMA integrity_check(1)').get() as {
      integrity_check: string;
    };
    if (check !== 'ok') throw damaged(file, check);
    unlockStore(database, folder, masterKey, false);
    return row.made_at_ms;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new StoreFault(
        'no-store',
        `there is no backup ${file}`,
        'name a file that "coapsule backup" made',
      );
    }
    throw storeFaultOf(error, file);
  } finally {
    database?.close();
  }
}

function noBackup(file: string): StoreFault {
  return new StoreFault('not-ours', `${file} is no backup`, 'name a file that "coapsule backup" made');
}

function goAhead(
  part: string,
  elapsedMs: number,
  folder: string,
): Pick<RestoredFacts, 'contexts' | 'exhausted' | 'firmware'> {
  const database = new DatabaseSync(part, { enableForeignKeyConstraints: true });
  try {
    const jump = restoreJump.least + Math.ceil((elapsedMs / 1000) * restoreJump.perSecond);
    database.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; BEGIN IMMEDIATE');
    database.exec('DELETE FROM association; DELETE FROM backup');
    const firmware = takeFirmware(database, folder);
    const { changes } = database
      .prepare('UPDATE oscore_context SET sender_edge = min(sender_edge + ?, ?), recipient_edge = ?')
      .run(jump, sequenceEnd, sequenceEnd);
    // A client's end: what its servers have sent is of no use to who replays it.
    if (hasTable(database, 'explorer_context'))
      database
        .prepare('UPDATE explorer_context SET sender_edge = min(sender_edge + ?, ?)')
        .run(jump, sequenceEnd);
    database.exec('COMMIT');
    const exhausted = database
      .prepare('SELECT device_id AS id FROM oscore_context WHERE sender_edge >= ? ORDER BY 1')
      .all(sequenceEnd) as { id: string }[];
    if (firmware > 0) database.exec('VACUUM');
    return { contexts: Number(changes), exhausted: exhausted.map(({ id }) => id), firmware };
  } finally {
    database.close();
  }
}

function makeEmptyFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true });
    expectEmpty(folder);
  } catch (error) {
    throw storeFaultOf(error, folder);
  }
}

function expectEmpty(folder: string): void {
  const there = readdirSync(folder).filter((name) => !harmless.includes(name));
  if (there.length === 0) return;
  throw new StoreFault(
    'in-the-way',
    `${folder} is not empty: it has ${there.slice(0, 5).join(', ')}${there.length > 5 ? ', …' : ''}`,
    'restore into a new folder with --data; only master.key may be there',
  );
}

function sync(path: string): void {
  const file = openSync(path, constants.O_RDWR);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
