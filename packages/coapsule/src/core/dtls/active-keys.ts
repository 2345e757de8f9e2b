/**
 * The keys of associations that are in use: made from their bytes when a record comes or goes, and given up again when
 * too many others were used since.
 *
 * An association that nobody hears of costs the bytes of its keys only; objects with expanded keys in them cost twenty
 * times as much. Which one is given up is decided by the second-chance rule, which costs a record one assignment.
 *
 * @module
 */

import { grown, placesFor } from '../foundation/grown.ts';
import type { RecordKeys } from './record/epoch-keys.ts';

/** Keys of epoch 1 of both directions. */
export interface AssociationKeys {
  readonly read: RecordKeys;
  readonly write: RecordKeys;
}

/** Associations with made keys: as many as a busy server talks with in a minute. */
const mostActive = 12_288;

/** See the module comment. Slots are those of `association-table.ts`. */
export class ActiveKeys {
  readonly #most: number;
  readonly #keys: (AssociationKeys | undefined)[] = [];
  /** By slot: whether the keys were used since the hand came by. */
  #used = new Uint8Array(16);
  /** Slots whose keys were made, in a ring; one that was given up since is as good as free. */
  readonly #ring: number[] = [];
  #hand = 0;

  /** @param most Associations that have their keys at the same time. */
  constructor(most: number = mostActive) {
    this.#most = most;
  }

  /** The keys of a slot, if they are made. */
  of(slot: number): AssociationKeys | undefined {
    const keys = this.#keys[slot];
    if (keys !== undefined) this.#used[slot] = 1;
    return keys;
  }

  /** Takes the keys of a slot that has none here. */
  add(slot: number, keys: AssociationKeys): void {
    if (slot >= this.#used.length) this.#used = grown(this.#used, placesFor(slot));
    while (this.#keys.length <= slot) this.#keys.push(undefined);
    this.#keys[slot] = keys;
    this.#used[slot] = 1;
    if (this.#ring.length < this.#most) {
      this.#ring.push(slot);
      return;
    }
    for (;;) {
      const other = this.#ring[this.#hand] as number;
      if (other !== slot && this.#keys[other] !== undefined && this.#used[other] === 1) {
        this.#used[other] = 0;
        this.#hand = (this.#hand + 1) % this.#most;
        continue;
      }
      if (other !== slot) this.#giveUp(other);
      this.#ring[this.#hand] = slot;
      this.#hand = (this.#hand + 1) % this.#most;
      return;
    }
  }

  /** The association is over: nothing that was made of its keys is left in the memory of the cipher. */
  remove(slot: number): void {
    if (slot < this.#keys.length) this.#giveUp(slot);
  }

  #giveUp(slot: number): void {
    const keys = this.#keys[slot];
    this.#keys[slot] = undefined;
    keys?.read.aead.rest?.();
    keys?.write.aead.rest?.();
  }
}
