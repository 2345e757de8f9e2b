/**
 * A map that forgets its oldest entry when it has too many: what peers send, and captures, may be endless.
 *
 * @module
 */

/** Entries where nobody says how many. */
const mostEntries = 100_000;

/** Like `Map`, bounded; an entry that is set again counts as new. */
export class BoundedMap<Key, Value> {
  readonly #map = new Map<Key, Value>();
  readonly #most: number;

  constructor(most: number = mostEntries) {
    this.#most = most;
  }

  /** How many entries there are. */
  get size(): number {
    return this.#map.size;
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key);
  }

  set(key: Key, value: Value): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size <= this.#most) return;
    for (const oldest of this.#map.keys()) {
      this.#map.delete(oldest);
      return;
    }
  }

  delete(key: Key): void {
    this.#map.delete(key);
  }

  values(): IterableIterator<Value> {
    return this.#map.values();
  }

  /** The value of a key, made if it is missing. */
  ensure(key: Key, make: () => Value): Value {
    const known = this.#map.get(key);
    if (known !== undefined) return known;
    const value = make();
    this.set(key, value);
    return value;
  }
}
