/**
 * The right edge of the received Partial IVs that is on disk before a request is delivered.
 *
 * RFC 8613 §7.5: what was received must not be accepted again, also after a crash. The store holds an edge above every
 * Partial IV of a request that was delivered; after a restart, what is at or above it is fresh by construction.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import { sequenceEnd } from './partial-iv.ts';

/** Which edge is stored, and which one is being stored. */
export class RecipientEdge {
  readonly #step: number;
  #stored: number;
  /** The highest edge that was asked for. */
  #asked: number;

  /**
   * @param stored What the store holds; 0 for a new context.
   * @param step How far the edge goes ahead: what may need an Echo after a crash, for fewer writes. 1 and more.
   */
  constructor(stored: number, step: number) {
    if (!Number.isInteger(step) || step < 1) {
      throw new ApiMisuseError(`edge step is ${step}; expected a whole number from 1 on`);
    }
    this.#stored = stored;
    this.#asked = stored;
    this.#step = step;
  }

  /** The edge that the store holds. */
  get stored(): number {
    return this.#stored;
  }

  /** The highest edge that the store holds or was asked to hold. */
  get asked(): number {
    return this.#asked;
  }

  /** The edge that must be stored before a request with this Partial IV is delivered; `undefined` if it is already. */
  toStoreBefore(number: number): number | undefined {
    if (number < this.#stored) return undefined;
    if (number >= this.#asked) this.#asked = Math.min(number + this.#step, sequenceEnd);
    return this.#asked;
  }

  /** The edge to store soon, so that no request has to wait for it; `undefined` while `next` has room below it. */
  due(next: number): number | undefined {
    if (this.#asked > this.#stored || this.#stored >= sequenceEnd) return undefined;
    if (this.#stored - next > this.#step / 2) return undefined;
    this.#asked = Math.min(Math.max(this.#stored, next) + this.#step, sequenceEnd);
    return this.#asked;
  }

  /** The store holds `edge` now. An edge below the present one changes nothing. */
  committed(edge: number): void {
    if (!Number.isInteger(edge) || edge < 0 || edge > sequenceEnd) {
      throw new ApiMisuseError(`committed edge is ${edge}; expected a whole number of 0 to 2^40`);
    }
    this.#stored = Math.max(this.#stored, edge);
    this.#asked = Math.max(this.#asked, edge);
  }
}
