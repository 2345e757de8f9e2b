/**
 * The credential that a device had before its present one, while both count, on an open database.
 *
 * One for each device: with another rotation the one before counts as long as it was said then, and older ones not at all. Whether
 * its time is over is judged by who asks, who has a clock. Pre-shared keys are sealed on the disk; nothing here logs.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { SecretBox } from '../vault/secret-box.ts';
import { type DeviceProof, type KeyPlace, type ProofRow, proofColumns, proofOf } from './proof-columns.ts';
import type { SealedDatabase } from './sealing.ts';

/** How long the credential before counts. */
export interface Overlap {
  /** Wall-clock time in ms since 1970. */
  readonly untilMs: number;
  /** It ends earlier, when the device has proved itself with the new one. */
  readonly endsWithUse: boolean;
}

/** See the module comment. OSCORE contexts do not overlap. */
export interface PreviousCredential extends Overlap {
  readonly credential: DeviceProof;
  readonly keyVersion: number;
}

/** A device whose overlap ends, since it uses the credential of this version. */
export interface EndedOverlap {
  readonly deviceId: string;
  readonly addedAtMs: number;
  readonly keyVersion: number;
}

/** Credentials before by device; every statement is prepared once. */
export class PreviousTable {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #secrets: SecretBox;

  constructor({ database, secrets }: SealedDatabase) {
    this.#statements = prepare(database);
    this.#secrets = secrets;
  }

  /** What there was before is gone. */
  put(deviceId: string, { credential, keyVersion, untilMs, endsWithUse }: PreviousCredential): void {
    this.#statements.put.run(
      deviceId,
      ...proofColumns(this.#secrets, placeOf(deviceId), credential),
      keyVersion,
      untilMs,
      endsWithUse ? 1 : 0,
    );
  }

  /** @returns whether there was one. */
  remove(deviceId: string): boolean {
    return this.#statements.remove.run(deviceId).changes !== 0;
  }

  /** Of a device that still has the credential of this version. @returns whether there was one. */
  end({ deviceId, addedAtMs, keyVersion }: EndedOverlap): boolean {
    return this.#statements.end.run(deviceId, deviceId, addedAtMs, keyVersion).changes !== 0;
  }

  find(deviceId: string): PreviousCredential | undefined {
    const row = this.#statements.find.get(deviceId) as PreviousRow | undefined;
    if (row === undefined) return undefined;
    const { key_version: keyVersion, until_ms: untilMs } = row;
    const credential = proofOf(this.#secrets, placeOf(deviceId), row);
    return { credential, keyVersion, untilMs, endsWithUse: row.ends_with_use === 1 };
  }

  /** Who had this raw public key or certificate before. */
  ownerOf(fingerprint: string): string | undefined {
    return (this.#statements.owner.get(fingerprint) as { device_id: string } | undefined)?.device_id;
  }

  /** When the next overlap is over; undefined when there is none any more. */
  nextEnd(nowMs: number): number | undefined {
    return (this.#statements.nextEnd.get(nowMs) as { end: number | null }).end ?? undefined;
  }
}

function placeOf(deviceId: string): KeyPlace {
  return { column: 'previous_credential.psk', deviceId };
}

interface PreviousRow extends ProofRow {
  key_version: number;
  until_ms: number;
  ends_with_use: number;
}

function prepare(database: DatabaseSync) {
  return {
    put: database.prepare('INSERT OR REPLACE INTO previous_credential VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    remove: database.prepare('DELETE FROM previous_credential WHERE device_id = ?'),
    end: database.prepare(
      `DELETE FROM previous_credential WHERE device_id = ? AND EXISTS
       (SELECT 1 FROM device WHERE id = ? AND added_at_ms = ? AND key_version = ?)`,
    ),
    find: database.prepare('SELECT * FROM previous_credential WHERE device_id = ?'),
    owner: database.prepare('SELECT device_id FROM previous_credential WHERE fingerprint = ?'),
    nextEnd: database.prepare('SELECT min(until_ms) AS end FROM previous_credential WHERE until_ms > ?'),
  };
}
