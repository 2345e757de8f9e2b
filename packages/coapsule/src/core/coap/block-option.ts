/**
 * The value of a Block1 or Block2 option: block number, more flag and size exponent.
 *
 * RFC 7959 §2.2. How blocks make up a body is not here. SZX 7 (BERT, RFC 8323 §6) is for reliable
 * transports; over UDP it is reserved and refused.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import { decodeUint, encodeUint } from './option-value.ts';

/** A decoded Block1 or Block2 value (RFC 7959 §2.2). */
export interface BlockOption {
  /** NUM: which block of `blockSize(szx)` bytes, 0 … 2^20 - 1. */
  readonly num: number;
  /** M: whether more blocks follow. */
  readonly more: boolean;
  /** SZX: size exponent, 0 … 6. */
  readonly szx: number;
}

/** The highest block number, 2^20 - 1. */
export const maxBlockNumber = 0xfffff;

/** The highest size exponent: blocks of 1024 bytes. */
export const maxSzx = 6;

/** Bytes in a block of size exponent `szx`: 16 for 0, 1024 for 6. */
export function blockSize(szx: number): number {
  return 2 ** (szx + 4);
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

/** Decode a Block1 or Block2 value of 0 … 3 bytes; `undefined` when longer, or when SZX is 7, reserved. */
export function decodeBlock(value: Uint8Array): BlockOption | undefined {
  if (value.length > 3) return undefined;
  const integer = decodeUint(value);
  if (integer === undefined || (integer & 7) > maxSzx) return undefined;
  return { num: integer >>> 4, more: (integer & 8) !== 0, szx: integer & 7 };
}

/** Encode a Block1 or Block2 value in 0 … 3 bytes. Throws `ApiMisuseError` when `num` or `szx` is out of range. */
export function encodeBlock(block: BlockOption): Uint8Array {
  const { num, more, szx } = block;
  if (!Number.isInteger(num) || num < 0 || num > maxBlockNumber) {
    throw new ApiMisuseError(`block number is ${num}; expected 0 to ${maxBlockNumber}`);
  }
  if (!Number.isInteger(szx) || szx < 0 || szx > maxSzx) {
    throw new ApiMisuseError(`block size exponent is ${szx}; expected 0 to ${maxSzx}`);
  }
  return encodeUint(num * 16 + (more ? 8 : 0) + szx);
}
