/**
 * A tick that keeps its cadence: the n-th one is due at start + n · period, however late the others were.
 *
 * A tick that was missed by a whole period is left out, not made up for. Time and timer are injected.
 */

/** Monotonic time and one-shot timers. */
export interface TickTimer {
  /** Milliseconds, never going back. */
  now(): number;
  /** Call once after `delayMs`; the returned function prevents it. */
  after(delayMs: number, action: () => void): () => void;
}

/** The longest that a timer of Node takes. */
export const longestTimerMs: number = 2 ** 31 - 1;

/** Node's timers; they keep no process alive. */
export const systemTickTimer: TickTimer = {
  now: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

/**
 * Call `action` every `periodMs` milliseconds with the number of the period, from 1.
 *
 * @returns a function that stops it.
 */
export function startTick(periodMs: number, action: (tick: number) => void, timer: TickTimer): () => void {
  const start = timer.now();
  let done = 0;
  let cancel = timer.after(periodMs, due);
  return () => cancel();

  function due(): void {
    const tick = Math.floor((timer.now() - start) / periodMs);
    // A timer that fires a fraction early finds nothing due and waits again.
    if (tick > done) {
      done = tick;
      action(tick);
    }
    // An action that took longer than a period makes the next one due at once.
    cancel = timer.after(Math.max(0, start + (done + 1) * periodMs - timer.now()), due);
  }
}
