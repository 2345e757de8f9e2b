/**
 * A strict reader of DER (ITU-T X.690), the encoding of certificates and keys.
 *
 * As in `ByteReader`, a read that does not fit sets the fault and returns something empty, and so do all later ones: a
 * decoder reads its fields in order and asks for `fault` once. Refused: indefinite and non-minimal lengths, tags above
 * 30, elements that reach past the one around them, and nesting deeper than a certificate has. Accepted although DER
 * forbids it: a value that equals its DEFAULT, as many issuers write `cA FALSE`.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';
import type { DecodeFault } from '../foundation/errors.ts';
import { utcToMs } from './utc-time.ts';

/** Identifier octets (X.690 §8.1.2) of the types that certificates use. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of a context-specific tag, as in `[3] EXPLICIT`. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | number;
}

/** One element: identifier, length and contents. Both arrays are views. */
export interface DerElement {
  /** The identifier octet; 0 for what a failed read returns. */
  readonly tag: number;
  /** Offset of the first content byte in the whole input. */
  readonly contentsOffset: number;
  readonly contents: Uint8Array;
  readonly encoding: Uint8Array;
}

/** A BIT STRING whose unused bits are zero. */
export interface BitString {
  readonly unusedBits: number;
  readonly bytes: Uint8Array;
}

/** More than any structure here needs; general names in name constraints lie at depth 10. */
const maxDepth = 16;
const maxObjectIdentifierLength = 64;

const noElement: DerElement = { tag: 0, contentsOffset: 0, contents: noBytes, encoding: noBytes };

/** A cursor over the elements of one constructed element, or of the whole input. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #position: number;
  readonly #end: number;
  readonly #depth: number;
  /** Shared by all readers of one input. */
  readonly #outcome: { fault: DecodeFault | undefined };

  private constructor(
    bytes: Uint8Array,
    position: number,
    end: number,
    depth: number,
    outcome: { fault: DecodeFault | undefined },
  ) {
    this.#bytes = bytes;
    this.#position = position;
    this.#end = end;
    this.#depth = depth;
    this.#outcome = outcome;
  }

  /** A reader of a whole input; the bytes are not copied. */
  static of(bytes: Uint8Array): DerReader {
    return new DerReader(bytes, 0, bytes.length, 0, { fault: undefined });
  }

  /** The first thing that did not fit, anywhere in the input. */
  get fault(): DecodeFault | undefined {
    return this.#outcome.fault;
  }

  /** Whether another element follows; false after a fault, so that loops end. */
  get more(): boolean {
    return this.#outcome.fault === undefined && this.#position < this.#end;
  }

  /** Whether an element with this tag is next. */
  next(tag: number): boolean {
    return this.more && this.#bytes[this.#position] === tag;
  }

  /** Makes the whole input faulty, unless it already is. */
  refuse(reason: string, offset: number = this.#position): void {
    this.#outcome.fault ??= { kind: 'decode-fault', layer: 'x509', offset, reason };
  }

  /** The next element, of any type. */
  any(what: string): DerElement {
    if (!this.more) return this.#none(`${what} is missing`);
    const start = this.#position;
    const tag = this.#bytes[start] as number;
    if ((tag & 0x1f) === 0x1f) return this.#none(`${what} has a tag above 30`);
    let position = start + 1;
    let length = position < this.#end ? (this.#bytes[position++] as number) : -1;
    if (length === 0x80) return this.#none(`${what} has an indefinite length`);
    if (length > 0x80) {
      const size = length & 0x7f;
      // 3 bytes count to 16 MiB, more than any input.
      if (size > 3 || position + size > this.#end) return this.#none(`${what} is longer than what is left`);
      length = 0;
      for (let i = 0; i < size; i++) length = length * 256 + (this.#bytes[position++] as number);
      if (length < 0x80 || length < 256 ** (size - 1)) return this.#none(`${what} has a non-minimal length`);
    }
    if (length < 0 || position + length > this.#end) {
      return this.#none(`${what} is longer than what is left`);
    }
    this.#position = position + length;
    return {
      tag,
      contentsOffset: position,
      contents: this.#bytes.subarray(position, this.#position),
      encoding: this.#bytes.subarray(start, this.#position),
    };
  }

  /** The next element, which has this tag. */
  element(tag: number, what: string): DerElement {
    if (this.more && this.#bytes[this.#position] !== tag) return this.#none(`${what} has another type`);
    return this.any(what);
  }

  /** A reader of what is inside of an element that this or another reader of the input returned. */
  inside(element: DerElement): DerReader {
    const { contentsOffset, contents } = element;
    if (this.#depth === maxDepth) this.refuse('is nested too deeply', contentsOffset);
    const end = contentsOffset + contents.length;
    return new DerReader(this.#bytes, contentsOffset, end, this.#depth + 1, this.#outcome);
  }

  /** A reader of what is inside of the next element. */
  enter(tag: number, what: string): DerReader {
    return this.inside(this.element(tag, what));
  }

  /** Refuses bytes that are left. */
  close(what: string): void {
    if (this.more) this.refuse(`${what} has bytes too many`);
  }

  boolean(what: string): boolean {
    const { contents, contentsOffset } = this.element(derTag.boolean, what);
    if (contents.length !== 1 || (contents[0] !== 0 && contents[0] !== 0xff)) {
      this.refuse(`${what} is no BOOLEAN of DER`, contentsOffset);
    }
    return contents[0] === 0xff;
  }

  /** The two's complement bytes of an INTEGER, without a byte too many. */
  integer(what: string, tag: number = derTag.integer): Uint8Array {
    const { contents, contentsOffset } = this.element(tag, what);
    const [first, second] = contents;
    const padded =
      second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
    if (first === undefined || padded) this.refuse(`${what} is no INTEGER of DER`, contentsOffset);
    return contents;
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  smallInteger(what: string, tag: number = derTag.integer): number {
    const bytes = this.integer(what, tag);
    if (bytes.length > 4 || (bytes[0] ?? 0) >= 0x80) this.refuse(`${what} is negative or too large`);
    return bytes.reduce((value, byte) => value * 256 + byte, 0);
  }

  bitString(what: string): BitString {
    const { contents, contentsOffset } = this.element(derTag.bitString, what);
    const unusedBits = contents[0] ?? 8;
    const last = contents[contents.length - 1] ?? 0;
    const unusedAreZero = contents.length > 1 ? (last & ((1 << unusedBits) - 1)) === 0 : unusedBits === 0;
    if (unusedBits > 7 || !unusedAreZero) this.refuse(`${what} is no BIT STRING of DER`, contentsOffset);
    return { unusedBits, bytes: contents.subarray(1) };
  }

  /** A BIT STRING of whole bytes, as signatures and keys are. */
  wholeBytes(what: string): Uint8Array {
    const { unusedBits, bytes } = this.bitString(what);
    if (unusedBits !== 0) this.refuse(`${what} does not end with a whole byte`);
    return bytes;
  }

  null(what: string): void {
    const { contents, contentsOffset } = this.element(derTag.null, what);
    if (contents.length !== 0) this.refuse(`${what} is no NULL`, contentsOffset);
  }

  /** An OBJECT IDENTIFIER in dotted form; the empty text after a fault. */
  objectIdentifier(what: string, tag: number = derTag.objectIdentifier): string {
    const { contents, contentsOffset } = this.element(tag, what);
    const text = objectIdentifierText(contents);
    if (text === undefined) this.refuse(`${what} is no OBJECT IDENTIFIER`, contentsOffset);
    return text ?? '';
  }

  /** A UTCTime or GeneralizedTime in the form of RFC 5280 §4.1.2.5, in milliseconds since 1970. */
  time(what: string): number {
    const { tag, contents, contentsOffset } = this.any(what);
    const ms =
      tag === derTag.utcTime || tag === derTag.generalizedTime
        ? timeOf(contents, tag === derTag.utcTime)
        : undefined;
    if (ms === undefined)
      this.refuse(`${what} is no time in Greenwich Mean Time with seconds`, contentsOffset);
    return ms ?? 0;
  }

  #none(reason: string): DerElement {
    this.refuse(reason);
    return noElement;
  }
}

/** X.690 §8.19: base 128, each number without leading zeros; the first two arcs share one number. */
function objectIdentifierText(contents: Uint8Array): string | undefined {
  if (contents.length === 0 || contents.length > maxObjectIdentifierLength) return undefined;
  const arcs: number[] = [];
  let arc = 0;
  let begun = false;
  for (const byte of contents) {
    if (!begun && byte === 0x80) return undefined;
    if (arc >= 2 ** 45) return undefined;
    arc = arc * 128 + (byte & 0x7f);
    begun = byte >= 0x80;
    if (begun) continue;
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(arc / 40));
      arcs.push(root, arc - 40 * root);
    } else {
      arcs.push(arc);
    }
    arc = 0;
  }
  return begun ? undefined : arcs.join('.');
}

/** RFC 5280 §4.1.2.5.1 (YYMMDDHHMMSSZ, 1950 to 2049) and §4.1.2.5.2 (YYYYMMDDHHMMSSZ, no fractions). */
function timeOf(contents: Uint8Array, twoDigitYear: boolean): number | undefined {
  const yearDigits = twoDigitYear ? 2 : 4;
  if (contents.length !== yearDigits + 11 || contents[contents.length - 1] !== 0x5a) return undefined;
  const digits = contents.subarray(0, -1);
  if (!digits.every((byte) => byte >= 0x30 && byte <= 0x39)) return undefined;
  const number = (start: number, length: number): number =>
    digits.subarray(start, start + length).reduce((value, byte) => value * 10 + byte - 0x30, 0);
  let year = number(0, yearDigits);
  if (twoDigitYear) year += year < 50 ? 2000 : 1900;
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((start) =>
    number(yearDigits + start, 2),
  ) as [number, number, number, number, number];
  return utcToMs(year, month, day, hour, minute, second);
}
