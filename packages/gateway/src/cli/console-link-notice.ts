/**
 * Whom the link that logs in once is told at the start: the person who has started the gateway, on standard error. Who else could read it
 * there would be an admin as well, and so it is not told where its readers are others: in the log for programs, which is collected and
 * kept, in the journal of the system, and in a file that is not its owner's alone.
 *
 * @module
 */

import { fstatSync } from 'node:fs';
import type { LogFormat } from '../server/serve-options.ts';

/** Where it would be told. */
export interface LinkReader {
  readonly logFormat: LogFormat;
  /** Of standard error. */
  readonly descriptor: number;
  /** `dev:inode` of the connection to the journal, as systemd sets it. */
  readonly journalStream: string | undefined;
}

/** Why the link is not told; undefined: it is. */
export function linkWithheld({ logFormat, descriptor, journalStream }: LinkReader): string | undefined {
  if (logFormat === 'json') return 'logs for programs are kept';
  let stat: ReturnType<typeof fstatSync>;
  try {
    stat = fstatSync(descriptor);
  } catch {
    // Closed: nobody reads it.
    return 'standard error is closed';
  }
  if (journalStream === `${stat.dev}:${stat.ino}`) return 'the journal is kept, and read by others';
  if (stat.isFile() && process.platform !== 'win32' && (stat.mode & 0o077) !== 0)
    return 'standard error is a file that others may read';
  return undefined;
}
