/**
 * A response body in blocks, the client's side: what a block means, and which one to ask for next.
 *
 * RFC 7959 §2.3, §2.4 and §2.6; ETag comparison RFC 9175 §3.8. Sends nothing itself; the server's side is in
 * `response-bodies.ts` and `response-message.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize, decodeBlock, maxBlockNumber } from '../coap/block-option.ts';
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
  | { readonly kind: 'failed'; readonly error: 'blockwise' | 'body-too-large'; readonly detail: string };

/** A response body on its way to a client. */
export class Block2Download {
  readonly #maxBytes: number;
  readonly #mayRestart: boolean;
  #szx: number;
  #first: Content | undefined;
  #buffer = new BodyBuffer();
  #restarted = false;

  /**
   * `szx` is the largest size exponent to ask for. `mayRestart`: the request is safe, so a representation
   * that changed under way may be fetched once again from its start.
   */
  constructor(szx: number, maxBytes: number, mayRestart: boolean) {
    this.#szx = szx;
    this.#maxBytes = maxBytes;
    this.#mayRestart = mayRestart;
  }

  /** Takes one block, the first included. */
  receive(response: Content): DownloadStep {
    const value = response.options.first(OptionNumber.Block2);
    const block = value === undefined ? { num: 0, more: false, szx: this.#szx } : decodeBlock(value);
    if (block === undefined) return failed('the response has an illegal Block2 option');
    const first = this.#first;
    if (first !== undefined && !isSuccessCode(response.code)) return this.#refused(response);
    if (first !== undefined && !sameRepresentation(first, response)) return this.#restart();
    const size = blockSize(block.szx);
    const offset = block.num * size;
    if (offset !== this.#buffer.length) {
      return failed(`a block at byte ${offset} came instead of the one at byte ${this.#buffer.length}`);
    }
    if (block.more && response.payload.length !== size) {
      return failed(`Block2 says ${size} bytes, the payload has ${response.payload.length}`);
    }
    if (offset + response.payload.length + (block.more ? 1 : 0) > this.#maxBytes) {
      return {
        kind: 'failed',
        error: 'body-too-large',
        detail: `the body is larger than ${this.#maxBytes} bytes`,
      };
    }
    this.#first ??= { code: response.code, options: response.options, payload: response.payload };
    this.#buffer.append(response.payload);
    if (!block.more) return { kind: 'complete', response: this.#whole(this.#first) };
    // §2.3: never larger than the server's size; a smaller one of our own is late negotiation (§3.1, Figure 4).
    this.#szx = Math.min(this.#szx, block.szx);
    const num = this.#buffer.length / blockSize(this.#szx);
    if (num > maxBlockNumber) return failed(`the body has more than ${maxBlockNumber + 1} blocks`);
    return { kind: 'fetch', block: { num, more: false, szx: this.#szx } };
  }

  /** An error while fetching later blocks is the answer to the request as it is now, but for 4.08. */
  #refused(response: Content): DownloadStep {
    if (response.code === Code.RequestEntityIncomplete || response.code === Code.BadRequest) {
      return failed(`the server answered a later block with ${codeText(response.code)}`);
    }
    return { kind: 'complete', response };
  }

  #restart(): DownloadStep {
    if (this.#restarted || !this.#mayRestart)
      return failed('the representation changed while it was fetched');
    this.#restarted = true;
    this.#first = undefined;
    this.#buffer = new BodyBuffer();
    return { kind: 'fetch', block: { num: 0, more: false, szx: this.#szx } };
  }

  #whole(first: Content): Content {
    const options = OptionSet.from(first.options.entries())
      .delete(OptionNumber.Block1)
      .delete(OptionNumber.Block2);
    return { code: first.code, options, payload: this.#buffer.body() };
  }
}

function failed(detail: string): DownloadStep {
  return { kind: 'failed', error: 'blockwise', detail };
}
