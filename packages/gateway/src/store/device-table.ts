/**
 * Devices, their credentials and their rules, on an open database.
 *
 * Pre-shared keys leave this file only inside `Device`; nothing here logs. Rules are kept as the text of access/rule.ts and
 * are not judged here.
 */
import type { DatabaseSync } from 'node:sqlite';
import { type OscoreCredential, OscoreTable } from './oscore-table.ts';

/** What a device proves itself with; of public keys and certificates only the fingerprint is kept. */
export type DeviceCredential =
  | OscoreCredential
  | { readonly kind: 'psk'; readonly key: Uint8Array }
  /** `sha256:` and hexadecimal digits, of the SubjectPublicKeyInfo. */
  | { readonly kind: 'rpk'; readonly fingerprint: string }
  /** The fingerprint of the certificate; it may be undefined when it ends. */
  | { readonly kind: 'cert'; readonly fingerprint: string; readonly expiresAtMs: number | undefined };

/** Which key a device has: another one has another number, and a device that was added again another time. */
export type KeyVersion = Pick<Device, 'addedAtMs' | 'keyVersion'>;

/** A device that may shake hands with the gateway. */
export interface Device {
  /** The PSK identity, or the name in its certificate. */
  readonly id: string;
  readonly credential: DeviceCredential;
  /** Grows by one with each rotation, so that a live association under an older key can be ended. */
  readonly keyVersion: number;
  readonly addedAtMs: number;
  readonly rotatedAtMs: number | undefined;
  /** `METHOD[,METHOD…]:PATH`. */
  readonly rules: readonly string[];
}

/** A device that is not in the store yet. */
export type NewDevice = Pick<Device, 'id' | 'credential' | 'rules' | 'addedAtMs'>;

/** The devices of a store. */
export class DeviceTable {
  readonly #database: DatabaseSync;
  readonly #contexts: OscoreTable;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#contexts = new OscoreTable(database);
  }

  /** @returns false when a device of that id is there already; it is then unchanged. */
  add(device: NewDevice): boolean {
    return this.addAll([device]) === undefined;
  }

  /** @returns the id of one that is there already; then none was added. */
  addAll(devices: readonly NewDevice[]): string | undefined {
    return this.#inTransaction(() => {
      const present = devices.find(({ id }) => this.find(id) !== undefined);
      if (present !== undefined) return present.id;
      const insert = this.#database.prepare(
        'INSERT INTO device (id, added_at_ms, credential, psk, fingerprint, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?)',
      );
      for (const { id, addedAtMs, credential, rules } of devices) {
        insert.run(id, addedAtMs, ...columnsOf(credential));
        this.#putContext(id, credential);
        this.#insertRules(id, rules);
      }
      return undefined;
    });
  }

  find(id: string): Device | undefined {
    const row = this.#database.prepare('SELECT * FROM device WHERE id = ?').get(id) as DeviceRow | undefined;
    return row === undefined ? undefined : this.#deviceOf(row);
  }

  /** Which keys devices have now; undefined for who is none. */
  keyVersions(ids: readonly string[]): readonly (KeyVersion | undefined)[] {
    const find = this.#database.prepare('SELECT added_at_ms, key_version FROM device WHERE id = ?');
    return ids.map((id) => {
      const row = find.get(id) as { added_at_ms: number; key_version: number } | undefined;
      return row && { addedAtMs: row.added_at_ms, keyVersion: row.key_version };
    });
  }

  /** The device with this raw public key or certificate; no two have the same. */
  findByFingerprint(fingerprint: string): Device | undefined {
    const row = this.#database.prepare('SELECT * FROM device WHERE fingerprint = ?').get(fingerprint);
    return row === undefined ? undefined : this.#deviceOf(row as unknown as DeviceRow);
  }

  /** All devices, ordered by id. */
  all(): Device[] {
    const rows = this.#database.prepare('SELECT * FROM device ORDER BY id').all() as unknown as DeviceRow[];
    return rows.map((row) => this.#deviceOf(row));
  }

  /** @returns false when there is no such device. */
  rotate(id: string, credential: DeviceCredential, nowMs: number): boolean {
    return this.#inTransaction(() => {
      const { changes } = this.#database
        .prepare(
          `UPDATE device SET credential = ?, psk = ?, fingerprint = ?, expires_at_ms = ?,
           key_version = key_version + 1, rotated_at_ms = ? WHERE id = ?`,
        )
        .run(...columnsOf(credential), nowMs, id);
      if (changes === 0) return false;
      this.#putContext(id, credential);
      return true;
    });
  }

  /** Replaces what it may do. @returns false when there is no such device; its key and associations stay. */
  allow(id: string, rules: readonly string[]): boolean {
    return this.#inTransaction(() => {
      if (this.find(id) === undefined) return false;
      this.#database.prepare('DELETE FROM device_rule WHERE device_id = ?').run(id);
      this.#insertRules(id, rules);
      return true;
    });
  }

  /** @returns false when there is no such device. Its readings stay. */
  remove(id: string): boolean {
    return this.#database.prepare('DELETE FROM device WHERE id = ?').run(id).changes !== 0;
  }

  /** A context belongs to the credential: another credential, another context or none. */
  #putContext(id: string, credential: DeviceCredential): void {
    if (credential.kind === 'oscore') this.#contexts.put(id, credential);
    else this.#contexts.remove(id);
  }

  #insertRules(id: string, rules: readonly string[]): void {
    const insertRule = this.#database.prepare('INSERT INTO device_rule VALUES (?, ?, ?)');
    for (const [position, rule] of rules.entries()) insertRule.run(id, position, rule);
  }

  #deviceOf(row: DeviceRow): Device {
    const rules = this.#database
      .prepare('SELECT rule FROM device_rule WHERE device_id = ? ORDER BY position')
      .all(row.id) as { rule: string }[];
    return {
      id: row.id,
      credential: (row.credential === 'oscore' && this.#contexts.find(row.id)) || credentialOf(row),
      keyVersion: row.key_version,
      addedAtMs: row.added_at_ms,
      rotatedAtMs: row.rotated_at_ms ?? undefined,
      rules: rules.map(({ rule }) => rule),
    };
  }

  #inTransaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

/** credential, psk, fingerprint, expires_at_ms. */
function columnsOf(
  credential: DeviceCredential,
): [kind: string, psk: Uint8Array, fingerprint: string | null, expiresAtMs: number | null] {
  switch (credential.kind) {
    case 'psk':
      return ['psk', credential.key, null, null];
    case 'rpk':
      return ['rpk', noKey, credential.fingerprint, null];
    case 'cert':
      return ['cert', noKey, credential.fingerprint, credential.expiresAtMs ?? null];
    case 'oscore':
      return ['oscore', noKey, null, null];
  }
}

function credentialOf({ credential, psk, fingerprint, expires_at_ms }: DeviceRow): DeviceCredential {
  if (credential === 'psk') return { kind: 'psk', key: psk };
  const known = fingerprint ?? '';
  return credential === 'rpk'
    ? { kind: 'rpk', fingerprint: known }
    : { kind: 'cert', fingerprint: known, expiresAtMs: expires_at_ms ?? undefined };
}

const noKey = new Uint8Array(0);

interface DeviceRow {
  id: string;
  credential: string;
  psk: Uint8Array;
  fingerprint: string | null;
  expires_at_ms: number | null;
  key_version: number;
  added_at_ms: number;
  rotated_at_ms: number | null;
}
