/**
 * The options of a message as callers see them (`OptionReader`), and an ordered set for building messages.
 *
 * RFC 7252 §3.1 and §3.2. Options of a received message are read in place by `option-view.ts`. Neither
 * knows which options may repeat or how long they may be; see `option-registry.ts`.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import { decodeUtf8 } from '../foundation/utf8.ts';
import { maxOptionLength, maxOptionNumber } from './option-registry.ts';
import { decodeUint, encodeOptionValue, type OptionValue } from './option-value.ts';

/** One instance of an option. */
export interface OptionEntry {
  /** 0 … 65535. */
  readonly number: number;
  readonly value: Uint8Array;
}

/** Read access to the options of one message. */
export interface OptionReader {
  /** Whether there is an instance of option `number`. */
  has(number: number): boolean;
  /** The value of the first instance. */
  first(number: number): Uint8Array | undefined;
  /** The values of all instances, in the order of the message. */
  all(number: number): readonly Uint8Array[];
  /** The first instance read as uint; `undefined` when absent, or 2^53 and more. */
  uint(number: number): number | undefined;
  /** The first instance read as string; `undefined` when absent, or not well-formed UTF-8. */
  text(number: number): string | undefined;
  /**
   * All instances read as strings. A value that is not well-formed UTF-8 reads as U+FFFD, so that the
   * number of instances stays; such a message should have been refused before (`isLegalOptionValue`).
   */
  texts(number: number): readonly string[];
  /** All instances in ascending order of number; instances of one option in the order of the message. */
  entries(): Iterable<OptionEntry>;
  /**
   * Calls `visit` for each instance, in the same order, until it returns false: its value is in `bytes` from `start` to `end`.
   * For who looks at every option of every message: nothing is made for it.
   */
  walk(visit: OptionVisitor): void;
}

/** See `OptionReader.walk`. It asks the reader for nothing else meanwhile. */
export type OptionVisitor = (number: number, bytes: Uint8Array, start: number, end: number) => boolean;

/** What `OptionReader.texts` has for a value that is no text. */
export const illFormedText = '\ufffd';

/** Options in the order a message needs them, to build one. Changed in place by `add`, `set` and `delete`. */
export class OptionSet implements OptionReader {
  #entries: OptionEntry[] = [];
  /** Whether somebody was given the list: then it is not changed any more, but another takes its place. */
  #isShared = false;

  /** A new set with the given instances, in any order. Values are not copied. */
  static from(entries: Iterable<{ readonly number: number; readonly value: OptionValue }>): OptionSet {
    const set = new OptionSet();
    for (const entry of entries) set.add(entry.number, entry.value);
    return set;
  }

  /** Number of option instances. */
  get size(): number {
    return this.#entries.length;
  }

  /**
   * Adds one instance behind those with the same number. Bytes are not copied.
   * Throws `ApiMisuseError` when number or value cannot be written into a message.
   */
  add(number: number, value: OptionValue): this {
    if (!Number.isInteger(number) || number < 0 || number > maxOptionNumber) {
      throw new ApiMisuseError(
        `option number is ${number}; expected a whole number of 0 to ${maxOptionNumber}`,
      );
    }
    const bytes = encodeOptionValue(value);
    if (bytes.length > maxOptionLength) {
      throw new ApiMisuseError(
        `option ${number} has ${bytes.length} bytes; expected at most ${maxOptionLength}`,
      );
    }
    this.#own();
    let index = this.#entries.length;
    while (index > 0 && (this.#entries[index - 1] as OptionEntry).number > number) index--;
    const entry = { number, value: bytes };
    if (index === this.#entries.length) this.#entries.push(entry);
    else this.#entries.splice(index, 0, entry);
    return this;
  }

  /** Replaces all instances of option `number` by one. Throws as `add` does. */
  set(number: number, value: OptionValue): this {
    return this.delete(number).add(number, value);
  }

  /** Removes all instances of option `number`; does nothing when there is none. */
  delete(number: number): this {
    if (!this.has(number)) return this;
    this.#own();
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      if (this.#entries[i]?.number === number) this.#entries.splice(i, 1);
    }
    return this;
  }

  has(number: number): boolean {
    return this.first(number) !== undefined;
  }

  first(number: number): Uint8Array | undefined {
    for (const entry of this.#entries) if (entry.number === number) return entry.value;
    return undefined;
  }

  all(number: number): readonly Uint8Array[] {
    const values: Uint8Array[] = [];
    for (const entry of this.#entries) if (entry.number === number) values.push(entry.value);
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
    return this.all(number).map((value) => decodeUtf8(value) ?? illFormedText);
  }

  /** The list as it is now: later changes to the set do not show in it. */
  entries(): readonly OptionEntry[] {
    this.#isShared = true;
    return this.#entries;
  }

  walk(visit: OptionVisitor): void {
    for (const { number, value } of this.#entries) if (!visit(number, value, 0, value.length)) return;
  }

  #own(): void {
    if (!this.#isShared) return;
    this.#entries = this.#entries.slice();
    this.#isShared = false;
  }
}
