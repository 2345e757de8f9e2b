/**
 * The OSCORE Security Contexts of devices, and the two edges of each that only grow (docs/decisions/045), on an open database.
 *
 * A context belongs to one version of a device's credential: `rotate` replaces it with its edges, so that what a gateway
 * still has to store of the old one finds no row. `save` belongs inside a transaction of the caller. Master Secrets and salts
 * are sealed on the disk and leave this file only inside `OscoreCredential`; nothing here logs.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { SecretBox } from '../vault/secret-box.ts';
import { openSecret, sealSecret, secretPlace } from './sealed-columns.ts';
import type { SealedDatabase } from './sealing.ts';
import { StoreFault } from './store-fault.ts';

/** The gateway's end of a context (RFC 8613 §3.2). */
export interface OscoreCredential {
  readonly kind: 'oscore';
  readonly masterSecret: Uint8Array;
  readonly masterSalt: Uint8Array | undefined;
  /** The gateway's. */
  readonly senderId: Uint8Array;
  /** The device's: the kid of its requests. */
  readonly recipientId: Uint8Array;
  readonly idContext: Uint8Array | undefined;
  /** By its name in the COSE registry. */
  readonly aead: string;
  readonly hkdf: string;
}

/** What is kept of a context beside its parameters. */
export interface OscoreEdges {
  readonly senderEdge: number;
  readonly recipientEdge: number;
}

/** New edges of the context of one version of a credential. */
export interface OscoreChange extends OscoreEdges {
  readonly deviceId: string;
  readonly addedAtMs: number;
  readonly keyVersion: number;
}

/** Contexts by device; every statement is prepared once. */
export class OscoreTable {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #secrets: SecretBox;

  constructor({ database, secrets }: SealedDatabase) {
    this.#statements = prepare(database);
    this.#secrets = secrets;
  }

  /** Gives a device its context, without any use; what it had before is gone. */
  put(deviceId: string, credential: OscoreCredential): void {
    const { masterSecret, masterSalt, senderId, recipientId, idContext, aead, hkdf } = credential;
    this.#statements.put.run(
      deviceId,
      sealSecret(this.#secrets, secretPlace('oscore_context.master_secret', deviceId), masterSecret),
      masterSalt === undefined
        ? null
        : sealSecret(this.#secrets, secretPlace('oscore_context.master_salt', deviceId), masterSalt),
      senderId,
      recipientId,
      idContext ?? null,
      aead,
      hkdf,
    );
  }

  remove(deviceId: string): void {
    this.#statements.remove.run(deviceId);
  }

  find(deviceId: string): OscoreCredential | undefined {
    const row = this.#row(deviceId);
    return (
      row && {
        kind: 'oscore',
        masterSecret: this.#open('master_secret', deviceId, row.master_secret),
        masterSalt:
          row.master_salt === null ? undefined : this.#open('master_salt', deviceId, row.master_salt),
        senderId: row.sender_id,
        recipientId: row.recipient_id,
        idContext: row.id_context ?? undefined,
        aead: row.aead,
        hkdf: row.hkdf,
      }
    );
  }

  /** Who has a context that writes with the same key and nonces (RFC 8613 §5.2); one that does not open is nobody's. */
  ownerOf({ masterSecret, masterSalt, senderId, idContext }: OscoreCredential): string | undefined {
    const rows = this.#statements.withSender.all(senderId, idContext ?? null) as { device_id: string }[];
    return rows
      .map(({ device_id }) => device_id)
      .find((id) => {
        try {
          const known = this.find(id);
          return (
            known !== undefined &&
            isSame(known.masterSecret, masterSecret) &&
            isSame(known.masterSalt ?? noSalt, masterSalt ?? noSalt)
          );
        } catch (error) {
          if (error instanceof StoreFault && error.code === 'damaged') return false;
          throw error;
        }
      });
  }

  edges(deviceId: string): OscoreEdges | undefined {
    const row = this.#row(deviceId);
    return row && { senderEdge: row.sender_edge, recipientEdge: row.recipient_edge };
  }

  /** @returns false when the device has another credential by now, or is gone. */
  save({ deviceId, addedAtMs, keyVersion, senderEdge, recipientEdge }: OscoreChange): boolean {
    const { save } = this.#statements;
    return save.run(senderEdge, recipientEdge, deviceId, deviceId, addedAtMs, keyVersion).changes !== 0;
  }

  #open(column: 'master_secret' | 'master_salt', deviceId: string, sealed: Uint8Array): Uint8Array {
    return openSecret(this.#secrets, secretPlace(`oscore_context.${column}`, deviceId), sealed);
  }

  #row(deviceId: string): OscoreRow | undefined {
    return this.#statements.find.get(deviceId) as OscoreRow | undefined;
  }
}

/** RFC 8613 §3.2: without one it is empty. */
const noSalt = new Uint8Array();

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

interface OscoreRow {
  master_secret: Uint8Array;
  master_salt: Uint8Array | null;
  sender_id: Uint8Array;
  recipient_id: Uint8Array;
  id_context: Uint8Array | null;
  aead: string;
  hkdf: string;
  sender_edge: number;
  recipient_edge: number;
}

function prepare(database: DatabaseSync) {
  return {
    put: database.prepare('INSERT OR REPLACE INTO oscore_context VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)'),
    remove: database.prepare('DELETE FROM oscore_context WHERE device_id = ?'),
    find: database.prepare('SELECT * FROM oscore_context WHERE device_id = ?'),
    withSender: database.prepare(
      'SELECT device_id FROM oscore_context WHERE sender_id = ? AND id_context IS ?',
    ),
    save: database.prepare(
      `UPDATE oscore_context SET sender_edge = ?, recipient_edge = ? WHERE device_id = ? AND EXISTS
       (SELECT 1 FROM device WHERE id = ? AND added_at_ms = ? AND key_version = ?)`,
    ),
  };
}
