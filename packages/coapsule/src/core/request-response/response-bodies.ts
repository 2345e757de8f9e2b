/**
 * Response bodies of more than one block, the server's side: keeps them for requests of their later blocks.
 *
 * RFC 7959 §2.4 and §2.6. What of them a message carries is in `response-message.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize } from '../coap/block-option.ts';
import { isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { equalBytes, equalOptional } from '../foundation/bytes.ts';
import { after, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { bodyOverheadBytes } from './body-buffer.ts';
import type { RequestResponseCounters } from './counters.ts';
import type { PeerKey, Representation } from './exchange.ts';
import type { OutgoingBody } from './outgoing-body.ts';
import { sameRepresentation } from './representation.ts';

/** What tells the response bodies for one peer apart, beside their ETags. */
export interface BodyName {
  /** Method, URI, Accept and Request-Tag; see `responseBodyKey`. */
  readonly key: string;
  /**
   * The payload of a FETCH, of which the response is a function, or what stands for it, as the Request-Tag of a body in
   * Q-Blocks; `undefined` where it says nothing.
   */
  readonly query: Uint8Array | undefined;
}

/** Keeps response bodies for requests of their later blocks. */
export interface BodyKeeper {
  /** `etagBytes` is the length of an ETag that is made here. */
  keep(
    name: BodyName,
    peer: PeerKey,
    response: Representation,
    sent: number,
    now: Instant,
    etagBytes?: number,
  ): Representation;
}

/** Bytes of an ETag of ours: short, as each block carries it, also to peers that may get few bytes. */
export const etagLength = 4;

interface KeptBody {
  readonly key: string;
  readonly query: Uint8Array | undefined;
  readonly peer: PeerKey;
  /** Where the next block of one who fetches in order begins. */
  nextByte: number;
  readonly response: Representation;
  /** A later notification of the same resource has gone to this peer. */
  isSuperseded: boolean;
  /** Memory charged to it. */
  readonly bytes: number;
}

/** Limits of `ResponseBodies`; see `RequestResponseConfig`. */
export interface ResponseBodyLimits {
  readonly totalResponseBodyBytes: number;
  readonly maxResponseBodies: number;
  readonly maxResponseBodiesPerPeer: number;
  readonly exchangeLifetimeMs: number;
}

/**
 * Response bodies kept for requests of their later blocks; bounded in bytes and for each peer, least used go first.
 *
 * A client without Request-Tags may have two operations under way that look the same (RFC 7959 §2.4 leaves that
 * to the client). Its later blocks are taken from the body that is fetched so far, of several from the one used
 * last; the ETag tells the client if that was another one.
 */
export class ResponseBodies implements BodyKeeper {
  readonly #limits: ResponseBodyLimits;
  readonly #counters: RequestResponseCounters;
  readonly #etagSeed: number;
  readonly #release: (body: OutgoingBody | undefined) => void;
  /** Bodies without an ETag of the application's that were handed over. */
  #nameless = 0;
  /** Least used first: a `Set` keeps the order of insertion. */
  readonly #bodies = new Set<KeptBody>();
  readonly #responses = new Set<Representation>();
  /** Least used first. */
  readonly #byKey = new Map<string, KeptBody[]>();
  readonly #byPeer = new Map<PeerKey, Set<KeptBody>>();
  readonly #expiry = new TimerQueue<KeptBody>();
  #bytes = 0;

  /** `etagSeed` is a random 32-bit number; `release` is told of a body that is handed over and kept no longer. */
  constructor(
    limits: ResponseBodyLimits,
    etagSeed: number,
    counters: RequestResponseCounters,
    release: (body: OutgoingBody | undefined) => void,
  ) {
    this.#limits = limits;
    this.#release = release;
    this.#etagSeed = etagSeed;
    this.#counters = counters;
  }

  /** Number of bodies held. */
  get size(): number {
    return this.#bodies.size;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Keeps a copy of a response whose body needs more than one block, and returns it with an ETag
   * (the application's, or one made from the body; for one that is handed over, a number of its own). Its first `sent` bytes are on their way.
   */
  keep(
    name: BodyName,
    peer: PeerKey,
    response: Representation,
    sent: number,
    now: Instant,
    etagBytes: number = etagLength,
  ): Representation {
    const { key } = name;
    const { code, body } = response;
    const options = OptionSet.from(response.options.entries());
    const payload = response.payload.slice();
    if (isSuccessCode(code) && !options.has(OptionNumber.ETag)) {
      const etag = body === undefined ? bodyDigest(payload, this.#etagSeed) : this.#nextEtag();
      // The last bytes: those of a number are the ones that differ.
      options.set(OptionNumber.ETag, etag.subarray(etag.length - etagBytes));
    }
    const content: Representation = { code, options, payload, ...(body === undefined ? {} : { body }) };
    const alike = this.#byKey.get(key) ?? [];
    const former =
      alike.find((kept) => sameRepresentation(kept.response, content)) ??
      (alike.length < maxAlike ? undefined : alike[0]);
    if (former !== undefined) this.#remove(former);
    const query = name.query && bodyDigest(name.query, this.#etagSeed);
    const bytes =
      bodyOverheadBytes +
      key.length +
      (body === undefined ? payload.length : Math.max(windowBytes, 4 * body.heldBytes));
    const kept: KeptBody = {
      key,
      query,
      peer,
      nextByte: sent,
      response: content,
      isSuperseded: false,
      bytes,
    };
    if (bytes > this.#limits.totalResponseBodyBytes) {
      this.#release(body);
      return content;
    }
    this.#bytes += bytes;
    this.#responses.add(content);
    this.#use(kept, now);
    const ofPeer = this.#byPeer.get(peer) as Set<KeptBody>;
    if (ofPeer.size > this.#limits.maxResponseBodiesPerPeer) this.#evict(ofPeer);
    const { totalResponseBodyBytes, maxResponseBodies } = this.#limits;
    while (this.#bytes > totalResponseBodyBytes || this.#bodies.size > maxResponseBodies) {
      this.#evict(this.#bodies);
    }
    return content;
  }

  /** The response of which `wish` is a block, to be answered with `size` bytes; counts as use of it. */
  find(name: BodyName, wish: BlockOption, size: number, now: Instant): Representation | undefined {
    const digest = name.query && bodyDigest(name.query, this.#etagSeed);
    const matches = (this.#byKey.get(name.key) ?? []).filter(
      ({ query }) => digest === undefined || (query !== undefined && equalBytes(query, digest)),
    );
    const offset = wish.num * blockSize(wish.szx);
    const present = matches.filter(({ isSuperseded }) => !isSuperseded).reverse();
    const superseded = matches.filter(({ isSuperseded }) => isSuperseded).reverse();
    const isNext = ({ nextByte }: KeptBody): boolean => nextByte === offset;
    const kept =
      present.find(isNext) ??
      // A request for the former one that was late may have had this block of the present one.
      (superseded.length === 0 ? undefined : present.find(({ nextByte }) => offset < nextByte)) ??
      superseded.find(isNext) ??
      present[0] ??
      superseded[0];
    if (kept === undefined) return undefined;
    kept.nextByte = offset + size;
    this.#use(kept, now);
    return kept.response;
  }

  /** Something newer of it is about to be notified: who asks for a block that both have next means that one. */
  supersede({ key, query }: BodyName): void {
    const digest = query && bodyDigest(query, this.#etagSeed);
    for (const kept of this.#byKey.get(key) ?? []) {
      kept.isSuperseded ||= equalOptional(kept.query, digest);
    }
  }

  /** Whether a response that `keep` returned is still kept. */
  holds(response: Representation): boolean {
    return this.#responses.has(response);
  }

  /** Forgets the bodies for a peer that is gone. */
  forgetPeer(peer: PeerKey): void {
    for (const kept of this.#byPeer.get(peer) ?? []) this.#remove(kept);
  }

  /** Forgets bodies nobody asked for during EXCHANGE_LIFETIME (§2.4). */
  handleTimeout(now: Instant): void {
    for (let kept = this.#expiry.expire(now); kept !== undefined; kept = this.#expiry.expire(now)) {
      this.#remove(kept);
    }
  }

  /** When the next body expires. */
  nextTimeout(): Instant | undefined {
    return this.#expiry.next();
  }

  /** RFC 9175 §3.8: no two representations have one ETag. */
  #nextEtag(): Uint8Array {
    const etag = new DataView(new ArrayBuffer(etagLength));
    etag.setUint32(0, this.#etagSeed + ++this.#nameless);
    return new Uint8Array(etag.buffer);
  }

  /** Puts a body behind all others, new or not. */
  #use(kept: KeptBody, now: Instant): void {
    this.#bodies.delete(kept);
    this.#bodies.add(kept);
    const ofPeer = this.#byPeer.get(kept.peer) ?? new Set();
    ofPeer.delete(kept);
    this.#byPeer.set(kept.peer, ofPeer.add(kept));
    const alike = (this.#byKey.get(kept.key) ?? []).filter((other) => other !== kept);
    this.#byKey.set(kept.key, [...alike, kept]);
    this.#expiry.set(kept, after(now, this.#limits.exchangeLifetimeMs));
  }

  #evict(leastUsedFirst: Iterable<KeptBody>): void {
    for (const kept of leastUsedFirst) {
      this.#counters.evictedResponseBodies++;
      this.#remove(kept);
      return;
    }
  }

  #remove(kept: KeptBody): void {
    this.#bytes -= kept.bytes;
    this.#release(kept.response.body);
    this.#bodies.delete(kept);
    this.#responses.delete(kept.response);
    this.#expiry.cancel(kept);
    const alike = (this.#byKey.get(kept.key) ?? []).filter((other) => other !== kept);
    if (alike.length > 0) this.#byKey.set(kept.key, alike);
    else this.#byKey.delete(kept.key);
    const ofPeer = this.#byPeer.get(kept.peer);
    ofPeer?.delete(kept);
    if (ofPeer?.size === 0) this.#byPeer.delete(kept.peer);
  }
}

/** What is held of a body that is handed over: two blocks and a byte, and once more while they move; more of BERT blocks. */
const windowBytes = 4 * 1025;

/** Bodies under one key; beyond it the least used goes. */
const maxAlike = 8;

/**
 * 8 bytes that stand for a body: two 32-bit multiplicative hashes. The same body gives the same bytes, so a
 * transfer goes on after its kept body was evicted; the seed keeps others from making collisions beforehand.
 */
function bodyDigest(body: Uint8Array, seed: number): Uint8Array {
  let a = seed ^ 0xdeadbeef;
  let b = seed ^ 0x41c6ce57;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i] as number;
    a = Math.imul(a ^ byte, 0x9e3779b1);
    b = Math.imul(b ^ byte, 0x5f356495);
    a ^= a >>> 15;
    b ^= b >>> 13;
  }
  const digest = new DataView(new ArrayBuffer(8));
  digest.setUint32(0, a);
  digest.setUint32(4, b);
  return new Uint8Array(digest.buffer);
}
