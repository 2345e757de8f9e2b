/**
 * The Sender Sequence Number: numbers that are reserved on disk before they are used, so that none is used twice.
 *
 * RFC 8613 §7.2, §7.2.1, §7.5 and Appendix B.1.1. Here the store holds an edge: no number at or above it was ever used,
 * and none is until a higher edge is stored. After a restart counting begins at the edge, which loses the rest of a
 * batch and repeats nothing, whenever the process ended. That is SSN1 + K of B.1.1 with F = 0: storing is waited for.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import { sequenceEnd } from './partial-iv.ts';

/** A number to use once; or what must be stored first; or that there is none any more. */
export type SequenceOutcome =
  | { readonly kind: 'number'; readonly number: number }
  /** Store `edge`, then call `reserved(edge)`, then ask again. */
  | { readonly kind: 'reserve'; readonly edge: number }
  /** Number 2^40 - 1 is used: the context must not protect anything any more (RFC 8613 §7.2.1). */
  | { readonly kind: 'exhausted' };

/** Hands out each number below the reserved edge once. */
export class SenderSequence {
  readonly #batch: number;
  #next: number;
  /** What the store holds. */
  #edge: number;
  /** The highest edge that was asked for. */
  #asked: number;

  /**
   * @param edge What the store holds; 0 for a new context.
   * @param batch Numbers to reserve at once, 1 and more.
   */
  constructor(edge: number, batch: number) {
    if (!Number.isInteger(batch) || batch < 1) {
      throw new ApiMisuseError(`sequence batch is ${batch}; expected a whole number from 1 on`);
    }
    this.#next = edge;
    this.#edge = edge;
    this.#asked = edge;
    this.#batch = batch;
  }

  /** The number that comes next, if it is reserved. */
  get next(): number {
    return this.#next;
  }

  /** The highest edge that the store holds or was asked to hold. */
  get asked(): number {
    return this.#asked;
  }

  /** Takes the next number. */
  take(): SequenceOutcome {
    if (this.#next < this.#edge) return { kind: 'number', number: this.#next++ };
    if (this.#next >= sequenceEnd) return { kind: 'exhausted' };
    return { kind: 'reserve', edge: this.#ask(this.#next) };
  }

  /** The edge to store soon, so that no message has to wait for it; `undefined` while more than half a batch is left, or one is being stored. */
  reservationDue(): number | undefined {
    if (this.#edge >= sequenceEnd || this.#asked > this.#edge) return undefined;
    return this.#edge - this.#next > this.#batch / 2 ? undefined : this.#ask(this.#edge);
  }

  /**
   * The store holds `edge` now, whatever happens next. An edge below the present one changes nothing.
   * Throws `ApiMisuseError` for an edge above 2^40.
   */
  reserved(edge: number): void {
    if (!Number.isInteger(edge) || edge < 0 || edge > sequenceEnd) {
      throw new ApiMisuseError(`reserved edge is ${edge}; expected a whole number of 0 to 2^40`);
    }
    this.#edge = Math.max(this.#edge, edge);
    this.#asked = Math.max(this.#asked, edge);
  }

  #ask(number: number): number {
    this.#asked = Math.max(this.#asked, Math.min(number + this.#batch, sequenceEnd));
    return this.#asked;
  }
}
