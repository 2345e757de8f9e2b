/**
 * A file system that is really full: a tmpfs of a few KiB, or, where mounting is refused, a device that has no space.
 *
 * Linux. As root it is mounted; otherwise the part that is written beside a file's place leads to /dev/full, which answers
 * every write with the same ENOSPC.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A folder that can be filled. */
export interface SmallDisk {
  readonly folder: string;
  /** Leaves no byte, for the files that are named: they are written as FILE.next first. To be said again after each write. */
  fill(...files: readonly string[]): void;
  /** There is space again. */
  free(): void;
}

/** Empty, and gone when the test ends: its files must be closed by then. */
export function smallDisk(t: TestContext): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'));
  const isMounted = mount(folder);
  t.after(() => {
    if (isMounted) execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return isMounted ? tmpfs(folder) : device(folder);
}

function mount(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
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
      for (let part = 0; ; part++) {
        try {
          writeFileSync(filling, Buffer.alloc(4096), { flag: 'a' });
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
          throw error;
        }
        if (part > 64) throw new Error(`${folder} takes more than it is large`);
      }
    },
    free: () => rmSync(filling, { force: true }),
  };
}

function device(folder: string): SmallDisk {
  const links = new Set<string>();
  return {
    folder,
    fill: (...files) => {
      for (const file of files) {
        const link = `${file}.next`;
        try {
          symlinkSync('/dev/full', link);
          links.add(link);
        } catch (error) {
          // It is there already, or the file itself is being written.
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
      }
    },
    free: () => {
      for (const link of links) rmSync(link, { force: true });
    },
  };
}
