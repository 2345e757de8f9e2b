/**
 * Where payloads go: standard output, or the file of `-o`.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from 'node:fs';
import type { OutputStream } from './command-environment.ts';

/** Takes payloads. A file is created, or emptied, when it is opened, so that an old one is never taken for an answer. */
export class PayloadOutput {
  readonly #stdout: OutputStream;
  readonly #file: number | undefined;

  constructor(stdout: OutputStream, path: string | undefined) {
    this.#stdout = stdout;
    this.#file = path === undefined || path === '-' ? undefined : openSync(path, 'w');
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
    if (this.#file === undefined) this.#stdout.write(bytes);
    else writeSync(this.#file, bytes);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}
