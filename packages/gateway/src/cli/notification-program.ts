/**
 * `--observe-exec`: a program that runs for each notification, with the payload on its standard input.
 *
 * The program and its arguments are words, started as they are: there is no shell that could take a payload for a command.
 * What is told about the notification stands in environment variables.
 *
 * @module
 */

import { spawn } from 'node:child_process';
import type { Response } from 'coapsule';
import { printable } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { hexText } from './option-values.ts';
import { warningsTo } from './warnings.ts';

/** Notifications that wait for the program; of more the oldest are left out. */
const mostWaiting = 16;

/** Runs the program, one run after the other. */
export class NotificationProgram {
  readonly #words: readonly string[];
  readonly #uri: string;
  readonly #environment: CommandEnvironment;
  #onFailed: () => void = () => {};
  readonly #waiting: Response[] = [];
  #running: Promise<void> | undefined;
  #stop: (() => void) | undefined;
  #failure: CommandFailure | undefined;
  #leftOut = 0;

  /** @param words the program and its arguments; at least one. */
  constructor(words: readonly string[], uri: string, environment: CommandEnvironment) {
    this.#words = words;
    this.#uri = uri;
    this.#environment = environment;
  }

  /** Calls back when it cannot be started at all. */
  onFailed(listener: () => void): void {
    this.#onFailed = listener;
  }

  /** Hands it a notification, at once or when those before it are done. */
  take(response: Response): void {
    if (this.#failure !== undefined) return;
    this.#waiting.push(response);
    if (this.#waiting.length > mostWaiting) {
      this.#waiting.shift();
      this.#leftOut++;
    }
    this.#running ??= this.#work();
  }

  /** Waits for the runs that were begun or wait; `stop` ends the one that runs and forgets the others. */
  async end(stop: boolean): Promise<void> {
    if (stop) {
      this.#waiting.length = 0;
      this.#stop?.();
    }
    await this.#running;
    if (this.#leftOut > 0) {
      warningsTo(this.#environment)(
        `${this.#leftOut} notifications were left out: ${printable(this.#words[0]!)} takes longer than they come`,
      );
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const problem = await this.#run(next);
      if (problem instanceof CommandFailure) {
        this.#failure = problem;
        this.#waiting.length = 0;
        this.#onFailed();
      } else if (problem !== undefined) warningsTo(this.#environment)(problem);
    }
    this.#running = undefined;
  }

  #run(response: Response): Promise<CommandFailure | string | undefined> {
    const [program, ...args] = this.#words;
    const { stdout, stderr, variables } = this.#environment;
    return new Promise((resolve) => {
      const child = spawn(program!, args, {
        stdio: 'pipe',
        env: { ...variables, ...notificationVariables(this.#uri, response) },
      });
      this.#stop = () => child.kill();
      child.stdout.on('data', (bytes: Uint8Array) => stdout.write(bytes));
      child.stderr.on('data', (bytes: Uint8Array) => stderr.write(bytes));
      // It may end before it has read everything.
      child.stdin.on('error', () => {});
      child.stdin.end(response.payload);
      child.on('error', (error) => {
        resolve(
          new CommandFailure(
            ExitCode.Failure,
            `--observe-exec cannot start ${printable(program!)}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such program' : error.message}`,
            "give a program and its arguments; for pipes and variables write a script, or sh -c '…'",
          ),
        );
      });
      child.on('close', (code, signal) => {
        this.#stop = undefined;
        resolve(
          code === 0 ? undefined : `${printable(program!)} ended with ${signal ?? `exit code ${code}`}`,
        );
      });
    });
  }
}

/** What the program is told beside the payload; what a notification does not have is no variable. */
function notificationVariables(uri: string, response: Response): Readonly<Record<string, string>> {
  const { codeText, etag, observe, contentFormat } = response;
  return {
    COAPSULE_URI: uri,
    COAPSULE_CODE: codeText,
    ...(etag !== undefined && { COAPSULE_ETAG: hexText(etag) }),
    ...(observe !== undefined && { COAPSULE_OBSERVE: String(observe) }),
    ...(contentFormat !== undefined && { COAPSULE_CONTENT_FORMAT: String(contentFormat) }),
  };
}
