/**
 * Request bodies that the application takes block by block, the server's side.
 *
 * RFC 7959 §2.3, §2.5. A block is answered when the application has taken it: that is the back-pressure towards the
 * client. Held are the latest block, to know a repetition of it by, and nothing else. Decides what a block is; what is
 * answered is in `streamed-exchanges.ts`.
 *
 * @module
 */

import { blockSize } from '../coap/block-option.ts';
import { Code } from '../coap/code.ts';
import { equalBytes, equalOptional } from '../foundation/bytes.ts';
import type { RequestResponseCounters } from './counters.ts';
import type { ExchangeId, PeerKey, ServerExchange, ServerResponse } from './exchange.ts';
import { type BlockRefusal, blockFault, type ReceivedBlock } from './request-bodies.ts';

/** A body on its way to the application. */
export interface StreamedRequest {
  readonly key: string;
  readonly exchange: ServerExchange;
  readonly contentFormat: Uint8Array | undefined;
  /** The latest block: its place, and a copy of its bytes. */
  offset: number;
  block: Uint8Array;
  /** It was the last one. */
  complete: boolean;
  /** The application has taken it, and it was answered. */
  taken: boolean;
  /** The application answered before the body was whole: for the next block, or the last one. */
  early: ServerResponse | undefined;
}

/** What a block is. */
export type PartVerdict =
  /** The first of a body. */
  | { readonly kind: 'begins' }
  /** The next one. */
  | { readonly kind: 'continues'; readonly stream: StreamedRequest }
  /** The latest one once more. */
  | { readonly kind: 'repeats'; readonly stream: StreamedRequest }
  | BlockRefusal;

/** Limits of `StreamedRequests`; see `RequestResponseConfig`. */
export interface StreamedRequestLimits {
  readonly maxStreamedRequests: number;
  readonly maxRequestBodiesPerPeer: number;
}

/** All request bodies on their way to the application; the one longest without a block makes room for another. */
export class StreamedRequests {
  readonly #limits: StreamedRequestLimits;
  readonly #counters: RequestResponseCounters;
  readonly #dropped: (stream: StreamedRequest) => void;
  /** Longest without a block first: a `Map` keeps the order of insertion. */
  readonly #byKey = new Map<string, StreamedRequest>();
  readonly #byExchange = new Map<ExchangeId, StreamedRequest>();
  readonly #perPeer = new Map<PeerKey, number>();

  /** `dropped` is told of a body that will not become whole. */
  constructor(
    limits: StreamedRequestLimits,
    counters: RequestResponseCounters,
    dropped: (stream: StreamedRequest) => void,
  ) {
    this.#limits = limits;
    this.#counters = counters;
    this.#dropped = dropped;
  }

  /** Number of bodies. */
  get size(): number {
    return this.#byKey.size;
  }

  /** The body of an Exchange. */
  get(exchange: ExchangeId): StreamedRequest | undefined {
    return this.#byExchange.get(exchange);
  }

  /** Takes one block. */
  receive(received: ReceivedBlock): PartVerdict {
    const { key, block, payload } = received;
    const fault = blockFault(received);
    if (fault !== undefined) {
      if (fault.code === Code.RequestEntityTooLarge) this.#counters.refusedRequestBodies++;
      this.#drop(key);
      return fault;
    }
    const offset = block.num * blockSize(block.szx);
    const stream = this.#byKey.get(key);
    const sameFormat = stream && equalOptional(stream.contentFormat, received.contentFormat);
    if (stream !== undefined && sameFormat) {
      const repeats =
        offset === stream.offset && block.more !== stream.complete && equalBytes(payload, stream.block);
      if (repeats) return { kind: 'repeats', stream };
      if (!stream.complete && offset > 0 && offset === stream.offset + stream.block.length) {
        if (!stream.taken) {
          const reason = `the block before ${block.num} is not taken yet`;
          return { kind: 'refused', code: Code.ServiceUnavailable, reason };
        }
        this.#take(stream, received, offset);
        return { kind: 'continues', stream };
      }
    }
    // On a gap the state goes (§2.9.2), and a new first block begins a new body (§2.5).
    this.#drop(key);
    if (offset === 0) return { kind: 'begins' };
    const reason = `block ${block.num} is not in sequence`;
    return { kind: 'refused', code: Code.RequestEntityIncomplete, reason };
  }

  /** Adds the body whose first block was received for this Exchange. */
  begin({ key, peer, payload, contentFormat }: ReceivedBlock, exchange: ServerExchange): void {
    const stream: StreamedRequest = {
      key,
      exchange,
      contentFormat: contentFormat?.slice(),
      offset: 0,
      block: payload.slice(),
      complete: false,
      taken: false,
      early: undefined,
    };
    this.#byKey.set(key, stream);
    this.#byExchange.set(exchange.id, stream);
    const ofPeer = (this.#perPeer.get(peer) ?? 0) + 1;
    this.#perPeer.set(peer, ofPeer);
    const tooManyOfPeer = ofPeer > this.#limits.maxRequestBodiesPerPeer;
    if (!tooManyOfPeer && this.#byKey.size <= this.#limits.maxStreamedRequests) return;
    for (const other of this.#byKey.values()) {
      if (tooManyOfPeer && other.exchange.peer !== peer) continue;
      this.#drop(other.key);
      return;
    }
  }

  /** Forgets the body of an Exchange that was answered, or given up. */
  end(exchange: ExchangeId): void {
    const stream = this.#byExchange.get(exchange);
    if (stream === undefined) return;
    const { key } = stream;
    const { peer } = stream.exchange;
    this.#byExchange.delete(exchange);
    this.#byKey.delete(key);
    const ofPeer = (this.#perPeer.get(peer) ?? 1) - 1;
    if (ofPeer === 0) this.#perPeer.delete(peer);
    else this.#perPeer.set(peer, ofPeer);
  }

  #take(stream: StreamedRequest, { block, payload }: ReceivedBlock, offset: number): void {
    stream.offset = offset;
    stream.block = payload.slice();
    stream.complete = !block.more;
    stream.taken = false;
    this.#byKey.delete(stream.key);
    this.#byKey.set(stream.key, stream);
  }

  #drop(key: string): void {
    const stream = this.#byKey.get(key);
    if (stream === undefined) return;
    this.#counters.droppedRequestBodies++;
    this.end(stream.exchange.id);
    this.#dropped(stream);
  }
}
