/**
 * Associations that outlive the process, on an open database: their keys, what may be written with them, and what
 * was read (docs/decisions/018).
 *
 * `apply` belongs inside a transaction of the caller: an edge must become durable before or together with what its
 * record causes. Keys are sealed on the disk and leave this file only in `resume`; nothing here logs.
 *
 * A process that starts reserves numbers for all associations of an endpoint by one row: `taken_over.ahead` is what all that
 * started have reserved for each, and an association has in `taken_over` how much of that its own `reserved` holds already.
 * Whatever writes an association adds the difference, which also says that its state is not exact any more. (To write
 * 100,000 associations at a start took as long as to read them.)
 */
import type { DatabaseSync } from 'node:sqlite';
import { type SecretBox, UnopenedSecret } from '../vault/secret-box.ts';
import type { AssociationRow } from './association-row.ts';
import { type ResumedPage, type ResumeMark, resumedPage, type StoredAssociation } from './resumed-page.ts';
import { secretPlace } from './sealed-columns.ts';
import type { SealedDatabase } from './sealing.ts';

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
  /** Where the page before ended; undefined for the first. */
  readonly after: ResumeMark | undefined;
  /** Associations in a page. */
  readonly pageSize: number;
}

/** Associations; every statement is prepared once. */
export class AssociationTable {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #secrets: SecretBox;

  constructor({ database, secrets }: SealedDatabase) {
    this.#statements = prepare(database);
    this.#secrets = secrets;
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
          this.#seal(row.name, row.state),
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
        return suspend.run(host, port, this.#seal(name, state), next, exactEdge, name).changes !== 0;
      }
      case 'remove':
        remove.run(change.name);
        return true;
    }
  }

  /** Which endpoints have any. */
  endpoints(): readonly string[] {
    return (this.#statements.endpoints.all() as { endpoint: string }[]).map(({ endpoint }) => endpoint);
  }

  /**
   * Takes over some associations, those not heard for the longest time first: reserves for them. Before the first page what
   * is too old or too much is forgotten, and in each page what has expired. Call inside a transaction.
   */
  resume(request: ResumeRequest): ResumedPage {
    const { endpoint, ahead, nowMs, maxAgeMs, maxCount, after, pageSize } = request;
    const { forgetOld, count, forgetExpired, forgetMore, page, takeOver, remove } = this.#statements;
    if (after === undefined) {
      forgetOld.run(endpoint, nowMs - maxAgeMs);
      const { all } = count.get(endpoint) as { all: number };
      if (all > maxCount) {
        forgetExpired.run(endpoint, nowMs);
        forgetMore.run(endpoint, endpoint, maxCount);
      }
    }
    const { heardAtMs, name, takenOver } = after ?? {
      heardAtMs: Number.MIN_SAFE_INTEGER,
      name: '',
      takenOver: (takeOver.get(endpoint, ahead) as { ahead: number }).ahead - ahead,
    };
    const columns = page.all(
      takenOver,
      takenOver,
      endpoint,
      heardAtMs,
      name,
      takenOver,
      pageSize,
    ) as unknown as AssociationColumns[];
    const rows = columns.map(rowOf);
    const last = rows.at(-1);
    if (last === undefined) return resumedPage(rows, undefined, 0);
    const isWhole = rows.length === pageSize;
    const next = isWhole ? { heardAtMs: last.heard_at_ms, name: last.name, takenOver } : undefined;
    // Found here, as they are read anyway: to look for them beforehand would be to read all of the table twice.
    const good = rows.filter(({ name, expires_at_ms }) => {
      const isExpired = expires_at_ms !== null && expires_at_ms < nowMs;
      if (isExpired) remove.run(name);
      return !isExpired;
    });
    const opened = good.filter((row) => this.#open(row));
    return resumedPage(opened, next, good.length - opened.length);
  }

  #seal(name: string, state: Uint8Array): Uint8Array {
    return this.#secrets.seal(secretPlace('association.state', name), state);
  }

  /** Puts its state there open. One that somebody changed or moved is forgotten: its device makes a new handshake. */
  #open(row: SealedAssociation): boolean {
    try {
      // In the row itself: a copy of each takes longer than to open it.
      row.state = this.#secrets.open(secretPlace('association.state', row.name), row.state);
      return true;
    } catch (error) {
      if (!(error instanceof UnopenedSecret)) throw error;
      this.#statements.remove.run(row.name);
      return false;
    }
  }
}

/** An association as it is read. */
interface SealedAssociation extends StoredAssociation {
  state: Uint8Array;
  readonly heard_at_ms: number;
}

/** What the statement of a page selects, in its order. */
type AssociationColumns = readonly [
  name: string,
  host: string,
  port: number,
  identity: Uint8Array,
  authentication: string,
  credential: Uint8Array | null,
  keyStamp: string,
  expiresAtMs: number | null,
  state: Uint8Array,
  edge: number,
  heardAtMs: number,
  reserved: number,
  isExact: number,
];

function rowOf([
  name,
  host,
  port,
  identity,
  authentication,
  credential,
  key_stamp,
  expires_at_ms,
  state,
  edge,
  heard_at_ms,
  reserved,
  is_exact,
]: AssociationColumns): SealedAssociation {
  return {
    name,
    host,
    port,
    identity,
    authentication,
    credential,
    key_stamp,
    expires_at_ms,
    state,
    edge,
    heard_at_ms,
    reserved,
    is_exact,
  };
}

/** What processes that started have reserved for each association of an endpoint. */
function takenOverOf(endpoint: string): string {
  return `coalesce((SELECT ahead FROM taken_over WHERE taken_over.endpoint = ${endpoint}), 0)`;
}

function prepare(database: DatabaseSync) {
  const total = takenOverOf('association.endpoint');
  // Without those that somebody has written since: they are in use.
  const page = database.prepare(
    `SELECT name, host, port, identity, authentication, credential, key_stamp, expires_at_ms, state, edge, heard_at_ms,
       reserved + ? - taken_over AS reserved, is_exact AND taken_over = ? AS is_exact
     FROM association WHERE endpoint = ? AND (heard_at_ms, name) > (?, ?) AND taken_over <= ?
     ORDER BY heard_at_ms, name LIMIT ?`,
  );
  // Node takes three times as long for a row with names.
  page.setReturnArrays(true);
  return {
    add: database.prepare(
      `INSERT OR REPLACE INTO association VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ${takenOverOf('?2')})`,
    ),
    // Never back: what was reserved may have been used.
    reserve: database.prepare(
      `UPDATE association SET reserved = max(reserved + ${total} - taken_over, ?), taken_over = ${total}, is_exact = 0
       WHERE name = ?`,
    ),
    edge: database.prepare(
      `UPDATE association SET edge = ?, heard_at_ms = ?,
         reserved = reserved + ${total} - taken_over, taken_over = ${total}, is_exact = 0
       WHERE name = ?`,
    ),
    suspend: database.prepare(
      `UPDATE association SET host = ?, port = ?, state = ?, reserved = ?, edge = ?, is_exact = 1, taken_over = ${total}
       WHERE name = ?`,
    ),
    remove: database.prepare('DELETE FROM association WHERE name = ?'),
    forgetOld: database.prepare('DELETE FROM association WHERE endpoint = ? AND heard_at_ms < ?'),
    forgetExpired: database.prepare('DELETE FROM association WHERE endpoint = ? AND expires_at_ms < ?'),
    count: database.prepare('SELECT count(*) AS "all" FROM association WHERE endpoint = ?'),
    forgetMore: database.prepare(
      `DELETE FROM association WHERE endpoint = ? AND name IN
       (SELECT name FROM association WHERE endpoint = ? ORDER BY heard_at_ms DESC LIMIT -1 OFFSET ?)`,
    ),
    endpoints: database.prepare('SELECT DISTINCT endpoint FROM association'),
    takeOver: database.prepare(
      `INSERT INTO taken_over VALUES (?, ?)
       ON CONFLICT DO UPDATE SET ahead = ahead + excluded.ahead RETURNING ahead`,
    ),
    page,
  };
}
