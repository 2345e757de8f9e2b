/**
 * A request body in blocks, the client's side: which block goes next, and what an answer to it means.
 *
 * RFC 7959 §2.3, §2.5 and §2.9; Size1 §4; BERT, RFC 8323 §6: blocks of more than 1024 bytes. Sends nothing itself; the server's side is in `request-bodies.ts`.
 *
 * @module
 */

import {
  type BlockOption,
  blockSize,
  maxBlockNumber,
  maxSzx,
  szxOf,
  szxOfBlock,
} from '../coap/block-option.ts';
import { Code, isSuccessCode } from '../coap/code.ts';
import type { BodySlice, OutgoingBody } from './outgoing-body.ts';

/** What a client does after an answer to a block. */
export type UploadStep =
  | { readonly kind: 'send' }
  | { readonly kind: 'failed'; readonly detail: string }
  /** The answer is the response to the whole request. */
  | { readonly kind: 'answered' };

/** How far an upload has come, for one that goes on with it later. */
export interface UploadPosition {
  /** The Request-Tag by which the server knows the body, 0 … 8 bytes (RFC 9175 §3). */
  readonly requestTag: Uint8Array;
  /** The server has acknowledged everything before this byte. */
  readonly nextByte: number;
  /** Bytes in a block, 16 … 1024; 1024 also where blocks were larger (RFC 8323 §6). `nextByte` is a multiple of it. */
  readonly blockSize: number;
}

/** A request body on its way to a server, client side. */
export class Block1Upload {
  readonly body: OutgoingBody;
  /** Bytes in a block: 16 … 1024, or a multiple of 1024. */
  #size: number;
  #offset: number;
  /** Goes on where another one ended, and the server has not said yet whether it knows of that. */
  #resuming: boolean;
  /** It began again because the server had forgotten its blocks: not twice. */
  #restarted = false;

  /** `size` is that of the blocks to begin with, 16 … 1024 or a multiple of 1024; `offset` the byte, a multiple of what NUM counts. */
  constructor(body: OutgoingBody, size: number, offset = 0) {
    this.body = body;
    this.#size = size;
    this.#offset = offset;
    this.#resuming = offset > 0;
  }

  /** Whether NUM can count all blocks of a body of `length` bytes (RFC 7959 §2.2: 20 bits). */
  static fits(length: number, size: number): boolean {
    return length <= (maxBlockNumber + 1) * blockSize(szxOfBlock(size));
  }

  /** The place of the block to send now. */
  get offset(): number {
    return this.#offset;
  }

  /** The bytes of a block. */
  get size(): number {
    return this.#size;
  }

  /** The Block1 option of the block to send now. The body must have that block, here and below. */
  get block(): BlockOption {
    return { num: this.#offset / this.#unit, more: !this.last, szx: szxOfBlock(this.#size) };
  }

  /** The block to send now: a view of the body. */
  get payload(): Uint8Array {
    return this.#slice().payload;
  }

  /** Whether the block to send now is the first. */
  get first(): boolean {
    return this.#offset === 0;
  }

  /** Whether the block to send now is the last. */
  get last(): boolean {
    return !this.#slice().more;
  }

  /** No further block is larger than `size`: what the peer takes has changed. */
  limit(size: number): void {
    this.#size = Math.min(this.#size, size);
  }

  /**
   * Takes the answer to the block that was sent; on `send` the next block is due.
   *
   * @param isRepeated The block went once more for an Echo: a server that answered 4.01 may have given up those before
   *        (RFC 9175 §2.3 has it repeat the request, which is all of them).
   */
  answered(
    code: Code,
    block1: BlockOption | undefined,
    size1: number | undefined,
    isRepeated: boolean = false,
  ): UploadStep {
    if (code === Code.RequestEntityTooLarge) return this.#retrySmaller(block1, size1);
    if (code === Code.RequestEntityIncomplete) {
      const isForgotten = this.#resuming || (isRepeated && !this.#restarted && !this.first);
      if (!isForgotten)
        return { kind: 'failed', detail: 'the server lacks blocks of the request body (4.08)' };
      if (!this.body.reaches(0)) {
        const detail = 'the server wants the request body from its start (4.08), and it cannot be read again';
        return { kind: 'failed', detail };
      }
      this.#restarted = true;
      return this.#restart(this.#size);
    }
    if (this.last) {
      if (code !== Code.Continue) return { kind: 'answered' };
      return { kind: 'failed', detail: 'the server answered the last block with 2.31 Continue' };
    }
    // §2.3: a 2.xx other than 2.31 with a Block1 option was enacted for this block only; the next ones follow.
    const goesOn = code === Code.Continue || (isSuccessCode(code) && block1 !== undefined);
    if (!goesOn) return { kind: 'answered' };
    if (block1 !== undefined && block1.num !== this.block.num) {
      return { kind: 'failed', detail: `block ${this.block.num} was answered as block ${block1.num}` };
    }
    this.#resuming = false;
    this.#offset += this.size;
    // §2.3: the server's preferred size holds for all further blocks; the offset stays, so NUM scales up.
    if (block1 !== undefined && block1.szx <= maxSzx) this.limit(blockSize(block1.szx));
    const { length } = this.body;
    if (this.#offset / this.#unit > maxBlockNumber || !Block1Upload.fits(length ?? 0, this.#size)) {
      return { kind: 'failed', detail: `the body has too many blocks of ${this.size} bytes` };
    }
    return { kind: 'send' };
  }

  /** §2.9.3: 4.13 with a smaller size in Block1 is a hint to try that size. */
  #retrySmaller(block1: BlockOption | undefined, size1: number | undefined): UploadStep {
    const length = this.body.length ?? this.#offset + this.size + 1;
    const tooLarge = size1 !== undefined && size1 > 0 && size1 < length;
    if (tooLarge || block1 === undefined || block1.szx >= szxOfBlock(this.#size)) return { kind: 'answered' };
    const smaller = blockSize(block1.szx);
    if (!Block1Upload.fits(length, smaller) || !this.body.reaches(0)) return { kind: 'answered' };
    return this.#restart(smaller);
  }

  #restart(size: number): UploadStep {
    this.#size = size;
    this.#offset = 0;
    this.#resuming = false;
    return { kind: 'send' };
  }

  /** What NUM counts in. */
  get #unit(): number {
    return blockSize(szxOfBlock(this.#size));
  }

  #slice(): BodySlice {
    return this.body.slice(this.#offset, this.size) as BodySlice;
  }
}

/**
 * The size of blocks to try after a 4.13 to a request that was not block-wise, a hint to try Block1
 * (RFC 7959 §2.9.3); `undefined` when the body is too large whatever the blocks.
 */
export function blockwiseHint(
  bodyLength: number,
  block1: BlockOption | undefined,
  size1: number | undefined,
): number | undefined {
  if (bodyLength <= blockSize(0) || (size1 !== undefined && size1 > 0 && size1 < bodyLength))
    return undefined;
  const smaller = blockSize(szxOf(Math.min(bodyLength - 1, blockSize(block1?.szx ?? maxSzx))));
  return Block1Upload.fits(bodyLength, smaller) ? smaller : undefined;
}
