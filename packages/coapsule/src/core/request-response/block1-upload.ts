/**
 * A request body in blocks, the client's side: which block goes next, and what an answer to it means.
 *
 * RFC 7959 §2.3, §2.5 and §2.9; Size1 §4. Sends nothing itself; the server's side is in `request-bodies.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize, maxBlockNumber, szxOf } from '../coap/block-option.ts';
import { Code, isSuccessCode } from '../coap/code.ts';

/** What a client does after an answer to a block. */
export type UploadStep =
  | { readonly kind: 'send' }
  | { readonly kind: 'failed'; readonly detail: string }
  /** The answer is the response to the whole request. */
  | { readonly kind: 'answered' };

/** A request body on its way to a server, client side. */
export class Block1Upload {
  readonly #body: Uint8Array;
  #szx: number;
  #offset = 0;

  /** `szx` is the size exponent to begin with. */
  constructor(body: Uint8Array, szx: number) {
    this.#body = body;
    this.#szx = szx;
  }

  /** Whether NUM can count all blocks of a body of `length` bytes (RFC 7959 §2.2: 20 bits). */
  static fits(length: number, szx: number): boolean {
    return length <= (maxBlockNumber + 1) * blockSize(szx);
  }

  /** The Block1 option of the block to send now. */
  get block(): BlockOption {
    return { num: this.#offset / blockSize(this.#szx), more: !this.last, szx: this.#szx };
  }

  /** The block to send now: a view of the body. */
  get payload(): Uint8Array {
    return this.#body.subarray(this.#offset, this.#offset + blockSize(this.#szx));
  }

  /** Whether the block to send now is the first. */
  get first(): boolean {
    return this.#offset === 0;
  }

  /** Whether the block to send now is the last. */
  get last(): boolean {
    return this.#offset + blockSize(this.#szx) >= this.#body.length;
  }

  /** Takes the answer to the block that was sent; on `send` the next block is ready. */
  answered(code: Code, block1: BlockOption | undefined, size1: number | undefined): UploadStep {
    if (code === Code.RequestEntityTooLarge) return this.#retrySmaller(block1, size1);
    if (code === Code.RequestEntityIncomplete) {
      return { kind: 'failed', detail: 'the server lacks blocks of the request body (4.08)' };
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
    this.#offset += blockSize(this.#szx);
    // §2.3: the server's preferred size holds for all further blocks; the offset stays, so NUM scales up.
    if (block1 !== undefined && block1.szx < this.#szx) {
      if (!Block1Upload.fits(this.#body.length, block1.szx)) {
        return { kind: 'failed', detail: `the body has too many blocks of ${blockSize(block1.szx)} bytes` };
      }
      this.#szx = block1.szx;
    }
    return { kind: 'send' };
  }

  /** §2.9.3: 4.13 with a smaller size in Block1 is a hint to try that size. */
  #retrySmaller(block1: BlockOption | undefined, size1: number | undefined): UploadStep {
    const tooLarge = size1 !== undefined && size1 > 0 && size1 < this.#body.length;
    if (tooLarge || block1 === undefined || block1.szx >= this.#szx) return { kind: 'answered' };
    if (!Block1Upload.fits(this.#body.length, block1.szx)) return { kind: 'answered' };
    this.#szx = block1.szx;
    this.#offset = 0;
    return { kind: 'send' };
  }
}

/**
 * The size exponent to try after a 4.13 to a request that was not block-wise, a hint to try Block1
 * (RFC 7959 §2.9.3); `undefined` when the body is too large whatever the blocks.
 */
export function blockwiseHint(
  bodyLength: number,
  block1: BlockOption | undefined,
  size1: number | undefined,
): number | undefined {
  if (bodyLength <= blockSize(0) || (size1 !== undefined && size1 > 0 && size1 < bodyLength))
    return undefined;
  const smaller = szxOf(Math.min(bodyLength - 1, blockSize(block1?.szx ?? 6)));
  return Block1Upload.fits(bodyLength, smaller) ? smaller : undefined;
}
