/**
 * How far a transfer came: one line of a terminal, written over and over. Where nobody reads along it says nothing.
 *
 * @module
 */

import type { CommandEnvironment } from './command-environment.ts';

/** See the module comment. */
export class TransferProgress {
  readonly #environment: Pick<CommandEnvironment, 'stderr' | 'wallTimeMs'>;
  readonly #total: number;
  readonly #begunMs: number;
  #first: number | undefined;
  #shown = '';

  /** @param total of all of it, in bytes; more than 0. */
  constructor(environment: Pick<CommandEnvironment, 'stderr' | 'wallTimeMs'>, total: number) {
    this.#environment = environment;
    this.#total = total;
    this.#begunMs = environment.wallTimeMs();
  }

  /** So many bytes are over. */
  at(bytes: number): void {
    const { stderr, wallTimeMs } = this.#environment;
    if (!stderr.isTerminal) return;
    this.#first ??= bytes;
    const percent = Math.floor((100 * bytes) / this.#total);
    const seconds = (wallTimeMs() - this.#begunMs) / 1000;
    const rate = seconds < 1 ? '' : `, ${Math.round((bytes - this.#first) / 1024 / seconds)} KiB/s`;
    const line = `${percent} % of ${this.#total} bytes${rate}`;
    if (line.split(',')[0] === this.#shown.split(',')[0]) return;
    stderr.write(`\r${line.padEnd(this.#shown.length)}`);
    this.#shown = line;
  }

  /** The line goes, for whatever comes next. */
  end(): void {
    if (this.#shown !== '') this.#environment.stderr.write(`\r${' '.repeat(this.#shown.length)}\r`);
    this.#shown = '';
  }
}
