/** What the gateway has stored, as the database has it on disk. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The values that are stored as texts, in the order of their readings. */
export function storedValues(data: string): string[] {
  const database = new DatabaseSync(join(data, 'coapsule.db'), { readOnly: true });
  try {
    const rows = database
      .prepare("SELECT value FROM measurement WHERE typeof(value) = 'text' ORDER BY reading, position")
      .all();
    return rows.map((row) => String(row['value']));
  } finally {
    database.close();
  }
}

/** The texts of all readings, or of those of one path, in the order in which they were stored. */
export function storedTexts(data: string, path?: string): string[] {
  const database = new DatabaseSync(join(data, 'coapsule.db'), { readOnly: true });
  try {
    const rows = database.prepare('SELECT path, CAST(value AS TEXT) AS text FROM reading ORDER BY id').all();
    return rows.filter((row) => path === undefined || row['path'] === path).map((row) => String(row['text']));
  } finally {
    database.close();
  }
}
