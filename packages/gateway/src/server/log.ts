/**
 * The gateway's log: one line an event, on standard error.
 *
 * Text of peers (paths, identities) is made printable, so that nobody can forge a line or move the cursor. No key is
 * ever given to it.
 */
import { printable } from '../text/printable.ts';

/** Where events go. */
export interface Log {
  /** 0 warnings and errors; 1 requests and associations too. */
  readonly verbosity: number;
  error(text: string): void;
  warning(text: string): void;
  /** Shown at this verbosity and above. */
  detail(verbosity: 0 | 1, text: string): void;
}

/** A log whose detail can change. */
export interface AdjustableLog extends Log {
  verbosity: number;
}

/** A log that writes lines with `write`. */
export function lineLog(write: (line: string) => void, verbosity: number): AdjustableLog {
  return {
    verbosity,
    error: (text) => write(`coapsule: error: ${text}`),
    warning: (text) => write(`coapsule: warning: ${printable(text, Number.POSITIVE_INFINITY)}`),
    detail(atLeast, text) {
      if (this.verbosity >= atLeast) write(`coapsule: ${printable(text, Number.POSITIVE_INFINITY)}`);
    },
  };
}

/**
 * Lets at most `limit` events of each interval through and tells afterwards how many were held back.
 *
 * A stranger who fails a thousand handshakes a second must not fill the disk with our log.
 */
export class RateLimit {
  readonly #limit: number;
  readonly #intervalMs: number;
  #intervalStart = Number.NEGATIVE_INFINITY;
  #passed = 0;
  #held = 0;

  constructor(limit: number, intervalMs: number) {
    this.#limit = limit;
    this.#intervalMs = intervalMs;
  }

  /** @returns undefined to hold this event back, or how many were held back since the last one that passed. */
  pass(nowMs: number): { heldBack: number } | undefined {
    // A clock that was set back starts a new interval as well.
    if (nowMs < this.#intervalStart || nowMs >= this.#intervalStart + this.#intervalMs) {
      this.#intervalStart = nowMs;
      this.#passed = 0;
    }
    if (this.#passed >= this.#limit) {
      this.#held += 1;
      return undefined;
    }
    this.#passed += 1;
    const heldBack = this.#held;
    this.#held = 0;
    return { heldBack };
  }
}
