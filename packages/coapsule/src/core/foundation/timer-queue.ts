/**
 * Deadlines of one machine, soonest first: an indexed binary heap, so that setting, cancelling and
 * expiring cost O(log n) and the exact deadline is kept.
 *
 * @module
 */

import type { Instant } from './instant.ts';

interface Timer<Key> {
  readonly key: Key;
  deadline: Instant;
  /** Order of setting, so that equal deadlines expire first in, first out. */
  order: number;
  index: number;
}

/** Timers named by a key; setting a key again moves its timer. Keys are compared as a `Map` does. */
export class TimerQueue<Key> {
  readonly #heap: Timer<Key>[] = [];
  readonly #byKey = new Map<Key, Timer<Key>>();
  #order = 0;

  /** Number of timers that are set. */
  get size(): number {
    return this.#heap.length;
  }

  /** Sets, or moves, the timer of `key`. */
  set(key: Key, deadline: Instant): void {
    const existing = this.#byKey.get(key);
    if (existing) {
      existing.deadline = deadline;
      existing.order = this.#order++;
      this.#settle(existing);
      return;
    }
    const timer: Timer<Key> = { key, deadline, order: this.#order++, index: this.#heap.length };
    this.#heap.push(timer);
    this.#byKey.set(key, timer);
    this.#settle(timer);
  }

  /** Forgets the timer of `key`; does nothing when there is none. */
  cancel(key: Key): void {
    const timer = this.#byKey.get(key);
    if (timer) this.#remove(timer);
  }

  /** When the timer of `key` expires, or `undefined` when it is not set. */
  deadline(key: Key): Instant | undefined {
    return this.#byKey.get(key)?.deadline;
  }

  /** The soonest deadline. */
  next(): Instant | undefined {
    return this.#heap[0]?.deadline;
  }

  /** Takes out the soonest timer whose deadline is not after `now`, and returns its key. */
  expire(now: Instant): Key | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.deadline > now) return undefined;
    this.#remove(first);
    return first.key;
  }

  #remove(timer: Timer<Key>): void {
    this.#byKey.delete(timer.key);
    const last = this.#heap.pop() as Timer<Key>;
    if (last === timer) return;
    last.index = timer.index;
    this.#heap[last.index] = last;
    this.#settle(last);
  }

  #settle(timer: Timer<Key>): void {
    let index = timer.index;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(timer, this.#at(parent))) break;
      this.#place(this.#at(parent), index);
      index = parent;
    }
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && before(this.#at(child + 1), this.#at(child))) child++;
      if (!before(this.#at(child), timer)) break;
      this.#place(this.#at(child), index);
      index = child;
    }
    this.#place(timer, index);
  }

  #at(index: number): Timer<Key> {
    return this.#heap[index] as Timer<Key>;
  }

  #place(timer: Timer<Key>, index: number): void {
    this.#heap[index] = timer;
    timer.index = index;
  }
}

function before<Key>(a: Timer<Key>, b: Timer<Key>): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}
