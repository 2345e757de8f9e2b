/**
 * What waits in one lane: by priority, and within one priority first in, first out.
 *
 * @module
 */

import { type MessagePriority, messagePriorities } from './message-layer-output.ts';

/** A queue from which any item can be taken. Its classes take memory only while something is in them. */
export class LaneQueue<Item extends { readonly priority: MessagePriority }> {
  readonly #classes = new Map<MessagePriority, Set<Item>>();
  #size = 0;

  /** Items that wait. */
  get size(): number {
    return this.#size;
  }

  /** Items of one priority that wait. */
  sizeOf(priority: MessagePriority): number {
    return this.#classes.get(priority)?.size ?? 0;
  }

  /** Puts `item` behind those of its priority. */
  add(item: Item): void {
    let items = this.#classes.get(item.priority);
    if (items === undefined) {
      items = new Set();
      this.#classes.set(item.priority, items);
    }
    items.add(item);
    this.#size++;
  }

  /** Takes `item` out; does nothing when it is not in. */
  delete(item: Item): void {
    const items = this.#classes.get(item.priority);
    if (items?.delete(item) !== true) return;
    this.#size--;
    if (items.size === 0) this.#classes.delete(item.priority);
  }

  /** The one whose turn it is; of one priority, if that is given. */
  first(only?: MessagePriority): Item | undefined {
    for (const priority of only === undefined ? messagePriorities : [only]) {
      const items = this.#classes.get(priority);
      if (items) return items.values().next().value;
    }
    return undefined;
  }

  /** All, in the order in which they go. */
  *[Symbol.iterator](): Iterator<Item> {
    for (const priority of messagePriorities) yield* this.#classes.get(priority) ?? [];
  }
}
