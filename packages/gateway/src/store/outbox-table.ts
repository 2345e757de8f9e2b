/**
 * Readings that are still to be given to the message broker, on an open database.
 *
 * A reading gets here in the transaction that stores it, and leaves when the broker has acknowledged it: an outage of the
 * broker, or a crash, loses nothing that a device was told is stored. `add` and `remove` belong inside a transaction of the
 * caller.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Reading } from './reading-table.ts';

/** A reading on its way. */
export interface OutboxEntry {
  /** Grows in the order in which readings were stored. */
  readonly id: number;
  readonly reading: Omit<Reading, 'peerAddress'>;
}

/** What is asked for of the outbox. */
export interface OutboxQuestion {
  /** Entries with greater ids, in order. */
  readonly after: number;
  readonly limit: number;
}

/** How much waits. */
export interface OutboxSize {
  readonly entries: number;
  /** With an allowance for each entry. */
  readonly bytes: number;
}

/** The outbox; every statement is prepared once. */
export class OutboxTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** Bytes of what waits, with an allowance for each entry. */
  get bytes(): number {
    return (this.#statements.size.get() as { bytes: number }).bytes;
  }

  /** Of those, bytes of what one identity has sent. */
  bytesOf(identity: string | undefined): number {
    return (this.#statements.share.get(identity ?? '') as { bytes: number } | undefined)?.bytes ?? 0;
  }

  load(): OutboxSize {
    const { entries } = this.#statements.count.get() as { entries: number };
    return { entries, bytes: this.bytes };
  }

  add({ path, value, contentFormat, identity, receivedAtMs }: Reading): void {
    this.#statements.add.run(path, value, contentFormat ?? null, identity ?? null, receivedAtMs);
  }

  remove(ids: readonly number[]): void {
    for (const id of ids) this.#statements.remove.run(id);
  }

  entries({ after, limit }: OutboxQuestion): readonly OutboxEntry[] {
    return (this.#statements.entries.all(after, limit) as unknown as readonly OutboxRow[]).map((row) => ({
      id: row.id,
      reading: {
        path: row.path,
        value: row.value,
        contentFormat: row.content_format ?? undefined,
        identity: row.identity ?? undefined,
        receivedAtMs: row.received_at_ms,
      },
    }));
  }
}

interface OutboxRow {
  id: number;
  path: string;
  value: Uint8Array;
  content_format: number | null;
  identity: string | null;
  received_at_ms: number;
}

function prepare(database: DatabaseSync) {
  return {
    size: database.prepare('SELECT bytes FROM outbox_size'),
    share: database.prepare('SELECT bytes FROM outbox_share WHERE identity = ?'),
    count: database.prepare('SELECT count(*) AS entries FROM outbox'),
    add: database.prepare(
      'INSERT INTO outbox (path, value, content_format, identity, received_at_ms) VALUES (?, ?, ?, ?, ?)',
    ),
    remove: database.prepare('DELETE FROM outbox WHERE id = ?'),
    entries: database.prepare('SELECT * FROM outbox WHERE id > ? ORDER BY id LIMIT ?'),
  };
}
