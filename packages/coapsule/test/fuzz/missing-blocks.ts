/**
 * Fuzz target: bytes are a list of missing blocks, ascending and without duplicates, or nothing; a list encodes to bytes
 * that read the same.
 *
 * @module
 */

import { maxBlockNumber } from '../../src/core/coap/block-option.ts';
import { decodeMissingBlocks, encodeMissingBlocks } from '../../src/core/request-response/missing-blocks.ts';

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'missing-blocks',
  corpus: [
    encodeMissingBlocks([1, 9]),
    encodeMissingBlocks([0, 23, 24, 255, 256, 65_535, 65_536, maxBlockNumber]),
    Uint8Array.of(1, 1, 2),
    Uint8Array.of(2, 1),
    Uint8Array.of(0x1a, 0, 0x10, 0, 0),
  ],
  run(input) {
    const numbers = decodeMissingBlocks(input);
    if (numbers === undefined) return;
    if (numbers.length === 0) throw new Error('an empty list');
    for (const [i, number] of numbers.entries()) {
      if (number > maxBlockNumber || number <= (numbers[i - 1] ?? -1)) throw new Error(`number ${number}`);
    }
    if (decodeMissingBlocks(encodeMissingBlocks(numbers))?.join() !== numbers.join()) {
      throw new Error('an encoded list reads differently');
    }
  },
};
