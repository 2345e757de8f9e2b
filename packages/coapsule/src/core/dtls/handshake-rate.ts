/**
 * How many handshakes begin in a second, in all, and how they are shared.
 *
 * Each network has a share that nobody can take from it while there is anything left. Beyond its share it may have
 * what the others leave, but for a reserve: so one busy network behind a NAT gets the whole rate, and one that floods
 * gets the whole rate but the first tries of the others. Bounded; the longest unused network goes first, which at worst
 * begins its share anew.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import { TokenBucket } from '../foundation/token-bucket.ts';
import { networkOf } from './network-of.ts';

/** Of the rate: what each network is sure of, and what is left for those that keep to it. */
const share = 0.1;
const reserve = 0.5;

/** Seconds that count at once, after a quiet time. */
const burst = 2;

/** Networks whose share is counted. */
const maxNetworks = 4096;

/** The rate of a layer. */
export class HandshakeRate {
  readonly #perSecond: number;
  readonly #all: TokenBucket;
  /** The longest unused first. */
  readonly #shares = new Map<string, TokenBucket>();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#all = new TokenBucket(perSecond, burst * perSecond);
  }

  /** Networks that are counted, for tests of the limit. */
  get size(): number {
    return this.#shares.size;
  }

  /** Whether a handshake with a host may begin now. */
  take(host: string, now: Instant): boolean {
    const own = this.#shareOf(networkOf(host));
    if (!this.#all.take(now, own.has(now) ? 0 : reserve * this.#perSecond)) return false;
    own.take(now);
    return true;
  }

  #shareOf(network: string): TokenBucket {
    let bucket = this.#shares.get(network);
    this.#shares.delete(network);
    if (bucket === undefined) {
      const perSecond = share * this.#perSecond;
      bucket = new TokenBucket(perSecond, Math.max(1, burst * perSecond));
      for (const oldest of this.#shares.keys()) {
        if (this.#shares.size < maxNetworks) break;
        this.#shares.delete(oldest);
      }
    }
    this.#shares.set(network, bucket);
    return bucket;
  }
}
