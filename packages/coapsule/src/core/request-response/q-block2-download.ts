/**
 * A response body in Q-Blocks on its way to a client: puts it together, and says what to ask for.
 *
 * RFC 9177 §4.4, §4.6, §7.1 and §7.2, the client's side. Blocks may come in any order. Sends nothing itself; the server's
 * side is in `q-block2-transfers.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize, decodeBlock } from '../coap/block-option.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { after, elapsedMs, type Instant } from '../foundation/instant.ts';
import type { Content } from './exchange.ts';
import { type QBlockParameters, timeToWaitMs } from './q-block-parameters.ts';
import { sameRepresentation } from './representation.ts';

/** What a client does next about a body. */
export type QDownloadStep =
  /** Nothing before the deadline. */
  | { readonly kind: 'wait' }
  /** Ask for these, with a Q-Block2 option each. */
  | { readonly kind: 'ask'; readonly blocks: readonly BlockOption[] }
  | { readonly kind: 'complete'; readonly response: Content }
  | {
      readonly kind: 'failed';
      readonly error: 'blockwise' | 'body-too-large' | 'timeout';
      readonly detail: string;
    };

/** A response body on its way to a client. */
export class QBlock2Download {
  readonly #parameters: QBlockParameters;
  readonly #maxBytes: number;
  readonly #head: Content;
  readonly #szx: number;
  readonly #length: number;
  readonly #total: number;
  readonly #keepMs: number;
  readonly #blocks = new Map<number, Uint8Array>();
  /** All blocks below are there. */
  #contiguous = 0;
  #highest = -1;
  /** The set for which Continue was sent, and that for which the sets before were asked for; -1 for none. */
  #continued = -1;
  #reported = 0;
  /** How often missing blocks were asked for since a new one came. */
  #asked = 0;
  #progressAt: Instant;
  #deadline: Instant | undefined;
  /** Whether the blocks come in Confirmable messages: so must those that are asked for (§7). */
  confirmable: boolean;

  /** @param first Any block of the body, to be given to `receive` as well. */
  constructor(
    parameters: QBlockParameters,
    maxBytes: number,
    first: Content,
    confirmable: boolean,
    now: Instant,
  ) {
    this.#parameters = parameters;
    this.#maxBytes = maxBytes;
    const { code, options } = first;
    this.#head = { code, options, payload: first.payload };
    this.#szx = qBlock2Of(first)?.szx ?? 0;
    this.#length = options.uint(OptionNumber.Size2) ?? 0;
    this.#total = Math.max(1, Math.ceil(this.#length / blockSize(this.#szx)));
    const maxAgeMs = (options.uint(OptionNumber.MaxAge) ?? defaultMaxAgeSeconds) * 1000;
    this.#keepMs = Math.min(maxAgeMs, parameters.nonPartialTimeoutMs);
    this.confirmable = confirmable;
    this.#progressAt = now;
  }

  /** When `expire` wants to be called. */
  get deadline(): Instant | undefined {
    return this.#deadline;
  }

  /** Whether all of it is there. */
  get complete(): boolean {
    return this.#contiguous === this.#total;
  }

  /** Whether a response is of the same body (§4.4: all its blocks have one ETag). */
  has(response: Content): boolean {
    return sameRepresentation(this.#head, response);
  }

  /** Takes a block of this body. */
  receive(response: Content, now: Instant): QDownloadStep {
    const block = qBlock2Of(response);
    const fault = this.#faultOf(response, block);
    if (fault !== undefined || block === undefined) return fault ?? failed('an illegal Q-Block2 option');
    const { num } = block;
    // §4.4: the payload of a block that is there already is silently ignored.
    if (this.complete) return { kind: 'wait' };
    if (!this.#blocks.has(num)) {
      this.#blocks.set(num, response.payload.slice());
      while (this.#blocks.has(this.#contiguous)) this.#contiguous++;
      this.#highest = Math.max(this.#highest, num);
      this.#asked = 0;
      this.#progressAt = now;
    }
    if (this.complete) {
      this.#deadline = undefined;
      return { kind: 'complete', response: this.#whole() };
    }
    this.#wait(now);
    return this.confirmable ? { kind: 'wait' } : this.#progress(num);
  }

  /** What is due at the deadline. */
  expire(now: Instant): QDownloadStep {
    const { nonMaxRetransmit, maxPayloads } = this.#parameters;
    const isStale = this.#asked > 0 && elapsedMs(this.#progressAt, now) >= this.#keepMs;
    if (isStale || this.#asked >= nonMaxRetransmit) {
      const missing = this.#total - this.#blocks.size;
      const detail = `${missing} of ${this.#total} blocks of the response did not come`;
      return { kind: 'failed', error: 'timeout', detail };
    }
    this.#asked++;
    this.#wait(now);
    return this.#ask(Math.floor(this.#highest / maxPayloads));
  }

  #progress(num: number): QDownloadStep {
    const { maxPayloads } = this.#parameters;
    const set = Math.floor(num / maxPayloads);
    // §7.2: a block of the next set came, and the ones before are not complete: asked for once for each set.
    if (this.#contiguous < set * maxPayloads && this.#reported < set) {
      this.#reported = set;
      return this.#ask(set - 1);
    }
    const whole = Math.floor(this.#contiguous / maxPayloads) - 1;
    if (whole <= this.#continued) return { kind: 'wait' };
    this.#continued = whole;
    // Blocks of later sets are there already: the server need not be told to send them.
    const next = (whole + 1) * maxPayloads;
    return this.#highest < next ? this.#askFor([{ num: next, more: true }]) : { kind: 'wait' };
  }

  /** What is missing up to the end of a set; where nothing is, the next set. */
  #ask(set: number): QDownloadStep {
    const { maxPayloads } = this.#parameters;
    const end = Math.min((set + 1) * maxPayloads, this.#total);
    // §4.4: Continue.
    if (this.#contiguous >= end) return this.#askFor([{ num: this.#contiguous, more: true }]);
    const missing: number[] = [];
    for (let num = this.#contiguous; num < end && missing.length < maxPayloads; num++) {
      if (!this.#blocks.has(num)) missing.push(num);
    }
    const [first] = missing as [number];
    // Figure 10: the rest of a set of which only the beginning came. In a number that is a multiple M means something else.
    const isRest = missing.length > 1 && first % maxPayloads > 0 && this.#highest < first;
    if (isRest) return this.#askFor([{ num: first, more: true }]);
    return this.#askFor(missing.map((num) => ({ num, more: false })));
  }

  #askFor(blocks: readonly Omit<BlockOption, 'szx'>[]): QDownloadStep {
    return { kind: 'ask', blocks: blocks.map((block) => ({ ...block, szx: this.#szx })) };
  }

  /** §4.4: Confirmable blocks are repeated by the server; only after that it makes sense to ask. */
  #wait(now: Instant): void {
    const { confirmableReceiveTimeoutMs } = this.#parameters;
    const waitMs = this.confirmable
      ? confirmableReceiveTimeoutMs
      : timeToWaitMs(this.#parameters, this.#asked);
    this.#deadline = after(now, waitMs);
  }

  /** §4.6: Size2 is exact, so number, M and length of each block follow from it. */
  #faultOf({ options, payload }: Content, block: BlockOption | undefined): QDownloadStep | undefined {
    if (block === undefined) return failed('the response has an illegal Q-Block2 option');
    if (!options.has(OptionNumber.ETag) || options.uint(OptionNumber.Size2) === undefined) {
      return failed('a block of the response comes without ETag or Size2');
    }
    if (options.uint(OptionNumber.Size2) !== this.#length || block.szx !== this.#szx) {
      return failed('Size2 or the block size changed within a body');
    }
    if (this.#length > this.#maxBytes) {
      const detail = `the body is larger than ${this.#maxBytes} bytes`;
      return { kind: 'failed', error: 'body-too-large', detail };
    }
    const { num, more } = block;
    const size = blockSize(this.#szx);
    if (num >= this.#total || more !== num < this.#total - 1) {
      return failed(`block ${num} and its M bit do not fit a body of ${this.#length} bytes`);
    }
    const length = Math.min(size, this.#length - num * size);
    if (payload.length === length) return undefined;
    return failed(`block ${num} has ${payload.length} bytes, expected ${length}`);
  }

  #whole(): Content {
    const payload = new Uint8Array(this.#length);
    const size = blockSize(this.#szx);
    for (const [num, block] of this.#blocks) payload.set(block, num * size);
    this.#blocks.clear();
    const { code, options } = this.#head;
    return withoutQBlocks({ code, options, payload });
  }
}

/** The Q-Block2 option of a response; `undefined` also for an illegal one. */
export function qBlock2Of({ options }: Content): BlockOption | undefined {
  const value = options.first(OptionNumber.QBlock2);
  return value === undefined ? undefined : decodeBlock(value);
}

/** §8: the Q-Block options are removed as a body is put together. */
export function withoutQBlocks({ code, options: all, payload }: Content): Content {
  const options = OptionSet.from(all.entries()).delete(OptionNumber.QBlock1).delete(OptionNumber.QBlock2);
  return { code, options, payload };
}

/** RFC 7252 §5.10.5. */
const defaultMaxAgeSeconds = 60;

function failed(detail: string): QDownloadStep {
  return { kind: 'failed', error: 'blockwise', detail };
}
