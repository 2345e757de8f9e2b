/**
 * Simulated time: seconds of the plan, of which `speed` pass in each real second. Only the plan is faster; the times of protocols
 * and links stay as they are.
 *
 * @module
 */

import { longestTimerMs } from '../resources/periodic-tick.ts';

/** See the module comment. It stands still until `start`. */
export class FleetClock {
  readonly #speed: number;
  readonly #signal: AbortSignal;
  #begin = Number.NaN;

  /** @param signal Ends all waiting. */
  constructor(speed: number, signal: AbortSignal) {
    this.#speed = speed;
    this.#signal = signal;
  }

  start(): void {
    this.#begin = performance.now();
  }

  /** Seconds of the plan that have passed. */
  get seconds(): number {
    return ((performance.now() - this.#begin) * this.#speed) / 1000;
  }

  get isOver(): boolean {
    return this.#signal.aborted;
  }

  /** Waits until a second of the plan. @returns false when the run was ended before. */
  async until(seconds: number): Promise<boolean> {
    const ms = this.#begin + (1000 * seconds) / this.#speed - performance.now();
    if (ms > 0 && !this.#signal.aborted) await pause(ms, this.#signal);
    return !this.#signal.aborted;
  }
}

/** Waits, or until the signal. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, longestTimerMs));
    signal?.addEventListener('abort', end, { once: true });
  });
}
