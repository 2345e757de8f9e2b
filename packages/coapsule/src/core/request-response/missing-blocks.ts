/**
 * The payload of a 4.08 response that lists missing blocks: `application/missing-blocks+cbor-seq`.
 *
 * RFC 9177 §5, RFC 8742. One CBOR unsigned integer for each block, in ascending order.
 *
 * @module
 */

import { decodeCborSequence } from '../cbor/decode.ts';
import { encodeCbor } from '../cbor/encode.ts';
import { maxBlockNumber } from '../coap/block-option.ts';
import { concatBytes } from '../foundation/bytes.ts';

/** Content-Format of the list (RFC 9177 §12.3). */
export const missingBlocksFormat = 272;

/** Encode block numbers, which must be in ascending order without duplicates. */
export function encodeMissingBlocks(numbers: readonly number[]): Uint8Array {
  return concatBytes(...numbers.map((number) => encodeCbor(number)));
}

/**
 * Decode a list of missing blocks (RFC 9177 §5).
 *
 * @returns the numbers without duplicates, which are to be ignored; `undefined` for what is no such list or is not in
 *          ascending order, and is to be dropped. Never throws.
 */
export function decodeMissingBlocks(payload: Uint8Array): readonly number[] | undefined {
  const items = decodeCborSequence(payload, { maxDepth: 1, maxItems: maxListed });
  if (!Array.isArray(items) || items.length === 0) return undefined;
  const numbers: number[] = [];
  for (const item of items) {
    const previous = numbers.at(-1) ?? -1;
    if (typeof item !== 'number' || !Number.isInteger(item) || item < previous) return undefined;
    if (item < 0 || item > maxBlockNumber) return undefined;
    if (item > previous) numbers.push(item);
  }
  return numbers;
}

/** More than fit one message of the sizes that RFC 7252 §4.6 has in mind. */
const maxListed = 1024;
