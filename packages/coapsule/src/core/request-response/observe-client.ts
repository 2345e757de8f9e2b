/**
 * One observation as the client sees it: which notification is the freshest, and when to register again.
 *
 * RFC 7641 §3.3.1 (freshness, re-registration) and §3.4 (order). Sending, and notifications whose body is
 * larger than a block, are in `observing-exchanges.ts`.
 *
 * @module
 */

import { after, elapsedMs, type Instant } from '../foundation/instant.ts';
import { type RandomSource, randomFraction } from '../foundation/random-source.ts';

/** §3.4: after this long without a notification the sequence number says nothing any more. */
const orderLifetimeMs = 128_000;
/** RFC 7252 §5.10.5: Max-Age without the option. */
const defaultMaxAgeSeconds = 60;
/** §3.3.1: wait 5 to 15 seconds after Max-Age, so that not all clients come at once. */
const reregistrationDelayMs = { least: 5_000, most: 15_000 };

/** State of an observation; changed by `take`. */
export class Observation {
  readonly #random: RandomSource;
  #freshest: { readonly sequence: number; readonly at: Instant } | undefined;
  /** The first response came; `timeoutMs` of the request no longer holds. */
  established = false;

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** Observe value of the freshest notification. */
  get sequence(): number | undefined {
    return this.#freshest?.sequence;
  }

  /** Whether a notification with this Observe value is fresher than all that were taken (§3.4). */
  isFresh(sequence: number, now: Instant): boolean {
    return this.#freshest === undefined || isFresher(this.#freshest, sequence, now);
  }

  /**
   * Takes the Observe value of a notification. One that is not fresh is to be taken only as answer to our own
   * (re-)registration: that is current by itself, and a server that restarted may count from a lower number.
   */
  take(sequence: number, now: Instant): void {
    this.#freshest = { sequence, at: now };
    this.established = true;
  }

  /** When to register again if nothing comes after a notification of this Max-Age in seconds. */
  reregisterAt(maxAgeSeconds: number | undefined, now: Instant): Instant {
    const { least, most } = reregistrationDelayMs;
    const delayMs = least + randomFraction(this.#random) * (most - least);
    return after(now, (maxAgeSeconds ?? defaultMaxAgeSeconds) * 1000 + delayMs);
  }
}

/** §3.4: 24-bit serial number arithmetic (RFC 1982), or 128 seconds have passed. */
function isFresher(freshest: { sequence: number; at: Instant }, sequence: number, now: Instant): boolean {
  const [v1, v2] = [freshest.sequence, sequence];
  return (
    (v1 < v2 && v2 - v1 < 2 ** 23) ||
    (v1 > v2 && v1 - v2 > 2 ** 23) ||
    elapsedMs(freshest.at, now) > orderLifetimeMs
  );
}
