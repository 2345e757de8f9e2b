/**
 * One observation as the client sees it: which notification is the freshest, and when to register again.
 *
 * RFC 7641 §3.3.1 (freshness, re-registration) and §3.4 (order). Sending, and notifications whose body is
 * larger than a block, are in `observing-exchanges.ts`.
 *
 * @module
 */

import { OptionNumber } from '../coap/option-registry.ts';
import { equalBytes } from '../foundation/bytes.ts';
import { after, elapsedMs, type Instant } from '../foundation/instant.ts';
import { type RandomSource, randomFraction } from '../foundation/random-source.ts';
import type { Content } from './exchange.ts';

/** §3.4: after this long without a notification the sequence number says nothing any more. */
const orderLifetimeMs = 128_000;
/** RFC 7252 §5.10.5: Max-Age without the option. */
const defaultMaxAgeSeconds = 60;
/** §3.3.1: wait 5 to 15 seconds after Max-Age, so that not all clients come at once. */
const reregistrationDelayMs = { least: 5_000, most: 15_000 };

/** A body that is fetched for a notification, or was. */
interface NotifiedBody {
  readonly etag: Uint8Array;
  /** Until when it is known by its ETag; `undefined` while it is fetched. */
  readonly knownUntil: Instant | undefined;
}

/** State of an observation; changed by `take`. */
export class Observation {
  readonly #random: RandomSource;
  #freshest: { readonly sequence: number; readonly at: Instant } | undefined;
  #body: NotifiedBody | undefined;
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

  /** The body of a notification is fetched. */
  beginBody({ options }: Content): void {
    this.#body = bodyOf(options.first(OptionNumber.ETag), undefined);
  }

  /** The body of a notification is whole; `last` is the response with its last block. */
  completeBody({ options: last }: Content, now: Instant): void {
    const freshMs = (last.uint(OptionNumber.MaxAge) ?? defaultMaxAgeSeconds) * 1000;
    this.#body = bodyOf(last.first(OptionNumber.ETag), after(now, freshMs / 2));
  }

  /** The body of the latest notification is not there, or it has none that is larger than a block. */
  forgetBody(): void {
    this.#body = undefined;
  }

  /**
   * Whether a notification is about the body that is fetched just now, or that was whole a moment ago: a server tells a state
   * twice to be sure that it is known (§4.5). After half of its Max-Age it is news again, as it makes the state fresh.
   */
  hasBody({ options }: Content, now: Instant): boolean {
    const body = this.#body;
    const etag = options.first(OptionNumber.ETag);
    if (body === undefined || etag === undefined || !equalBytes(body.etag, etag)) return false;
    return body.knownUntil === undefined || now < body.knownUntil;
  }

  /** When to register again if nothing comes after a notification of this Max-Age in seconds. */
  reregisterAt(maxAgeSeconds: number | undefined, now: Instant): Instant {
    const { least, most } = reregistrationDelayMs;
    const delayMs = least + randomFraction(this.#random) * (most - least);
    return after(now, (maxAgeSeconds ?? defaultMaxAgeSeconds) * 1000 + delayMs);
  }
}

function bodyOf(etag: Uint8Array | undefined, knownUntil: Instant | undefined): NotifiedBody | undefined {
  // A copy: it outlives the datagram that it came in.
  return etag && { etag: etag.slice(), knownUntil };
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
