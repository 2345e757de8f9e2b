/**
 * Percent-encoding and the character sets of URIs.
 *
 * RFC 3986 §2, RFC 7252 §6.4 and §6.5.
 *
 * @module
 */

import { decodeUtf8, encodeUtf8 } from '../foundation/utf8.ts';

/** RFC 3986 §2.3 and §2.2. */
const unreserved = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~';
const subDelims = "!$&'()*+,;=";

/** The ASCII characters that stand for themselves in one component of a URI. */
export type CharacterSet = ReadonlySet<string>;

/** reg-name (RFC 3986 §3.2.2). */
export const regNameCharacters: CharacterSet = new Set(unreserved + subDelims);
/** Path segment (RFC 3986 §3.3): pchar. */
export const segmentCharacters: CharacterSet = new Set(`${unreserved + subDelims}:@`);
/** Query argument (RFC 7252 §6.5 step 8): no `&`, which separates arguments. */
export const argumentCharacters: CharacterSet = new Set(`${(unreserved + subDelims).replace('&', '')}:@/?`);
/** Zone identifier (RFC 6874 §2): unreserved. */
export const zoneCharacters: CharacterSet = new Set(unreserved);

/** Where and why a text cannot be decoded; `offset` counts characters of that text. */
export interface PercentDecodeFault {
  readonly offset: number;
  readonly reason: string;
}

/**
 * Replaces each percent-encoding by its byte and reads the result as UTF-8 (RFC 7252 §6.4).
 * Refuses characters outside `allowed`, incomplete percent-encodings and bytes that are not UTF-8.
 */
export function percentDecode(text: string, allowed: CharacterSet): string | PercentDecodeFault {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (allowed.has(character)) {
      bytes[length++] = text.charCodeAt(i);
    } else if (character !== '%') {
      return { offset: i, reason: `character ${JSON.stringify(character)} must be percent-encoded` };
    } else {
      const digits = text.slice(i + 1, i + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(digits))
        return { offset: i, reason: '"%" without two hexadecimal digits' };
      bytes[length++] = Number.parseInt(digits, 16);
      i += 2;
    }
  }
  return (
    decodeUtf8(bytes.subarray(0, length)) ?? { offset: 0, reason: 'percent-encoded bytes are not UTF-8' }
  );
}

/** Replaces each character outside `allowed` by the percent-encodings of its UTF-8 bytes, in uppercase (RFC 7252 §6.5). */
export function percentEncode(text: string, allowed: CharacterSet): string {
  let encoded = '';
  for (const byte of encodeUtf8(text)) {
    const character = String.fromCharCode(byte);
    encoded += allowed.has(character)
      ? character
      : `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
  }
  return encoded;
}
