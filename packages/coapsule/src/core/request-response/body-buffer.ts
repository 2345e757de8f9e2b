/**
 * A body that grows block by block.
 *
 * RFC 7959 §2: bytes are taken in order; which block comes next is for the caller to check.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';

/** Growing bytes. Memory follows what was received, never what a peer announced. */
export class BodyBuffer {
  #bytes = new Uint8Array(0);
  #length = 0;

  /** Bytes received so far. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of memory held. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Adds a copy of `block` at the end. `most`, at least what is needed then, bounds the memory held. */
  append(block: Uint8Array, most: number = Infinity): void {
    const needed = this.#length + block.length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(
        Math.max(needed, Math.min(2 * this.#bytes.length, needed + maxSpareBytes, most)),
      );
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(block, this.#length);
    this.#length = needed;
  }

  /** Forgets everything from `length` on. */
  truncate(length: number): void {
    if (length < this.#length) this.#length = length;
  }

  /** Whether `block` at `offset` is what is there already. */
  holds(offset: number, block: Uint8Array): boolean {
    if (offset + block.length > this.#length) return false;
    return equalBytes(this.#bytes.subarray(offset, offset + block.length), block);
  }

  /** The body: a view, valid until the next change. */
  body(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Doubling stops here, so that a large body does not hold twice its size. */
const maxSpareBytes = 256 * 1024;

/** Heap bytes of a body that is kept for a peer, besides itself and its key: tables, timer, options; rounded up. */
export const bodyOverheadBytes = 2048;
