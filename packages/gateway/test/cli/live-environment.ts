/** Commands of this process on the network of this machine, with what they write recorded. */
import { randomBytes } from 'node:crypto';
import { Client } from 'coapsule';
import { runCommandLine } from '../../src/cli/command-line.ts';

/** What happened in one run. */
export interface LiveRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it was written. */
  readonly bytes: Uint8Array;
  /** Standard output and standard error in the order they came. */
  readonly output: string;
}

/** What surrounds a run. */
export interface LiveSurroundings {
  readonly input?: string;
  readonly isTerminal?: boolean;
  /** Of the environment; those of this process by default. */
  readonly variables?: Readonly<Record<string, string | undefined>>;
}

/** Runs a command line as the program does, but for the process around it. */
export async function runLive(
  args: readonly string[],
  { input = '', isTerminal = false, variables = process.env }: LiveSurroundings = {},
): Promise<LiveRun> {
  const written: { readonly name: 'stdout' | 'stderr'; readonly bytes: Uint8Array }[] = [];
  const stream = (name: 'stdout' | 'stderr') => ({
    isTerminal,
    write: (data: Uint8Array | string): void => {
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : Uint8Array.from(data);
      written.push({ name, bytes });
    },
  });
  const bytes = new TextEncoder().encode(input);
  const exitCode = await runCommandLine(args, {
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    variables,
    readStandardInput: async () => bytes,
    async *standardInput() {
      yield bytes;
    },
    createClient: async (options) => new Client(options),
    onInterrupt: () => () => {},
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs);
      return () => clearTimeout(timer);
    },
    randomBytes: (length) => randomBytes(length),
    wallTimeMs: () => Date.now(),
  });
  const joined = (which?: 'stdout' | 'stderr'): Buffer =>
    Buffer.concat(
      written.filter(({ name }) => which === undefined || name === which).map((one) => one.bytes),
    );
  return {
    exitCode,
    stdout: joined('stdout').toString(),
    stderr: joined('stderr').toString(),
    bytes: joined('stdout'),
    output: joined().toString(),
  };
}
