/**
 * CBOR diagnostic notation to bytes.
 *
 * RFC 8949 §8 with its encoding indicators, and of RFC 8610 appendix G: comments, byte strings as text, embedded CBOR,
 * numbers in base 2, 8 and 16. Strings that stand side by side are not joined. The other way is `cbor2/diagnostic`.
 * Nothing here is of Node.
 *
 * @module
 */

import { hexBytes } from '../text/hex.ts';

/** What is wrong with a text, and where. */
export interface DiagnosticFault {
  /** In characters, from 0. */
  readonly offset: number;
  readonly reason: string;
}

/** Arrays, maps and tags within each other. */
const deepest = 64;

/** Longest text that is read, in characters. */
const longestText = 4 * 1024 * 1024;

/** Major types (RFC 8949 §3.1). */
const major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, other: 7 } as const;

const indefinite = 31;
const breakCode = 0xff;

/**
 * Reads one data item, or a sequence of them with commas between (RFC 8742).
 *
 * Integers and floating-point numbers get the shortest form that holds them, where no encoding indicator says otherwise;
 * entries of maps stay in their order.
 *
 * @returns its encoding, or a fault; never throws.
 */
export function encodeDiagnostic(text: string): Uint8Array | DiagnosticFault {
  if (text.length > longestText) return { offset: longestText, reason: 'the text is too long' };
  const notation = new Notation(text);
  try {
    return Uint8Array.from(notation.whole());
  } catch (error) {
    if (error instanceof Unreadable) return { offset: error.offset, reason: error.message };
    throw error;
  }
}

/** The fault with its place, in words. */
export function diagnosticFaultText({ offset, reason }: DiagnosticFault): string {
  return `character ${offset + 1}: ${reason}`;
}

class Unreadable extends Error {
  readonly offset: number;
  constructor(offset: number, reason: string) {
    super(reason);
    this.offset = offset;
  }
}

/** Strings that can stand in a sequence of chunks. */
interface StringItem {
  readonly type: typeof major.bytes | typeof major.text;
  readonly content: Uint8Array;
}

class Notation {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): number[] {
    const bytes: number[] = [];
    this.#space();
    do append(bytes, this.#item(0));
    while (this.#take(',') && !this.#isAtEnd);
    if (!this.#isAtEnd) throw this.#unreadable('one data item ends here, and more follows');
    return bytes;
  }

  get #isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  #unreadable(reason: string, offset: number = this.#at): Unreadable {
    return new Unreadable(offset, reason);
  }

  #item(depth: number): readonly number[] {
    if (depth > deepest) throw this.#unreadable(`deeper than ${deepest} levels`);
    const string = this.#string();
    if (string !== undefined) return this.#encodedString(string);
    if (this.#take('[')) return this.#container(major.array, ']', depth);
    if (this.#take('{')) return this.#container(major.map, '}', depth);
    if (this.#take('(')) return this.#chunks();
    if (this.#take('<<')) return this.#embedded(depth);
    const start = this.#at;
    const name = this.#match(/[A-Za-z]+/y);
    if (name !== undefined) return this.#named(name, start);
    return this.#number(depth);
  }

  #named(name: string, start: number): readonly number[] {
    switch (name) {
      case 'false':
        return this.#end([0xf4]);
      case 'true':
        return this.#end([0xf5]);
      case 'null':
        return this.#end([0xf6]);
      case 'undefined':
        return this.#end([0xf7]);
      case 'NaN':
        return this.#float(Number.NaN);
      case 'Infinity':
        return this.#float(Number.POSITIVE_INFINITY);
      case 'simple':
        return this.#simple();
    }
    throw this.#unreadable(
      'neither a number, a string, [, {, nor true, false, null, undefined, NaN, Infinity or simple(…)',
      start,
    );
  }

  /** §8: `simple(16)`. */
  #simple(): readonly number[] {
    this.#space();
    this.#expect('(', 'simple is followed by its number in brackets');
    const start = this.#at;
    const number = Number(this.#match(/\d{1,3}/y));
    // RFC 8949 §3.3: 24 to 31 are reserved.
    if (!(number >= 0 && number <= 255) || (number >= 24 && number <= 31))
      throw this.#unreadable('simple values are 0 to 23 and 32 to 255', start);
    this.#space();
    this.#expect(')', 'a closing bracket is missing');
    this.#space();
    return number < 24 ? [0xe0 | number] : [0xf8, number];
  }

  #container(type: typeof major.array | typeof major.map, closing: string, depth: number): readonly number[] {
    const width = this.#indicator();
    this.#space();
    const content: number[] = [];
    let count = 0;
    while (!this.#take(closing)) {
      if (this.#isAtEnd) throw this.#unreadable(`${closing} is missing`);
      append(content, this.#item(depth + 1));
      if (type === major.map) {
        this.#expect(':', 'a key is followed by : and its value');
        this.#space();
        append(content, this.#item(depth + 1));
      }
      count++;
      if (this.#take(',')) continue;
      this.#expect(closing, `, or ${closing} is missing`);
      this.#space();
      break;
    }
    return width === indefinite
      ? joined([(type << 5) | indefinite], content, [breakCode])
      : joined(this.#head(type, BigInt(count), width), content);
  }

  /** §8.1: `(_ h'01', h'02')`. */
  #chunks(): readonly number[] {
    const start = this.#at - 1;
    if (this.#indicator() !== indefinite)
      throw this.#unreadable('( begins a string of indefinite length, (_ "a", "b")', start);
    this.#space();
    const first = this.#chunk();
    const content = [...first.encoded];
    while (this.#take(',')) {
      const next = this.#chunk();
      if (next.type !== first.type) throw this.#unreadable('text and bytes are not joined');
      append(content, next.encoded);
    }
    this.#expect(')', ', or ) is missing');
    this.#space();
    return joined([(first.type << 5) | indefinite], content, [breakCode]);
  }

  #chunk(): { readonly type: number; readonly encoded: readonly number[] } {
    const string = this.#string();
    if (string === undefined) throw this.#unreadable('a string is missing');
    return { type: string.type, encoded: this.#encodedString(string) };
  }

  /** RFC 8610 appendix G.3: a byte string of the items inside. */
  #embedded(depth: number): readonly number[] {
    const content: number[] = [];
    while (!this.#take('>>')) {
      if (this.#isAtEnd) throw this.#unreadable('>> is missing');
      append(content, this.#item(depth + 1));
      if (this.#take(',')) continue;
      this.#expect('>>', ', or >> is missing');
      this.#space();
      break;
    }
    return joined(this.#head(major.bytes, BigInt(content.length), undefined), content);
  }

  #number(depth: number): readonly number[] {
    const start = this.#at;
    const token = this.#match(
      /[+-]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|Infinity|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/y,
    );
    if (token === undefined) {
      throw this.#unreadable(this.#isAtEnd ? 'a data item is missing' : 'no data item begins like this');
    }
    if (!/^[+-]?(?:\d+|0[xXoObB].*)$/.test(token)) return this.#float(Number(token));
    const isNegative = token.startsWith('-');
    const magnitude = BigInt(token.replace(/^[+-]/, ''));
    const width = this.#indicator();
    if (this.#take('(')) return this.#tagged(magnitude, width, isNegative, start, depth);
    this.#space();
    if (!isNegative || magnitude === 0n) return this.#integer(major.unsigned, magnitude, width, start);
    return this.#integer(major.negative, magnitude - 1n, width, start);
  }

  #tagged(
    tag: bigint,
    width: number | undefined,
    isNegative: boolean,
    start: number,
    depth: number,
  ): readonly number[] {
    if (isNegative || tag >= 1n << 64n) throw this.#unreadable('tags are 0 to 18446744073709551615', start);
    this.#space();
    const content = this.#item(depth + 1);
    this.#expect(')', 'a closing bracket is missing');
    this.#space();
    return joined(this.#head(major.tag, tag, width, start), content);
  }

  /** What does not fit 64 bits is a bignum (RFC 8949 §3.4.3). */
  #integer(
    type: typeof major.unsigned | typeof major.negative,
    argument: bigint,
    width: number | undefined,
    start: number,
  ): readonly number[] {
    if (argument < 1n << 64n) return this.#head(type, argument, width, start);
    if (width !== undefined) throw this.#unreadable('a number of this size has no such form', start);
    let digits = argument.toString(16);
    if (digits.length % 2 !== 0) digits = `0${digits}`;
    const bytes = hexBytes(digits)!;
    return joined(
      [(major.tag << 5) | (type === major.unsigned ? 2 : 3)],
      this.#head(major.bytes, BigInt(bytes.length), undefined),
      bytes,
    );
  }

  #float(value: number): readonly number[] {
    const start = this.#at;
    const width = this.#indicator();
    this.#space();
    const half = halfBits(value);
    if (width === 25 || (width === undefined && half !== undefined)) {
      if (half === undefined) throw this.#unreadable('the number does not fit 16 bits', start);
      return [0xf9, half >> 8, half & 0xff];
    }
    const view = new DataView(new ArrayBuffer(8));
    const isSingle = Number.isNaN(value) || Math.fround(value) === value;
    if (width === 26 || (width === undefined && isSingle)) {
      if (!isSingle) throw this.#unreadable('the number does not fit 32 bits', start);
      view.setFloat32(0, value);
      return [0xfa, ...new Uint8Array(view.buffer, 0, 4)];
    }
    if (width !== undefined && width !== 27)
      throw this.#unreadable('floating-point numbers have 16 (_1), 32 (_2) or 64 (_3) bits', start);
    view.setFloat64(0, value);
    return [0xfb, ...new Uint8Array(view.buffer)];
  }

  #encodedString({ type, content }: StringItem): readonly number[] {
    const width = this.#indicator();
    this.#space();
    if (width === indefinite) {
      // §8.1: ''_ and ""_ have no chunk at all.
      if (content.length > 0) throw this.#unreadable("only an empty string has _ behind it; write (_ '…')");
      return [(type << 5) | indefinite, breakCode];
    }
    return joined(this.#head(type, BigInt(content.length), width), content);
  }

  #string(): StringItem | undefined {
    const start = this.#at;
    const opening = this.#match(/(?:h|b32|h32|b64)?'|"/y);
    if (opening === undefined) return undefined;
    if (opening === '"') return { type: major.text, content: utf8(this.#quoted('"', start)) };
    const inside = opening === "'" ? this.#quoted("'", start) : this.#based(start);
    const content = opening === "'" ? utf8(inside) : basedBytes(opening.slice(0, -1), inside);
    if (content === undefined) throw this.#unreadable(`this is not in the form of ${opening}…'`, start);
    return { type: major.bytes, content };
  }

  /** The digits up to the quote, without the white space and comments among them. */
  #based(start: number): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw this.#unreadable("the closing ' is missing", start);
    const inside = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return inside.replace(/\s+|#.*$/gm, '');
  }

  /** Up to the quote, with the escapes of JSON (and \' ). */
  #quoted(quote: string, start: number): string {
    let result = '';
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) throw this.#unreadable(`the closing ${quote} is missing`, start);
      this.#at++;
      if (character === quote) return result;
      if (character !== '\\') {
        result += character;
        continue;
      }
      const escaped = this.#match(/u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|["'\\/bfnrt]/y);
      const meant = escaped === undefined ? undefined : unescaped(escaped);
      if (meant === undefined) throw this.#unreadable('no escape begins like this', this.#at - 1);
      result += meant;
    }
  }

  /**
   * An encoding indicator (§8.1): `_` is indefinite length, `_0` to `_3` arguments of 1, 2, 4 and 8 bytes, `_i` none.
   *
   * @returns the additional information that it stands for (0 for `_i`); nothing without an indicator.
   */
  #indicator(): number | undefined {
    const start = this.#at;
    const indicator = this.#match(/_[0-9A-Za-z]*/y);
    if (indicator === undefined) return undefined;
    if (indicator === '_') return indefinite;
    if (indicator === '_i') return 0;
    const digit = /^_([0-3])$/.exec(indicator)?.[1];
    if (digit === undefined)
      throw this.#unreadable('encoding indicators are _, _i, _0, _1, _2 and _3', start);
    return 24 + Number(digit);
  }

  #head(
    type: number,
    argument: bigint,
    width: number | undefined,
    start: number = this.#at,
  ): readonly number[] {
    const least =
      argument < 24n
        ? 0
        : argument < 1n << 8n
          ? 24
          : argument < 1n << 16n
            ? 25
            : argument < 1n << 32n
              ? 26
              : 27;
    const information = width ?? least;
    if (information < least || information > 27)
      throw this.#unreadable('the encoding indicator does not fit what it belongs to', start);
    if (information === 0) return [(type << 5) | Number(argument)];
    const length = 1 << (information - 24);
    const bytes = hexBytes(argument.toString(16).padStart(2 * length, '0'))!;
    return [(type << 5) | information, ...bytes];
  }

  #end(bytes: readonly number[]): readonly number[] {
    this.#space();
    return bytes;
  }

  #expect(token: string, otherwise: string): void {
    if (!this.#text.startsWith(token, this.#at)) throw this.#unreadable(otherwise);
    this.#at += token.length;
  }

  /** Takes a token and the space behind it. */
  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    // An encoding indicator stands close to its bracket.
    if (this.#text[this.#at] !== '_') this.#space();
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  /** White space, `/ comments /` and `# comments` to the end of their line (RFC 8610 appendix G.6). */
  #space(): void {
    while (this.#match(/\s+|#[^\n]*|\/[^/]*\//y) !== undefined);
  }
}

function unescaped(escaped: string): string | undefined {
  const [, digits] = /^u\{?([0-9a-fA-F]+)/.exec(escaped) ?? [];
  if (digits !== undefined) {
    const point = Number.parseInt(digits, 16);
    return point > 0x10ffff ? undefined : String.fromCodePoint(point);
  }
  return { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }[escaped] ?? escaped;
}

const base32Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const base32HexDigits = '0123456789ABCDEFGHIJKLMNOPQRSTUV';
const base64Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Bytes of a base encoding (RFC 4648), with or without padding. */
function basedBytes(base: string, text: string): Uint8Array | undefined {
  let end = text.length;
  while (end > 0 && text[end - 1] === '=') end--;
  const digits = text.slice(0, end);
  switch (base) {
    case 'h':
      return hexBytes(text);
    case 'b32':
      return bitsOf(digits.toUpperCase(), base32Digits, 5);
    case 'h32':
      return bitsOf(digits.toUpperCase(), base32HexDigits, 5);
    default:
      return bitsOf(digits.replaceAll('-', '+').replaceAll('_', '/'), base64Digits, 6);
  }
}

function bitsOf(text: string, digits: string, width: number): Uint8Array | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const character of text) {
    const digit = digits.indexOf(character);
    if (digit < 0) return undefined;
    held = (held << width) | digit;
    bits += width;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
    held &= (1 << bits) - 1;
  }
  // What is left is padding: less than a digit, and zero.
  return bits < width && held === 0 ? Uint8Array.from(bytes) : undefined;
}

/** The bits of a number in 16 bits (IEEE 754 binary16), where it is exact. */
function halfBits(value: number): number | undefined {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = Object.is(value, -0) || value < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (magnitude > 65_504) return undefined;
  const exponent = magnitude === 0 ? -15 : Math.max(-15, Math.floor(Math.log2(magnitude)));
  // Below 2^-14 numbers are multiples of 2^-24.
  const step = exponent < -14 ? 2 ** -24 : 2 ** (exponent - 10);
  const multiple = magnitude / step;
  if (!Number.isInteger(multiple)) return undefined;
  return sign | (exponent < -14 ? multiple : ((exponent + 15) << 10) + (multiple - 1024));
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function append(to: number[], bytes: Iterable<number>): void {
  for (const byte of bytes) to.push(byte);
}

function joined(...parts: readonly Iterable<number>[]): number[] {
  const result: number[] = [];
  for (const part of parts) append(result, part);
  return result;
}
