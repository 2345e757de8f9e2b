/**
 * Leisure: responses to a group wait for a random moment, so that not all members answer at once.
 *
 * RFC 7252 §8.2: the moment is in a period of its own, which for further responses to the same group starts when the
 * previous one is over. Which responses are sent at all is decided in `response-suppression.ts`.
 *
 * @module
 */

import { after, type Instant } from '../foundation/instant.ts';
import { type RandomSource, randomFraction } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';

/** Items that wait for their moment. */
export class Leisure<Item> {
  readonly #random: RandomSource;
  readonly #periodMs: number;
  readonly #waiting = new TimerQueue<Item>();
  readonly #items = new Set<Item>();
  /** When the last period of each group is over. */
  readonly #periodEnds = new Map<string, Instant>();

  constructor(random: RandomSource, periodMs: number) {
    this.#random = random;
    this.#periodMs = periodMs;
  }

  /** Items that wait. */
  get size(): number {
    return this.#items.size;
  }

  /** Lets `item` wait for its moment. `group` is one that this endpoint has joined: there are few. */
  add(group: string, item: Item, now: Instant): void {
    const previous = this.#periodEnds.get(group);
    const start = previous !== undefined && previous > now ? previous : now;
    this.#periodEnds.set(group, after(start, this.#periodMs));
    this.#items.add(item);
    this.#waiting.set(item, after(start, randomFraction(this.#random) * this.#periodMs));
  }

  /** Takes out what is not to be sent any more. */
  removeIf(isMeant: (item: Item) => boolean): void {
    for (const item of this.#items) {
      if (!isMeant(item)) continue;
      this.#items.delete(item);
      this.#waiting.cancel(item);
    }
  }

  /** The next item whose moment has come. */
  expire(now: Instant): Item | undefined {
    const item = this.#waiting.expire(now);
    if (item !== undefined) this.#items.delete(item);
    return item;
  }

  next(): Instant | undefined {
    return this.#waiting.next();
  }
}
