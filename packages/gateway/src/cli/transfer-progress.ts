/**
 * How far a transfer came whose length is known, in a line of progress.
 *
 * @module
 */

import { type ProgressEnvironment, ProgressLine } from './progress-line.ts';

/** See the module comment. */
export class TransferProgress {
  readonly #line: ProgressLine;
  readonly #wallTimeMs: () => number;
  readonly #total: number;
  readonly #begunMs: number;
  #first: number | undefined;
  #shownPercent = -1;

  /** @param total of all of it, in bytes; more than 0. */
  constructor(environment: ProgressEnvironment, total: number) {
    this.#line = new ProgressLine(environment);
    this.#wallTimeMs = () => environment.wallTimeMs();
    this.#total = total;
    this.#begunMs = environment.wallTimeMs();
  }

  /** So many bytes are over. */
  at(bytes: number): void {
    if (!this.#line.isShown) return;
    this.#first ??= bytes;
    const percent = Math.floor((100 * bytes) / this.#total);
    if (percent === this.#shownPercent) return;
    this.#shownPercent = percent;
    const seconds = (this.#wallTimeMs() - this.#begunMs) / 1000;
    const rate = seconds < 1 ? '' : `, ${Math.round((bytes - this.#first) / 1024 / seconds)} KiB/s`;
    this.#line.show(`${percent} % of ${this.#total} bytes${rate}`, bytes / this.#total);
  }

  /** The line goes, for whatever comes next. */
  end(): void {
    this.#line.end();
    this.#shownPercent = -1;
  }
}
