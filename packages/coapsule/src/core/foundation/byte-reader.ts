/**
 * A bounds-checked cursor over received bytes. Every decoder reads through it, so that no decoder can
 * read past the end or throw: a read that does not fit sets `failed`, returns zero or an empty view,
 * and leaves the position where it was. A decoder reads a group of fields and then asks `failed` once.
 *
 * @module
 */

import { copyOf, noBytes } from './bytes.ts';

/** A cursor over `bytes`; see the module comment for how failure works. */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** Offset of the next byte to read. */
  position: number;
  /** One past the last readable byte. */
  readonly end: number;
  /** Set by the first read that did not fit; never cleared. */
  failed = false;

  constructor(bytes: Uint8Array, position = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = Math.min(end, bytes.length);
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.end - this.position;
  }

  /** Whether all was read and nothing failed: what a decoder of a closed structure asks last. */
  get finished(): boolean {
    return !this.failed && this.position === this.end;
  }

  /** Next byte. */
  u8(): number {
    if (!this.#fits(1)) return 0;
    return this.bytes[this.position++] as number;
  }

  /** Next 2 bytes, network byte order. */
  u16(): number {
    return this.#unsigned(2);
  }

  /** Next 3 bytes, network byte order. */
  u24(): number {
    return this.#unsigned(3);
  }

  /** Next 4 bytes, network byte order, as a non-negative number. */
  u32(): number {
    return this.#unsigned(4);
  }

  /** Next 6 bytes, network byte order; exact, since 2^48 is a safe integer. */
  u48(): number {
    return this.#unsigned(6);
  }

  /** A view (not a copy) of the next `length` bytes. */
  view(length: number): Uint8Array {
    if (!this.#fits(length)) return noBytes;
    const view = this.bytes.subarray(this.position, this.position + length);
    this.position += length;
    return view;
  }

  /** A copy of the next `length` bytes; of few it costs less than a view. */
  copy(length: number): Uint8Array {
    if (!this.#fits(length)) return noBytes;
    const copy = copyOf(this.bytes, this.position, this.position + length);
    this.position += length;
    return copy;
  }

  /** A view of everything that is left. */
  rest(): Uint8Array {
    return this.view(this.remaining);
  }

  /** A vector with a length of 1 byte in front, as TLS writes `opaque x<0..255>`. */
  vector8(): Uint8Array {
    return this.view(this.u8());
  }

  /** A vector with a length of 2 bytes in front. */
  vector16(): Uint8Array {
    return this.view(this.u16());
  }

  #unsigned(size: number): number {
    if (!this.#fits(size)) return 0;
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + (this.bytes[this.position++] as number);
    return value;
  }

  #fits(length: number): boolean {
    if (!this.failed && length >= 0 && this.position + length <= this.end) return true;
    this.failed = true;
    return false;
  }
}
