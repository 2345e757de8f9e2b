/**
 * Associations that outlive the process, on an open database: their keys, what may be written with them, and what
 * was read (docs/decisions/018).
 *
 * `apply` belongs inside a transaction of the caller: an edge must become durable before or together with what its
 * record causes. Keys leave this file only in `resume`; nothing here logs.
 */
import type { DatabaseSync } from 'node:sqlite';

/** An association as it is stored. */
export interface AssociationRow {
  /** The same in every process; deduplication records name it too. */
  readonly name: string;
  /** Which socket of the gateway it belongs to. */
  readonly endpoint: string;
  readonly host: string;
  readonly port: number;
  readonly identity: Uint8Array;
  /** How the peer proved itself: `psk`, `x509`, `raw-public-key` or `none`. */
  readonly authentication: string;
  /** DER of its certificate or public key. */
  readonly credential: Uint8Array | undefined;
  /** Stamp of the key it was made with. */
  readonly keyStamp: string;
  /** When its certificate, or one that vouches for it, does not hold any more. */
  readonly expiresAtMs: number | undefined;
  /** As the library encodes it. */
  readonly state: Uint8Array;
  /** First write sequence number that is not reserved. */
  readonly reserved: number;
  /** Right edge of the replay window; -1 when nothing was received. */
  readonly edge: number;
}

/** One change. One of an association that is not there (any more) changes nothing, which `apply` tells. */
export type AssociationChange =
  | { readonly kind: 'add'; readonly row: AssociationRow; readonly nowMs: number }
  | { readonly kind: 'reserve'; readonly name: string; readonly upTo: number }
  | { readonly kind: 'edge'; readonly name: string; readonly edge: number; readonly nowMs: number }
  /** A clean end: `state` and `reserved` are exact, until the next process takes them over. */
  | {
      readonly kind: 'suspend';
      readonly name: string;
      readonly host: string;
      readonly port: number;
      readonly state: Uint8Array;
      readonly next: number;
      readonly edge: number;
    }
  | { readonly kind: 'remove'; readonly name: string };

/** What a process that starts takes over. */
export interface ResumeRequest {
  readonly endpoint: string;
  /** Write sequence numbers to reserve for each. */
  readonly ahead: number;
  readonly nowMs: number;
  /** Those not heard for longer are forgotten. */
  readonly maxAgeMs: number;
  /** Of more than this, those not heard for the longest time are forgotten. */
  readonly maxCount: number;
}

/** A stored association of which the caller may now write with `writeFrom` … `reserved - 1`. */
export interface ResumedRow extends AssociationRow {
  readonly writeFrom: number;
  /** Whether the last process ended cleanly: its window is the one in `state`. */
  readonly exact: boolean;
}

/** Associations; every statement is prepared once. */
export class AssociationTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** @returns whether the association was there; nobody asks it of one that was added or removed. */
  apply(change: AssociationChange): boolean {
    const { add, reserve, edge, suspend, remove } = this.#statements;
    switch (change.kind) {
      case 'add': {
        const { row } = change;
        add.run(
          row.name,
          row.endpoint,
          row.host,
          row.port,
          row.identity,
          row.authentication,
          row.credential ?? null,
          row.keyStamp,
          row.expiresAtMs ?? null,
          row.state,
          row.reserved,
          row.edge,
          change.nowMs,
        );
        return true;
      }
      case 'reserve':
        return reserve.run(change.upTo, change.name).changes !== 0;
      case 'edge':
        return edge.run(change.edge, change.nowMs, change.name).changes !== 0;
      case 'suspend': {
        const { host, port, state, next, edge: exactEdge, name } = change;
        return suspend.run(host, port, state, next, exactEdge, name).changes !== 0;
      }
      case 'remove':
        remove.run(change.name);
        return true;
    }
  }

  /** Forgets what is too old or too much and reserves for the rest; call inside a transaction. */
  resume({ endpoint, ahead, nowMs, maxAgeMs, maxCount }: ResumeRequest): ResumedRow[] {
    const { forgetOld, forgetMore, all, takeOver } = this.#statements;
    forgetOld.run(endpoint, nowMs - maxAgeMs, nowMs);
    forgetMore.run(endpoint, endpoint, maxCount);
    const rows = all.all(endpoint) as unknown as StoredRow[];
    takeOver.run(ahead, endpoint);
    return rows.map((row) => ({
      name: row.name,
      endpoint,
      host: row.host,
      port: row.port,
      identity: row.identity,
      authentication: row.authentication,
      credential: row.credential ?? undefined,
      keyStamp: row.key_stamp,
      expiresAtMs: row.expires_at_ms ?? undefined,
      state: row.state,
      writeFrom: row.reserved,
      reserved: row.reserved + ahead,
      edge: row.edge,
      exact: row.is_exact === 1,
    }));
  }
}

interface StoredRow {
  name: string;
  host: string;
  port: number;
  identity: Uint8Array;
  authentication: string;
  credential: Uint8Array | null;
  key_stamp: string;
  expires_at_ms: number | null;
  state: Uint8Array;
  reserved: number;
  edge: number;
  is_exact: number;
}

function prepare(database: DatabaseSync) {
  return {
    add: database.prepare(
      'INSERT OR REPLACE INTO association VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)',
    ),
    // Never back: what was reserved may have been used.
    reserve: database.prepare('UPDATE association SET reserved = max(reserved, ?) WHERE name = ?'),
    edge: database.prepare('UPDATE association SET edge = ?, heard_at_ms = ? WHERE name = ?'),
    suspend: database.prepare(
      `UPDATE association SET host = ?, port = ?, state = ?, reserved = ?, edge = ?, is_exact = 1
       WHERE name = ?`,
    ),
    remove: database.prepare('DELETE FROM association WHERE name = ?'),
    forgetOld: database.prepare(
      'DELETE FROM association WHERE endpoint = ? AND (heard_at_ms < ? OR expires_at_ms < ?)',
    ),
    forgetMore: database.prepare(
      `DELETE FROM association WHERE endpoint = ? AND name IN
       (SELECT name FROM association WHERE endpoint = ? ORDER BY heard_at_ms DESC LIMIT -1 OFFSET ?)`,
    ),
    all: database.prepare('SELECT * FROM association WHERE endpoint = ? ORDER BY heard_at_ms'),
    takeOver: database.prepare(
      'UPDATE association SET reserved = reserved + ?, is_exact = 0 WHERE endpoint = ?',
    ),
  };
}
