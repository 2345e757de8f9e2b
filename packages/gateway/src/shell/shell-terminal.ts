/**
 * The shell on a terminal: prompt, editing, history and completion by `node:readline`; lines run one after the other.
 *
 * @module
 */

import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline';
import type { CommandEnvironment, OutputStream } from '../cli/command-environment.ts';
import { printable } from '../text/printable.ts';
import { completionsOf } from './shell-completion.ts';
import { longestHistory, mayHoldKey, type ShellHistory } from './shell-history.ts';
import type { ShellSession } from './shell-session.ts';

/** The two ends of a terminal. */
export interface TerminalEnds {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Reads lines and shows what comes. */
export class ShellTerminal {
  readonly #ends: TerminalEnds;
  readonly #interrupts = new Set<() => void>();
  #readline: Interface | undefined;
  #isPrompting = false;
  #isLineBegun = false;

  constructor(ends: TerminalEnds) {
    this.#ends = ends;
  }

  /** The environment of commands: what comes while a line is typed goes above it, and Ctrl-C reaches what runs. */
  environment(outer: CommandEnvironment): CommandEnvironment {
    return {
      ...outer,
      stdout: this.#above(outer.stdout),
      stderr: this.#above(outer.stderr),
      onInterrupt: (listener) => {
        this.#interrupts.add(listener);
        return () => this.#interrupts.delete(listener);
      },
    };
  }

  /** Runs lines until `exit` or Ctrl-D. @returns the exit code of the last one. */
  async run(
    session: ShellSession,
    history: ShellHistory | undefined,
    onEnd: (end: () => void) => () => void,
  ): Promise<number> {
    const readline = createInterface({
      ...this.#ends,
      terminal: true,
      historySize: longestHistory,
      removeHistoryDuplicates: true,
      history: [...(history?.lines ?? [])].reverse(),
      completer: (line: string, callback: (error: null, result: [string[], string]) => void) => {
        void completionsOf(session, line).then(([offers, replaced]) =>
          callback(null, [[...offers], replaced]),
        );
      },
    });
    this.#readline = readline;
    const lines: string[] = [];
    let wake = (): void => {};
    let isClosed = false;
    readline.on('line', (line) => {
      this.#isPrompting = false;
      lines.push(line);
      wake();
    });
    readline.on('close', () => {
      isClosed = true;
      this.#isPrompting = false;
      wake();
    });
    readline.on('SIGINT', () => this.#interrupt(readline));
    const forget = onEnd(() => readline.close());
    let exitCode = 0;
    try {
      while (!isClosed) {
        if (lines.length === 0) {
          this.#prompt(readline, session);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const line = lines.shift();
        if (line === undefined) continue;
        const outcome = await session.run(line);
        exitCode = outcome.exitCode;
        if (!mayHoldKey(line, outcome.wasUnderstood)) history?.add(line);
        if (outcome.isEnd) break;
      }
    } finally {
      forget();
      readline.close();
      this.#readline = undefined;
    }
    return exitCode;
  }

  #prompt(readline: Interface, { place }: ShellSession): void {
    if (this.#isLineBegun) this.#ends.output.write('\n');
    this.#isLineBegun = false;
    readline.setPrompt(`${place === undefined ? 'coapsule' : printable(`${place.origin}${place.path}`)}> `);
    this.#isPrompting = true;
    readline.prompt();
  }

  #interrupt(readline: Interface): void {
    if (!this.#isPrompting) {
      for (const listener of this.#interrupts) listener();
      return;
    }
    // As other shells have it: the line is left, and a new one begun.
    const hadText = readline.line !== '';
    readline.write(null, { ctrl: true, name: 'e' });
    readline.write(null, { ctrl: true, name: 'u' });
    this.#ends.output.write(hadText ? '^C\n' : '\n(exit or Ctrl-D leaves)\n');
    readline.prompt();
  }

  #above(stream: OutputStream): OutputStream {
    return {
      isTerminal: stream.isTerminal,
      write: (data) => {
        if (data.length === 0) return;
        const { output } = this.#ends;
        if (this.#isPrompting) {
          cursorTo(output, 0);
          clearLine(output, 0);
        }
        stream.write(data);
        const last = typeof data === 'string' ? data.charCodeAt(data.length - 1) : data.at(-1);
        // A line of progress goes with a carriage return.
        const endsLine = last === 0x0a || last === 0x0d;
        if (!this.#isPrompting) {
          this.#isLineBegun = !endsLine;
          return;
        }
        if (!endsLine) stream.write('\n');
        this.#readline?.prompt(true);
      },
    };
  }
}
