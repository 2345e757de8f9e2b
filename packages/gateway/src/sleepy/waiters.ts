/**
 * Those who wait for something, by what they wait for.
 */

/** Ends a wait; undefined: without what was waited for. It takes itself out. */
export type Settle<Outcome> = (outcome: Outcome | undefined) => void;

/** See the file comment. */
export class Waiters<Key, Outcome> {
  readonly #byKey = new Map<Key, Set<Settle<Outcome>>>();

  /** How many wait. */
  get size(): number {
    let count = 0;
    for (const those of this.#byKey.values()) count += those.size;
    return count;
  }

  /** What is waited for, the first first. */
  keys(): readonly Key[] {
    return [...this.#byKey.keys()];
  }

  add(key: Key, settle: Settle<Outcome>): void {
    const those = this.#byKey.get(key) ?? new Set();
    this.#byKey.set(key, those.add(settle));
  }

  remove(key: Key, settle: Settle<Outcome>): void {
    const those = this.#byKey.get(key);
    if (those?.delete(settle) === true && those.size === 0) this.#byKey.delete(key);
  }

  /** Ends the wait of all who wait for this. */
  settle(key: Key, outcome: Outcome | undefined): void {
    for (const settle of [...(this.#byKey.get(key) ?? [])]) settle(outcome);
  }
}
