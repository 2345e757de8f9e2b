/**
 * What bytes mean, field by field, and the reader that notes it.
 *
 * Each field says where it lies, so that bytes can be shown beside what they mean. Decoders of this folder never throw for what
 * bytes hold: where they stop making sense, the rest is a field called `rest` with a problem.
 *
 * @module
 */

import { hexText } from '../text/hex.ts';

/** One field, or a group of them. */
export interface DecodedField {
  /** The noun of the RFC. */
  readonly name: string;
  /** In one line, printable. */
  readonly value: string;
  /** First byte and the one after the last, in the bytes that were decoded. Fields of less than a byte share it. */
  readonly start: number;
  readonly end: number;
  /** What is wrong with it. */
  readonly problem?: string;
  readonly fields?: readonly DecodedField[];
}

/** Most bytes of a field that are shown. */
const longestHex = 64;

/** Reads big-endian numbers and bytes, and notes what they are. */
export class FieldReader {
  readonly bytes: Uint8Array;
  readonly fields: DecodedField[] = [];
  position: number;
  readonly end: number;
  /** Something did not fit: what comes after it was not read. */
  failed = false;

  constructor(bytes: Uint8Array, position = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  /** Bytes that are left. */
  get remaining(): number {
    return this.failed ? 0 : this.end - this.position;
  }

  /** A number of 1 to 6 bytes. 0 where there is none any more. */
  uint(name: string, length: number, text: (value: number) => string = String): number {
    const start = this.#advance(name, length);
    if (start === undefined) return 0;
    let value = 0;
    for (let at = start; at < start + length; at++) value = value * 256 + this.bytes[at]!;
    this.note(name, text(value), start);
    return value;
  }

  /** Bytes as hex, or as `text` says. */
  take(name: string, length: number, text: (bytes: Uint8Array) => string = shortHex): Uint8Array {
    const start = this.#advance(name, length);
    if (start === undefined) return new Uint8Array();
    const bytes = this.bytes.subarray(start, start + length);
    this.note(name, text(bytes), start);
    return bytes;
  }

  /** Bytes with their length, a number of `lengthBytes`, before them. */
  vector(name: string, lengthBytes: number, text: (bytes: Uint8Array) => string = shortHex): Uint8Array {
    return this.take(name, this.length(name, lengthBytes), text);
  }

  /** A length before something; noted as `name length`. */
  length(name: string, lengthBytes: number): number {
    return this.uint(`${name} length`, lengthBytes);
  }

  /** A group: what `read` notes stands below it. It has `length` bytes, read or not. */
  group(name: string, length: number, read: (inner: FieldReader) => string | undefined): void {
    const start = this.#advance(name, length);
    if (start === undefined) return;
    const inner = new FieldReader(this.bytes, start, start + length);
    const value = read(inner) ?? '';
    inner.rest();
    this.fields.push({ name, value, start, end: start + length, fields: inner.fields });
  }

  /** Notes a field from `start` to where the reader is. */
  note(name: string, value: string, start: number, problem?: string): void {
    this.fields.push({ name, value, start, end: this.position, ...(problem !== undefined && { problem }) });
  }

  /** What is left, if it is something: nobody knows what it is. */
  rest(problem = 'these bytes are not expected here'): void {
    if (this.remaining === 0) return;
    const start = this.position;
    this.position = this.end;
    this.note('rest', shortHex(this.bytes.subarray(start, this.end)), start, problem);
  }

  #advance(name: string, length: number): number | undefined {
    if (this.failed) return undefined;
    const start = this.position;
    if (start + length <= this.end) {
      this.position = start + length;
      return start;
    }
    this.position = this.end;
    this.note(
      name,
      shortHex(this.bytes.subarray(start, this.end)),
      start,
      `it ends before its ${length} bytes do`,
    );
    this.failed = true;
    return undefined;
  }
}

/** Hex digits, cut where there are many. */
export function shortHex(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'empty';
  const digits = hexText(bytes.subarray(0, longestHex));
  return bytes.length > longestHex ? `${digits}… (${bytes.length} bytes)` : digits;
}

/** All problems of fields and those below them. */
export function problemsOf(fields: readonly DecodedField[]): readonly string[] {
  return fields.flatMap(({ name, problem, fields: inner }) => [
    ...(problem === undefined ? [] : [`${name}: ${problem}`]),
    ...(inner === undefined ? [] : problemsOf(inner)),
  ]);
}

/** Where the fields of a part lie in the whole. */
export function moved(fields: readonly DecodedField[], by: number): readonly DecodedField[] {
  return fields.map((field) => ({
    ...field,
    start: field.start + by,
    end: field.end + by,
    ...(field.fields !== undefined && { fields: moved(field.fields, by) }),
  }));
}
