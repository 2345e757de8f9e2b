/**
 * A response body in blocks, the client's side: what a block means, and which one to ask for next.
 *
 * RFC 7959 §2.3, §2.4 and §2.6; BERT RFC 8323 §6; ETag comparison RFC 9175 §3.8. Sends nothing itself; the server's side is in
 * `response-bodies.ts` and `response-message.ts`.
 *
 * @module
 */

import {
  type BlockOption,
  blockSize,
  decodeBlock,
  isFullBlock,
  maxBlockNumber,
} from '../coap/block-option.ts';
import { Code, codeText, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { BodyBuffer } from './body-buffer.ts';
import type { Content } from './exchange.ts';
import { sameRepresentation } from './representation.ts';

/** What a client does after a block of a response. */
export type DownloadStep =
  | { readonly kind: 'fetch'; readonly block: BlockOption }
  | { readonly kind: 'complete'; readonly response: Content }
  /** A part to hand over; of the first block all that is not its payload, too. Without `next` it is the last. */
  | {
      readonly kind: 'part';
      readonly head: Content | undefined;
      readonly payload: Uint8Array;
      readonly next: BlockOption | undefined;
    }
  | { readonly kind: 'failed'; readonly error: 'blockwise' | 'body-too-large'; readonly detail: string };

/** How a response body is to come. */
export interface DownloadManner {
  /** Largest size exponent to ask for. */
  readonly szx: number;
  /** Blocks may be BERT ones. */
  readonly bert: boolean;
  /** A body that is put together may have so many bytes. */
  readonly maxBytes: number;
  /** The request is safe: a representation that changed under way may be fetched once again from its start. */
  readonly mayRestart: boolean;
  /** Hand over each block as it comes, and keep none. */
  readonly inParts: boolean;
}

/** A response body on its way to a client. */
export class Block2Download {
  readonly #manner: DownloadManner;
  #szx: number;
  #first: Content | undefined;
  #buffer = new BodyBuffer();
  /** Bytes that have come. */
  #received = 0;
  #restarted = false;

  constructor(manner: DownloadManner) {
    this.#manner = manner;
    this.#szx = manner.szx;
  }

  /** Takes one block, the first included. */
  receive(response: Content): DownloadStep {
    const value = response.options.first(OptionNumber.Block2);
    const block =
      value === undefined ? { num: 0, more: false, szx: this.#szx } : decodeBlock(value, this.#manner.bert);
    if (block === undefined) return failed('the response has an illegal Block2 option');
    const first = this.#first;
    if (first !== undefined && !isSuccessCode(response.code)) return this.#refused(response);
    if (first !== undefined && !sameRepresentation(first, response)) return this.#restart();
    const size = blockSize(block.szx);
    const offset = block.num * size;
    if (offset !== this.#received) {
      return failed(`a block at byte ${offset} came instead of the one at byte ${this.#received}`);
    }
    if (block.more && !isFullBlock(block.szx, response.payload.length)) {
      return failed(`Block2 says ${size} bytes, the payload has ${response.payload.length}`);
    }
    if (this.#isTooLarge(response, offset + response.payload.length + (block.more ? 1 : 0))) {
      const detail = `the body is larger than ${this.#manner.maxBytes} bytes`;
      return { kind: 'failed', error: 'body-too-large', detail };
    }
    this.#first ??= { code: response.code, options: response.options, payload: response.payload };
    this.#received += response.payload.length;
    // §2.3: never larger than the server's size; a smaller one of our own is late negotiation (§3.1, Figure 4).
    this.#szx = Math.min(this.#szx, block.szx);
    const num = this.#received / blockSize(this.#szx);
    if (block.more && num > maxBlockNumber) {
      return failed(`the body has more than ${maxBlockNumber + 1} blocks`);
    }
    const next = block.more ? { num, more: false, szx: this.#szx } : undefined;
    if (this.#manner.inParts) {
      const head = first === undefined ? withoutBlocks(response, response.payload) : undefined;
      return { kind: 'part', head, payload: response.payload, next };
    }
    this.#buffer.append(response.payload);
    if (next !== undefined) return { kind: 'fetch', block: next };
    return { kind: 'complete', response: withoutBlocks(this.#first, this.#buffer.body()) };
  }

  /** §4: Size2 of the first block is the server's estimate; a body that would not be taken is not begun. */
  #isTooLarge({ options }: Content, atLeast: number): boolean {
    if (this.#manner.inParts) return false;
    const announced = this.#received === 0 ? (options.uint(OptionNumber.Size2) ?? 0) : 0;
    return Math.max(announced, atLeast) > this.#manner.maxBytes;
  }

  /** An error while fetching later blocks is the answer to the request as it is now, but for 4.08. */
  #refused(response: Content): DownloadStep {
    const { code } = response;
    if (this.#manner.inParts || code === Code.RequestEntityIncomplete || code === Code.BadRequest) {
      return failed(`the server answered a later block with ${codeText(code)}`);
    }
    return { kind: 'complete', response };
  }

  #restart(): DownloadStep {
    if (this.#restarted || !this.#manner.mayRestart || this.#manner.inParts)
      return failed('the representation changed while it was fetched');
    this.#restarted = true;
    this.#first = undefined;
    this.#buffer = new BodyBuffer();
    this.#received = 0;
    return { kind: 'fetch', block: { num: 0, more: false, szx: this.#szx } };
  }
}

function withoutBlocks({ code, options: all }: Content, payload: Uint8Array): Content {
  const options = OptionSet.from(all.entries()).delete(OptionNumber.Block1).delete(OptionNumber.Block2);
  return { code, options, payload };
}

function failed(detail: string): DownloadStep {
  return { kind: 'failed', error: 'blockwise', detail };
}
