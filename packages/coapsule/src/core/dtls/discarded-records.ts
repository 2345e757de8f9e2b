/**
 * Protected records without effect: counted for the association they were for, and told of.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { AssociationId, DtlsDiscardReason, DtlsOutput } from './dtls-output.ts';
import { OutOfStepWatch } from './out-of-step.ts';

/** How many records had no effect, by reason. */
export type DiscardCounts = Readonly<Partial<Record<DtlsDiscardReason, number>>>;

const none: DiscardCounts = Object.freeze({});

/** The counts of the associations that have any. */
export class DiscardedRecords {
  readonly #emit: (output: DtlsOutput) => void;
  readonly #counts = new Map<AssociationId, Partial<Record<DtlsDiscardReason, number>>>();
  readonly #outOfStep = new OutOfStepWatch();

  constructor(emit: (output: DtlsOutput) => void) {
    this.#emit = emit;
  }

  /** A record of epoch 1 or later was discarded. */
  note(
    association: AssociationId | undefined,
    from: PeerAddress,
    reason: DtlsDiscardReason,
    now: Instant,
  ): void {
    this.#emit({ kind: 'discarded', address: from, reason });
    if (association !== undefined) {
      const counts = this.#counts.get(association) ?? {};
      counts[reason] = (counts[reason] ?? 0) + 1;
      this.#counts.set(association, counts);
    }
    const outOfStep = this.#outOfStep.noteDiscarded(from, association, reason, now);
    if (outOfStep !== undefined) this.#emit(outOfStep);
  }

  /** A record was good. */
  noteAccepted(association: AssociationId): void {
    this.#outOfStep.forget(association);
  }

  of(association: AssociationId): DiscardCounts {
    return this.#counts.get(association) ?? none;
  }

  /** The association is over. */
  forget(association: AssociationId): void {
    this.#outOfStep.forget(association);
    this.#counts.delete(association);
  }
}
