/**
 * A file of events in the data folder, one JSON object a line, that never grows beyond its bound.
 *
 * It is appended to in one write for each line, by any number of processes and threads. When it is full it becomes `.1`, what
 * was `.1` becomes `.2`, and the oldest goes. It is for its owner only. What it is used for is audit-log.ts.
 */
import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { printableJson } from '../text/printable.ts';

/** How much is kept. */
export interface AuditBounds {
  /** A file is full when it has so many bytes. */
  readonly fileBytes: number;
  /** Full files that are kept besides. */
  readonly oldFiles: number;
}

const defaultBounds: AuditBounds = { fileBytes: 4 * 1024 * 1024, oldFiles: 4 };

/** A file that is opened for each line: nobody notices when it is moved away. */
export class AuditFile {
  readonly path: string;
  readonly #bounds: AuditBounds;

  constructor(path: string, bounds: AuditBounds = defaultBounds) {
    this.path = path;
    this.#bounds = bounds;
  }

  /** @throws the error of the system. */
  append(event: Readonly<Record<string, unknown>>): void {
    const line = Buffer.from(`${printableJson(event)}\n`);
    if (this.#isFull(line.length)) this.#rotate();
    const file = this.#open();
    try {
      writeSync(file, line);
    } finally {
      closeSync(file);
    }
  }

  #isFull(more: number): boolean {
    const size = statSync(this.path, { throwIfNoEntry: false })?.size ?? 0;
    return size + more > this.#bounds.fileBytes;
  }

  #open(): number {
    return openSync(this.path, 'a', 0o600);
  }

  #rotate(): void {
    const { oldFiles } = this.#bounds;
    const old = (age: number): string => (age === 0 ? this.path : `${this.path}.${age}`);
    rmSync(old(oldFiles), { force: true });
    for (let age = oldFiles - 1; age >= 0; age--) {
      try {
        renameSync(old(age), old(age + 1));
      } catch (error) {
        // There need not be so many yet; and another process may have been quicker.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }
}
