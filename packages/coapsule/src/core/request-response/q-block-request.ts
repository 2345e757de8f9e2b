/**
 * The Q-Block options of a request: what of the body it brings, and which blocks of the response it asks for.
 *
 * RFC 9177 §4.1, §4.3 and §4.4. Decides nothing about bodies; see `q-block1-bodies.ts` and `q-block2-transfers.ts`.
 *
 * @module
 */

import { type BlockOption, decodeBlock } from '../coap/block-option.ts';
import { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';

/** Which blocks of a response a request asks for. */
export interface QBlock2Wish {
  /** `continue`: the set before block `first` has arrived, and the next may come (RFC 9177 §4.4). */
  readonly kind: 'whole' | 'continue' | 'blocks';
  /** Size exponent of the blocks that are counted. */
  readonly szx: number;
  /** The lowest number. */
  readonly first: number;
  /** All numbers of `blocks`, ascending; those behind the end of the body do not exist. */
  readonly numbers: readonly number[];
}

/** The Q-Block options of a request, and its other options. */
export interface QBlockRequest {
  readonly block1: BlockOption | undefined;
  readonly wish: QBlock2Wish | undefined;
  /** Without the Q-Block options: they are removed as the body is put together (§8). */
  readonly options: OptionReader;
}

/** Why a request with Q-Block options is refused. */
export interface QBlockFault {
  readonly code: Code;
  readonly reason: string;
}

/** Reads the Q-Block options of a request; `undefined` where there are none. */
export function qBlockRequest(
  options: OptionReader,
  maxPayloads: number,
): QBlockRequest | QBlockFault | undefined {
  if (!options.has(OptionNumber.QBlock1) && !options.has(OptionNumber.QBlock2)) return undefined;
  const value1 = options.first(OptionNumber.QBlock1);
  const values2 = options.all(OptionNumber.QBlock2);
  // §4.1: Q-Block and Block options never share a message.
  if (options.has(OptionNumber.Block1) || options.has(OptionNumber.Block2)) {
    return { code: Code.BadOption, reason: 'Block and Q-Block options in one message' };
  }
  const block1 = value1 === undefined ? undefined : decodeBlock(value1);
  const blocks2 = values2.map((value) => decodeBlock(value));
  if ((value1 !== undefined && block1 === undefined) || blocks2.includes(undefined)) {
    return { code: Code.BadRequest, reason: 'Illegal block size' };
  }
  if (block1 !== undefined) {
    // §4.3, §4.6: both MUST be there.
    if (!options.has(OptionNumber.RequestTag) || options.uint(OptionNumber.Size1) === undefined) {
      return { code: Code.BadRequest, reason: 'Q-Block1 without Request-Tag or Size1' };
    }
  }
  const asked = wishOf(blocks2 as BlockOption[], maxPayloads);
  // §4.1: Q-Block1 alone, too, tells that the client takes Q-Blocks.
  const wish = asked ?? (block1 && ({ kind: 'whole', szx: block1.szx, first: 0, numbers: [] } as const));
  if (wish === 'illegal') return { code: Code.BadRequest, reason: 'Q-Block2 numbers do not ascend' };
  const rest = OptionSet.from(options.entries()).delete(OptionNumber.QBlock1).delete(OptionNumber.QBlock2);
  return { block1, wish, options: rest };
}

/** §4.4: what M means depends on the number; no block is sent twice, however often it is named. */
function wishOf(blocks: readonly BlockOption[], maxPayloads: number): QBlock2Wish | 'illegal' | undefined {
  const [head] = blocks;
  if (head === undefined) return undefined;
  const { szx, num: first } = head;
  if (blocks.length === 1 && head.more && first % maxPayloads === 0) {
    return { kind: first === 0 ? 'whole' : 'continue', szx, first, numbers: [] };
  }
  const numbers = new Set<number>();
  let previous = -1;
  for (const { num, more, szx: size } of blocks) {
    if (num <= previous || size !== szx) return 'illegal';
    previous = num;
    const end = more ? (Math.floor(num / maxPayloads) + 1) * maxPayloads : num + 1;
    for (let number = num; number < end; number++) numbers.add(number);
  }
  return { kind: 'blocks', szx, first, numbers: [...numbers].sort((a, b) => a - b) };
}
