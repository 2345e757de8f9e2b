/**
 * One transaction on an open database: all that is done in it, or nothing.
 */
import type { DatabaseSync } from 'node:sqlite';

/** @param undone Is told that nothing of it was done, when it had begun. */
export function inTransaction<T>(database: DatabaseSync, work: () => T, undone = (): void => {}): T {
  // IMMEDIATE: wait for another writer at the start, never fail in the middle.
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    undone();
    throw error;
  }
}
