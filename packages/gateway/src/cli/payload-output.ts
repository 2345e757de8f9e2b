/**
 * Where payloads go: standard output, or the file of `-o`.
 *
 * @module
 */

import {
  closeSync,
  fchmodSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import type { OutputStream } from './command-environment.ts';

/** How a file is written. */
export type FileWriting =
  /** The old content stays until the new one is there as a whole; without a payload it stays for good. */
  | 'whole'
  /** As it comes, for those who read along; emptied at the start. */
  | 'as it comes';

/** Takes payloads. */
export class PayloadOutput {
  readonly #stdout: OutputStream;
  readonly #file: number | undefined;
  /** Where the new content is until it is complete, and the place it goes to. */
  readonly #replacement: { readonly from: string; readonly to: string } | undefined;
  #hasContent = false;
  #hasFailed = false;

  constructor(stdout: OutputStream, path: string | undefined, writing: FileWriting) {
    this.#stdout = stdout;
    if (path === undefined || path === '-') return;
    const before = statSync(path, { throwIfNoEntry: false });
    if (writing === 'as it comes' || (before !== undefined && !before.isFile())) {
      this.#file = openSync(path, 'w');
      return;
    }
    const to = before === undefined ? path : realpathSync(path);
    const from = `${to}.${process.pid}.part`;
    this.#file = openReplacement(from, before, path);
    this.#replacement = { from, to };
  }

  /** Whether payloads go to a file of their own. */
  get isFile(): boolean {
    return this.#file !== undefined;
  }

  /** Writes a payload; a line feed follows on a terminal, and after a notification, but not in a file. */
  payload(bytes: Uint8Array, isNotification: boolean): void {
    this.bytes(bytes);
    if (this.#file === undefined && (isNotification || (this.#stdout.isTerminal && bytes.length > 0)))
      this.#stdout.write('\n');
  }

  /** Writes bytes as they are. */
  bytes(bytes: Uint8Array): void {
    if (this.#file === undefined) {
      this.#stdout.write(bytes);
      return;
    }
    this.#hasContent = true;
    try {
      for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(writeSync(this.#file, rest));
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }

  /** What was written is not all, and not to be kept. */
  abandon(): void {
    this.#hasFailed = true;
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    if (this.#replacement === undefined) return;
    const { from, to } = this.#replacement;
    if (this.#hasContent && !this.#hasFailed) renameSync(from, to);
    else rmSync(from, { force: true });
  }
}

function openReplacement(from: string, before: Stats | undefined, path: string): number {
  try {
    // Who may not write the old file may not replace it either.
    if (before !== undefined) closeSync(openSync(path, 'r+'));
    const file = openSync(from, 'wx');
    if (before !== undefined) fchmodSync(file, before.mode & 0o777);
    return file;
  } catch (error) {
    throw Object.assign(error as Error, { path });
  }
}
