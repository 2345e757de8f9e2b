/**
 * The Token Length field of CoAP over UDP, and what stands between the header and the token when it is extended.
 *
 * RFC 7252 §3: 0 to 8, all else reserved. RFC 8974 §2.1, once it is agreed on or configured: 0 to 12 as they are, 13 and
 * 14 for longer ones with 1 or 2 bytes more, 15 reserved.
 *
 * @module
 */

/** Longest token in bytes without RFC 8974 (RFC 7252 §3). */
export const baseTokenLength = 8;

/** Where a token is. */
export interface TokenPlace {
  /** Offset of its first byte. */
  readonly start: number;
  /** One past its last byte; may lie behind the end of the bytes. */
  readonly end: number;
}

/**
 * Finds the token of a message.
 *
 * @param field The 4 bits of the Token Length, not 15.
 * @param at Offset behind the fixed header.
 * @returns `undefined` when its length is cut off.
 */
export function placeOfToken(bytes: Uint8Array, field: number, at: number): TokenPlace | undefined {
  const start = at + (field === 13 ? 1 : field === 14 ? 2 : 0);
  if (start > bytes.length) return undefined;
  if (field < 13) return { start, end: start + field };
  const length =
    field === 13
      ? 13 + (bytes[at] as number)
      : 269 + (((bytes[at] as number) << 8) | (bytes[at + 1] as number));
  return { start, end: start + length };
}

/** The 4 bits for a token of `length` bytes. */
export function tokenLengthField(length: number): number {
  return length < 13 ? length : length < 269 ? 13 : 14;
}

/** Bytes between the fixed header and the options: the extended length, and the token. */
export function tokenBytes(length: number): number {
  return length + (length < 13 ? 0 : length < 269 ? 1 : 2);
}

/** Writes extended length and token at `at`. */
export function writeToken(token: Uint8Array, bytes: Uint8Array, at: number): void {
  const { length } = token;
  if (length >= 269) {
    bytes[at] = (length - 269) >> 8;
    bytes[at + 1] = (length - 269) & 255;
  } else if (length >= 13) {
    bytes[at] = length - 13;
  }
  bytes.set(token, at + tokenBytes(length) - length);
}
