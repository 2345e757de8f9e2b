/**
 * A data folder on a disk that is really full: a tmpfs, or, where mounting is refused, a limit of what a process may write.
 *
 * Linux. As root a tmpfs is mounted. Otherwise the limit on the size of files (RLIMIT_FSIZE) of the process ends every write
 * that makes one longer.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { mountedDisk } from '../../../coapsule/test/node/mounted-disk.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** A folder that can be filled. */
export interface SmallDisk {
  readonly folder: string;
  /** Leaves no byte, for the process with this id. */
  fill(pid: number): void;
  /** There is space again. */
  free(pid: number): void;
}

/** Empty, and gone when the test ends. */
export function smallDisk(t: TestContext): SmallDisk {
  return mountedDisk(t, 2048) ?? limited(temporaryFolder(t));
}

function limited(folder: string): SmallDisk {
  const limit = (pid: number, bytes: string): unknown =>
    execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`]);
  return {
    folder,
    fill: (pid) => limit(pid, '1'),
    free: (pid) => {
      // The limit of a process that is gone went with it.
      if (existsSync(`/proc/${pid}`)) limit(pid, 'unlimited');
    },
  };
}
