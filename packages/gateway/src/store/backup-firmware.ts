/**
 * Firmware in a backup: the files of whole versions, in pieces as rows of a table that a backup has and a store has not.
 *
 * Which there are, the states of the database say (firmware/firmware-catalogue.ts); each file is named by its SHA-256, which is
 * checked on the way in and on the way out.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { moveDurably } from '../vault/master-key.ts';
import { hasTable } from './schema.ts';
import { StoreFault } from './store-fault.ts';

/** Bytes of a row. */
const pieceLength = 1024 * 1024;

/** What became of the files. */
export interface BackedUpFirmware {
  readonly files: number;
  /** Versions whose file is missing or has other contents: `NAME/VERSION`. */
  readonly missing: readonly string[];
}

/** Puts the files of all versions that a copy knows into it; call inside a transaction. */
export function addFirmware(copy: DatabaseSync, dataFolder: string): BackedUpFirmware {
  copy.exec(
    'CREATE TABLE backup_firmware (sha256 TEXT NOT NULL, position INTEGER NOT NULL, piece BLOB NOT NULL, PRIMARY KEY (sha256, position)) STRICT, WITHOUT ROWID',
  );
  const insert = copy.prepare('INSERT INTO backup_firmware VALUES (?, ?, ?)');
  const missing: string[] = [];
  const done = new Map<string, boolean>();
  for (const { label, sha256 } of versionsOf(copy)) {
    const isThere =
      done.get(sha256) ??
      addFile(join(dataFolder, 'firmware', `${sha256}.bin`), sha256, (position, piece) =>
        insert.run(sha256, position, piece),
      );
    done.set(sha256, isThere);
    if (!isThere) {
      copy.prepare('DELETE FROM backup_firmware WHERE sha256 = ?').run(sha256);
      missing.push(label);
    }
  }
  return { files: [...done.values()].filter(Boolean).length, missing };
}

/**
 * Takes the files out of a copy of a backup, into a data folder. A backup of an earlier version has none.
 *
 * @returns how many there were.
 * @throws StoreFault for what is not what it should be.
 */
export function takeFirmware(copy: DatabaseSync, dataFolder: string): number {
  if (!hasTable(copy, 'backup_firmware')) return 0;
  const files = copy.prepare('SELECT DISTINCT sha256 FROM backup_firmware').all() as { sha256: string }[];
  const pieces = copy.prepare('SELECT piece FROM backup_firmware WHERE sha256 = ? ORDER BY position');
  const folder = join(dataFolder, 'firmware');
  if (files.length > 0) mkdirSync(folder, { mode: 0o700, recursive: true });
  for (const { sha256 } of files) {
    // The name becomes one of a file.
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw damagedFirmware(sha256);
    writeFile(
      join(folder, `${sha256}.bin`),
      sha256,
      pieces.iterate(sha256) as Iterable<{ piece: Uint8Array }>,
    );
  }
  copy.exec('DROP TABLE backup_firmware');
  return files.length;
}

/** Versions, as the catalogue keeps them. */
function versionsOf(copy: DatabaseSync): readonly { readonly label: string; readonly sha256: string }[] {
  const rows = copy
    .prepare("SELECT name, value FROM resource_state WHERE name LIKE 'firmware:%' ORDER BY name")
    .all() as { name: string; value: Uint8Array }[];
  return rows.map(({ name, value }) => {
    const { sha256 } = JSON.parse(new TextDecoder().decode(value)) as { readonly sha256: string };
    return { label: name.slice('firmware:'.length), sha256 };
  });
}

/** @returns whether all of it is there, with the contents that its name says. */
function addFile(
  path: string,
  sha256: string,
  add: (position: number, piece: Uint8Array) => unknown,
): boolean {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return false;
  }
  try {
    const hash = createHash('sha256');
    const buffer = new Uint8Array(pieceLength);
    for (let position = 0; ; ) {
      const length = readSync(file, buffer, 0, pieceLength, position);
      if (length === 0) return hash.digest('hex') === sha256;
      const piece = buffer.subarray(0, length);
      hash.update(piece);
      add(position, piece);
      position += length;
    }
  } finally {
    closeSync(file);
  }
}

function writeFile(path: string, sha256: string, pieces: Iterable<{ readonly piece: Uint8Array }>): void {
  const part = `${path}.restored`;
  const file = openSync(part, 'w', 0o600);
  try {
    const hash = createHash('sha256');
    for (const { piece } of pieces) {
      hash.update(piece);
      for (let done = 0; done < piece.length; ) done += writeSync(file, piece, done);
    }
    if (hash.digest('hex') !== sha256) throw damagedFirmware(sha256);
    fsyncSync(file);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  moveDurably(part, path);
}

function damagedFirmware(sha256: string): StoreFault {
  return new StoreFault(
    'damaged',
    `the firmware ${sha256} in the backup has other contents than its name says`,
    'take another backup',
  );
}
