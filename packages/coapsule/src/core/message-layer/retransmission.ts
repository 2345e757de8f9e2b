/**
 * The clock of one Confirmable message: initial timeout, doubling, give-up (RFC 7252 §4.2, §4.8).
 *
 * Does not hold the message and sends nothing.
 *
 * @module
 */

import { maxTransmitSpanMs, type TransmissionParameters } from '../coap/transmission-parameters.ts';
import { after, type DurationMs, elapsedMs, type Instant } from '../foundation/instant.ts';
import { type RandomSource, randomFraction } from '../foundation/random-source.ts';

/**
 * Timeout and retransmission counter of one Confirmable message.
 *
 * With the default parameters and an initial timeout T of 2 … 3 s it retransmits T, 3T, 7T and 15T after
 * the start, the last one within MAX_TRANSMIT_SPAN (45 s), and gives up at 31T: 62 … 93 s.
 */
export class Retransmission {
  readonly #parameters: TransmissionParameters;
  /** When the message was first sent. */
  readonly start: Instant;
  /** RFC 7252 §4.2: between ACK_TIMEOUT and ACK_TIMEOUT * ACK_RANDOM_FACTOR. */
  readonly initialTimeoutMs: DurationMs;
  #attempt = 0;
  #deadline: Instant;

  /** Starts at the first transmission, which is `now`. */
  constructor(parameters: TransmissionParameters, random: RandomSource, now: Instant) {
    this.#parameters = parameters;
    this.start = now;
    this.initialTimeoutMs =
      parameters.ackTimeoutMs * (1 + randomFraction(random) * (parameters.ackRandomFactor - 1));
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

  /**
   * What to do at the deadline, and moves it on. May be called late: then §4.2 asks for ACK_TIMEOUT
   * before the next retransmission, and for none outside of MAX_TRANSMIT_SPAN.
   */
  expire(now: Instant): 'retransmit' | 'wait' | 'give-up' {
    const { maxRetransmit, ackTimeoutMs } = this.#parameters;
    if (this.#attempt >= maxRetransmit) return 'give-up';
    if (elapsedMs(this.start, now) <= maxTransmitSpanMs(this.#parameters)) {
      this.#attempt++;
      const scheduled = this.#scheduled(this.#attempt);
      const soonest = after(now, ackTimeoutMs);
      this.#deadline = scheduled > soonest ? scheduled : soonest;
      return 'retransmit';
    }
    this.#attempt = maxRetransmit;
    this.#deadline = this.#scheduled(maxRetransmit);
    return this.#deadline <= now ? 'give-up' : 'wait';
  }

  #scheduled(attempt: number): Instant {
    return after(this.start, this.initialTimeoutMs * (2 ** (attempt + 1) - 1));
  }
}
