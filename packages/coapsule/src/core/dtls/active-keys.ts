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

const none = -1;

/** See the module comment. Slots are those of `association-table.ts`. */
export class ActiveKeys {
  readonly #most: number;
  /** By slot: one more than the place of its keys, or 0. */
  #places = new Uint16Array(16);
  /** By place; a place that was given up has none. */
  readonly #keys: (AssociationKeys | undefined)[] = [];
  /** By place: whose keys they are. */
  readonly #slotAt: Uint32Array;
  /** By place: whether the keys were used since the hand came by. */
  readonly #used: Uint8Array;
  readonly #freePlaces: number[] = [];
  #hand = 0;

  /** @param most Associations that have their keys at the same time, 1 … 65,535. */
  constructor(most: number = mostActive) {
    this.#most = most;
    this.#slotAt = new Uint32Array(most);
    this.#used = new Uint8Array(most);
  }

  /** The keys of a slot, if they are made. */
  of(slot: number): AssociationKeys | undefined {
    const place = this.#placeOf(slot);
    if (place === none) return undefined;
    this.#used[place] = 1;
    return this.#keys[place];
  }

  /** Takes the keys of a slot that has none here. */
  add(slot: number, keys: AssociationKeys): void {
    if (slot >= this.#places.length) this.#places = grown(this.#places, placesFor(slot));
    const place = this.#freePlace();
    this.#keys[place] = keys;
    this.#slotAt[place] = slot;
    this.#used[place] = 1;
    this.#places[slot] = place + 1;
  }

  /** The association is over: nothing that was made of its keys is left in the memory of the cipher. */
  remove(slot: number): void {
    const place = this.#placeOf(slot);
    if (place === none) return;
    this.#giveUp(place);
    this.#freePlaces.push(place);
  }

  #placeOf(slot: number): number {
    return (this.#places[slot] ?? 0) - 1;
  }

  #freePlace(): number {
    const free = this.#freePlaces.pop();
    if (free !== undefined) return free;
    if (this.#keys.length < this.#most) return this.#keys.length;
    for (;;) {
      const place = this.#hand;
      this.#hand = (place + 1) % this.#most;
      if (this.#used[place] === 0) {
        this.#giveUp(place);
        return place;
      }
      this.#used[place] = 0;
    }
  }

  #giveUp(place: number): void {
    const keys = this.#keys[place];
    this.#keys[place] = undefined;
    this.#places[this.#slotAt[place] as number] = 0;
    keys?.read.aead.rest?.();
    keys?.write.aead.rest?.();
  }
}
