/**
 * The real environment of a command: this process.
 *
 * @module
 */

import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { CommandEnvironment, OutputStream } from './command-environment.ts';

/** Signals of one Ctrl-C can arrive twice: from the terminal and from the launcher. */
const sameInterruptMs = 500;

const signals = ['SIGINT', 'SIGTERM'] as const;

/** The environment of this process, and what became of its standard output. */
export interface ProcessEnvironment extends CommandEnvironment {
  /** Why standard output could not be written, unless its reader just went away. */
  outputFailure(): Error | undefined;
}

/** The environment of this process. */
export function processEnvironment(): ProcessEnvironment {
  let outputFailure: Error | undefined;
  const listeners = new Set<() => void>();
  let firstInterrupt: number | undefined;
  const interrupt = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (firstInterrupt !== undefined) {
      if (now - firstInterrupt >= sameInterruptMs) process.exit(signal === 'SIGINT' ? 130 : 143);
      return;
    }
    firstInterrupt = now;
    for (const listener of listeners) listener();
  };

  return {
    stdout: outputStream(1, (error) => {
      // A reader that went away (`| head -1`) ends a command as Ctrl-C does; a full disk does too, and is told.
      if (error.code !== 'EPIPE') outputFailure = error;
      for (const listener of listeners) listener();
    }),
    stderr: outputStream(2, () => {}),
    outputFailure: () => outputFailure,
    variables: process.env,
    async readStandardInput() {
      const chunks: Uint8Array[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk);
      return Buffer.concat(chunks);
    },
    standardInput: () => process.stdin,
    terminal: () => (isatty(0) && isatty(1) ? { input: process.stdin, output: process.stdout } : undefined),
    askSecretly: (question) => (isatty(0) && isatty(2) ? typedSecretly(question) : undefined),
    createClient: async (options) => {
      const { Client } = await import('coapsule');
      return new Client(options);
    },
    onInterrupt(listener) {
      if (listeners.size === 0) for (const signal of signals) process.on(signal, interrupt);
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        // After an interrupt we keep listening: the same one may come again while the command cleans up.
        if (listeners.size > 0 || firstInterrupt !== undefined) return;
        for (const signal of signals) process.off(signal, interrupt);
      };
    },
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs);
      return () => clearTimeout(timer);
    },
    randomBytes: (length) => randomBytes(length),
    wallTimeMs: () => Date.now(),
  };
}

/** One line from the terminal, which does not show it. */
async function typedSecretly(question: string): Promise<string> {
  const [{ createInterface }, { Writable }] = await Promise.all([
    import('node:readline/promises'),
    import('node:stream'),
  ]);
  // What would be echoed goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  reader.once('SIGINT', () => {
    process.stderr.write('\n');
    process.exit(130);
  });
  try {
    process.stderr.write(question);
    return await reader.question('');
  } finally {
    reader.close();
    process.stderr.write('\n');
  }
}

/** Writes at once and in order, so that nothing is lost when the process ends. */
function outputStream(descriptor: 1 | 2, onFailed: (error: NodeJS.ErrnoException) => void): OutputStream {
  let hasFailed = false;
  return {
    isTerminal: isatty(descriptor),
    write(data) {
      let rest = typeof data === 'string' ? new TextEncoder().encode(data) : data;
      while (rest.length > 0 && !hasFailed) {
        try {
          rest = rest.subarray(writeSync(descriptor, rest));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'EAGAIN')
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
          else {
            hasFailed = true;
            onFailed(error as NodeJS.ErrnoException);
          }
        }
      }
    },
  };
}
