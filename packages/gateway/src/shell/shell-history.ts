/**
 * What was typed into the shell before: a file for its owner alone, in which no key stands.
 *
 * @module
 */

import { closeSync, mkdirSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openSecretFile } from '../cli/secret-file.ts';

/** Lines that are kept. */
export const longestHistory = 1000;

/** Where it is: `COAPSULE_HISTORY`, or below the place for state of the user; nothing where there is no such place. */
export function historyPath(variables: Readonly<Record<string, string | undefined>>): string | undefined {
  const { COAPSULE_HISTORY, XDG_STATE_HOME, LOCALAPPDATA, HOME } = variables;
  if (COAPSULE_HISTORY !== undefined) return COAPSULE_HISTORY === '' ? undefined : COAPSULE_HISTORY;
  const state = XDG_STATE_HOME || LOCALAPPDATA || (HOME ? join(HOME, '.local', 'state') : undefined);
  return state === undefined ? undefined : join(state, 'coapsule', 'shell-history');
}

/**
 * Whether a line may hold a key: one with `-k` or `--key`, also among other letters or misspelt, `set key …`, and whatever
 * could not be read as a command.
 *
 * @param wasUnderstood whether it was a command with options that there are.
 */
export function mayHoldKey(line: string, wasUnderstood: boolean): boolean {
  // Quotes and backslashes may stand anywhere in a word: `set "key"`, `\-k`.
  const bare = line.replace(/['"\\]/g, '');
  return (
    !wasUnderstood ||
    [line, bare].some((text) => /(^|[\s'"])(-[A-Za-z]*k|--?key|--k)|^\s*set\s+-*key\b/i.test(text)) ||
    /0x[0-9a-f]{16}/i.test(bare)
  );
}

/** The file. Where it cannot be used the shell goes on without it. */
export class ShellHistory {
  readonly #path: string;
  readonly #warn: (text: string) => void;
  #lines: string[];
  #isBroken = false;

  /** Reads what is there. */
  constructor(path: string, warn: (text: string) => void) {
    this.#path = path;
    this.#warn = warn;
    this.#lines = [];
    try {
      this.#lines = readFileSync(path, 'utf8').split('\n').filter(Boolean).slice(-longestHistory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#broke(error);
    }
  }

  /** The oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Keeps a line, unless it is the same as the one before it. */
  add(line: string): void {
    if (line.trim() === '' || line === this.#lines.at(-1)) return;
    this.#lines.push(line);
    const isTooLong = this.#lines.length > longestHistory;
    if (isTooLong) this.#lines = this.#lines.slice(-longestHistory);
    this.#write(isTooLong ? 'w' : 'a', isTooLong ? this.#lines : [line]);
  }

  #write(flags: 'a' | 'w', lines: readonly string[]): void {
    if (this.#isBroken) return;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      const file = openSecretFile(this.#path, flags);
      try {
        writeSync(file, lines.map((line) => `${line}\n`).join(''));
      } finally {
        closeSync(file);
      }
    } catch (error) {
      this.#broke(error);
    }
  }

  #broke(error: unknown): void {
    this.#isBroken = true;
    this.#warn(`the history cannot be kept in ${this.#path}: ${(error as Error).message}`);
  }
}
