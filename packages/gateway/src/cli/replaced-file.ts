/**
 * A small file that is replaced as a whole: after any loss of power it holds the old text or the new one.
 *
 * It is written beside its place, made durable and moved there; then the folder is made durable.
 *
 * @module
 */

import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces the text of a file, for its owner alone. When it rejects, the old text stands. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const file = await open(`${path}.next`, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.next`, path);
  // Windows has no such call.
  if (process.platform === 'win32') return;
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
