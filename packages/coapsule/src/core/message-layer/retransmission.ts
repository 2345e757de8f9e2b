/**
 * The clock of one Confirmable message: initial timeout, back-off, give-up (RFC 7252 §4.2, §4.8).
 *
 * Does not hold the message and sends nothing.
 *
 * @module
 */

import {
  maxTransmitSpanMs,
  maxTransmitWaitMs,
  type TransmissionParameters,
} from '../coap/transmission-parameters.ts';
import { after, type DurationMs, elapsedMs, type Instant } from '../foundation/instant.ts';
import { type RandomSource, randomFraction } from '../foundation/random-source.ts';
import type { Pace } from './path-estimates.ts';

/**
 * Timeout and retransmission counter of one Confirmable message.
 *
 * With the default parameters and an initial timeout T of 2 … 3 s it retransmits T, 3T, 7T and 15T after
 * the start, the last one within MAX_TRANSMIT_SPAN (45 s), and gives up at 31T: 62 … 93 s. With another pace these two
 * bounds hold as well, since the receiver relies on them (§4.8.2). On a slow line, the time that the bytes take comes on
 * top of each timeout.
 */
export class Retransmission {
  readonly #parameters: TransmissionParameters;
  readonly #pace: Pace;
  readonly #wireMs: DurationMs;
  /** When the message was first sent. */
  readonly start: Instant;
  /** Between the timeout of the pace, by default ACK_TIMEOUT, and that times ACK_RANDOM_FACTOR (RFC 7252 §4.2). */
  readonly initialTimeoutMs: DurationMs;
  #attempt = 0;
  #deadline: Instant;
  /** When the last attempt was due, and how long all together waited for what they were to send. */
  #dueAt: Instant;
  #pausedMs: DurationMs = 0;

  /** Starts at the first transmission, which is `now`. */
  constructor(
    parameters: TransmissionParameters,
    random: RandomSource,
    now: Instant,
    pace: Pace = { timeoutMs: parameters.ackTimeoutMs, backOff: 2, longestMs: Infinity },
    wireMs: DurationMs = 0,
  ) {
    this.#parameters = parameters;
    this.#wireMs = wireMs;
    this.#pace = pace;
    this.start = now;
    this.initialTimeoutMs = Math.min(
      pace.timeoutMs * (1 + randomFraction(random) * (parameters.ackRandomFactor - 1)),
      pace.longestMs,
    );
    this.#dueAt = now;
    this.#deadline = this.#scheduled(0);
  }

  /** Retransmissions made: 0 … MAX_RETRANSMIT. */
  get attempt(): number {
    return this.#attempt;
  }

  /** When `expire` wants to be called. */
  get deadline(): Instant {
    return this.#deadline;
  }

  /** RFC 7252 §4.2: no retransmission outside of MAX_TRANSMIT_SPAN, which the receiver's memory relies on. */
  mayBeSentAgain(now: Instant): boolean {
    const spanMs = maxTransmitSpanMs(this.#parameters) + this.#parameters.maxRetransmit * this.#wireMs;
    return this.elapsedMs(now) <= spanMs;
  }

  /** Time since the start in which something was on its way: without that in which what was to go next was not there. */
  elapsedMs(now: Instant): DurationMs {
    return elapsedMs(this.start, now) - this.#pausedMs;
  }

  /**
   * What to do at the deadline, and moves it on. May be called late: then §4.2 asks for ACK_TIMEOUT
   * before the next retransmission, and for none outside of MAX_TRANSMIT_SPAN.
   */
  expire(now: Instant): 'retransmit' | 'wait' | 'give-up' {
    const { maxRetransmit, ackTimeoutMs } = this.#parameters;
    if (this.#attempt >= maxRetransmit) return 'give-up';
    if (this.mayBeSentAgain(now)) {
      this.#attempt++;
      this.#dueAt = now;
      const scheduled = this.#scheduled(this.#attempt);
      const soonest = after(now, Math.min(ackTimeoutMs, this.initialTimeoutMs));
      this.#deadline = scheduled > soonest ? scheduled : soonest;
      return 'retransmit';
    }
    this.#attempt = maxRetransmit;
    this.#deadline = this.#scheduled(maxRetransmit);
    return this.#deadline <= now ? 'give-up' : 'wait';
  }

  /** What goes at the last attempt was not there when it was due, and goes now: the clock stood still meanwhile. */
  resume(now: Instant): void {
    const pausedMs = elapsedMs(this.#dueAt, now);
    this.#dueAt = now;
    this.#pausedMs += pausedMs;
    this.#deadline = after(this.#deadline, pausedMs);
  }

  #scheduled(attempt: number): Instant {
    const { backOff, longestMs } = this.#pace;
    let waitMs = 0;
    if (backOff === 2 && longestMs === Infinity) {
      waitMs = this.initialTimeoutMs * (2 ** (attempt + 1) - 1);
    } else {
      for (let i = 0; i <= attempt; i++) waitMs += Math.min(this.initialTimeoutMs * backOff ** i, longestMs);
    }
    const longest = Math.min(waitMs, maxTransmitWaitMs(this.#parameters));
    return after(this.start, longest + (attempt + 1) * this.#wireMs + this.#pausedMs);
  }
}
