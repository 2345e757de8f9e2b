/**
 * A file system that is really full: a tmpfs of a few KiB, or, where mounting is refused, a device that has no space.
 *
 * Linux. As root it is mounted; otherwise the part that is written beside a file's place leads to /dev/full, which answers
 * every write with the same ENOSPC.
 */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { mountedDisk } from './mounted-disk.ts';

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
  return mountedDisk(t, 64) ?? device(t);
}

function device(t: TestContext): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
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
