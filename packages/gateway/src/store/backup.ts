/**
 * A backup of the store, also while a gateway works with it: one file, consistent, with the secrets sealed as they are, and the
 * firmware in it.
 *
 * It holds no associations: going on from an old state of one would repeat nonces, and their keys have no place on a backup medium. A
 * row says that it is a backup, so that it is not taken for a store (restore.ts). Why: docs/decisions/063.
 */
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { moveDurably } from '../vault/master-key.ts';
import { addFirmware, type BackedUpFirmware } from './backup-firmware.ts';
import { prepareDataFolder } from './data-folder.ts';
import { expectSound } from './database.ts';
import { expectKnownSchema, readSchemaVersion, schemaVersion } from './schema.ts';
import { masterKeyOf } from './sealing.ts';
import { StoreFault, storeFaultOf } from './store-fault.ts';

/** What a backup holds, for whoever made it. */
export interface BackupFacts {
  readonly madeAtMs: number;
  /** The name of the master key that opens its secrets. */
  readonly keyId: string;
  readonly devices: number;
  readonly readings: number;
}

/** A backup that was just made. */
export interface MadeBackup extends BackupFacts {
  /** Undefined where it was to be left out. */
  readonly firmware: BackedUpFirmware | undefined;
}

/**
 * Copies the store of a data folder into a new file.
 *
 * The database is read as it is at one moment; who writes meanwhile waits for nothing. No master key is needed.
 *
 * @param withFirmware Whether the files of firmware are in it too; their records always are.
 * @throws StoreFault; there is no file then.
 */
export async function backUp(
  path: string,
  file: string,
  nowMs: number,
  withFirmware = true,
): Promise<MadeBackup> {
  const folder = prepareDataFolder(path, { create: false });
  if (existsSync(file)) {
    throw new StoreFault('in-the-way', `${file} is there already; nothing was written`, 'name another file');
  }
  const part = `${file}.part`;
  let source: DatabaseSync | undefined;
  try {
    source = new DatabaseSync(folder.databasePath, { readOnly: true, timeout: 5000 });
    expectKnownSchema(source, folder.databasePath);
    if (readSchemaVersion(source) !== schemaVersion || masterKeyOf(source) === undefined) {
      throw new StoreFault(
        'failed',
        `${folder.databasePath} is of an earlier version`,
        'start the gateway once, which brings it up to date',
      );
    }
    rmSync(part, { force: true });
    closeSync(openSync(part, 'wx', 0o600));
    // All pages in one step, so from one moment: in several it would begin again whenever somebody writes.
    await backup(source, part, { rate: 2 ** 31 - 1 });
    const facts = finish(part, nowMs, withFirmware ? folder.path : undefined);
    moveDurably(part, file);
    return facts;
  } catch (error) {
    rmSync(part, { force: true });
    throw storeFaultOf(error, existsSync(folder.databasePath) ? file : folder.databasePath);
  } finally {
    source?.close();
  }
}

function finish(part: string, nowMs: number, dataFolder: string | undefined): MadeBackup {
  const copy = new DatabaseSync(part, { enableForeignKeyConstraints: true });
  try {
    // One file, without a log beside it; and nothing is left of what is deleted.
    copy.exec('PRAGMA journal_mode = DELETE; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; BEGIN');
    copy.exec('DELETE FROM association');
    copy.prepare('INSERT OR REPLACE INTO backup VALUES (1, ?)').run(nowMs);
    const firmware = dataFolder === undefined ? undefined : addFirmware(copy, dataFolder);
    copy.exec('COMMIT');
    expectSound(copy, part);
    return { ...factsOf(copy, nowMs), firmware };
  } finally {
    copy.close();
  }
}

/** What is in an open database. */
export function factsOf(database: DatabaseSync, madeAtMs: number): BackupFacts {
  const count = (table: 'device' | 'reading'): number =>
    (database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
  return {
    madeAtMs,
    keyId: masterKeyOf(database) ?? '',
    devices: count('device'),
    readings: count('reading'),
  };
}
