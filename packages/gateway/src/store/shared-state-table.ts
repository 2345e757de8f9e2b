/**
 * How far this gateway is with those that it shares with: names and values, on an open database.
 *
 * `set` belongs inside a transaction of the caller.
 */
import type { DatabaseSync } from 'node:sqlite';

/** A value that is kept under a name. */
export interface SharedState {
  readonly name: string;
  readonly value: string;
}

/** Values by name; every statement is prepared once. */
export class SharedStateTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  find(name: string): string | undefined {
    return (this.#statements.find.get(name) as { value: string } | undefined)?.value;
  }

  set({ name, value }: SharedState): void {
    this.#statements.set.run(name, value);
  }
}

function prepare(database: DatabaseSync) {
  return {
    find: database.prepare('SELECT value FROM shared_state WHERE name = ?'),
    set: database.prepare('INSERT OR REPLACE INTO shared_state VALUES (?, ?)'),
  };
}
