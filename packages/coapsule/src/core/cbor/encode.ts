/**
 * CBOR values to bytes, in the one deterministic way.
 *
 * RFC 8949 §4.2.1: shortest heads, definite lengths, keys sorted by their bytes, the shortest floating-point format
 * that keeps the value, and by §4.2.2 one NaN. A number that is whole becomes an integer where a `number` is exact.
 *
 * @module
 */

import { ByteWriter } from '../foundation/byte-writer.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { encodeUtf8 } from '../foundation/utf8.ts';
import { numberToHalf } from './float.ts';
import { CborSimple, CborTag, type CborValue, isCborArray, isCborMap } from './value.ts';

/** Major types (RFC 8949 §3.1). */
const unsigned = 0;
const negative = 1;
const byteString = 2;
const textString = 3;
const array = 4;
const map = 5;
const tag = 6;
const simpleOrFloat = 7;

/** Nesting that `encodeCbor` takes. */
const maxEncodeDepth = 64;

/**
 * Encode one data item (RFC 8949 §4.2).
 *
 * Throws `ApiMisuseError` for an integer outside of -2^64 … 2^64 - 1, a tag or simple number out of range, and for
 * nesting above 64.
 */
export function encodeCbor(value: CborValue): Uint8Array {
  const writer = new ByteWriter();
  write(writer, value, 0);
  return writer.finish();
}

function write(writer: ByteWriter, value: CborValue, depth: number): void {
  if (depth > maxEncodeDepth) {
    throw new ApiMisuseError(`the value is nested deeper than ${maxEncodeDepth}; expected less`);
  }
  if (typeof value === 'number') writeNumber(writer, value);
  else if (typeof value === 'bigint') writeInteger(writer, value);
  else if (typeof value === 'string') writeString(writer, textString, encodeUtf8(value));
  else if (value === false) writer.u8(0xf4);
  else if (value === true) writer.u8(0xf5);
  else if (value === null) writer.u8(0xf6);
  else if (value === undefined) writer.u8(0xf7);
  else if (value instanceof Uint8Array) writeString(writer, byteString, value);
  else if (isCborArray(value)) {
    writeHead(writer, array, value.length);
    for (const item of value) write(writer, item, depth + 1);
  } else if (isCborMap(value)) {
    writeHead(writer, map, value.size);
    const entries = [...value].map(([key, item]) => ({ key: encodeCbor(key), item }));
    // §4.2.1: bytewise lexicographic order of the encodings.
    entries.sort((a, b) => compareBytes(a.key, b.key));
    for (const { key, item } of entries) {
      writer.bytes(key);
      write(writer, item, depth + 1);
    }
  } else if (value instanceof CborTag) {
    const number = BigInt(value.tag);
    if (number < 0n || number >= 1n << 64n) {
      throw new ApiMisuseError(`tag is ${number}; expected 0 to 2^64 - 1`);
    }
    writeHead(writer, tag, number);
    write(writer, value.value, depth + 1);
  } else if (value instanceof CborSimple) {
    const { number } = value;
    if (!Number.isInteger(number) || number < 0 || number > 255 || (number >= 20 && number < 32)) {
      throw new ApiMisuseError(`simple value is ${number}; expected 0 to 19 or 32 to 255`);
    }
    writeHead(writer, simpleOrFloat, number);
  } else {
    throw new ApiMisuseError(`${typeof value} is no CBOR value; give maps as Map`);
  }
}

function writeNumber(writer: ByteWriter, value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    if (value >= 0) writeHead(writer, unsigned, value);
    else writeHead(writer, negative, -1 - value);
    return;
  }
  const half = numberToHalf(value);
  if (half !== undefined) {
    writer.u8(0xf9).u16(half);
    return;
  }
  const view = new DataView(new ArrayBuffer(8));
  if (Math.fround(value) === value) {
    view.setFloat32(0, value);
    writer.u8(0xfa).bytes(new Uint8Array(view.buffer, 0, 4));
  } else {
    view.setFloat64(0, value);
    writer.u8(0xfb).bytes(new Uint8Array(view.buffer));
  }
}

function writeInteger(writer: ByteWriter, value: bigint): void {
  if (value >= 1n << 64n || value < -(1n << 64n)) {
    throw new ApiMisuseError(`integer is ${value}; expected -2^64 to 2^64 - 1, others as tag 2 or 3`);
  }
  if (value >= 0n) writeHead(writer, unsigned, value);
  else writeHead(writer, negative, -1n - value);
}

function writeString(writer: ByteWriter, major: number, bytes: Uint8Array): void {
  writeHead(writer, major, bytes.length);
  writer.bytes(bytes);
}

/** The initial byte and its argument, in the shortest form (RFC 8949 §4.2.1). */
function writeHead(writer: ByteWriter, major: number, argument: number | bigint): void {
  const first = major << 5;
  if (argument < 24) writer.u8(first | Number(argument));
  else if (argument < 0x100) writer.u8(first | 24).u8(Number(argument));
  else if (argument < 0x1_0000) writer.u8(first | 25).u16(Number(argument));
  else if (argument < 0x1_0000_0000) writer.u8(first | 26).u32(Number(argument));
  else {
    const wide = BigInt(argument);
    writer
      .u8(first | 27)
      .u32(Number(wide >> 32n))
      .u32(Number(wide & 0xffff_ffffn));
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
