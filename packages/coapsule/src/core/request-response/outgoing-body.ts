/**
 * A body on its way out: whole, or handed over by the application as it is sent.
 *
 * RFC 7959 §2. Of a body that is handed over only a window is held: the block that is due, the one before it, which a
 * peer may ask for again, and one byte more, which tells whether a block is the last. Asks nobody itself; see
 * `body-supply.ts`.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';

/**
 * A body that the application hands over as it is asked for it. The object itself is the name of the body: it comes
 * back in `body-wanted` and `body-released`, and is given to `provideBody`.
 */
export interface BodySource {
  /** Bytes of the whole body, if they are known beforehand. */
  readonly length?: number;
  /**
   * Whether bytes can be had from any place, and more than once. Else they are asked for once and in order, though a
   * part of them may be left out.
   */
  readonly randomAccess: boolean;
}

/** Bytes that the application is asked for. */
export interface BodyWish {
  readonly offset: number;
  /** At least 1; the application may give less, and is asked again. */
  readonly length: number;
}

/** One block of a body. */
export interface BodySlice {
  /** A view, valid until the next `provide`. */
  readonly payload: Uint8Array;
  /** Whether more bytes follow. */
  readonly more: boolean;
}

/** A body and as much of it as is held. */
export class OutgoingBody {
  /** Absent for a body that was whole from the start. */
  readonly source: BodySource | undefined;
  #window: Uint8Array;
  /** The place of the window in the body. */
  #start = 0;
  #length: number | undefined;
  #wish: BodyWish | undefined;
  #abandoned = false;

  private constructor(
    source: BodySource | undefined,
    window: Uint8Array,
    length: number | undefined,
    start: number,
  ) {
    this.source = source;
    this.#window = window;
    this.#length = length;
    this.#start = start;
  }

  /** A body of which all bytes are there; not copied. */
  static whole(bytes: Uint8Array): OutgoingBody {
    return new OutgoingBody(undefined, bytes, bytes.length, 0);
  }

  /** A body that is handed over, of which nothing before `start` is wanted. */
  static from(source: BodySource, start = 0): OutgoingBody {
    return new OutgoingBody(source, noBytes, source.length, start);
  }

  /** Bytes of the whole body, as soon as they are known. */
  get length(): number | undefined {
    return this.#length;
  }

  /** Bytes of memory held. */
  get heldBytes(): number {
    return this.#window.length;
  }

  /** Whether the bytes from `offset` on are there, or can still be had. */
  reaches(offset: number): boolean {
    if (this.source === undefined) return true;
    return !this.#abandoned && (offset >= this.#start || this.source.randomAccess);
  }

  /** Whether there is known to be no byte at `offset`; an empty body has its place 0 nevertheless. */
  endsBefore(offset: number): boolean {
    return offset > 0 && offset >= (this.#length ?? Infinity);
  }

  /** Nothing more will be given. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** The block of `size` bytes at `offset`; `undefined` while it is not known whole, or whether it is the last. */
  slice(offset: number, size: number): BodySlice | undefined {
    const end = this.#start + this.#window.length;
    const length = this.#length ?? Infinity;
    if (offset < this.#start || end < Math.min(offset + size, length)) return undefined;
    if (this.#length === undefined && end <= offset + size) return undefined;
    const from = offset - this.#start;
    return { payload: this.#window.subarray(from, from + size), more: offset + size < length };
  }

  /**
   * What to ask the application for, so that `slice` has the block; `undefined` when it has, when it was asked for
   * already, or when the block lies behind the end. Bytes further back than a block are forgotten. `offset` must be
   * one that the body `reaches`.
   */
  want(offset: number, size: number): BodyWish | undefined {
    if (this.source === undefined || this.slice(offset, size) !== undefined) return undefined;
    if (this.#wish !== undefined) return undefined;
    const end = this.#start + this.#window.length;
    const isOutside = offset < this.#start || offset > end;
    if (isOutside) {
      this.#window = noBytes;
      this.#start = offset;
    } else this.#forgetBefore(offset - size);
    const from = isOutside ? offset : end;
    const length = Math.min(offset + size + 1, this.#length ?? Infinity) - from;
    if (length <= 0) return undefined;
    this.#wish = { offset: from, length };
    return this.#wish;
  }

  /**
   * Takes bytes that were asked for, as a copy.
   *
   * @param last Nothing follows them.
   * @returns what is wrong with them, in words, or `undefined`.
   */
  provide(bytes: Uint8Array, last: boolean): string | undefined {
    const wish = this.#wish;
    if (wish === undefined) return 'bytes were given that nobody asked for';
    if (bytes.length > wish.length)
      return `${bytes.length} bytes were given where ${wish.length} were wanted`;
    this.#wish = undefined;
    const end = wish.offset + bytes.length;
    const announced = this.source?.length;
    if (announced !== undefined && last && end !== announced) {
      return `the body ended after ${end} bytes; ${announced} were announced`;
    }
    const grown = new Uint8Array(this.#window.length + bytes.length);
    grown.set(this.#window);
    grown.set(bytes, this.#window.length);
    this.#window = grown;
    if (last) this.#length = end;
    return undefined;
  }

  #forgetBefore(offset: number): void {
    const surplus = offset - this.#start;
    if (surplus <= 0) return;
    this.#window = this.#window.slice(surplus);
    this.#start += surplus;
  }
}
