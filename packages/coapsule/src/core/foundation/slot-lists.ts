/**
 * Slots of a table in lists, by numbers in typed arrays: to take one out, or to put it behind the others, costs a few
 * assignments. A slot is in one list at most.
 *
 * @module
 */

import { grown, placesFor } from './grown.ts';

const none = -1;

/** See the module comment. Lists have numbers from 0 on, and are empty at first. */
export class SlotLists {
  // By slot, while it is in a list.
  #before = new Int32Array(16);
  #behind = new Int32Array(16);
  // By list, one more than the slot, or 0.
  #firsts = new Int32Array(16);
  #lasts = new Int32Array(16);

  /** The slot in front of all others; -1 when the list is empty. */
  first(list: number): number {
    return (this.#firsts[list] ?? 0) - 1;
  }

  /** Puts a slot that is in no list behind all others. */
  append(list: number, slot: number): void {
    this.#makeRoom(list, slot);
    const last = (this.#lasts[list] as number) - 1;
    this.#before[slot] = last;
    this.#behind[slot] = none;
    if (last === none) this.#firsts[list] = slot + 1;
    else this.#behind[last] = slot;
    this.#lasts[list] = slot + 1;
  }

  /** Takes a slot out of the list that it is in. */
  remove(list: number, slot: number): void {
    const before = this.#before[slot] as number;
    const behind = this.#behind[slot] as number;
    if (before === none) this.#firsts[list] = behind + 1;
    else this.#behind[before] = behind;
    if (behind === none) this.#lasts[list] = before + 1;
    else this.#before[behind] = before;
  }

  /** Puts a slot of a list behind all others of it. */
  moveBehind(list: number, slot: number): void {
    if (this.#lasts[list] === slot + 1) return;
    this.remove(list, slot);
    this.append(list, slot);
  }

  #makeRoom(list: number, slot: number): void {
    if (slot >= this.#before.length) {
      this.#before = grown(this.#before, placesFor(slot));
      this.#behind = grown(this.#behind, placesFor(slot));
    }
    if (list >= this.#firsts.length) {
      this.#firsts = grown(this.#firsts, placesFor(list));
      this.#lasts = grown(this.#lasts, placesFor(list));
    }
  }
}
