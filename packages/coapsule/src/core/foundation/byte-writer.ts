/**
 * A growing buffer for encoders, with lengths filled in afterwards.
 *
 * @module
 */

import { InvariantError } from './errors.ts';

/** Writes network byte order into a buffer that grows by doubling. */
export class ByteWriter {
  #buffer: Uint8Array;
  #length = 0;

  /** @param capacity Bytes to start with; a good guess avoids copies. */
  constructor(capacity = 64) {
    this.#buffer = new Uint8Array(capacity);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }

  u24(value: number): this {
    return this.u8(value >>> 16).u16(value);
  }

  u32(value: number): this {
    return this.#unsigned(value, 4);
  }

  /** 6 bytes; `value` is at most 2^48 - 1. */
  u48(value: number): this {
    return this.#unsigned(value, 6);
  }

  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** `bytes` with their length in 1 byte before them; throws `InvariantError` above 255 bytes. */
  vector8(bytes: Uint8Array): this {
    expectFits(bytes.length, 1);
    return this.u8(bytes.length).bytes(bytes);
  }

  /** `bytes` with their length in 2 bytes before them; throws `InvariantError` above 65,535 bytes. */
  vector16(bytes: Uint8Array): this {
    expectFits(bytes.length, 2);
    return this.u16(bytes.length).bytes(bytes);
  }

  /**
   * Runs `content` and puts the length of what it wrote, in `size` bytes, before it.
   * Throws `InvariantError` when the length does not fit.
   */
  nested(size: 1 | 2 | 3, content: (writer: this) => void): this {
    const start = this.#length;
    this.#unsigned(0, size);
    content(this);
    let length = this.#length - start - size;
    expectFits(length, size);
    for (let i = size - 1; i >= 0; i--) {
      this.#buffer[start + i] = length & 0xff;
      length >>>= 8;
    }
    return this;
  }

  /** What was written, in an array of its own; nothing may be written after it. */
  finish(): Uint8Array {
    return this.#length === this.#buffer.length ? this.#buffer : this.#buffer.slice(0, this.#length);
  }

  #unsigned(value: number, size: number): this {
    this.#reserve(size);
    let rest = value;
    for (let i = size - 1; i >= 0; i--) {
      this.#buffer[this.#length + i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#length += size;
    return this;
  }

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + extra));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

/** A length that does not fit would be written cut off, and what follows be read as something else. */
function expectFits(length: number, size: number): void {
  if (length >= 2 ** (8 * size))
    throw new InvariantError(`${length} bytes do not fit a length of ${size} bytes`);
}
