/**
 * Bytes of a stream that wait until a message of it is whole.
 *
 * Each byte is copied a few times at most, into however many pieces a sender cuts the stream: who joined what waits with each piece
 * would take time that grows with the square of a message's length.
 *
 * @module
 */

const none = new Uint8Array();

/** Bytes come at the end and go at the beginning. */
export class WaitingBytes {
  #buffer: Uint8Array = none;
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** All that wait: a view, until the next `push`. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) {
      const waiting = this.bytes;
      // Twice of what is there: as many bytes as were moved now come before they are moved again.
      this.#buffer = new Uint8Array(2 * waiting.length + bytes.length);
      this.#buffer.set(waiting);
      this.#start = 0;
      this.#end = waiting.length;
    }
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** The first ones, as a copy. */
  take(count: number): Uint8Array {
    const taken = this.bytes.slice(0, count);
    this.#start += taken.length;
    if (this.#start === this.#end) this.clear();
    return taken;
  }

  clear(): void {
    this.#buffer = none;
    this.#start = 0;
    this.#end = 0;
  }
}
