/**
 * Partial IVs: Sender Sequence Numbers as the bytes of a message, and the nonces made of them.
 *
 * RFC 8613 §5 (encoding), §5.2 (nonce), §7.2.1 (bounds).
 *
 * @module
 */

import { copyOf } from '../foundation/bytes.ts';
import { InvariantError } from '../foundation/errors.ts';

/** One above the highest Sender Sequence Number (RFC 8613 §7.2.1, §12.6). */
export const sequenceEnd: number = 2 ** 40;

/** Longest Partial IV in bytes. */
export const maxPartialIvLength = 5;

/** What a nonce has besides the ID: its length byte and the Partial IV (RFC 8613 §5.2). */
const nonceOverhead = 6;

/** Longest Sender ID for nonces of this length, in bytes: 7 for AES-CCM-16-64-128 (RFC 8613 §3.3). */
export function maxIdLength(nonceLength: number): number {
  return nonceLength - nonceOverhead;
}

/** A Sender Sequence Number of 0 … 2^40 - 1 in network byte order without leading zeros; 0 is one zero byte (§5). */
export function encodePartialIv(sequenceNumber: number): Uint8Array {
  if (!Number.isInteger(sequenceNumber) || sequenceNumber < 0 || sequenceNumber >= sequenceEnd) {
    throw new InvariantError(`Sender Sequence Number ${sequenceNumber} is no number below 2^40`);
  }
  let length = 1;
  for (let rest = Math.floor(sequenceNumber / 256); rest > 0; rest = Math.floor(rest / 256)) length++;
  const bytes = new Uint8Array(length);
  for (let i = length - 1, rest = sequenceNumber; i >= 0; i--, rest = Math.floor(rest / 256)) {
    bytes[i] = rest % 256;
  }
  return bytes;
}

/** The number of a Partial IV of 1 … 5 bytes; `undefined` when it has leading zeros or another length (§5). */
export function decodePartialIv(bytes: Uint8Array): number | undefined {
  if (bytes.length === 0 || bytes.length > maxPartialIvLength) return undefined;
  if (bytes.length > 1 && bytes[0] === 0) return undefined;
  let number = 0;
  for (let i = 0; i < bytes.length; i++) number = number * 256 + (bytes[i] as number);
  return number;
}

/**
 * The AEAD nonce (RFC 8613 §5.2): length of the ID, ID and Partial IV, each padded, under the Common IV.
 *
 * @param id Sender ID of the endpoint that made the Partial IV; at most the length of the Common IV less 6.
 * @param partialIv 1 … 5 bytes.
 * @returns as many bytes as the Common IV has.
 */
export function deriveNonce(commonIv: Uint8Array, id: Uint8Array, partialIv: Uint8Array): Uint8Array {
  const nonce = copyOf(commonIv);
  const length = nonce.length;
  nonce[0] = (nonce[0] as number) ^ id.length;
  xorEndingAt(nonce, length - maxPartialIvLength, id);
  xorEndingAt(nonce, length, partialIv);
  return nonce;
}

function xorEndingAt(target: Uint8Array, end: number, bytes: Uint8Array): void {
  const start = end - bytes.length;
  for (let i = 0; i < bytes.length; i++) {
    target[start + i] = (target[start + i] as number) ^ (bytes[i] as number);
  }
}
