/**
 * Observations of the shell that run in the background, each with a number; what they print bears it.
 *
 * @module
 */

import type { CommandEnvironment, OutputStream } from '../cli/command-environment.ts';

/** Observations at a time. */
const mostObservations = 16;

/** One of them. */
export interface ShellObservation {
  readonly number: number;
  readonly uri: string;
  /** Lines that it has printed. */
  readonly lines: number;
}

interface Running {
  readonly uri: string;
  lines: number;
  readonly interrupts: Set<() => void>;
  readonly ended: Promise<number>;
}

/** See the module comment. */
export class ShellObservations {
  readonly #running = new Map<number, Running>();
  #last = 0;

  /** Those that run. */
  get list(): readonly ShellObservation[] {
    return [...this.#running].map(([number, { uri, lines }]) => ({ number, uri, lines }));
  }

  /** Whether there may be one more. */
  get isFull(): boolean {
    return this.#running.size >= mostObservations;
  }

  /**
   * Begins one.
   *
   * @param run works in the environment that it is given, and returns its exit code.
   * @returns its number, and what fulfils when it has printed something, or with its exit code when it ended before.
   */
  begin(
    uri: string,
    environment: CommandEnvironment,
    run: (environment: CommandEnvironment) => Promise<number>,
  ): { readonly number: number; readonly begun: Promise<number | undefined> } {
    const number = ++this.#last;
    const interrupts = new Set<() => void>();
    let told = (): void => {};
    const hasTold = new Promise<undefined>((resolve) => {
      told = () => resolve(undefined);
    });
    const own: CommandEnvironment = {
      ...environment,
      stdout: numbered(environment.stdout, number, () => {
        running.lines++;
        told();
      }),
      // Progress is for what one waits for.
      stderr: { ...numbered(environment.stderr, number), isTerminal: false },
      onInterrupt(listener) {
        interrupts.add(listener);
        return () => interrupts.delete(listener);
      },
    };
    const ended = Promise.resolve()
      .then(() => run(own))
      .finally(() => this.#running.delete(number));
    const running: Running = { uri, lines: 0, interrupts, ended };
    this.#running.set(number, running);
    // Whoever waits for it hears of a failure.
    ended.catch(() => {});
    return { number, begun: Promise.race([hasTold, ended]) };
  }

  /** Cancels one and waits until it is over. @returns whether there is such a one. */
  async cancel(number: number): Promise<boolean> {
    const running = this.#running.get(number);
    if (running === undefined) return false;
    for (const listener of running.interrupts) listener();
    await running.ended;
    return true;
  }

  /** Cancels all. */
  async cancelAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((number) => this.cancel(number)));
  }

  /** Waits for one, or for all there are. @returns the first exit code that is no success; nothing where there is no such one. */
  async wait(number: number | undefined): Promise<number | undefined> {
    const waited =
      number === undefined
        ? [...this.#running.values()]
        : [this.#running.get(number)].filter((one) => one !== undefined);
    if (number !== undefined && waited.length === 0) return undefined;
    const codes = await Promise.all(waited.map(({ ended }) => ended));
    return codes.find((code) => code !== 0) ?? 0;
  }
}

/** Puts `[1] ` before each line. */
function numbered(
  { write, isTerminal }: OutputStream,
  number: number,
  onLine: () => void = () => {},
): OutputStream {
  let isLineBegun = false;
  return {
    isTerminal,
    write(data) {
      const bytes = Buffer.from(data);
      const text: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; ) {
        const feed = bytes.indexOf(0x0a, at);
        const end = feed < 0 ? bytes.length : feed + 1;
        if (!isLineBegun) {
          text.push(Buffer.from(`[${number}] `));
          onLine();
        }
        text.push(bytes.subarray(at, end));
        isLineBegun = feed < 0;
        at = end;
      }
      // A line at a time, so that those of several do not run together.
      write(Buffer.concat(text));
    },
  };
}
