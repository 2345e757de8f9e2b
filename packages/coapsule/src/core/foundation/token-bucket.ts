/**
 * So many events a second, and a burst of them.
 *
 * @module
 */

import { elapsedMs, type Instant } from './instant.ts';

/** A bucket that fills at a steady rate; each event takes a token out of it. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #most: number;
  #tokens: number;
  #filledAt: Instant | undefined;

  /** @param burst Events that may come at once after a quiet time. */
  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#most = burst;
    this.#tokens = burst;
  }

  /** Whether there is a token. */
  has(now: Instant): boolean {
    this.#fill(now);
    return this.#tokens >= 1;
  }

  /** Takes a token; false when there is none, or only those that are to be left for others. */
  take(now: Instant, left = 0): boolean {
    this.#fill(now);
    if (this.#tokens < 1 + left) return false;
    this.#tokens--;
    return true;
  }

  #fill(now: Instant): void {
    const since = this.#filledAt === undefined ? 0 : Math.max(0, elapsedMs(this.#filledAt, now));
    this.#filledAt = now;
    this.#tokens = Math.min(this.#most, this.#tokens + (since * this.#perSecond) / 1000);
  }
}
