/**
 * Deadlines of the slots of a table, soonest first: a binary heap in typed arrays, at most one deadline a slot.
 *
 * What `timer-queue.ts` does for any keys, in 16 bytes a slot and without an object.
 *
 * @module
 */

import { grown, placesFor } from './grown.ts';
import type { Instant } from './instant.ts';

const none = -1;

/** See the module comment. Equal deadlines expire in no particular order. */
export class SlotTimers {
  /** Slots, as a heap. */
  #heap = new Int32Array(16);
  #size = 0;
  /** By slot: one more than its place in the heap, or 0. */
  #places = new Int32Array(16);
  #deadlines = new Float64Array(16);

  /** Number of timers that are set. */
  get size(): number {
    return this.#size;
  }

  /** Sets, or moves, the timer of a slot. */
  set(slot: number, deadline: Instant): void {
    if (slot >= this.#places.length) this.#grow(slot);
    this.#deadlines[slot] = deadline;
    let place = this.#placeOf(slot);
    if (place === none) {
      if (this.#size === this.#heap.length) this.#heap = grown(this.#heap, placesFor(this.#size));
      place = this.#size++;
    }
    this.#settle(slot, place);
  }

  /** Forgets the timer of a slot; does nothing when there is none. */
  cancel(slot: number): void {
    const place = this.#placeOf(slot);
    if (place === none) return;
    this.#places[slot] = 0;
    const last = this.#heap[--this.#size] as number;
    if (last !== slot) this.#settle(last, place);
  }

  /** The soonest deadline. */
  next(): Instant | undefined {
    return this.#size === 0 ? undefined : (this.#deadlines[this.#heap[0] as number] as Instant);
  }

  /** Takes out the soonest timer whose deadline is not after `now`, and returns its slot. */
  expire(now: Instant): number | undefined {
    if (this.#size === 0) return undefined;
    const slot = this.#heap[0] as number;
    if (this.#deadlineOf(slot) > now) return undefined;
    this.cancel(slot);
    return slot;
  }

  #settle(slot: number, from: number): void {
    const deadline = this.#deadlineOf(slot);
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#heap[parent] as number;
      if (deadline >= this.#deadlineOf(above)) break;
      this.#put(above, place);
      place = parent;
    }
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      let below = this.#heap[child] as number;
      const other = this.#heap[child + 1] as number;
      if (child + 1 < this.#size && this.#deadlineOf(other) < this.#deadlineOf(below)) {
        child++;
        below = other;
      }
      if (this.#deadlineOf(below) >= deadline) break;
      this.#put(below, place);
      place = child;
    }
    this.#put(slot, place);
  }

  #put(slot: number, place: number): void {
    this.#heap[place] = slot;
    this.#places[slot] = place + 1;
  }

  #placeOf(slot: number): number {
    return (this.#places[slot] ?? 0) - 1;
  }

  #deadlineOf(slot: number): number {
    return this.#deadlines[slot] as number;
  }

  #grow(slot: number): void {
    const places = placesFor(slot);
    this.#places = grown(this.#places, places);
    this.#deadlines = grown(this.#deadlines, places);
  }
}
