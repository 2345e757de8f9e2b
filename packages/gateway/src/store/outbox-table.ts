/**
 * Readings that are still to be given to the message broker, on an open database.
 *
 * A reading gets here in the transaction that stores it, and leaves when the broker has acknowledged it: an outage of the
 * broker, or a crash, loses nothing that a device was told is stored. Alerts go before all others (requirement L11), and both in
 * the order in which they were stored. `add` and `remove` belong inside a transaction of the caller.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Reading } from './reading-table.ts';

/** A reading on its way. */
export interface OutboxEntry {
  /** Grows in the order in which readings were stored. */
  readonly id: number;
  readonly isAlert: boolean;
  readonly reading: Omit<Reading, 'peerAddress'>;
}

/** What is asked for of the outbox. */
export interface OutboxQuestion {
  /** Alerts with greater ids, in order, and behind them … */
  readonly alertsAfter: number;
  /** … others with greater ids, in order. */
  readonly after: number;
  /** Of both. */
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

  add({ path, value, contentFormat, identity, receivedAtMs }: Reading, isAlert: boolean): void {
    const format = contentFormat ?? null;
    this.#statements.add.run(path, value, format, identity ?? null, receivedAtMs, isAlert ? 1 : 0);
  }

  remove(ids: readonly number[]): void {
    for (const id of ids) this.#statements.remove.run(id);
  }

  entries({ alertsAfter, after, limit }: OutboxQuestion): readonly OutboxEntry[] {
    const { alerts, others } = this.#statements;
    const rows = alerts.all(alertsAfter, limit) as unknown as OutboxRow[];
    if (rows.length < limit) rows.push(...(others.all(after, limit - rows.length) as unknown as OutboxRow[]));
    return rows.map((row) => ({
      id: row.id,
      isAlert: row.alert === 1,
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
  alert: number;
}

function prepare(database: DatabaseSync) {
  return {
    size: database.prepare('SELECT bytes FROM outbox_size'),
    share: database.prepare('SELECT bytes FROM outbox_share WHERE identity = ?'),
    count: database.prepare('SELECT count(*) AS entries FROM outbox'),
    add: database.prepare(
      'INSERT INTO outbox (path, value, content_format, identity, received_at_ms, alert) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    remove: database.prepare('DELETE FROM outbox WHERE id = ?'),
    alerts: database.prepare('SELECT * FROM outbox WHERE alert = 1 AND id > ? ORDER BY id LIMIT ?'),
    others: database.prepare('SELECT * FROM outbox WHERE alert = 0 AND id > ? ORDER BY id LIMIT ?'),
  };
}
