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
    return this.first(number) !== undefined;
  }

  first(number: number): Uint8Array | undefined {
    let found: Uint8Array | undefined;
    this.#walk(number, (_, start, end) => {
      found = this.#datagram.subarray(start, end);
      return false;
    });
    return found;
  }

  all(number: number): readonly Uint8Array[] {
    const values: Uint8Array[] = [];
    this.#walk(number, (_, start, end) => {
      values.push(this.#datagram.subarray(start, end));
      return true;
    });
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
    this.#walk(undefined, (number, start, end) => {
      entries.push({ number, value: this.#datagram.subarray(start, end) });
      return true;
    });
    return entries;
  }

  /** Visits the instances of `wanted` (or all) until `visit` returns false. */
  #walk(wanted: number | undefined, visit: (number: number, start: number, end: number) => boolean): void {
    if (wanted !== undefined && (this.#presence & (1 << (wanted & 31))) === 0) return;
    const datagram = this.#datagram;
    let offset = this.#start;
    let number = 0;
    while (offset < this.#end) {
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
      number += delta;
      if (wanted !== undefined && number > wanted) return;
      if (wanted === undefined || number === wanted) {
        if (!visit(number, offset, offset + length)) return;
      }
      offset += length;
    }
  }
}
