/**
 * The value of a Block1 or Block2 option: block number, more flag and size exponent.
 *
 * RFC 7959 §2.2. How blocks make up a body is not here. SZX 7 (BERT, RFC 8323 §6) is for reliable
 * transports; over UDP it is reserved: decoding refuses it unless it is asked for.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import { decodeUint, encodeUint } from './option-value.ts';

/** A decoded Block1 or Block2 value (RFC 7959 §2.2). */
export interface BlockOption {
  /** NUM: at which multiple of `blockSize(szx)` bytes the block begins, 0 … 2^20 - 1. */
  readonly num: number;
  /** M: whether more blocks follow. */
  readonly more: boolean;
  /** SZX: size exponent, 0 … 6, or 7 for BERT. */
  readonly szx: number;
}

/** The highest block number, 2^20 - 1. */
export const maxBlockNumber = 0xfffff;

/** The highest size exponent of RFC 7959: blocks of 1024 bytes. */
export const maxSzx = 6;

/** The size exponent of BERT (RFC 8323 §6): a payload of several blocks of 1024 bytes, which NUM counts. */
export const bertSzx = 7;

/** Bytes in a block of size exponent `szx`, and what NUM counts: 16 for 0, 1024 for 6, and for each block of a BERT one. */
export function blockSize(szx: number): number {
  return 16 << Math.min(szx, maxSzx);
}

/** Whether the payload of a block that is not the last may have `length` bytes (RFC 7959 §2.3, RFC 8323 §6). */
export function isFullBlock(szx: number, length: number): boolean {
  const size = blockSize(szx);
  return szx === bertSzx ? length > 0 && length % size === 0 : length === size;
}

/** Whether `size` is one of the seven block sizes, 16 … 1024 (RFC 7959 §2.2). */
export function isBlockSize(size: number): boolean {
  return size >= 16 && size <= 1024 && Number.isInteger(Math.log2(size));
}

/**
 * The size exponent of the largest block that is not above `size` bytes, 0 … 6.
 * Throws `ApiMisuseError` when `size` is below 16, the smallest block.
 */
export function szxOf(size: number): number {
  if (!(size >= 16))
    throw new ApiMisuseError(`block size is ${size}; expected 16, 32, 64, 128, 256, 512 or 1024`);
  let szx = maxSzx;
  while (blockSize(szx) > size) szx--;
  return szx;
}

/** The size exponent of blocks with `size` bytes, 16 and more: that of BERT for more than 1024. */
export function szxOfBlock(size: number): number {
  return size > blockSize(maxSzx) ? bertSzx : szxOf(size);
}

/** Decode a Block1 or Block2 value of 0 … 3 bytes; `undefined` when longer, or when SZX is 7 and not `bert`. */
export function decodeBlock(value: Uint8Array, bert = false): BlockOption | undefined {
  if (value.length > 3) return undefined;
  const integer = decodeUint(value);
  if (integer === undefined || (!bert && (integer & 7) === bertSzx)) return undefined;
  return { num: integer >>> 4, more: (integer & 8) !== 0, szx: integer & 7 };
}

/** Encode a Block1 or Block2 value in 0 … 3 bytes. Throws `ApiMisuseError` when `num` or `szx` is out of range. */
export function encodeBlock(block: BlockOption): Uint8Array {
  const { num, more, szx } = block;
  if (!Number.isInteger(num) || num < 0 || num > maxBlockNumber) {
    throw new ApiMisuseError(`block number is ${num}; expected 0 to ${maxBlockNumber}`);
  }
  if (!Number.isInteger(szx) || szx < 0 || szx > bertSzx) {
    throw new ApiMisuseError(
      `block size exponent is ${szx}; expected 0 to ${maxSzx}, or ${bertSzx} for BERT`,
    );
  }
  return encodeUint(num * 16 + (more ? 8 : 0) + szx);
}
