/**
 * How far something came: one line of a terminal, written over and over, with a bar where the whole is known.
 *
 * It stands on standard error. Where nobody reads along, and on a terminal that cannot go back in a line, it says nothing. It
 * has no colours.
 *
 * @module
 */

import type { CommandEnvironment } from './command-environment.ts';

/** Parts of the bar. */
const barCells = 20;

/** The part of the environment that is needed. */
export type ProgressEnvironment = Pick<CommandEnvironment, 'stderr' | 'wallTimeMs'> &
  Partial<Pick<CommandEnvironment, 'variables'>>;

/** See the module comment. */
export class ProgressLine {
  readonly #stderr: CommandEnvironment['stderr'];
  /** Whether anything is shown at all. */
  readonly isShown: boolean;
  #shown = '';

  constructor({ stderr, variables }: ProgressEnvironment) {
    this.#stderr = stderr;
    this.isShown = stderr.isTerminal && variables?.['TERM'] !== 'dumb';
  }

  /** Shows a text in the place of the one before. @param part 0 … 1, where it is known. */
  show(text: string, part?: number): void {
    if (!this.isShown) return;
    const full = part === undefined ? 0 : Math.round(barCells * Math.min(1, Math.max(0, part)));
    const line = part === undefined ? text : `${text} [${'#'.repeat(full)}${'.'.repeat(barCells - full)}]`;
    if (line === this.#shown) return;
    this.#stderr.write(`\r${line.padEnd(this.#shown.length)}`);
    this.#shown = line;
  }

  /** The line goes, for whatever comes next. */
  end(): void {
    if (this.#shown !== '') this.#stderr.write(`\r${' '.repeat(this.#shown.length)}\r`);
    this.#shown = '';
  }
}
