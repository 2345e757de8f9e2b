/**
 * When a flight is sent and sent again: RFC 6347 §4.2.4, Figure 3, as a table, with the timer of §4.2.4.1.
 *
 * Knows no messages. FINISHED is here only for the side that receives the last flight; the side that sends it
 * keeps the flight beside the association (`association-table.ts`), because the handshake object is gone then.
 *
 * @module
 */

import { after, type DurationMs, elapsedMs, type Instant } from '../../foundation/instant.ts';

/** The states of Figure 3. SENDING takes no time here. */
export type FlightState = 'preparing' | 'waiting' | 'finished';

/** What moves the machine. */
export type FlightInput =
  | 'flight-sent'
  | 'timer-expired'
  | 'peer-repeated'
  | 'next-flight-received'
  | 'last-flight-received';

/** What to do besides changing the state. */
export type FlightAction = 'start-timer' | 'send-again-and-back-off' | 'send-again' | 'stop-timer';

/** Where an input leads. */
export interface Step {
  readonly to: FlightState;
  readonly action: FlightAction;
}

/** RFC 6347 §4.2.4, Figure 3. Inputs that are not named change nothing. */
export const flightTransitions: Readonly<Record<FlightState, Readonly<Partial<Record<FlightInput, Step>>>>> =
  {
    preparing: { 'flight-sent': { to: 'waiting', action: 'start-timer' } },
    waiting: {
      'flight-sent': { to: 'waiting', action: 'start-timer' },
      'timer-expired': { to: 'waiting', action: 'send-again-and-back-off' },
      'peer-repeated': { to: 'waiting', action: 'send-again' },
      'next-flight-received': { to: 'preparing', action: 'stop-timer' },
      'last-flight-received': { to: 'finished', action: 'stop-timer' },
    },
    finished: {},
  };

/**
 * How often a flight is sent again because the peer repeated itself, which anybody could pretend. A peer with the
 * timers of RFC 6347 does so five times in 60 s.
 */
const peerRepetitions = 6;

/** What bytes take on the way, for the timer of a flight; it counts from the moment that the first one leaves. */
export interface WireTime {
  /** The flight, as it was sent last. */
  readonly flightMs: () => DurationMs;
  /** One datagram of the answer, the largest there may be. */
  readonly answerMs: DurationMs;
}

/** One flight's timer and state. */
export class FlightMachine {
  #state: FlightState = 'preparing';
  #deadline: Instant | undefined;
  #timeoutMs: DurationMs;
  #lastSent: Instant | undefined;
  #repetitionsLeft = peerRepetitions;
  readonly #initialTimeoutMs: DurationMs;
  readonly #maxTimeoutMs: DurationMs;
  readonly #wireTime: WireTime | undefined;

  /** @param wireTime Given where the bytes themselves take a time that counts, as on a serial line. */
  constructor(initialTimeoutMs: DurationMs, maxTimeoutMs: DurationMs, wireTime?: WireTime) {
    this.#initialTimeoutMs = initialTimeoutMs;
    this.#maxTimeoutMs = maxTimeoutMs;
    this.#timeoutMs = initialTimeoutMs;
    this.#wireTime = wireTime;
  }

  get state(): FlightState {
    return this.#state;
  }

  /** When the retransmission timer expires. */
  get deadline(): Instant | undefined {
    return this.#deadline;
  }

  /** Moves the machine. Returns whether the flight is to be sent again now. */
  handle(input: FlightInput, now: Instant): boolean {
    const step = flightTransitions[this.#state][input];
    if (step === undefined) return false;
    this.#state = step.to;
    switch (step.action) {
      case 'start-timer':
        this.#lastSent = now;
        this.#repetitionsLeft = peerRepetitions;
        this.restartTimer(now);
        return false;
      case 'send-again-and-back-off':
        // RFC 6347 §4.2.4.1: the timer is doubled with each retransmission.
        this.#timeoutMs = Math.min(2 * this.#timeoutMs, this.#maxTimeoutMs);
        this.#deadline = this.#flightDeadline(now);
        return this.#mayRepeat(now);
      case 'send-again':
        // Deviation: §4.2.4 also resets the timer here. Left alone, so that forged repetitions cannot
        // keep the timer from expiring.
        if (this.#repetitionsLeft === 0 || !this.#mayRepeat(now)) return false;
        this.#repetitionsLeft--;
        return true;
      case 'stop-timer':
        this.#deadline = undefined;
        return false;
    }
  }

  /**
   * The link was interrupted and is there again: what the silence said was about the link, so the timer begins anew.
   * Returns whether the flight is to be sent again now.
   */
  linkRestored(now: Instant): boolean {
    if (this.#state !== 'waiting' || this.#deadline === undefined) return false;
    this.#lastSent = now;
    this.restartTimer(now);
    return true;
  }

  /** Sets the timer back to its first value, when the peer's answer has begun to count anew. */
  restartTimer(now: Instant): void {
    this.#timeoutMs = this.#initialTimeoutMs;
    this.#deadline = this.#flightDeadline(now);
  }

  /**
   * A new part of the answer came. Where its bytes take their time, the rest of it is on the wire: the timer leaves it
   * the time for one more datagram.
   */
  noteAnswerPart(now: Instant): void {
    if (this.#wireTime === undefined || this.#state !== 'waiting' || this.#deadline === undefined) return;
    const next = after(now, this.#initialTimeoutMs + this.#wireTime.answerMs);
    if (next > this.#deadline) this.#deadline = next;
  }

  #flightDeadline(now: Instant): Instant {
    const { flightMs, answerMs } = this.#wireTime ?? noTime;
    return after(now, this.#timeoutMs + flightMs() + answerMs);
  }

  /**
   * Two timers that expire together would make both sides answer each other's repetition with another one;
   * so a flight that was sent a moment ago is not sent again.
   */
  #mayRepeat(now: Instant): boolean {
    const { flightMs } = this.#wireTime ?? noTime;
    const soonestMs = this.#initialTimeoutMs / 2 + flightMs();
    if (this.#lastSent !== undefined && elapsedMs(this.#lastSent, now) < soonestMs) return false;
    this.#lastSent = now;
    return true;
  }
}

const noTime: WireTime = { flightMs: () => 0, answerMs: 0 };
