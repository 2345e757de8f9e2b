/**
 * The file of `--keylog`: secrets for Wireshark, for debugging only.
 *
 * @module
 */

import { closeSync, writeSync } from 'node:fs';
import type { Log } from '../server/log.ts';
import { StartUpFault } from '../server/start-up-fault.ts';
import { openSecretFile } from './secret-file.ts';

/** An open file. */
export interface Keylog {
  readonly write: (line: string) => void;
  readonly close: () => void;
}

/** Opens it to add to; @throws StartUpFault when that cannot be. */
export function openKeylog(path: string, log: Log): Keylog {
  let file: number;
  try {
    file = openSecretFile(path, 'a');
  } catch (error) {
    throw new StartUpFault(
      `the key log ${path} cannot be written: ${(error as Error).message}`,
      'name a writable file with --keylog',
    );
  }
  log.warning(`whoever reads ${path} can decrypt all traffic; for debugging only`);
  let hasFailed = false;
  return {
    write(line) {
      if (hasFailed) return;
      try {
        writeSync(file, `${line}\n`);
      } catch (error) {
        // A debugging aid must not take the gateway down with it.
        hasFailed = true;
        log.error(`the key log ${path} ends here: ${(error as Error).message}`);
      }
    },
    close: () => closeSync(file),
  };
}
