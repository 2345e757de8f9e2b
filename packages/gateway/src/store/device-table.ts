/**
 * Devices, their pre-shared keys and their rules, on an open database.
 *
 * Keys leave this file only inside `Device`; nothing here logs. Rules are kept as the text of access/rule.ts and
 * are not judged here.
 */
import type { DatabaseSync } from 'node:sqlite';

/** A device that may shake hands with the gateway. */
export interface Device {
  /** The PSK identity. */
  readonly id: string;
  readonly psk: Uint8Array;
  /** Grows by one with each rotation, so that a live association under an older key can be ended. */
  readonly keyVersion: number;
  readonly addedAtMs: number;
  readonly rotatedAtMs: number | undefined;
  /** `METHOD[,METHOD…]:PATH`. */
  readonly rules: readonly string[];
}

/** The devices of a store. */
export class DeviceTable {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @returns false when a device of that id is there already; it is then unchanged. */
  add(device: { id: string; psk: Uint8Array; rules: readonly string[]; addedAtMs: number }): boolean {
    return this.#inTransaction(() => {
      const { changes } = this.#database
        .prepare('INSERT OR IGNORE INTO device (id, psk, added_at_ms) VALUES (?, ?, ?)')
        .run(device.id, device.psk, device.addedAtMs);
      if (changes === 0) return false;
      this.#insertRules(device.id, device.rules);
      return true;
    });
  }

  find(id: string): Device | undefined {
    const row = this.#database.prepare('SELECT * FROM device WHERE id = ?').get(id) as DeviceRow | undefined;
    return row === undefined ? undefined : this.#deviceOf(row);
  }

  /** All devices, ordered by id. */
  all(): Device[] {
    const rows = this.#database.prepare('SELECT * FROM device ORDER BY id').all() as unknown as DeviceRow[];
    return rows.map((row) => this.#deviceOf(row));
  }

  /** @returns false when there is no such device. */
  rotate(id: string, psk: Uint8Array, nowMs: number): boolean {
    const { changes } = this.#database
      .prepare('UPDATE device SET psk = ?, key_version = key_version + 1, rotated_at_ms = ? WHERE id = ?')
      .run(psk, nowMs, id);
    return changes !== 0;
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
      psk: row.psk,
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

interface DeviceRow {
  id: string;
  psk: Uint8Array;
  key_version: number;
  added_at_ms: number;
  rotated_at_ms: number | null;
}
