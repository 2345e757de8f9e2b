/**
 * Request bodies in blocks, the server's side: puts them together.
 *
 * RFC 7959 §2.3, §2.5 and §2.9; Size1 §4; Request-Tag RFC 9175 §3 (as part of the key the server is given).
 * The server handles the body atomically: the application sees it whole or not at all. Sends nothing itself.
 *
 * @module
 */

import { type BlockOption, blockSize, isFullBlock } from '../coap/block-option.ts';
import { Code } from '../coap/code.ts';
import { equalOptional } from '../foundation/bytes.ts';
import { after, type DurationMs, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { BodyBuffer, bodyOverheadBytes } from './body-buffer.ts';
import type { RequestResponseCounters } from './counters.ts';
import type { PeerKey } from './exchange.ts';
import type { HeldBody, RequestBodyBudget } from './request-body-budget.ts';

/** One block as the server received it. */
export interface ReceivedBlock {
  readonly key: string;
  readonly peer: PeerKey;
  readonly block: BlockOption;
  readonly payload: Uint8Array;
  /** Content-Format option, as it is. */
  readonly contentFormat: Uint8Array | undefined;
  readonly size1: number | undefined;
  /** Largest body taken for this request. */
  readonly limitBytes: number;
  /** Whether something proves the address of the peer, or need not. */
  readonly isProved: boolean;
}

/** What the server does with a block. */
export type BlockVerdict =
  | { readonly kind: 'continue' }
  | { readonly kind: 'complete'; readonly body: Uint8Array }
  /** More than is held for a peer whose address nothing proves; nothing has changed. `roomBytes`: the largest body from it. */
  | { readonly kind: 'unproved'; readonly roomBytes: number }
  | BlockRefusal;

/** An error to answer a block with. */
export interface BlockRefusal {
  readonly kind: 'refused';
  readonly code: Code;
  readonly size1?: number;
  readonly reason: string;
}

/** What is wrong with a block by itself. */
export function blockFault({ block, payload, size1, limitBytes }: ReceivedBlock): BlockRefusal | undefined {
  const size = blockSize(block.szx);
  // §2.3: with M set the payload must be exactly one block, or whole ones (RFC 8323 §6); without, SZX does not govern its size.
  if (block.more && !isFullBlock(block.szx, payload.length)) {
    const reason = `Block1 says ${size} bytes, the payload has ${payload.length}`;
    return { kind: 'refused', code: Code.BadRequest, reason };
  }
  const announced = block.num === 0 ? (size1 ?? 0) : 0;
  if (Math.max(announced, block.num * size + payload.length + (block.more ? 1 : 0)) <= limitBytes) {
    return undefined;
  }
  const reason = `at most ${limitBytes} bytes`;
  return { kind: 'refused', code: Code.RequestEntityTooLarge, reason, size1: limitBytes };
}

interface UnfinishedBody extends HeldBody {
  readonly contentFormat: Uint8Array | undefined;
  readonly buffer: BodyBuffer;
  complete: boolean;
}

/** Request bodies under assembly, server side; `budget` bounds them. */
export class RequestBodies {
  readonly #lifetimeMs: DurationMs;
  readonly #budget: RequestBodyBudget;
  readonly #counters: RequestResponseCounters;
  readonly #bodies = new Map<string, UnfinishedBody>();
  readonly #expiry = new TimerQueue<string>();
  readonly #drop = (key: string): void => this.#forget(key);

  /** `lifetimeMs` is how long a body is kept without a block: EXCHANGE_LIFETIME. */
  constructor(lifetimeMs: DurationMs, budget: RequestBodyBudget, counters: RequestResponseCounters) {
    this.#lifetimeMs = lifetimeMs;
    this.#budget = budget;
    this.#counters = counters;
  }

  /** Number of bodies held. */
  get size(): number {
    return this.#bodies.size;
  }

  /** Takes one block. */
  receive(received: ReceivedBlock, now: Instant): BlockVerdict {
    const { block, payload } = received;
    const fault = blockFault(received);
    if (fault !== undefined) {
      this.#drop(received.key);
      if (fault.code === Code.RequestEntityTooLarge) this.#counters.refusedRequestBodies++;
      return fault;
    }
    const offset = block.num * blockSize(block.szx);
    const { peer, key, isProved } = received;
    const room = this.#budget.allowance(peer, key, isProved) - bodyOverheadBytes - key.length;
    if (offset + payload.length > room) return { kind: 'unproved', roomBytes: Math.max(0, room) };
    const body = this.#bodyFor(received, offset);
    if (body === undefined) {
      const reason = `block ${block.num} is not in sequence`;
      return { kind: 'refused', code: Code.RequestEntityIncomplete, reason };
    }
    // A complete body does not change any more: the application has it.
    if (!body.complete) this.#extend(body, offset, payload, room, !block.more);
    this.#budget.use(body, isProved, this.#drop);
    this.#expiry.set(body.key, after(now, this.#lifetimeMs));
    this.#budget.makeRoom(body);
    return block.more ? { kind: 'continue' } : { kind: 'complete', body: body.buffer.body() };
  }

  /** Forgets a body. */
  forget(key: string): void {
    this.#drop(key);
  }

  /** Forgets the bodies of a peer that is gone. */
  forgetPeer(peer: PeerKey): void {
    for (const { key } of this.#budget.of(peer)) this.#drop(key);
  }

  /** Forgets bodies that got no block for EXCHANGE_LIFETIME (§2.5). */
  handleTimeout(now: Instant): void {
    for (let key = this.#expiry.expire(now); key !== undefined; key = this.#expiry.expire(now))
      this.#drop(key);
  }

  /** When the next body expires. */
  nextTimeout(): Instant | undefined {
    return this.#expiry.next();
  }

  /**
   * The body the block belongs to, new for a first block. A block that repeats what is there (a duplicate
   * with a new Message ID) changes nothing; one that differs overwrites from its place on, as a client that
   * restarted wants it (§2.5).
   */
  #bodyFor(received: ReceivedBlock, offset: number): UnfinishedBody | undefined {
    const body = this.#bodies.get(received.key);
    if (body !== undefined && offset <= body.buffer.length) {
      const sameFormat = equalOptional(body.contentFormat, received.contentFormat);
      const repeats = sameFormat && body.buffer.holds(offset, received.payload);
      const belongs = body.complete ? repeats && offset > 0 : repeats || (sameFormat && offset > 0);
      if (belongs) return body;
    }
    // Also on a gap the state goes (§2.9.2): the client has to begin again.
    this.#drop(received.key);
    return offset === 0 ? this.#create(received) : undefined;
  }

  #create({ key, peer, contentFormat }: ReceivedBlock): UnfinishedBody {
    const body: UnfinishedBody = {
      key,
      peer,
      contentFormat: contentFormat?.slice(),
      buffer: new BodyBuffer(),
      bytes: 0,
      complete: false,
    };
    this.#charge(body);
    this.#bodies.set(key, body);
    return body;
  }

  #extend(body: UnfinishedBody, offset: number, payload: Uint8Array, room: number, last: boolean): void {
    if (!body.buffer.holds(offset, payload)) {
      body.buffer.truncate(offset);
      body.buffer.append(payload, room);
    }
    if (last) body.buffer.truncate(offset + payload.length);
    body.complete = last;
    this.#charge(body);
  }

  #charge(body: UnfinishedBody): void {
    this.#budget.charge(body, bodyOverheadBytes + body.key.length + body.buffer.capacity);
  }

  #forget(key: string): void {
    const body = this.#bodies.get(key);
    if (body === undefined) return;
    if (!body.complete) this.#counters.droppedRequestBodies++;
    this.#budget.release(body);
    this.#bodies.delete(key);
    this.#expiry.cancel(key);
  }
}
