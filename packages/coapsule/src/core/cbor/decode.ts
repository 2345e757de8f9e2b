/**
 * Bytes to CBOR values, within limits.
 *
 * RFC 8949 §3 and Appendix C; sequences by RFC 8742. What is not well-formed is a fault, and so is what is not valid:
 * text that is no UTF-8, a key twice in one map (§5.3.1, §5.6). A subset in one point: keys are integers or text.
 *
 * @module
 */

import { ByteReader } from '../foundation/byte-reader.ts';
import { concatBytes } from '../foundation/bytes.ts';
import type { DecodeFault } from '../foundation/errors.ts';
import { decodeUtf8 } from '../foundation/utf8.ts';
import { halfToNumber, numberToHalf } from './float.ts';
import { type CborKey, CborSimple, CborTag, type CborValue } from './value.ts';

/** How much of a peer's input is taken. */
export interface CborLimits {
  /** Arrays, maps and tags within each other. Default 16, at most 64. */
  readonly maxDepth?: number;
  /** Data items in all: what one byte of input can cost is more than a byte. Default 65,536. */
  readonly maxItems?: number;
  /** Refuse whatever `encodeCbor` would not have written, but for whole numbers as floats (RFC 8949 §4.2.1). Default false. */
  readonly deterministic?: boolean;
}

/**
 * Decode one data item that fills the bytes (RFC 8949 §3).
 *
 * @param bytes Any bytes; byte strings of the result are views of them.
 * @returns the value, or a fault with the byte offset; never throws.
 */
export function decodeCbor(
  bytes: Uint8Array,
  limits: CborLimits = {},
): { readonly value: CborValue } | DecodeFault {
  const decoder = new Decoder(bytes, limits);
  const value = decoder.item(0);
  if (decoder.fault !== undefined) return decoder.fault;
  if (!decoder.atEnd) return decoder.fail('bytes behind the data item');
  return { value };
}

/** Decode a sequence of data items, perhaps empty (RFC 8742). The limits are for all items together. */
export function decodeCborSequence(bytes: Uint8Array, limits: CborLimits = {}): CborValue[] | DecodeFault {
  const decoder = new Decoder(bytes, limits);
  const values: CborValue[] = [];
  while (!decoder.atEnd) {
    values.push(decoder.item(0));
    if (decoder.fault !== undefined) return decoder.fault;
  }
  return values;
}

/** Ends an item of indefinite length (RFC 8949 §3.2.1). */
const breakCode = 0xff;

/** Lowest argument that needs each form of the head: 0 … 23 in the initial byte, then 1, 2, 4, 8 bytes. */
const shortestFrom: Readonly<Record<number, number>> = { 24: 24, 25: 0x100, 26: 0x1_0000, 27: 0x1_0000_0000 };

class Decoder {
  readonly #reader: ByteReader;
  readonly #maxDepth: number;
  readonly #deterministic: boolean;
  #itemsLeft: number;
  #fault: DecodeFault | undefined;

  constructor(bytes: Uint8Array, { maxDepth = 16, maxItems = 65_536, deterministic = false }: CborLimits) {
    this.#reader = new ByteReader(bytes);
    this.#maxDepth = Math.min(maxDepth, 64);
    this.#itemsLeft = maxItems;
    this.#deterministic = deterministic;
  }

  get fault(): DecodeFault | undefined {
    return this.#fault;
  }

  get atEnd(): boolean {
    return this.#reader.remaining === 0;
  }

  /** Keeps the first fault; what follows is of no interest. */
  fail(reason: string, offset: number = this.#reader.position): DecodeFault {
    this.#fault ??= { kind: 'decode-fault', layer: 'cbor', offset, reason };
    return this.#fault;
  }

  /** The next item; `undefined` with `fault` set when there is none. */
  item(depth: number): CborValue {
    const reader = this.#reader;
    const start = reader.position;
    if (--this.#itemsLeft < 0) return void this.fail('more data items than are taken');
    if (depth > this.#maxDepth) return void this.fail('nested deeper than is taken');
    const initial = reader.u8();
    if (reader.failed) return void this.fail('data item is missing', start);
    const major = initial >> 5;
    const additional = initial & 31;
    if (additional >= 28 && additional < 31)
      return void this.fail('additional information is reserved', start);
    if (major === 7) return this.#simpleOrFloat(additional, start);
    if (additional === 31) return this.#indefinite(major, depth, start);
    const argument = this.#argument(additional, start);
    if (this.#fault !== undefined) return undefined;
    switch (major) {
      case 0:
        return narrow(argument);
      case 1:
        return narrow(-1n - BigInt(argument));
      case 2:
        return this.#bytes(argument, start);
      case 3:
        return this.#text(argument, start);
      case 4:
        return this.#array(argument, depth);
      case 5:
        return this.#map(argument, depth);
      default:
        return new CborTag(narrow(argument), this.item(depth + 1));
    }
  }

  /** The argument of a head (RFC 8949 §3). */
  #argument(additional: number, start: number): number | bigint {
    if (additional < 24) return additional;
    const reader = this.#reader;
    let argument: number | bigint;
    if (additional === 24) argument = reader.u8();
    else if (additional === 25) argument = reader.u16();
    else if (additional === 26) argument = reader.u32();
    else argument = (BigInt(reader.u32()) << 32n) | BigInt(reader.u32());
    if (reader.failed) this.fail('head is cut off', start);
    else if (this.#deterministic && argument < (shortestFrom[additional] as number)) {
      this.fail('head is longer than it needs to be', start);
    }
    return argument;
  }

  #bytes(length: number | bigint, start: number): Uint8Array | undefined {
    if (length > this.#reader.remaining) return void this.fail('string is cut off', start);
    return this.#reader.view(Number(length));
  }

  #text(length: number | bigint, start: number): string | undefined {
    const bytes = this.#bytes(length, start);
    if (bytes === undefined) return undefined;
    const text = decodeUtf8(bytes);
    if (text === undefined) this.fail('text is not UTF-8', start);
    return text;
  }

  #array(length: number | bigint, depth: number): CborValue[] | undefined {
    const items: CborValue[] = [];
    // Nothing is reserved for a length that only says how much will follow.
    for (let i = 0; i < length; i++) {
      items.push(this.item(depth + 1));
      if (this.#fault !== undefined) return undefined;
    }
    return items;
  }

  #map(length: number | bigint, depth: number): Map<CborKey, CborValue> | undefined {
    const entries = new Map<CborKey, CborValue>();
    let previous: Uint8Array | undefined;
    for (let i = 0; i < length; i++) {
      previous = this.#entry(entries, depth, previous);
      if (this.#fault !== undefined) return undefined;
    }
    return entries;
  }

  /** Adds the next pair to a map; returns the bytes of its key. */
  #entry(
    entries: Map<CborKey, CborValue>,
    depth: number,
    previous: Uint8Array | undefined,
  ): Uint8Array | undefined {
    const start = this.#reader.position;
    const isNumber = (this.#reader.bytes[start] as number) >> 5 < 2;
    const key = this.item(depth + 1);
    if (this.#fault !== undefined) return undefined;
    if (typeof key !== 'string' && !(isNumber && (typeof key === 'number' || typeof key === 'bigint'))) {
      return void this.fail('key is neither an integer nor text', start);
    }
    if (entries.has(key)) return void this.fail('key is there twice', start);
    const bytes = this.#reader.bytes.subarray(start, this.#reader.position);
    if (this.#deterministic && previous !== undefined && !isBefore(previous, bytes)) {
      return void this.fail('keys are not sorted', start);
    }
    entries.set(key, this.item(depth + 1));
    return bytes;
  }

  #indefinite(major: number, depth: number, start: number): CborValue {
    if (this.#deterministic) return void this.fail('length is indefinite', start);
    switch (major) {
      case 2:
      case 3:
        return this.#chunks(major, start);
      case 4: {
        const items: CborValue[] = [];
        while (!this.#takeBreak()) {
          items.push(this.item(depth + 1));
          if (this.#fault !== undefined) return undefined;
        }
        return items;
      }
      case 5: {
        const entries = new Map<CborKey, CborValue>();
        while (!this.#takeBreak()) {
          this.#entry(entries, depth, undefined);
          if (this.#fault !== undefined) return undefined;
        }
        return entries;
      }
      default:
        return void this.fail('an integer or tag has no indefinite length', start);
    }
  }

  /** RFC 8949 §3.2.3: chunks of the same major type and of definite length; each of text is UTF-8 by itself. */
  #chunks(major: 2 | 3, start: number): Uint8Array | string | undefined {
    const chunks: Uint8Array[] = [];
    let text = '';
    while (!this.#takeBreak()) {
      const at = this.#reader.position;
      if (--this.#itemsLeft < 0) return void this.fail('more data items than are taken');
      const initial = this.#reader.u8();
      if (this.#reader.failed) return void this.fail('string is not closed', start);
      const additional = initial & 31;
      if (initial >> 5 !== major || additional >= 28) return void this.fail('chunk of another type', at);
      const length = this.#argument(additional, at);
      if (this.#fault !== undefined) return undefined;
      if (major === 2) chunks.push(this.#bytes(length, at) ?? new Uint8Array(0));
      else text += this.#text(length, at) ?? '';
      if (this.#fault !== undefined) return undefined;
    }
    return major === 2 ? concatBytes(...chunks) : text;
  }

  #takeBreak(): boolean {
    const reader = this.#reader;
    if (reader.bytes[reader.position] !== breakCode || reader.remaining === 0) return false;
    reader.u8();
    return true;
  }

  #simpleOrFloat(additional: number, start: number): CborValue {
    const reader = this.#reader;
    switch (additional) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      case 24: {
        const number = reader.u8();
        if (reader.failed) return void this.fail('head is cut off', start);
        // §3.3: below 32 the one-byte form is the only one.
        if (number < 32) return void this.fail('simple value below 32 in two bytes', start);
        return new CborSimple(number);
      }
      case 25:
      case 26:
      case 27:
        return this.#float(additional, start);
      case 31:
        return void this.fail('break outside of an item of indefinite length', start);
      default:
        return new CborSimple(additional);
    }
  }

  #float(additional: 25 | 26 | 27, start: number): number | undefined {
    const bytes = this.#reader.view(2 ** (additional - 24));
    if (this.#reader.failed) return void this.fail('floating-point number is cut off', start);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let value: number;
    let isShortest: boolean;
    if (additional === 25) {
      const bits = view.getUint16(0);
      value = halfToNumber(bits);
      isShortest = !Number.isNaN(value) || bits === 0x7e00;
    } else if (additional === 26) {
      value = view.getFloat32(0);
      isShortest = numberToHalf(value) === undefined;
    } else {
      value = view.getFloat64(0);
      isShortest = Math.fround(value) !== value && !Number.isNaN(value);
    }
    if (this.#deterministic && !isShortest) {
      this.fail('floating-point number is longer than it needs to be', start);
    }
    return value;
  }
}

/** A `number` where it is exact. */
function narrow(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value;
  const isExact = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
  return isExact ? Number(value) : value;
}

function isBefore(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number);
  }
  return a.length < b.length;
}
