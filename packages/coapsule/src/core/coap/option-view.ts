/**
 * The options of a received message, read in place: nothing is allocated until a value is asked for.
 *
 * RFC 7252 §3.1. Reads a region that `decodeMessage` has already checked, so it checks nothing itself.
 *
 * @module
 */

import { decodeUtf8 } from '../foundation/utf8.ts';
import { illFormedText, type OptionEntry, type OptionReader, type OptionVisitor } from './option-set.ts';
import { decodeUint } from './option-value.ts';

/** Options between two offsets of a datagram. Values are views of the datagram, not copies. */
export class OptionView implements OptionReader {
  readonly #datagram: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  /** Bit n is set when an option whose number is n modulo 32 is there: answers most `has` without a walk. */
  readonly #presence: number;
  // The option that the walk under way has reached: its number, its value, and where the next one begins.
  #number = 0;
  #valueStart = 0;
  #valueEnd = 0;
  // What `texts` was asked for last: the path is, several times for each request.
  #textsNumber = -1;
  #texts: readonly string[] = [];

  /** @param presence Bit (number modulo 32) set for every option in the region. */
  constructor(datagram: Uint8Array, start: number, end: number, presence: number) {
    this.#datagram = datagram;
    this.#start = start;
    this.#end = end;
    this.#presence = presence;
  }

  has(number: number): boolean {
    return this.#seek(number);
  }

  first(number: number): Uint8Array | undefined {
    return this.#seek(number) ? this.#value() : undefined;
  }

  all(number: number): readonly Uint8Array[] {
    const values: Uint8Array[] = [];
    if (!this.#seek(number)) return values;
    do values.push(this.#value());
    while (this.#next() && this.#number === number);
    return values;
  }

  uint(number: number): number | undefined {
    return this.#seek(number) ? decodeUint(this.#datagram, this.#valueStart, this.#valueEnd) : undefined;
  }

  text(number: number): string | undefined {
    return this.#seek(number) ? this.#text() : undefined;
  }

  texts(number: number): readonly string[] {
    if (number === this.#textsNumber) return this.#texts;
    let texts: string[] = [];
    if (this.#seek(number)) {
      // Most often there is one.
      texts = [this.#text() ?? illFormedText];
      while (this.#next() && this.#number === number) texts.push(this.#text() ?? illFormedText);
    }
    this.#texts = texts;
    this.#textsNumber = number;
    return texts;
  }

  entries(): readonly OptionEntry[] {
    const entries: OptionEntry[] = [];
    this.#rewind();
    while (this.#next()) entries.push({ number: this.#number, value: this.#value() });
    return entries;
  }

  walk(visit: OptionVisitor): void {
    this.#rewind();
    while (this.#next() && visit(this.#number, this.#datagram, this.#valueStart, this.#valueEnd));
  }

  #value(): Uint8Array {
    return this.#datagram.subarray(this.#valueStart, this.#valueEnd);
  }

  #text(): string | undefined {
    return decodeUtf8(this.#datagram, this.#valueStart, this.#valueEnd);
  }

  /** Walks to the first instance of `number`; false when there is none. */
  #seek(number: number): boolean {
    if ((this.#presence & (1 << (number & 31))) === 0) return false;
    this.#rewind();
    while (this.#next()) if (this.#number >= number) return this.#number === number;
    return false;
  }

  #rewind(): void {
    this.#number = 0;
    this.#valueEnd = this.#start;
  }

  /** One option further; false behind the last. */
  #next(): boolean {
    let offset = this.#valueEnd;
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
    this.#number += delta;
    this.#valueStart = offset;
    this.#valueEnd = offset + length;
    return true;
  }
}
