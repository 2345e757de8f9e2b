/**
 * One command of the command table, run for an assistant: its output is kept, bounded, and nothing goes to the real streams.
 *
 * @module
 */

import type { CommandEnvironment, RunLine } from '../cli/command-environment.ts';
import { printable } from '../text/printable.ts';

/** What a run came to. */
export interface CommandResult {
  readonly exitCode: number;
  /** Standard output, then standard error; what does not print is escaped but for line feeds. */
  readonly text: string;
}

/** What a run may use. */
interface CommandBounds {
  readonly runLine: RunLine;
  /** Characters of each stream that are kept. */
  readonly maxOutput: number;
  /** Interrupts the command, as Ctrl-C does. */
  readonly signal: AbortSignal;
}

/** Runs it. @param input Standard input. */
export async function runCommand(
  args: readonly string[],
  input: Uint8Array,
  environment: CommandEnvironment,
  { runLine, maxOutput, signal }: CommandBounds,
): Promise<CommandResult> {
  const stdout = new KeptOutput(maxOutput);
  const stderr = new KeptOutput(maxOutput);
  const exitCode = await runLine(args, {
    ...environment,
    stdout,
    stderr,
    // No key log, no line and no colours of who started us.
    variables: {},
    readStandardInput: async () => input,
    standardInput: async function* () {
      yield input;
    },
    onInterrupt: (listener) => {
      if (signal.aborted) queueMicrotask(listener);
      signal.addEventListener('abort', listener);
      return () => signal.removeEventListener('abort', listener);
    },
  });
  return { exitCode, text: [stdout.text, stderr.text].filter((text) => text !== '').join('\n') };
}

/** The beginning of what is written. */
class KeptOutput {
  readonly isTerminal = false;
  readonly #maxBytes: number;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  write(data: Uint8Array | string): void {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    const room = Math.max(0, this.#maxBytes - this.#bytes);
    this.#bytes += bytes.length;
    if (room > 0) this.#parts.push(bytes.slice(0, room));
  }

  get text(): string {
    const kept = new TextDecoder()
      .decode(Buffer.concat(this.#parts))
      .split('\n')
      .map((line) => printable(line, Number.POSITIVE_INFINITY))
      .join('\n')
      .trimEnd();
    return this.#bytes <= this.#maxBytes ? kept : `${kept}\n… cut: ${this.#bytes} bytes in all`;
  }
}
