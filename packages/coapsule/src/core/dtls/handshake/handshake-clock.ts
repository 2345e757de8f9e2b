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
import type { DtlsRole } from '../dtls-output.ts';

/** Two deadlines. */
export class HandshakeClock {
  readonly #stallMs: DurationMs;
  readonly #overallDeadline: Instant;
  #stallDeadline: Instant;

  constructor(role: DtlsRole, config: CheckedDtlsConfig, now: Instant) {
    this.#overallDeadline = after(now, config.handshakeTimeoutMs);
    // A fifth more for a client: then its transmission at 15 s has the time to be answered.
    this.#stallMs = role === 'server' ? config.handshakeStallMs : 1.2 * config.handshakeStallMs;
    this.#stallDeadline = after(now, this.#stallMs);
  }

  /** The peer, or the application, gave a sign of life. */
  noteProgress(now: Instant): void {
    this.#stallDeadline = after(now, this.#stallMs);
  }

  /** The deadline that comes first. */
  deadline(isSilenceLimited: boolean): Instant | undefined {
    return isSilenceLimited ? earliest(this.#overallDeadline, this.#stallDeadline) : this.#overallDeadline;
  }

  /** Whether one is over, and which. */
  expired(isSilenceLimited: boolean, now: Instant): 'stalled' | 'overall' | undefined {
    if (isSilenceLimited && this.#stallDeadline <= now) return 'stalled';
    return this.#overallDeadline <= now ? 'overall' : undefined;
  }
}
