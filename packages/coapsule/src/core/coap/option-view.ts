/**
 * The options of a received message, read in place: nothing is allocated until a value is asked for.
 *
 * RFC 7252 §3.1. Reads a region that `decodeMessage` has already checked, so it checks nothing itself.
 *
 * @module
 */

import { decodeUtf8 } from '../foundation/utf8.ts';
import { lossyText, type OptionEntry, type OptionReader } from './option-set.ts';
import { decodeUint } from './option-value.ts';

/** Options between two offsets of a datagram. Values are views of the datagram, not copies. */
export class OptionView implements OptionReader {
  readonly #datagram: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  /** Bit n is set when an option whose number is n modulo 32 is there: answers most `has` without a walk. */
  readonly #presence: number;

  /** @param presence Bit (number modulo 32) set for every option in the region. */
  constructor(datagram: Uint8Array, start: number, end: number, presence: number) {
    this.#datagram = datagram;
    this.#start = start;
    this.#end = end;
    this.#presence = presence;
  }

  has(number: number): boolean {
    return this.#seek(number) !== undefined;
  }

  first(number: number): Uint8Array | undefined {
    const cursor = this.#seek(number);
    return cursor === undefined ? undefined : this.#datagram.subarray(cursor.valueStart, cursor.offset);
  }

  all(number: number): readonly Uint8Array[] {
    const values: Uint8Array[] = [];
    const cursor = this.#seek(number);
    if (cursor === undefined) return values;
    do values.push(this.#datagram.subarray(cursor.valueStart, cursor.offset));
    while (cursor.next() && cursor.number === number);
    return values;
  }

  uint(number: number): number | undefined {
    const value = this.first(number);
    return value === undefined ? undefined : decodeUint(value);
  }

  text(number: number): string | undefined {
    const value = this.first(number);
    return value === undefined ? undefined : decodeUtf8(value);
  }

  texts(number: number): readonly string[] {
    return this.all(number).map(lossyText);
  }

  entries(): readonly OptionEntry[] {
    const entries: OptionEntry[] = [];
    const cursor = new OptionCursor(this.#datagram, this.#start, this.#end);
    while (cursor.next()) {
      entries.push({
        number: cursor.number,
        value: this.#datagram.subarray(cursor.valueStart, cursor.offset),
      });
    }
    return entries;
  }

  /** A cursor on the first instance of `number`, or `undefined` when there is none. */
  #seek(number: number): OptionCursor | undefined {
    if ((this.#presence & (1 << (number & 31))) === 0) return undefined;
    const cursor = new OptionCursor(this.#datagram, this.#start, this.#end);
    while (cursor.next()) if (cursor.number >= number) return cursor.number === number ? cursor : undefined;
    return undefined;
  }
}

/** Steps from option to option of a checked region. */
class OptionCursor {
  readonly #datagram: Uint8Array;
  readonly #end: number;
  /** One past the value of the option the cursor is on; where the next option begins. */
  offset: number;
  valueStart = 0;
  number = 0;

  constructor(datagram: Uint8Array, start: number, end: number) {
    this.#datagram = datagram;
    this.#end = end;
    this.offset = start;
  }

  next(): boolean {
    let offset = this.offset;
    if (offset >= this.#end) return false;
    const datagram = this.#datagram;
    const head = datagram[offset++] as number;
    let delta = head >> 4;
    if (delta === 13) {
      delta = 13 + (datagram[offset++] as number);
    } else if (delta === 14) {
      delta = 269 + (((datagram[offset] as number) << 8) | (datagram[offset + 1] as number));
      offset += 2;
    }
    let length = head & 15;
    if (length === 13) {
      length = 13 + (datagram[offset++] as number);
    } else if (length === 14) {
      length = 269 + (((datagram[offset] as number) << 8) | (datagram[offset + 1] as number));
      offset += 2;
    }
    this.number += delta;
    this.valueStart = offset;
    this.offset = offset + length;
    return true;
  }
}
