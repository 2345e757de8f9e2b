/**
 * What resources keep over a restart, by name, on an open database: a configuration, an entry of a collection, what is known of a
 * firmware.
 *
 * `apply` belongs inside a transaction of the caller.
 */
import type { DatabaseSync } from 'node:sqlite';

/** One value under its name. */
export interface KeptState {
  /** A path, or a path with a word of its kind before it. */
  readonly name: string;
  readonly value: Uint8Array;
  /** CoAP content format, where one was given. */
  readonly contentFormat: number | undefined;
}

/** Values that come or take the place of others, and those that go; all of it or nothing. */
export interface StateChange {
  readonly put?: readonly KeptState[];
  readonly remove?: readonly string[];
}

/** Values by name; every statement is prepared once. */
export class StateTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  apply({ put = [], remove = [] }: StateChange): void {
    for (const name of remove) this.#statements.remove.run(name);
    for (const { name, value, contentFormat } of put) {
      this.#statements.put.run(name, value, contentFormat ?? null);
    }
  }

  /** Those whose names begin so, in order of the names. */
  below(prefix: string): readonly KeptState[] {
    const rows = this.#statements.below.all(prefix) as unknown as readonly StateRow[];
    return rows.map(({ name, value, content_format }) => ({
      name,
      value,
      contentFormat: content_format ?? undefined,
    }));
  }
}

interface StateRow {
  name: string;
  value: Uint8Array;
  content_format: number | null;
}

function prepare(database: DatabaseSync) {
  return {
    put: database.prepare('INSERT OR REPLACE INTO resource_state VALUES (?, ?, ?)'),
    remove: database.prepare('DELETE FROM resource_state WHERE name = ?'),
    below: database.prepare(
      'SELECT * FROM resource_state WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name',
    ),
  };
}
