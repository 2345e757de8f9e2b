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
import { after, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { BodyBuffer, bodyOverheadBytes } from './body-buffer.ts';
import type { RequestResponseCounters } from './counters.ts';
import type { PeerKey } from './exchange.ts';

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
}

/** What the server does with a block. */
export type BlockVerdict =
  | { readonly kind: 'continue' }
  | { readonly kind: 'complete'; readonly body: Uint8Array }
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

interface UnfinishedBody {
  readonly key: string;
  readonly peer: PeerKey;
  readonly contentFormat: Uint8Array | undefined;
  readonly buffer: BodyBuffer;
  /** Memory charged to it, as of its last change. */
  bytes: number;
  /** The last block came; kept for a repetition of it. */
  complete: boolean;
}

/** Limits of `RequestBodies`; see `RequestResponseConfig`. */
export interface RequestBodyLimits {
  readonly totalRequestBodyBytes: number;
  readonly maxRequestBodies: number;
  readonly maxRequestBodiesPerPeer: number;
  readonly exchangeLifetimeMs: number;
}

/** Request bodies under assembly, server side; bounded in bytes and for each peer. */
export class RequestBodies {
  readonly #limits: RequestBodyLimits;
  readonly #counters: RequestResponseCounters;
  /** Oldest use first: a `Map` keeps the order of insertion. */
  readonly #bodies = new Map<string, UnfinishedBody>();
  readonly #byPeer = new Map<PeerKey, Set<UnfinishedBody>>();
  readonly #expiry = new TimerQueue<string>();
  #bytes = 0;

  constructor(limits: RequestBodyLimits, counters: RequestResponseCounters) {
    this.#limits = limits;
    this.#counters = counters;
  }

  /** Number of bodies held. */
  get size(): number {
    return this.#bodies.size;
  }

  /** Bytes of memory held. */
  get bytes(): number {
    return this.#bytes;
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
    const body = this.#bodyFor(received, offset, now);
    if (body === undefined) {
      const reason = `block ${block.num} is not in sequence`;
      return { kind: 'refused', code: Code.RequestEntityIncomplete, reason };
    }
    // A complete body does not change any more: the application has it.
    if (!body.complete) this.#extend(body, offset, payload, !block.more);
    this.#touch(body, now);
    this.#makeRoom(body);
    return block.more ? { kind: 'continue' } : { kind: 'complete', body: body.buffer.body() };
  }

  /** Forgets the bodies of a peer that is gone. */
  forgetPeer(peer: PeerKey): void {
    for (const body of this.#byPeer.get(peer) ?? []) this.#remove(body);
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
  #bodyFor(received: ReceivedBlock, offset: number, now: Instant): UnfinishedBody | undefined {
    const body = this.#bodies.get(received.key);
    if (body !== undefined && offset <= body.buffer.length) {
      const sameFormat = equalOptional(body.contentFormat, received.contentFormat);
      const repeats = sameFormat && body.buffer.holds(offset, received.payload);
      const belongs = body.complete ? repeats && offset > 0 : repeats || (sameFormat && offset > 0);
      if (belongs) return body;
    }
    // Also on a gap the state goes (§2.9.2): the client has to begin again.
    this.#drop(received.key);
    return offset === 0 ? this.#create(received, now) : undefined;
  }

  #create(received: ReceivedBlock, now: Instant): UnfinishedBody {
    const { key, peer } = received;
    const body: UnfinishedBody = {
      key,
      peer,
      contentFormat: received.contentFormat?.slice(),
      buffer: new BodyBuffer(),
      bytes: 0,
      complete: false,
    };
    this.#charge(body);
    this.#bodies.set(key, body);
    const ofPeer = this.#byPeer.get(peer) ?? new Set();
    this.#byPeer.set(peer, ofPeer.add(body));
    if (ofPeer.size > this.#limits.maxRequestBodiesPerPeer) this.#remove(this.#oldest(ofPeer, body));
    this.#touch(body, now);
    return body;
  }

  #extend(body: UnfinishedBody, offset: number, payload: Uint8Array, last: boolean): void {
    if (!body.buffer.holds(offset, payload)) {
      body.buffer.truncate(offset);
      body.buffer.append(payload);
    }
    if (last) body.buffer.truncate(offset + payload.length);
    body.complete = last;
    this.#charge(body);
  }

  #charge(body: UnfinishedBody): void {
    this.#bytes -= body.bytes;
    body.bytes = bodyOverheadBytes + body.key.length + body.buffer.capacity;
    this.#bytes += body.bytes;
  }

  #touch(body: UnfinishedBody, now: Instant): void {
    this.#bodies.delete(body.key);
    this.#bodies.set(body.key, body);
    const ofPeer = this.#byPeer.get(body.peer) as Set<UnfinishedBody>;
    ofPeer.delete(body);
    ofPeer.add(body);
    this.#expiry.set(body.key, after(now, this.#limits.exchangeLifetimeMs));
  }

  #makeRoom(current: UnfinishedBody): void {
    const { totalRequestBodyBytes, maxRequestBodies } = this.#limits;
    // The one longest without a block is found at once: looking through thousands would be worth an attack.
    for (const body of this.#bodies.values()) {
      if (this.#bytes <= totalRequestBodyBytes && this.#bodies.size <= maxRequestBodies) return;
      if (body !== current) this.#remove(body);
    }
  }

  /** A complete body, kept only for a repetition, goes first; else the one longest without a block. */
  #oldest(bodies: Iterable<UnfinishedBody>, except: UnfinishedBody): UnfinishedBody {
    let oldest: UnfinishedBody | undefined;
    for (const body of bodies) {
      if (body === except) continue;
      if (body.complete) return body;
      oldest ??= body;
    }
    return oldest ?? except;
  }

  #drop(key: string): void {
    const body = this.#bodies.get(key);
    if (body !== undefined) this.#remove(body);
  }

  #remove(body: UnfinishedBody): void {
    if (!body.complete) this.#counters.droppedRequestBodies++;
    this.#bytes -= body.bytes;
    this.#bodies.delete(body.key);
    this.#expiry.cancel(body.key);
    const ofPeer = this.#byPeer.get(body.peer);
    ofPeer?.delete(body);
    if (ofPeer?.size === 0) this.#byPeer.delete(body.peer);
  }
}
