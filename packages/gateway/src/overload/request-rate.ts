/**
 * How often each identity may ask: a token bucket for each, filled at its rate (RFC 8516 says what the answer is beyond it).
 *
 * Bounded: when there is no room for another bucket the one that was used longest ago goes, which is nearly always full again.
 * Time is given, in milliseconds that never go back.
 */

import { BoundedMap } from '../memory/bounded-map.ts';

/** So many requests a second, and so many at once after a quiet time. */
export interface RequestRate {
  /** More than 0; a tenth is one request in ten seconds. */
  readonly perSecond: number;
  /** 1 or more. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/** Buckets of as many identities as talk at a time. */
const mostBuckets = 65_536;

/** The burst that goes with a rate where none is given: five seconds of it, and at least ten requests. */
export function burstOf(perSecond: number): number {
  return Math.max(10, Math.ceil(5 * perSecond));
}

/** See the module comment. */
export class RequestRates {
  readonly #buckets: BoundedMap<string, Bucket>;

  constructor(most: number = mostBuckets) {
    this.#buckets = new BoundedMap(most);
  }

  /**
   * Takes a token for one request.
   *
   * @param key Whose bucket it is.
   * @returns undefined when there was one; else the whole seconds until there is, 1 or more.
   */
  take(key: string, { perSecond, burst }: RequestRate, nowMs: number): number | undefined {
    const bucket = this.#buckets.get(key) ?? { tokens: burst, filledAtMs: nowMs };
    // The order is that of the latest use.
    this.#buckets.set(key, bucket);
    const grown = bucket.tokens + (Math.max(0, nowMs - bucket.filledAtMs) * perSecond) / 1000;
    // A rate may be another one since.
    bucket.tokens = Math.min(burst, grown);
    bucket.filledAtMs = nowMs;
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return undefined;
    }
    return Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond));
  }
}
