/**
 * Child processes of a test: started, watched for a line, fed with input, and ended with the test whatever happens.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { atEnd } from '../at-end.ts';

/** How a process ended and all it wrote. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  /** Standard output and standard error in the order they came, as text. */
  readonly output: string;
}

/** Settings of one process. */
export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A process that runs in the background of a test. */
export class BackgroundProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #command: string;
  readonly #stdout: Buffer[] = [];
  readonly #exit: Promise<unknown>;
  #output = '';
  #ended = false;

  constructor(command: string, args: readonly string[], options: ProcessOptions = {}) {
    this.#command = [command, ...args].join(' ');
    this.#child = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
    });
    this.#child.stdin.on('error', () => {}); // it may end before it has read everything
    this.#child.stdout.on('data', (chunk: Buffer) => this.#stdout.push(chunk));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
    this.#child.on('error', (error) => {
      this.#output += `${error.message}\n`;
    });
    this.#exit = new Promise((resolve) => {
      this.#child.on('close', resolve);
    }).then(() => {
      this.#ended = true;
    });
  }

  /** Everything written so far, both streams. */
  get output(): string {
    return this.#output;
  }

  /** Everything written to standard output so far. */
  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  /** Process id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Resolves with the match as soon as the output matches.
   *
   * Rejects with the whole output when the process ends first or the time is up.
   */
  async waitFor(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpMatchArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = this.#output.match(pattern);
      if (match !== null) return match;
      const leftMs = deadline - performance.now();
      if (this.#ended || leftMs <= 0) {
        throw new Error(
          `${this.#command}\n${this.#ended ? 'ended' : 'still runs'} without ${pattern}:\n${this.#output}`,
        );
      }
      await Promise.race([sleep(20), this.#exit]);
    }
  }

  /** Writes to standard input. */
  write(text: string | Uint8Array): void {
    this.#child.stdin.write(text);
  }

  /** Closes standard input. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** Sends a signal and does not wait. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when the process has ended by itself; kills it and rejects when the time is up. */
  async finished(timeoutMs = 30_000): Promise<Finished> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#child.kill('SIGKILL');
      reject(new Error(`${this.#command}\nstill ran after ${timeoutMs} ms:\n${this.#output}`));
    }, timeoutMs);
    try {
      await Promise.race([this.#exit, late]);
    } finally {
      clearTimeout(timer);
    }
    return {
      code: this.#child.exitCode,
      signal: this.#child.signalCode,
      stdout: Buffer.concat(this.#stdout),
      output: this.#output,
    };
  }

  /** Ends the process: the signal, then SIGKILL after two seconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#ended) return;
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2_000);
    await this.#exit;
    clearTimeout(timer);
  }
}

/** Starts a process that ends with the test at the latest. */
export function start(
  t: TestContext,
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): BackgroundProcess {
  const running = new BackgroundProcess(command, args, options);
  atEnd(t, () => running.stop());
  return running;
}

/** Runs a process to its end with the given standard input (none by default). */
export async function run(
  t: TestContext,
  command: string,
  args: readonly string[],
  options: ProcessOptions & { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<Finished> {
  const running = start(t, command, args, options);
  if (options.input !== undefined) running.write(options.input);
  running.endInput();
  return running.finished(options.timeoutMs);
}

/** A new empty folder that is deleted after the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'coapsule-'));
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Three slots of these end below the range of ephemeral ports, which begins at 32,768. */
const portsOfSlot = 4000;

function firstPort(): number {
  return 20_000 + Number(process.env['COAPSULE_TEST_SLOT'] ?? 0) * portsOfSlot;
}

/**
 * Lowest of `count` UDP ports in a row that are free on 127.0.0.1, below the range of ephemeral ports.
 *
 * So no socket gets one by chance while nobody is bound to it: before a peer starts, and while a gateway is started again.
 * Test processes that run at once take theirs from ranges of their own (`COAPSULE_TEST_SLOT`, set by scripts/test.js).
 */
export async function freeUdpPorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = firstPort() + Math.floor(Math.random() * (portsOfSlot - count));
    const sockets: Socket[] = [];
    try {
      for (let port = first; port < first + count; port++) {
        const socket = createSocket('udp4');
        sockets.push(socket);
        socket.bind(port, '127.0.0.1');
        await once(socket, 'listening');
      }
      return first;
    } catch {
      // taken: try others
    } finally {
      for (const socket of sockets) socket.close();
    }
  }
  throw new Error('no free UDP port was found');
}

/** A TCP port that is free on 127.0.0.1, from the same ranges. */
export async function freeTcpPort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = firstPort() + Math.floor(Math.random() * portsOfSlot);
    const server = createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return port;
    } catch {
      // taken: try another
    } finally {
      server.close();
    }
  }
  throw new Error('no free TCP port was found');
}

/** Resolves when somebody listens on this UDP port: for peers that do not say so. Looks where Linux lists sockets. */
export async function untilBound(port: number): Promise<void> {
  const local = new RegExp(`^ *\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, '0')} `, 'm');
  const tables = ['/proc/net/udp', '/proc/net/udp6'];
  await until(
    () => tables.some((table) => local.test(readFileSync(table, 'latin1'))),
    `port ${port} is bound`,
  );
}

/** Resolves as soon as `condition` holds; rejects after the time. For what no process announces. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(25);
  }
}
