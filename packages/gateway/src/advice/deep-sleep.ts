/**
 * How a device that sleeps keeps its messages protected.
 *
 * | first that holds | advice |
 * |---|---|
 * | no security is wanted | for the laboratory only |
 * | it does not sleep deeply | one association, kept open |
 * | DTLS is not required | OSCORE |
 * | 256 bytes or more of memory are kept | the association is kept in them |
 * | otherwise | a handshake at each wake, not recommended |
 *
 * Pure function.
 *
 * @module
 */

/** What the advice depends on. */
export interface SleepQuestion {
  /** It loses its memory between two messages. */
  readonly deepSleep: boolean;
  readonly dtlsRequired: boolean;
  /** What outlives sleep, as RTC memory does. */
  readonly retainedBytes: number;
  /** Yes by default. */
  readonly secured?: boolean;
}

/** What to do. */
export type SleepApproachAdvice =
  | 'keep-association-open'
  | 'oscore'
  | 'saved-association'
  | 'handshake-every-wake'
  | 'laboratory-only';

/** What to do, and why. */
export interface SleepAdvice {
  readonly approach: SleepApproachAdvice;
  /** One sentence. */
  readonly reason: string;
  readonly isRecommended: boolean;
}

/** An exported association is never larger (`coapsule get --session`). */
export const associationBytes = 256;

/** What a device should do. */
export function adviseSleep({
  deepSleep,
  dtlsRequired,
  retainedBytes,
  secured = true,
}: SleepQuestion): SleepAdvice {
  if (!secured) {
    return {
      approach: 'laboratory-only',
      reason: 'without security anybody reads and forges what it sends',
      isRecommended: false,
    };
  }
  if (!deepSleep) {
    return {
      approach: 'keep-association-open',
      reason: 'its memory is kept: one handshake serves all its messages',
      isRecommended: true,
    };
  }
  if (!dtlsRequired) {
    return {
      approach: 'oscore',
      reason:
        'no handshake, and its first packet after waking is data; the sequence number must be kept over sleep, in flash or RTC memory',
      isRecommended: true,
    };
  }
  if (retainedBytes >= associationBytes) {
    return {
      approach: 'saved-association',
      reason: `the association, at most ${associationBytes} bytes, is saved after each message and goes on without a handshake`,
      isRecommended: true,
    };
  }
  return {
    approach: 'handshake-every-wake',
    reason: `${retainedBytes} bytes do not hold an association, so that each wake costs a handshake, some 26 times the energy of a message`,
    isRecommended: false,
  };
}
