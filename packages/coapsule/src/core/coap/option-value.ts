/**
 * Option values: the formats uint and string of RFC 7252 §3.2 and their bytes. Formats empty and opaque
 * need no conversion. What length an option allows is in `option-registry.ts`.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { encodeUtf8 } from '../foundation/utf8.ts';

/** What callers may give as an option value: opaque bytes, a string (UTF-8) or an unsigned integer. */
export type OptionValue = Uint8Array | string | number;

/**
 * The integer of a uint option value; an empty value is 0, leading zero bytes are accepted (RFC 7252 §3.2).
 *
 * @param value Bytes that hold it, from `start` to `end`; all of them by default.
 * @returns `undefined` when the integer is 2^53 or more, which no defined option may carry.
 */
export function decodeUint(value: Uint8Array, start = 0, end: number = value.length): number | undefined {
  let integer = 0;
  for (let i = start; i < end; i++) {
    integer = integer * 256 + (value[i] as number);
    if (integer > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return integer;
}

/**
 * The shortest uint option value of an integer; 0 is the empty value (RFC 7252 §3.2).
 * Throws `ApiMisuseError` unless `integer` is a whole number of 0 … 2^53 - 1.
 */
export function encodeUint(integer: number): Uint8Array {
  if (!Number.isSafeInteger(integer) || integer < 0) {
    throw new ApiMisuseError(`option value is ${integer}; expected a whole number of 0 to 2^53 - 1`);
  }
  if (integer === 0) return noBytes;
  let length = 0;
  for (let rest = integer; rest > 0; rest = Math.floor(rest / 256)) length++;
  const value = new Uint8Array(length);
  let rest = integer;
  for (let i = length - 1; i >= 0; i--) {
    value[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return value;
}

/** The bytes of an option value: bytes as they are (not copied), strings in UTF-8, integers by `encodeUint`. */
export function encodeOptionValue(value: OptionValue): Uint8Array {
  if (typeof value === 'string') return encodeUtf8(value);
  return typeof value === 'number' ? encodeUint(value) : value;
}
