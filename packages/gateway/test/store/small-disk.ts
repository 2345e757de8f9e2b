/**
 * A data folder on a disk that is really full: a tmpfs, or, where mounting is refused, a limit of what a process may write.
 *
 * Linux. As root a tmpfs is mounted. Otherwise the limit on the size of files (RLIMIT_FSIZE) of the process ends every write
 * that makes one longer.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

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
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'));
  const isMounted = mount(folder);
  t.after(() => {
    if (isMounted) execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return isMounted ? tmpfs(folder) : limited(folder);
}

function mount(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function tmpfs(folder: string): SmallDisk {
  const filling = join(folder, 'filling');
  return {
    folder,
    fill: () => {
      for (let part = 0; part < 1024; part++) {
        try {
          writeFileSync(filling, Buffer.alloc(4096), { flag: 'a' });
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
          throw error;
        }
      }
      throw new Error(`${folder} takes more than it is large`);
    },
    free: () => rmSync(filling),
  };
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
