/**
 * Requests over kept associations that change something, with their answers, on an open database: a retransmission
 * that comes after a restart is recognised and not carried out again (RFC 7252 §4.2, §4.5).
 *
 * The methods belong inside a transaction of the caller. Telemetry has records of its own (reading-table.ts), which
 * become durable with the reading.
 */
import type { DatabaseSync } from 'node:sqlite';

/** A request, as its association tells it from all others. */
export interface RequestName {
  readonly association: string;
  readonly messageId: number;
  readonly token: Uint8Array;
}

/** A request whose handler is about to begin. */
export interface BegunRequest extends RequestName {
  readonly nowMs: number;
  /** EXCHANGE_LIFETIME or NON_LIFETIME (RFC 7252 §4.8.2). */
  readonly lifetimeMs: number;
}

/** What was known of a request. */
export type RequestOutcome =
  | 'new'
  /** Nobody keeps the association, so nothing was stored. */
  | 'no-association'
  /** It came before; without an answer it began, and for all that is known it may have been carried out. */
  | { readonly answer: Uint8Array | undefined };

/** The newest of each association are kept: one that is older is not sent again by anybody who takes turns. */
const keptOfAssociation = 64;

/** Requests; every statement is prepared once. */
export class RequestTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** Stores a request unless it was stored before. */
  begin({ association, messageId, token, nowMs, lifetimeMs }: BegunRequest): RequestOutcome {
    const { find, insert, forgetOld } = this.#statements;
    // A record from the future means that the wall clock was set back: it counts no longer than its lifetime.
    const row = find.get(association, messageId, token, nowMs, nowMs) as
      | { answer: Uint8Array | null }
      | undefined;
    if (row !== undefined) return { answer: row.answer ?? undefined };
    const { changes } = insert.run(messageId, token, nowMs, nowMs + lifetimeMs, association);
    if (changes === 0) return 'no-association';
    forgetOld.run(association, association, keptOfAssociation);
    return 'new';
  }

  /** Stores the answer of a request that was begun. */
  finish({ association, messageId, token }: RequestName, answer: Uint8Array): void {
    this.#statements.setAnswer.run(answer, association, messageId, token);
  }

  /** When the newest came that is remembered; 0 when none is. */
  newestMs(): number {
    return (this.#statements.newest.get() as { at: number | null }).at ?? 0;
  }

  /** Forgets requests that nobody can send again. */
  purge(nowMs: number): void {
    this.#statements.purge.run(nowMs);
  }
}

function prepare(database: DatabaseSync) {
  return {
    find: database.prepare(
      `SELECT answer FROM request WHERE association = ? AND message_id = ? AND token = ?
       AND expires_at_ms > ? AND received_at_ms <= ? ORDER BY id DESC LIMIT 1`,
    ),
    insert: database.prepare(
      `INSERT INTO request SELECT name,
         1 + coalesce((SELECT max(id) FROM request WHERE association = name), 0), ?, ?, NULL, ?, ?
       FROM association WHERE name = ?`,
    ),
    forgetOld: database.prepare(
      `DELETE FROM request WHERE association = ? AND id <=
       (SELECT max(id) FROM request WHERE association = ?) - ?`,
    ),
    setAnswer: database.prepare(
      'UPDATE request SET answer = ? WHERE association = ? AND message_id = ? AND token = ?',
    ),
    newest: database.prepare('SELECT max(received_at_ms) AS at FROM request'),
    purge: database.prepare('DELETE FROM request WHERE expires_at_ms <= ?'),
  };
}
