/**
 * The credential that a device had before its present one, while both count, on an open database.
 *
 * One for each device: with another rotation the one before counts as long as it was said then, and older ones not at all. Whether
 * its time is over is judged by who asks, who has a clock. Pre-shared keys are sealed on the disk; nothing here logs.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { SecretBox } from '../vault/secret-box.ts';
import { openSecret, sealSecret, secretPlace } from './sealed-columns.ts';
import type { SealedDatabase } from './sealing.ts';

/** What a device could prove itself with before; OSCORE contexts do not overlap. */
export type PreviousProof =
  | { readonly kind: 'psk'; readonly key: Uint8Array }
  | { readonly kind: 'rpk'; readonly fingerprint: string }
  | { readonly kind: 'cert'; readonly fingerprint: string; readonly expiresAtMs: number | undefined };

/** How long the credential before counts. */
export interface Overlap {
  /** Wall-clock time in ms since 1970. */
  readonly untilMs: number;
  /** It ends earlier, when the device has proved itself with the new one. */
  readonly endsWithUse: boolean;
}

/** See the module comment. */
export interface PreviousCredential extends Overlap {
  readonly credential: PreviousProof;
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
    const key = credential.kind === 'psk' ? credential.key : new Uint8Array(0);
    this.#statements.put.run(
      deviceId,
      credential.kind,
      sealSecret(this.#secrets, secretPlace('previous_credential.psk', deviceId), key),
      credential.kind === 'psk' ? null : credential.fingerprint,
      credential.kind === 'cert' ? (credential.expiresAtMs ?? null) : null,
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
    return { credential: this.#proofOf(row), keyVersion, untilMs, endsWithUse: row.ends_with_use === 1 };
  }

  /** Who had this raw public key or certificate before. */
  ownerOf(fingerprint: string): string | undefined {
    return (this.#statements.owner.get(fingerprint) as { device_id: string } | undefined)?.device_id;
  }

  /** When the next overlap is over; undefined when there is none any more. */
  nextEnd(nowMs: number): number | undefined {
    return (this.#statements.nextEnd.get(nowMs) as { end: number | null }).end ?? undefined;
  }

  #proofOf({ device_id, credential, psk, fingerprint, expires_at_ms }: PreviousRow): PreviousProof {
    if (credential === 'psk') {
      const key = openSecret(this.#secrets, secretPlace('previous_credential.psk', device_id), psk);
      return { kind: 'psk', key };
    }
    const known = fingerprint ?? '';
    return credential === 'rpk'
      ? { kind: 'rpk', fingerprint: known }
      : { kind: 'cert', fingerprint: known, expiresAtMs: expires_at_ms ?? undefined };
  }
}

interface PreviousRow {
  device_id: string;
  credential: string;
  psk: Uint8Array;
  fingerprint: string | null;
  expires_at_ms: number | null;
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
