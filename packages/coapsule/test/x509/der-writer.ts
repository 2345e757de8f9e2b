/**
 * Writes DER (ITU-T X.690) for certificates of tests; the twin of `core/x509/der.ts`, written without it.
 *
 * @module
 */

import { concatBytes } from '../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';

/** An element: identifier octet, minimal length, contents joined in order. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...contents);
  const length: number[] = [];
  if (body.length < 0x80) {
    length.push(body.length);
  } else {
    for (let rest = body.length; rest > 0; rest = Math.floor(rest / 256)) length.unshift(rest % 256);
    length.unshift(0x80 | length.length);
  }
  return concatBytes(Uint8Array.of(tag, ...length), body);
}

export function sequence(...contents: readonly Uint8Array[]): Uint8Array {
  return der(0x30, ...contents);
}

export function set(...contents: readonly Uint8Array[]): Uint8Array {
  return der(0x31, ...contents);
}

/** A context-specific constructed element: EXPLICIT, or an IMPLICIT SEQUENCE. */
export function explicit(number: number, ...contents: readonly Uint8Array[]): Uint8Array {
  return der(0xa0 | number, ...contents);
}

/** A context-specific primitive element: an IMPLICIT string or number. */
export function implicit(number: number, contents: Uint8Array): Uint8Array {
  return der(0x80 | number, contents);
}

/** An INTEGER from 0 to 2^53 - 1. */
export function integer(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0 || bytes.length === 0; rest = Math.floor(rest / 256))
    bytes.unshift(rest % 256);
  if ((bytes[0] as number) >= 0x80) bytes.unshift(0);
  return der(2, Uint8Array.from(bytes));
}

export function boolean(value: boolean): Uint8Array {
  return der(1, Uint8Array.of(value ? 0xff : 0));
}

export function octetString(bytes: Uint8Array): Uint8Array {
  return der(4, bytes);
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return der(3, Uint8Array.of(unusedBits), bytes);
}

/** A BIT STRING with named bits: no zero bits at the end (X.690 §11.2.2). */
export function namedBits(bits: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...bits);
  const bytes = new Uint8Array((highest + 8) >> 3);
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] as number) | (0x80 >> (bit & 7));
  return bitString(bytes, highest < 0 ? 0 : 7 - (highest & 7));
}

export function objectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [40 * first + second, ...rest]) {
    const digits = [arc % 128];
    for (let high = Math.floor(arc / 128); high > 0; high = Math.floor(high / 128))
      digits.unshift(128 + (high % 128));
    bytes.push(...digits);
  }
  return der(6, Uint8Array.from(bytes));
}

export function utf8String(text: string): Uint8Array {
  return der(12, encodeUtf8(text));
}

export function printableString(text: string): Uint8Array {
  return der(19, encodeUtf8(text));
}

export function ia5String(text: string): Uint8Array {
  return der(22, encodeUtf8(text));
}

/** UTCTime from 1950 to 2049, GeneralizedTime otherwise (RFC 5280 §4.1.2.5). */
export function time(date: Date): Uint8Array {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  const year = date.getUTCFullYear();
  return year >= 1950 && year < 2050 ? der(23, encodeUtf8(text.slice(2))) : der(24, encodeUtf8(text));
}

export const derNull: Uint8Array = der(5);
