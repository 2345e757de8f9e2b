/**
 * Which columns of the database hold secrets, and how all of them are sealed anew: the first time, and under another master key.
 *
 * Empty and NULL stand for no secret and stay as they are. Who reads or writes one of these columns opens or seals it with
 * `secretPlace`.
 */
import type { DatabaseSync } from 'node:sqlite';
import { type SecretBox, type SecretPlace, UnopenedSecret } from '../vault/secret-box.ts';
import { StoreFault } from './store-fault.ts';

/** A column with secrets, behind its table. */
export type SealedColumn =
  | 'device.psk'
  | 'oscore_context.master_secret'
  | 'oscore_context.master_salt'
  | 'association.state'
  | 'previous_credential.psk'
  | 'explorer_credential.content';

/** The primary key of their rows. */
const primaryKeys: Readonly<Record<SealedColumn, string>> = {
  'device.psk': 'id',
  'oscore_context.master_secret': 'device_id',
  'oscore_context.master_salt': 'device_id',
  'association.state': 'name',
  'previous_credential.psk': 'device_id',
  'explorer_credential.content': 'name',
};

/** The place of a secret. */
export function secretPlace(column: SealedColumn, row: string): SecretPlace {
  const [table = '', name = ''] = column.split('.');
  return { table, column: name, row };
}

/** Opens a secret for whoever works with it. @throws StoreFault `damaged`, which names the row. */
export function openSecret(box: SecretBox, place: SecretPlace, sealed: Uint8Array): Uint8Array {
  if (sealed.length === 0) return sealed;
  try {
    return box.open(place, sealed);
  } catch (error) {
    if (!(error instanceof UnopenedSecret)) throw error;
    const { table, column, row } = place;
    throw new StoreFault(
      'damaged',
      `the secret in ${table}.${column} of ${row} does not open: somebody changed it, or moved it there from another row`,
      nextSteps[table] ??
        'give this device a new credential with "coapsule device rotate", or restore a backup',
    );
  }
}

/** For what does not open and is of no device. */
const nextSteps: Readonly<Record<string, string>> = {
  association: 'nothing: its device makes a new handshake',
  explorer_credential: 'remove it in the explorer of the console, and add it again',
};

/** Seals a secret; empty stays empty. */
export function sealSecret(box: SecretBox, place: SecretPlace, secret: Uint8Array): Uint8Array {
  return secret.length === 0 ? secret : box.seal(place, secret);
}

/** Rows in one go: what is read of a table must not change under the reader. */
const rowsAtOnce = 1000;

/**
 * Seals all secrets anew. Call inside a transaction.
 *
 * @param from What they are sealed with now; undefined when they are in clear.
 * @returns how many there are.
 * @throws StoreFault `damaged` for one that does not open.
 */
export function sealAnew(database: DatabaseSync, from: SecretBox | undefined, to: SecretBox): number {
  let count = 0;
  for (const [name, key] of Object.entries(primaryKeys)) {
    const [table = '', column = ''] = name.split('.');
    const page = database.prepare(
      `SELECT ${key} AS row, ${column} AS value FROM ${table}
       WHERE ${key} > ? AND length(${column}) > 0 ORDER BY ${key} LIMIT ${rowsAtOnce}`,
    );
    const update = database.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`);
    let last = '';
    for (;;) {
      const rows = page.all(last) as unknown as { row: string; value: Uint8Array }[];
      for (const { row, value } of rows) {
        const place = { table, column, row };
        update.run(to.seal(place, from === undefined ? value : openSecret(from, place, value)), row);
      }
      count += rows.length;
      if (rows.length < rowsAtOnce) break;
      last = (rows.at(-1) as { row: string }).row;
    }
  }
  return count;
}
