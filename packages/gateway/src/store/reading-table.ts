/**
 * Readings and their deduplication records, on an open database, with what was measured (measurement-table.ts).
 *
 * `record` belongs inside a transaction of the caller: the reading and the record that recognises its
 * retransmission must become durable together (RFC 7252 §4.5). It does not open or commit one.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Measurement } from '../telemetry/measurement.ts';
import { type MeasurementTable, seriesForPath, sizeOfMeasurements } from './measurement-table.ts';

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
  /** When it came, by the clock of lifetimes (server/lifetime-clock.ts); without it, when the reading was received. */
  readonly atMs?: number | undefined;
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
  /** What is in the value, as far as it is known; stored with it, and not given back with it. */
  readonly measurements?: readonly Measurement[];
}

/** Under which circumstances a reading is stored; all of it judged in the transaction that stores it. */
export interface RecordTerms {
  /** How many readings of the path to keep, the newest; undefined keeps all. */
  readonly keepNewest?: number | undefined;
  readonly quota?: Quota;
  /** For conditional requests: whether to store it when the path has a reading, and when it has none. */
  readonly storeWhen?: { readonly exists: boolean; readonly missing: boolean };
  /** It goes to the message broker too; what waits for that takes no more than so many bytes. */
  readonly outboxBytes?: number | undefined;
  /** And what waits of one identity no more than so many. */
  readonly outboxShareBytes?: number | undefined;
  /** On the way to the broker it goes before what is none. */
  readonly isAlert?: boolean;
}

/** What the readings of one identity may take; all writers without an identity count as one. */
export interface Quota {
  readonly maxPaths: number;
  /** Values, paths and an allowance for each reading. */
  readonly maxBytes: number;
}

/** What is asked for of all readings, in the order in which they were stored. */
export interface ReadingsAfter {
  readonly after: number | undefined;
  readonly limit: number;
}

/** Some readings, and the mark behind them. */
export interface ReadingsPage {
  readonly readings: readonly Reading[];
  readonly mark: number;
}

/** What became of a reading. */
export type RecordOutcome = RecordStored | RecordRefused;

/** It is in the store. */
export interface RecordStored {
  /** The path had no reading before. */
  readonly first: boolean;
  /** The request was stored before; nothing was stored now and `first` is the answer of then. */
  readonly repeat: boolean;
}

/** It is not in the store. */
export interface RecordRefused {
  readonly refused:
    | 'too-many-paths'
    | 'too-many-bytes'
    | 'exists'
    | 'missing'
    | 'outbox-full'
    | 'outbox-share-full';
}

/** More than any reading takes besides its value (see schema.ts, and the bound on paths in resources/telemetry.ts). */
const readingOverhead = 4096;

/** Readings that go with one that comes, when fewer are kept than before: who waits for it waits for them too. */
const mostForgotten = 1000;

/** Paths whose readings are counted in memory. */
const mostCounted = 50_000;

const created = 0x41; // 2.01
const changed = 0x44; // 2.04

/** Where readings wait for the message broker (outbox-table.ts). */
interface ReadingOutbox {
  /** Of what waits. */
  readonly bytes: number;
  /** Of those, what one identity has sent. */
  bytesOf(identity: string | undefined): number;
  add(reading: Reading, isAlert: boolean): void;
}

/** Readings and deduplication records; every statement is prepared once. */
export class ReadingTable {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #outbox: ReadingOutbox;
  readonly #measurements: MeasurementTable;
  /** How many readings paths have: to count them for each that comes would cost more than all else. */
  readonly #counts = new Map<string, number>();

  constructor(database: DatabaseSync, outbox: ReadingOutbox, measurements: MeasurementTable) {
    this.#database = database;
    this.#outbox = outbox;
    this.#measurements = measurements;
    this.#statements = prepare(database);
  }

  /**
   * Store a reading unless its request was stored already; call inside a transaction.
   *
   * @param request Undefined for one that cannot come twice, as over a reliable transport.
   */
  record(reading: Reading, request: RequestFingerprint | undefined, terms: RecordTerms = {}): RecordOutcome {
    const { answerOf, hasPath, insertAnswer } = this.#statements;
    const now = request?.atMs ?? reading.receivedAtMs;
    if (request !== undefined) {
      // A record from the future means that the wall clock was set back: trusted no longer than its lifetime.
      const answer = answerOf.get(...keyOf(request), now, now + request.lifetimeMs) as
        | { code: number }
        | undefined;
      if (answer !== undefined) return { first: answer.code === created, repeat: true };
    }
    const first = hasPath.get(reading.path) === undefined;
    const { storeWhen, quota } = terms;
    if (storeWhen !== undefined && !(first ? storeWhen.missing : storeWhen.exists)) {
      return { refused: first ? 'missing' : 'exists' };
    }
    const { outboxBytes, outboxShareBytes } = terms;
    if (outboxBytes !== undefined) {
      const { length } = reading.value;
      if (this.#outbox.bytes + length > outboxBytes) return { refused: 'outbox-full' };
      if (outboxShareBytes !== undefined) {
        const waiting = this.#outbox.bytesOf(reading.identity);
        // One may always wait, however small the share is.
        if (waiting > 0 && waiting + length > outboxShareBytes) return { refused: 'outbox-share-full' };
      }
    }
    const exceeded = this.#storeWithin(reading, terms.keepNewest, quota);
    if (exceeded !== undefined) return { refused: exceeded };
    if (outboxBytes !== undefined) this.#outbox.add(reading, terms.isAlert ?? false);
    if (request !== undefined) {
      insertAnswer.run(...keyOf(request), first ? created : changed, now, now + request.lifetimeMs);
    }
    return { first, repeat: false };
  }

  /** Stores and forgets, or names what the quota does not allow and changes nothing. */
  #storeWithin(
    reading: Reading,
    keepNewest: number | undefined,
    quota: Quota | undefined,
  ): 'too-many-paths' | 'too-many-bytes' | undefined {
    if (quota === undefined) return void this.#store(reading, keepNewest);
    const { hasAccountPath, countAccountPaths } = this.#statements;
    const account = reading.identity ?? '';
    if (hasAccountPath.get(account, reading.path) === undefined) {
      const { n } = countAccountPaths.get(account) as { n: number };
      if (n >= quota.maxPaths) return 'too-many-paths';
    }
    if (this.#measurements.exceedsSeries(reading, seriesForPath * quota.maxPaths)) return 'too-many-paths';
    const before = this.#bytesOf(account);
    const most = reading.value.length + sizeOfMeasurements(reading) + readingOverhead;
    if (before + most <= quota.maxBytes) {
      return void this.#store(reading, keepNewest);
    }
    // Close to the bound. Who is over it, after it was lowered, may still replace old readings with smaller ones.
    this.#database.exec('SAVEPOINT reading');
    this.#store(reading, keepNewest);
    const after = this.#bytesOf(account);
    const isOver = after > quota.maxBytes && after > before;
    this.#database.exec(isOver ? 'ROLLBACK TO reading; RELEASE reading' : 'RELEASE reading');
    if (isOver) this.rolledBack();
    return isOver ? 'too-many-bytes' : undefined;
  }

  #store(reading: Reading, keepNewest: number | undefined): void {
    const { insertReading } = this.#statements;
    const { lastInsertRowid } = insertReading.run(
      reading.path,
      reading.value,
      reading.contentFormat ?? null,
      reading.identity ?? null,
      reading.peerAddress,
      reading.receivedAtMs,
    );
    this.#measurements.add(reading, Number(lastInsertRowid));
    this.#countOne(reading.path, keepNewest);
  }

  /** The path has one reading more; the oldest go when it has too many. */
  #countOne(path: string, keepNewest: number | undefined): void {
    const { countReadings, forgetOldest } = this.#statements;
    const before = this.#counts.get(path);
    if (before === undefined && keepNewest === undefined) return;
    let count = before === undefined ? (countReadings.get(path) as { n: number }).n : before + 1;
    if (keepNewest !== undefined && count > keepNewest) {
      count -= Number(forgetOldest.run(path, Math.min(count - keepNewest, mostForgotten)).changes);
    }
    if (this.#counts.size >= mostCounted) this.#counts.clear();
    this.#counts.set(path, count);
  }

  /** What was done since the transaction, or a savepoint in it, began is undone. */
  rolledBack(): void {
    this.#counts.clear();
  }

  #bytesOf(account: string): number {
    return (this.#statements.accountBytes.get(account) as { bytes: number } | undefined)?.bytes ?? 0;
  }

  /** The newest reading of a path. */
  latest(path: string): Reading | undefined {
    const row = this.#statements.latest.get(path) as ReadingRow | undefined;
    return row && readingOf(row);
  }

  /** Readings that were stored behind a mark and are kept, in that order; undefined: only where the end is. */
  after({ after, limit }: ReadingsAfter): ReadingsPage {
    if (after === undefined) {
      const { mark } = this.#statements.end.get() as { mark: number };
      return { readings: [], mark };
    }
    const rows = this.#statements.after.all(after, limit) as unknown as readonly ReadingRow[];
    return { readings: rows.map(readingOf), mark: rows.at(-1)?.id ?? after };
  }

  /**
   * Paths below `prefix` (which ends with `/`) that have a reading, in order, at most `limit`.
   *
   * When there are more, each identity has its share before any has more: one device with many paths cannot push
   * out the others.
   */
  pathsBelow(prefix: string, limit: number): string[] {
    const { accounts, pathsOfAccount, nextPath } = this.#statements;
    const end = `${prefix.slice(0, -1)}0`; // '0' follows '/' in ASCII
    const identities = accounts.all(limit) as { identity: string }[];
    const share = Math.max(1, Math.floor(limit / Math.max(1, identities.length)));
    const paths = new Set<string>();
    for (const { identity } of identities) {
      const rows = pathsOfAccount.all(identity, prefix, end, share) as { path: string }[];
      for (const { path } of rows) paths.add(path);
    }
    // A skip scan over the index: cost grows with the number of paths, not of readings.
    for (let after = prefix; paths.size < limit; ) {
      const row = nextPath.get(after, end) as { path: string | null };
      if (row.path === null) break;
      paths.add(row.path);
      after = row.path;
    }
    return [...paths].sort();
  }

  /** When the newest request came that is remembered; 0 when none is. */
  newestRequestMs(): number {
    return (this.#statements.newestAnswer.get() as { at: number | null }).at ?? 0;
  }

  /** Forget answers that no retransmission can ask for any more. */
  purge(nowMs: number): void {
    this.#statements.purge.run(nowMs);
  }
}

function readingOf(row: ReadingRow): Reading {
  return {
    path: row.path,
    value: row.value,
    contentFormat: row.content_format ?? undefined,
    identity: row.identity ?? undefined,
    peerAddress: row.peer_address,
    receivedAtMs: row.received_at_ms,
  };
}

interface ReadingRow {
  id: number;
  path: string;
  value: Uint8Array;
  content_format: number | null;
  identity: string | null;
  peer_address: string;
  received_at_ms: number;
}

function keyOf({ peer, messageId, token, digest }: RequestFingerprint) {
  return [peer, messageId, token, digest] as const;
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
    countReadings: database.prepare('SELECT count(*) AS n FROM reading WHERE path = ?'),
    forgetOldest: database.prepare(
      'DELETE FROM reading WHERE id IN (SELECT id FROM reading WHERE path = ? ORDER BY id LIMIT ?)',
    ),
    insertAnswer: database.prepare('INSERT OR REPLACE INTO deduplication VALUES (?, ?, ?, ?, ?, ?, ?)'),
    latest: database.prepare('SELECT * FROM reading WHERE path = ? ORDER BY id DESC LIMIT 1'),
    after: database.prepare('SELECT * FROM reading WHERE id > ? ORDER BY id LIMIT ?'),
    // Also of readings that are not kept any more: numbers are never given again.
    end: database.prepare(
      "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'reading'), 0) AS mark",
    ),
    hasAccountPath: database.prepare('SELECT 1 FROM account_path WHERE identity = ? AND path = ?'),
    countAccountPaths: database.prepare('SELECT count(*) AS n FROM account_path WHERE identity = ?'),
    accountBytes: database.prepare('SELECT bytes FROM account WHERE identity = ?'),
    accounts: database.prepare('SELECT identity FROM account ORDER BY identity LIMIT ?'),
    pathsOfAccount: database.prepare(
      'SELECT path FROM account_path WHERE identity = ? AND path > ? AND path < ? ORDER BY path LIMIT ?',
    ),
    nextPath: database.prepare('SELECT min(path) AS path FROM reading WHERE path > ? AND path < ?'),
    newestAnswer: database.prepare('SELECT max(received_at_ms) AS at FROM deduplication'),
    purge: database.prepare('DELETE FROM deduplication WHERE expires_at_ms <= ?'),
  };
}
