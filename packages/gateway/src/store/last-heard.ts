/**
 * When devices measured something last, by what is kept of it, on an open database.
 */
import type { DatabaseSync } from 'node:sqlite';

/** Asks for one identity at a time; its statement is prepared once. */
export class LastHeard {
  readonly #statement: ReturnType<DatabaseSync['prepare']>;

  constructor(database: DatabaseSync) {
    // A device has few series, and the newest of a series is the last row of its key.
    this.#statement = database.prepare(
      `SELECT max((SELECT max(at_ms) FROM measurement WHERE series = series.id)) AS at_ms
       FROM series WHERE identity = ?`,
    );
  }

  /** In ms since 1970; undefined where nothing is kept. */
  of(identity: string): number | undefined {
    return (this.#statement.get(identity) as { at_ms: number | null }).at_ms ?? undefined;
  }
}
