/**
 * The gateway's log: one line an event, on standard error.
 *
 * Text of peers (paths, identities) is made printable, so that nobody can forge a line or move the cursor. No key is
 * ever given to it.
 */
import { printable } from '../text/printable.ts';
import { withoutSecrets } from './without-secrets.ts';

/** Where events go. */
export interface Log {
  /** 0 warnings and errors; 1 requests and associations too. */
  readonly verbosity: number;
  error(text: string, fields?: LogFields): void;
  warning(text: string, fields?: LogFields): void;
  /** Shown at this verbosity and above. */
  detail(verbosity: 0 | 1, text: string, fields?: LogFields): void;
}

/** What a line is about, besides its text, for logs that programs read. Text of peers is made printable by the log. */
export interface LogFields {
  /** The endpoint: `coaps`, `http`, … */
  readonly endpoint?: string | undefined;
  /** Address of the peer. */
  readonly peer?: string | undefined;
  /** Who it has proved to be. */
  readonly identity?: string | undefined;
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  /** Of the answer, such as `2.05`. */
  readonly code?: string | undefined;
  /** Why it is told. */
  readonly cause?: string | undefined;
  /** A command that does what is to be done next. */
  readonly next?: string | undefined;
}

/** A log whose detail can change. */
export interface AdjustableLog extends Log {
  verbosity: number;
  /** A line of the trace of -vv and -vvv. */
  trace(line: string): void;
}

/** A log for people, that writes lines with `write`. */
export function lineLog(write: (line: string) => void, verbosity: number): AdjustableLog {
  return {
    verbosity,
    trace: write,
    error: (text) => write(`coapsule: error: ${withoutSecrets(text)}`),
    warning: (text) => write(`coapsule: warning: ${shown(text)}`),
    detail(atLeast, text) {
      if (this.verbosity >= atLeast) write(`coapsule: ${shown(text)}`);
    },
  };
}

function shown(text: string): string {
  return printable(withoutSecrets(text), Number.POSITIVE_INFINITY);
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
