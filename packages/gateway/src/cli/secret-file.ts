/**
 * Files that get secrets: for their owner only, also when they are there already.
 *
 * @module
 */

import { closeSync, fchmodSync, fstatSync, openSync } from 'node:fs';

/**
 * Opens a file to append (`a`) or to write anew (`w`), and closes it to others first.
 *
 * A device file such as /dev/stderr keeps its rights. Throws the error of the system, also when the file belongs to
 * somebody else, who could open it to others again.
 *
 * @returns the file descriptor.
 */
export function openSecretFile(path: string, flags: 'a' | 'w'): number {
  const file = openSync(path, flags, 0o600);
  try {
    if (fstatSync(file).isFile()) fchmodSync(file, 0o600);
    return file;
  } catch (error) {
    closeSync(file);
    throw Object.assign(error as Error, { path });
  }
}
