/**
 * Request bodies in Q-Blocks, the server's side: puts them together, and says when to ask for what is missing.
 *
 * RFC 9177 §4.3, §5 and §7.2. Blocks may come in any order. Sends nothing itself; the blocks of RFC 7959 are put together
 * in `request-bodies.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize } from '../coap/block-option.ts';
import { Code } from '../coap/code.ts';
import { equalOptional } from '../foundation/bytes.ts';
import { after, earliest, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { bodyOverheadBytes } from './body-buffer.ts';
import type { RequestResponseCounters } from './counters.ts';
import type { Content, ExchangeId, PeerKey } from './exchange.ts';
import { type QBlockParameters, timeToWaitMs } from './q-block-parameters.ts';
import type { BlockRefusal } from './request-bodies.ts';
import type { HeldBody, RequestBodyBudget } from './request-body-budget.ts';

/** One block as the server received it. */
export interface ReceivedQBlock {
  /** As `requestBodyKey`: with the Request-Tag. */
  readonly key: string;
  readonly peer: PeerKey;
  readonly token: Uint8Array;
  /** Whether it came in a Confirmable message: missing blocks of such a body are not asked for (§5). */
  readonly confirmable: boolean;
  readonly block: BlockOption;
  readonly payload: Uint8Array;
  /** Content-Format option, as it is. */
  readonly contentFormat: Uint8Array | undefined;
  /** Size of the whole body. */
  readonly size1: number;
  /** Largest body taken for this request. */
  readonly limitBytes: number;
  /** Whether something proves the address of the peer, or need not. */
  readonly isProved: boolean;
}

/** What the server does with a block. */
export type QBlockVerdict =
  /** Nothing is to be told. */
  | { readonly kind: 'wait' }
  /** All blocks of the set, and all before, are there: 2.31. */
  | { readonly kind: 'continue' }
  /** Blocks before this one's set are missing: 4.08. */
  | { readonly kind: 'missing'; readonly exchange: ExchangeId; readonly numbers: readonly number[] }
  | { readonly kind: 'complete'; readonly body: Uint8Array }
  /** The body came before, and this is what was answered then. */
  | { readonly kind: 'answered'; readonly answer: Content }
  /** More than is held for a peer whose address nothing proves; nothing has changed. */
  | { readonly kind: 'unproved'; readonly roomBytes: number }
  | BlockRefusal;

/** Missing blocks to ask for, as they did not come in time. */
export interface MissingBlocks {
  readonly peer: PeerKey;
  /** The same for all times that blocks of one body are asked for; it ends with the body. */
  readonly exchange: ExchangeId;
  /** Of the last request that came. */
  readonly token: Uint8Array;
  readonly numbers: readonly number[];
}

interface PartialBody extends HeldBody {
  readonly szx: number;
  readonly size1: number;
  readonly contentFormat: Uint8Array | undefined;
  /** Undefined once the body was complete. */
  blocks: Map<number, Uint8Array> | undefined;
  /** All blocks below this number are there. */
  contiguous: number;
  highest: number;
  /** The set for which 2.31 was sent, and that for which the sets before were asked for; -1 for none. */
  continued: number;
  reported: number;
  /** How often missing blocks were asked for since a block came. */
  asked: number;
  /** The Exchange of its 4.08 responses. */
  exchange: ExchangeId | undefined;
  token: Uint8Array;
  confirmable: boolean;
  answer: Content | undefined;
  complete: boolean;
}

/** The Exchanges in which missing blocks are asked for. */
export interface AskingExchanges {
  readonly newId: () => ExchangeId;
  readonly ended: (id: ExchangeId) => void;
}

/** Request bodies in Q-Blocks under assembly; bounded by the budget that other request bodies have too. */
export class QBlock1Bodies {
  readonly #budget: RequestBodyBudget;
  readonly #parameters: QBlockParameters;
  readonly #counters: RequestResponseCounters;
  readonly #exchanges: AskingExchanges;
  readonly #asking = new Map<ExchangeId, PartialBody>();
  readonly #bodies = new Map<string, PartialBody>();
  readonly #expiry = new TimerQueue<PartialBody>();
  readonly #requests = new TimerQueue<PartialBody>();
  readonly #drop = (key: string): void => {
    const body = this.#bodies.get(key);
    if (body !== undefined) this.#remove(body);
  };

  constructor(
    budget: RequestBodyBudget,
    parameters: QBlockParameters,
    counters: RequestResponseCounters,
    exchanges: AskingExchanges,
  ) {
    this.#exchanges = exchanges;
    this.#budget = budget;
    this.#parameters = parameters;
    this.#counters = counters;
  }

  /** Number of bodies held. */
  get size(): number {
    return this.#bodies.size;
  }

  /** Takes one block. */
  receive(received: ReceivedQBlock, now: Instant): QBlockVerdict {
    const { key, block, payload, size1, token, confirmable } = received;
    const known = this.#bodies.get(key);
    const fault = faultOf(received) ?? (known && contradiction(known, received));
    if (fault !== undefined) {
      if (fault.code === Code.RequestEntityTooLarge) this.#counters.refusedRequestBodies++;
      return fault;
    }
    const roomBytes = this.#roomFor(received, known);
    if (roomBytes !== undefined) return { kind: 'unproved', roomBytes };
    const body = known ?? this.#create(received);
    body.token = token.slice();
    body.confirmable = confirmable;
    this.#budget.use(body, received.isProved, this.#drop);
    this.#expiry.set(body, after(now, this.#parameters.nonPartialTimeoutMs));
    const { blocks } = body;
    if (blocks === undefined) {
      // §4.3: a block that came before is answered as it was then, and its payload ignored.
      return body.answer === undefined ? { kind: 'wait' } : { kind: 'answered', answer: body.answer };
    }
    if (!blocks.has(block.num)) {
      blocks.set(block.num, payload.slice());
      this.#budget.charge(body, body.bytes + payload.length + blockOverheadBytes);
      body.asked = 0;
      while (blocks.has(body.contiguous)) body.contiguous++;
      body.highest = Math.max(body.highest, block.num);
    }
    this.#budget.makeRoom(body);
    const total = blockCount(size1, body.szx);
    if (body.contiguous === total) return { kind: 'complete', body: this.#complete(body, blocks) };
    if (confirmable) {
      this.#requests.cancel(body);
      return { kind: 'wait' };
    }
    this.#requests.set(body, after(now, timeToWaitMs(this.#parameters, body.asked)));
    return this.#progress(body, block.num);
  }

  /** What the application answered to a complete body: told again when a block of it comes again. */
  answered(key: string, answer: Content): void {
    const body = this.#bodies.get(key);
    if (body === undefined || body.blocks !== undefined || body.answer !== undefined) return;
    const { code, options, payload } = answer;
    body.answer = { code, options, payload: payload.slice() };
    this.#budget.charge(body, body.bytes + payload.length);
    this.#budget.makeRoom(body);
  }

  /** Forgets a body. */
  forget(key: string): void {
    this.#drop(key);
  }

  /** Forgets the bodies of a peer that is gone. */
  forgetPeer(peer: PeerKey): void {
    for (const { key } of this.#budget.of(peer)) this.#drop(key);
  }

  /** The client reset a 4.08: it has given the body up (§4.3). */
  rejected(id: ExchangeId): void {
    const body = this.#asking.get(id);
    if (body !== undefined) this.#remove(body);
  }

  /** The next body whose missing blocks are due to be asked for. */
  expire(now: Instant): MissingBlocks | undefined {
    for (let body = this.#expiry.expire(now); body !== undefined; body = this.#expiry.expire(now)) {
      this.#remove(body);
    }
    for (let body = this.#requests.expire(now); body !== undefined; body = this.#requests.expire(now)) {
      // §7.2: the other end has gone.
      if (body.asked >= this.#parameters.nonMaxRetransmit) {
        this.#remove(body);
        continue;
      }
      body.asked++;
      this.#requests.set(body, after(now, timeToWaitMs(this.#parameters, body.asked)));
      const numbers = this.#missing(body, Math.floor(body.highest / this.#parameters.maxPayloads));
      return { peer: body.peer, exchange: this.#exchangeOf(body), token: body.token, numbers };
    }
    return undefined;
  }

  /** When `expire` wants to be called. */
  nextTimeout(): Instant | undefined {
    return earliest(this.#expiry.next(), this.#requests.next());
  }

  #progress(body: PartialBody, num: number): QBlockVerdict {
    const { maxPayloads } = this.#parameters;
    const set = Math.floor(num / maxPayloads);
    // §7.2: a block of the next set came, and the ones before are not complete: asked for once for each set.
    if (body.contiguous < set * maxPayloads && body.reported < set) {
      body.reported = set;
      return { kind: 'missing', exchange: this.#exchangeOf(body), numbers: this.#missing(body, set - 1) };
    }
    const whole = Math.floor(body.contiguous / maxPayloads) - 1;
    if (whole > body.continued) {
      body.continued = whole;
      // Blocks of later sets are there already: the client need not be told to send them.
      if (body.highest < (whole + 1) * maxPayloads) return { kind: 'continue' };
    } else if (num < body.contiguous && body.contiguous === (whole + 1) * maxPayloads && set === whole) {
      // §4.3: a repetition is answered as the first time: the 2.31 may be lost.
      if (num % maxPayloads === maxPayloads - 1 && body.highest < body.contiguous)
        return { kind: 'continue' };
    }
    return { kind: 'wait' };
  }

  /** Missing blocks up to the end of a set, or of the next where none is; not more than one set has. */
  #missing(body: PartialBody, set: number): number[] {
    const { maxPayloads } = this.#parameters;
    const total = blockCount(body.size1, body.szx);
    const numbers: number[] = [];
    for (let end = (set + 1) * maxPayloads; numbers.length === 0; end += maxPayloads) {
      for (let num = body.contiguous; num < Math.min(end, total) && numbers.length < maxPayloads; num++) {
        if (!body.blocks?.has(num)) numbers.push(num);
      }
    }
    return numbers;
  }

  #create({ key, peer, block, size1, contentFormat, token, confirmable }: ReceivedQBlock): PartialBody {
    const body: PartialBody = {
      ...{ key, peer, szx: block.szx, size1, token, confirmable },
      contentFormat: contentFormat?.slice(),
      blocks: new Map(),
      ...{ contiguous: 0, highest: 0, continued: -1, reported: 0, asked: 0 },
      exchange: undefined,
      answer: undefined,
      bytes: 0,
      complete: false,
    };
    this.#bodies.set(key, body);
    this.#budget.charge(body, bodyOverheadBytes + key.length);
    return body;
  }

  #complete(body: PartialBody, blocks: ReadonlyMap<number, Uint8Array>): Uint8Array {
    const whole = new Uint8Array(body.size1);
    const size = blockSize(body.szx);
    for (const [num, block] of blocks) whole.set(block, num * size);
    body.blocks = undefined;
    body.complete = true;
    this.#budget.charge(body, bodyOverheadBytes + body.key.length);
    this.#requests.cancel(body);
    this.#askNoMore(body);
    return whole;
  }

  #exchangeOf(body: PartialBody): ExchangeId {
    body.exchange ??= this.#exchanges.newId();
    this.#asking.set(body.exchange, body);
    return body.exchange;
  }

  #askNoMore(body: PartialBody): void {
    const { exchange } = body;
    if (exchange === undefined) return;
    body.exchange = undefined;
    this.#asking.delete(exchange);
    this.#exchanges.ended(exchange);
  }

  /** The largest body there is room for, where another block is too much. */
  #roomFor(
    { key, peer, payload, isProved, block }: ReceivedQBlock,
    known: PartialBody | undefined,
  ): number | undefined {
    if (known?.complete || known?.blocks?.has(block.num)) return undefined;
    const allowance = this.#budget.allowance(peer, key, isProved);
    const taken = known?.bytes ?? bodyOverheadBytes + key.length;
    if (taken + payload.length + blockOverheadBytes <= allowance) return undefined;
    const perBlock = blockSize(block.szx) + blockOverheadBytes;
    const blocks = Math.floor((allowance - bodyOverheadBytes - key.length) / perBlock);
    return Math.max(0, blocks) * blockSize(block.szx);
  }

  #remove(body: PartialBody): void {
    if (body.blocks !== undefined) this.#counters.droppedRequestBodies++;
    this.#budget.release(body);
    this.#bodies.delete(body.key);
    this.#expiry.cancel(body);
    this.#requests.cancel(body);
    this.#askNoMore(body);
  }
}

/** Heap bytes of one block besides its payload: array, its entry in the table; rounded up. */
const blockOverheadBytes = 160;

/** How many blocks a body has; an empty one has one. */
function blockCount(length: number, szx: number): number {
  return Math.max(1, Math.ceil(length / blockSize(szx)));
}

/** What is wrong with a block by itself. */
function faultOf({ block, payload, size1, limitBytes }: ReceivedQBlock): BlockRefusal | undefined {
  const bad = (reason: string): BlockRefusal => ({ kind: 'refused', code: Code.BadRequest, reason });
  if (size1 > limitBytes) {
    const reason = `at most ${limitBytes} bytes`;
    return { kind: 'refused', code: Code.RequestEntityTooLarge, reason, size1: limitBytes };
  }
  const size = blockSize(block.szx);
  // §4.6: Size1 is exact, so number, M and length of each block follow from it.
  const total = blockCount(size1, block.szx);
  if (block.num >= total || block.more !== block.num < total - 1) {
    return bad(`block ${block.num} and its M bit do not fit a body of ${size1} bytes`);
  }
  const length = Math.min(size, size1 - block.num * size);
  return payload.length === length ? undefined : bad(`block ${block.num} has ${payload.length} bytes`);
}

/** What makes a block one of another body than its Request-Tag says. */
function contradiction(body: PartialBody, received: ReceivedQBlock): BlockRefusal | undefined {
  const { block, size1, contentFormat } = received;
  const same =
    body.szx === block.szx && body.size1 === size1 && equalOptional(body.contentFormat, contentFormat);
  if (same) return undefined;
  const reason = 'block size, Size1 or Content-Format changed within a body';
  return { kind: 'refused', code: Code.BadRequest, reason };
}
