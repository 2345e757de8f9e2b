/**
 * Notices a peer that goes on sending what is of no use to us, and says once what that most likely means.
 *
 * A device that lost its session, or restored an old copy of it, sends records that do not authenticate or that were
 * seen before, and wonders why nobody answers. One such record means nothing; several in a row, with none between that
 * is good, mean something. Anybody can forge them, so that this only tells, and at most so often.
 *
 * @module
 */

import { after, type DurationMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { AssociationId, DtlsDiscardReason, OutOfStep } from './dtls-output.ts';

/** Records in a row, without a good one, from which on it is told: more than a network duplicates. */
const threshold = 5;

/** It is told once for each association or address within this time. */
const quietMs: DurationMs = 600_000;

/** Records that lie further apart belong to different stories. A device may report once an hour. */
const forgottenAfterMs: DurationMs = 86_400_000;

/** Addresses without an association that are remembered at most; the one that was there longest goes first. */
const maxAddresses = 1024;

/** All addresses together: source addresses cost nothing. */
const toldAtMost = { times: 20, withinMs: 60_000 } as const;

const meanings: Partial<Record<DtlsDiscardReason, OutOfStep['likely']>> = {
  'replayed-record': 'old-copy-restored',
  'authentication-failed': 'other-session',
  'connection-id-mismatch': 'other-session',
  'unknown-connection-id': 'session-unknown-here',
  'no-association': 'session-unknown-here',
};

interface Streak {
  records: number;
  likely: OutOfStep['likely'];
  /** Not told again before. */
  silentUntil: Instant | undefined;
  lastAt: Instant;
}

/** The streaks of all associations, and of addresses without one. */
export class OutOfStepWatch {
  readonly #byAssociation = new Map<AssociationId, Streak>();
  readonly #byAddress = new Map<string, Streak>();
  /** When the present span of `toldAtMost` ends, and how often it was told in it. */
  #spanEnd: Instant | undefined;
  #told = 0;

  /** Counts a discarded record of epoch 1; returns what is to be told. */
  noteDiscarded(
    address: PeerAddress,
    association: AssociationId | undefined,
    reason: DtlsDiscardReason,
    now: Instant,
  ): OutOfStep | undefined {
    const likely = meanings[reason];
    if (likely === undefined) return undefined;
    const streak =
      association === undefined
        ? streakOf(this.#byAddress, address.key, likely, now)
        : streakOf(this.#byAssociation, association, likely, now);
    if (this.#byAddress.size > maxAddresses) {
      const [oldest] = this.#byAddress.keys();
      this.#byAddress.delete(oldest as string);
    }
    streak.lastAt = now;
    streak.records = streak.likely === likely ? streak.records + 1 : 1;
    streak.likely = likely;
    if (streak.records < threshold) return undefined;
    if (streak.silentUntil !== undefined && now < streak.silentUntil) return undefined;
    if (!this.#mayTell(now)) return undefined;
    streak.silentUntil = after(now, quietMs);
    const { records } = streak;
    return {
      kind: 'out-of-step',
      ...(association === undefined ? {} : { association }),
      address,
      records,
      likely,
    };
  }

  /** A good record came, or the association is over. */
  forget(association: AssociationId): void {
    if (this.#byAssociation.size > 0) this.#byAssociation.delete(association);
  }

  #mayTell(now: Instant): boolean {
    if (this.#spanEnd === undefined || now >= this.#spanEnd) {
      this.#spanEnd = after(now, toldAtMost.withinMs);
      this.#told = 0;
    }
    return this.#told++ < toldAtMost.times;
  }
}

function streakOf<Key>(
  streaks: Map<Key, Streak>,
  key: Key,
  likely: OutOfStep['likely'],
  now: Instant,
): Streak {
  const known = streaks.get(key);
  if (known !== undefined && after(known.lastAt, forgottenAfterMs) > now) return known;
  streaks.delete(key);
  const streak: Streak = { records: 0, likely, silentUntil: undefined, lastAt: now };
  streaks.set(key, streak);
  return streak;
}
