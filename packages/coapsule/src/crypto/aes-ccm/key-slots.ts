/**
 * Which AES key has its round keys in which slot of the module's memory.
 *
 * There are a few thousand slots, and there may be hundreds of thousands of keys: one that is used again after another took
 * its slot is expanded again, which takes 0.1 µs. The slot that is given away next is one whose key was not used again since
 * the hand passed it last ("clock", which comes close to least-recently-used and costs one write for each use).
 * A slot does not keep its key from being collected.
 *
 * @module
 */

/** Slots 0 … `count` - 1, given out in that order first, so that memory is touched only when it is needed. */
export class KeySlots {
  /** The number of the key that has each slot; 0 for none. */
  readonly owners: Float64Array;
  /** 1 for slots whose key was used again since it was expanded, and since the hand last passed; the key writes it. */
  readonly used: Uint8Array;
  #hand = 0;
  #lastOwner = 0;

  constructor(count: number) {
    this.owners = new Float64Array(count);
    this.used = new Uint8Array(count);
  }

  /** A number for a key that no other key has, from 1 on. */
  newOwner(): number {
    this.#lastOwner++;
    return this.#lastOwner;
  }

  /** Takes a slot for a key; whoever had it finds another owner there. */
  claim(owner: number): number {
    const { owners, used } = this;
    while (used[this.#hand] === 1) {
      used[this.#hand] = 0;
      this.#step();
    }
    const slot = this.#hand;
    this.#step();
    owners[slot] = owner;
    return slot;
  }

  /** The key of a slot needs it no longer; it is given away when the hand comes by. */
  release(slot: number): void {
    this.owners[slot] = 0;
    this.used[slot] = 0;
  }

  #step(): void {
    this.#hand = this.#hand + 1 === this.owners.length ? 0 : this.#hand + 1;
  }
}
