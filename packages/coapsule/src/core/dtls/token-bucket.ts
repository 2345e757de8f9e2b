/**
 * So many events a second, and a burst of them.
 *
 * @module
 */

import { elapsedMs, type Instant } from '../foundation/instant.ts';

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

  /** Takes a token; false when there is none. */
  take(now: Instant): boolean {
    const since = this.#filledAt === undefined ? 0 : Math.max(0, elapsedMs(this.#filledAt, now));
    this.#filledAt = now;
    this.#tokens = Math.min(this.#most, this.#tokens + (since * this.#perSecond) / 1000);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
