/**
 * The outputs of a machine that nobody has polled yet, oldest first.
 *
 * @module
 */

/** Places that are kept when the queue is empty, so that what comes and goes makes no garbage. */
const placesKept = 1024;

/** A first-in, first-out queue in a ring, whose `shift` does not move what is left. */
export class OutputQueue<Output> {
  /** As many places as a power of two. */
  #ring: (Output | undefined)[] = newRing(16);
  #head = 0;
  #length = 0;

  /** Outputs waiting. */
  get length(): number {
    return this.#length;
  }

  push(output: Output): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = output;
    this.#length++;
  }

  /** Takes out the oldest, or returns `undefined`. */
  shift(): Output | undefined {
    if (this.#length === 0) return undefined;
    const output = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length--;
    if (this.#length === 0 && this.#ring.length > placesKept) {
      this.#ring = newRing(16);
      this.#head = 0;
    }
    return output;
  }

  #grow(): void {
    const old = this.#ring;
    const ring = newRing<Output>(2 * old.length);
    for (let i = 0; i < old.length; i++) ring[i] = old[(this.#head + i) & (old.length - 1)];
    this.#ring = ring;
    this.#head = 0;
  }
}

function newRing<Output>(places: number): (Output | undefined)[] {
  return new Array<Output | undefined>(places).fill(undefined);
}
