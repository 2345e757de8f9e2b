/**
 * Byte strings of many owners in one array: a few bytes each cost their own length, where an array of their own would
 * cost a hundred more.
 *
 * @module
 */

import { grown, placesFor } from './grown.ts';

/** Room is given in pieces of so many bytes. */
const piece = 8;

/** Room for so many bytes at first. */
const firstLength = 1024;

/** Where nothing is kept any more, more room than this is given back. */
const worthFreeing = 65_536;

/** See the module comment. Room that was freed is used again for strings of about the same length. */
export class ByteArena {
  #bytes = new Uint8Array(firstLength);
  #end = 0;
  /** Strings that are kept. */
  #size = 0;
  /** Offsets of freed room, by its pieces. */
  readonly #free = new Map<number, number[]>();

  /** Keeps a copy of the parts, joined in order; returns where. */
  add(...parts: readonly Uint8Array[]): number {
    let length = 0;
    for (const part of parts) length += part.length;
    this.#size++;
    const pieces = Math.ceil(length / piece);
    let offset = this.#free.get(pieces)?.pop();
    if (offset === undefined) {
      offset = this.#end;
      this.#end += pieces * piece;
      if (this.#end > this.#bytes.length) this.#grow();
    }
    let end = offset;
    for (const part of parts) {
      this.#bytes.set(part, end);
      end += part.length;
    }
    return offset;
  }

  /** A copy of so many bytes at an offset. */
  slice(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(offset, offset + length);
  }

  /** Whether these bytes are at an offset. */
  holds(offset: number, bytes: Uint8Array): boolean {
    for (let i = 0; i < bytes.length; i++) if (this.#bytes[offset + i] !== bytes[i]) return false;
    return true;
  }

  /** Frees the room of a string of this length, overwritten with zeros; with the last one all of the room. */
  remove(offset: number, length: number): void {
    const pieces = Math.ceil(length / piece);
    this.#bytes.fill(0, offset, offset + length);
    if (--this.#size === 0 && this.#end > worthFreeing) {
      this.#bytes = new Uint8Array(firstLength);
      this.#end = 0;
      this.#free.clear();
      return;
    }
    const free = this.#free.get(pieces);
    if (free === undefined) this.#free.set(pieces, [offset]);
    else free.push(offset);
  }

  #grow(): void {
    const bytes = grown(this.#bytes, placesFor(this.#end));
    this.#bytes.fill(0);
    this.#bytes = bytes;
  }
}
