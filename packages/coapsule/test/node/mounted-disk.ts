/**
 * A file system that is really full: a tmpfs, as root may mount one on Linux. For the tests of both packages; where mounting is
 * refused, each has another way of its own in its small-disk.ts.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A folder that can be filled. */
export interface MountedDisk {
  readonly folder: string;
  /** Leaves no byte. */
  fill(): void;
  /** There is space again. */
  free(): void;
}

/** Empty, and gone when the test ends; `undefined` where mounting is refused. */
export function mountedDisk(t: TestContext, kibibytes: number): MountedDisk | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  t.after(() => {
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  const filling = join(folder, 'filling');
  return {
    folder,
    fill: () => {
      for (let written = 0; written <= kibibytes; written += 4) {
        try {
          writeFileSync(filling, Buffer.alloc(4096), { flag: 'a' });
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
          throw error;
        }
      }
      throw new Error(`${folder} takes more than it is large`);
    },
    free: () => rmSync(filling, { force: true }),
  };
}
