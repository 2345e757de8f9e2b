/**
 * The outputs of a machine that nobody has polled yet, oldest first.
 *
 * @module
 */

/** A first-in, first-out queue whose `shift` does not move what is left. */
export class OutputQueue<Output> {
  #items: (Output | undefined)[] = [];
  #head = 0;

  /** Outputs waiting. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  push(output: Output): void {
    this.#items.push(output);
  }

  /** Takes out the oldest, or returns `undefined`. */
  shift(): Output | undefined {
    if (this.#head === this.#items.length) return undefined;
    const output = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    // At least half is taken: copying the rest costs no more than taking it did, and the array cannot
    // grow without end when the queue never runs empty.
    if (this.#head === this.#items.length || (this.#head >= 256 && this.#head * 2 >= this.#items.length)) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return output;
  }
}
