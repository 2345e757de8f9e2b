/**
 * The times a handshake may take: in all, and without a sign of life while that is limited.
 *
 * A server limits it only while it has little room left for handshakes; a client only after its Finished, when silence
 * may mean a wrong key. The timer of a flight is `flight-machine.ts`.
 *
 * @module
 */

import { after, type DurationMs, earliest, type Instant } from '../../foundation/instant.ts';
import type { CheckedDtlsConfig } from '../dtls-config.ts';

/** The deadlines. `patience` is how long silence may last, in multiples of the setting; `undefined` without a limit. */
export class HandshakeClock {
  readonly #stallMs: DurationMs;
  readonly #overallDeadline: Instant;
  #lastHeard: Instant;
  #lastChance: Instant | undefined;

  constructor(config: CheckedDtlsConfig, now: Instant) {
    this.#overallDeadline = after(now, config.handshakeTimeoutMs);
    this.#stallMs = config.handshakeStallMs;
    this.#lastHeard = now;
  }

  /** The handshake went on, for the peer or the application did something. */
  noteProgress(now: Instant): void {
    this.#lastHeard = now;
    this.#lastChance = undefined;
  }

  /** The peer lives, but says nothing new. */
  noteRepetition(now: Instant): void {
    this.#lastHeard = now;
  }

  /** Our flight goes out once more: now it has the time to be answered, or that was it. */
  noteLastChance(now: Instant): void {
    this.#lastChance ??= after(now, this.#stallMs / 3);
  }

  /** The deadline that comes first. */
  deadline(patience: number | undefined): Instant | undefined {
    const silence = patience === undefined ? undefined : after(this.#lastHeard, patience * this.#stallMs);
    return earliest(earliest(this.#overallDeadline, silence), this.#lastChance);
  }

  /** Whether one is over: that of the last chance, or another. */
  expired(patience: number | undefined, now: Instant): 'no-answer' | 'silence' | undefined {
    const deadline = this.deadline(patience);
    if (deadline === undefined || deadline > now) return undefined;
    return deadline === this.#lastChance ? 'no-answer' : 'silence';
  }
}
