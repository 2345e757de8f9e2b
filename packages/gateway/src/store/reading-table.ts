/**
 * Readings and their deduplication records, on an open database.
 *
 * `record` belongs inside a transaction of the caller: the reading and the record that recognises its
 * retransmission must become durable together (RFC 7252 §4.5). It does not open or commit one.
 */
import type { DatabaseSync } from 'node:sqlite';

/** What recognises a retransmission: endpoint, Message ID, token and a digest of the request (RFC 7252 §4.5). */
export interface RequestFingerprint {
  /** The endpoint; a security association of its own is an endpoint of its own (RFC 7252 §9.1.1). */
  readonly peer: string;
  readonly messageId: number;
  readonly token: Uint8Array;
  /** Hash over code, options and payload. */
  readonly digest: Uint8Array;
  /** EXCHANGE_LIFETIME or NON_LIFETIME (RFC 7252 §4.8.2). */
  readonly lifetimeMs: number;
}

/** A value as a device sent it. */
export interface Reading {
  /** `/` and the path segments; no segment holds a `/`. */
  readonly path: string;
  readonly value: Uint8Array;
  readonly contentFormat: number | undefined;
  /** The authenticated identity; undefined over plain CoAP. */
  readonly identity: string | undefined;
  readonly peerAddress: string;
  /** Wall clock, ms since 1970. */
  readonly receivedAtMs: number;
}

/** What became of a reading. */
export interface RecordOutcome {
  /** The path had no reading before. */
  readonly first: boolean;
  /** The request was stored before; nothing was stored now and `first` is the answer of then. */
  readonly repeat: boolean;
}

const created = 0x41; // 2.01
const changed = 0x44; // 2.04

/** Readings and deduplication records; every statement is prepared once. */
export class ReadingTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** Store a reading unless its request was stored already; call inside a transaction. */
  record(reading: Reading, request: RequestFingerprint, keepNewest?: number): RecordOutcome {
    const { answerOf, hasPath, insertReading, forgetOld, insertAnswer } = this.#statements;
    const now = reading.receivedAtMs;
    const key = [request.peer, request.messageId, request.token, request.digest] as const;
    // A record from the future means that the wall clock was set back: trusted no longer than its lifetime.
    const answer = answerOf.get(...key, now, now + request.lifetimeMs) as { code: number } | undefined;
    if (answer !== undefined) return { first: answer.code === created, repeat: true };
    const first = hasPath.get(reading.path) === undefined;
    insertReading.run(
      reading.path,
      reading.value,
      reading.contentFormat ?? null,
      reading.identity ?? null,
      reading.peerAddress,
      now,
    );
    if (keepNewest !== undefined) forgetOld.run(reading.path, reading.path, keepNewest);
    insertAnswer.run(...key, first ? created : changed, now, now + request.lifetimeMs);
    return { first, repeat: false };
  }

  /** The newest reading of a path. */
  latest(path: string): Reading | undefined {
    const row = this.#statements.latest.get(path) as ReadingRow | undefined;
    if (row === undefined) return undefined;
    return {
      path: row.path,
      value: row.value,
      contentFormat: row.content_format ?? undefined,
      identity: row.identity ?? undefined,
      peerAddress: row.peer_address,
      receivedAtMs: row.received_at_ms,
    };
  }

  /** All paths below `prefix` (which ends with `/`) that have a reading, in order, at most `limit`. */
  pathsBelow(prefix: string, limit: number): string[] {
    // A skip scan over the index: cost grows with the number of paths, not of readings.
    const paths: string[] = [];
    const end = `${prefix.slice(0, -1)}0`; // '0' follows '/' in ASCII
    for (let after = prefix; paths.length < limit; ) {
      const row = this.#statements.nextPath.get(after, end) as { path: string | null };
      if (row.path === null) break;
      paths.push(row.path);
      after = row.path;
    }
    return paths;
  }

  /** Forget answers that no retransmission can ask for any more. */
  purge(nowMs: number): void {
    this.#statements.purge.run(nowMs);
  }
}

interface ReadingRow {
  path: string;
  value: Uint8Array;
  content_format: number | null;
  identity: string | null;
  peer_address: string;
  received_at_ms: number;
}

function prepare(database: DatabaseSync) {
  return {
    answerOf: database.prepare(
      `SELECT code FROM deduplication WHERE peer = ? AND message_id = ? AND token = ? AND digest = ?
       AND expires_at_ms > ? AND received_at_ms <= ?`,
    ),
    hasPath: database.prepare('SELECT 1 FROM reading WHERE path = ? LIMIT 1'),
    insertReading: database.prepare(
      `INSERT INTO reading (path, value, content_format, identity, peer_address, received_at_ms)
       VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    forgetOld: database.prepare(
      `DELETE FROM reading WHERE path = ? AND id <=
       (SELECT id FROM reading WHERE path = ? ORDER BY id DESC LIMIT 1 OFFSET ?)`,
    ),
    insertAnswer: database.prepare('INSERT OR REPLACE INTO deduplication VALUES (?, ?, ?, ?, ?, ?, ?)'),
    latest: database.prepare('SELECT * FROM reading WHERE path = ? ORDER BY id DESC LIMIT 1'),
    nextPath: database.prepare('SELECT min(path) AS path FROM reading WHERE path > ? AND path < ?'),
    purge: database.prepare('DELETE FROM deduplication WHERE expires_at_ms <= ?'),
  };
}
