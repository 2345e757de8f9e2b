/** `coapsule` as a process of its own, from its sources; ended with the test whatever happens. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from '../at-end.ts';
import { runLive } from '../cli/live-environment.ts';
import { serveArguments } from '../serve-arguments.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

/** A process that ran to its end. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `coapsule` process. */
export class CoapsuleProcess {
  readonly child: ChildProcess;
  /** How it ended; after that all its output is there. */
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  #wake: (() => void)[] = [];
  #hasEnded = false;

  /**
   * @param user numeric user and group to run as; needs root.
   * @param standardOutput descriptor to write to instead of a pipe.
   */
  constructor(t: TestContext, args: readonly string[], user?: number, standardOutput?: number) {
    this.child = spawn(process.execPath, ['--conditions=@coapsule/source', main, ...serveArguments(args)], {
      stdio: ['ignore', standardOutput ?? 'pipe', 'pipe'],
      ...(user === undefined ? {} : { uid: user, gid: user }),
    });
    const add = (stream: 'stdout' | 'stderr') => (chunk: Buffer) => {
      this[stream] += chunk.toString();
      this.#wakeAll();
    };
    this.child.stdout?.on('data', add('stdout'));
    this.child.stderr?.on('data', add('stderr'));
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      this.#hasEnded = true;
      this.#wakeAll();
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    });
    atEnd(t, async () => {
      this.child.kill('SIGKILL');
      await this.ended;
    });
  }

  /** Wait until the output so far matches; fails when the process ends before, or says nothing like it in a minute. */
  async waitFor(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    let isOver = false;
    const limit = setTimeout(() => {
      isOver = true;
      this.#wakeAll();
    }, 60_000);
    try {
      for (;;) {
        const match = pattern.exec(this[stream]);
        if (match !== null) return match;
        const fate = this.#hasEnded ? 'ended' : 'goes on';
        if (this.#hasEnded || isOver)
          throw new Error(`${fate} without ${pattern}: ${this.stdout}${this.stderr}`);
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    } finally {
      clearTimeout(limit);
    }
  }

  /** The endpoints of the ready line. */
  async ready(): Promise<{ coap?: string; coaps?: string }> {
    const [, json = ''] = await this.waitFor('stdout', /^ready (\{.*\})$/m);
    return JSON.parse(json);
  }

  kill(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Run one command to its end: in this process, but for the gateway, which needs one of its own for its signals. */
export async function coapsule(t: TestContext, ...args: string[]): Promise<Ended> {
  if (args[0] === 'serve') return new CoapsuleProcess(t, args).ended;
  const { exitCode, stdout, stderr } = await runLive(args);
  return { code: exitCode, signal: null, stdout, stderr };
}

/** A user without rights, when this test runs as root; otherwise this user has none as well. */
export const unprivileged: number | undefined = process.getuid?.() === 0 ? 65_534 : undefined;
