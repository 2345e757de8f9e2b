/**
 * Non-confirmable messages of ours that a Reset may still come for (RFC 7252 §4.3), in the order in which they lapse.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { Transmission } from './transmission.ts';

/** A list that only grows at its end, since all lapse equally long after they were sent. */
export class ResetWindow {
  #first: Transmission | undefined;
  #last: Transmission | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** When the first lapses. */
  get lapses(): Instant | undefined {
    return this.#first?.lapses;
  }

  add(transmission: Transmission): void {
    if (this.#last) this.#last.nextToLapse = transmission;
    else this.#first = transmission;
    this.#last = transmission;
    this.#size++;
  }

  /** Takes out the one that lapses first. */
  shift(): Transmission | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.#first = first.nextToLapse;
    if (this.#first === undefined) this.#last = undefined;
    this.#size--;
    return first;
  }
}
