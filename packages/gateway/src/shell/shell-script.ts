/**
 * The shell without a terminal: lines from standard input, no prompt, and an end at the first that fails.
 *
 * @module
 */

import type { OutputStream } from '../cli/command-environment.ts';
import { printable } from '../text/printable.ts';
import type { ShellSession } from './shell-session.ts';

/** Longest line, in characters. */
const longestLine = 1_048_576;

/** Runs all lines. @returns the exit code of the first that failed, or 0. */
export async function runScript(
  session: ShellSession,
  input: AsyncIterable<Uint8Array>,
  keepGoing: boolean,
  stderr: OutputStream,
): Promise<number> {
  let first = 0;
  let number = 0;
  for await (const line of linesOf(input)) {
    number++;
    const { exitCode, isEnd } = await session.run(line);
    if (exitCode !== 0) {
      first ||= exitCode;
      stderr.write(
        `coapsule: line ${number}${keepGoing ? '' : ', where the script ends'}: ${printable(firstWord(line))} failed with ${exitCode}\n`,
      );
      if (!keepGoing) break;
    }
    if (isEnd) break;
  }
  return first;
}

/** The rest may hold a key. */
function firstWord(line: string): string {
  return line.trim().split(/\s/, 1)[0]!;
}

async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of input) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split(/\r?\n/);
    rest = lines.pop()!;
    yield* lines;
    if (rest.length > longestLine) throw new RangeError(`a line has more than ${longestLine} characters`);
  }
  if (rest !== '') yield rest;
}
