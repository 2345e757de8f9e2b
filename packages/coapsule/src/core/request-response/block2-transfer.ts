/**
 * Response bodies in blocks: the client that fetches one, the server that keeps and slices them.
 *
 * RFC 7959 §2.3, §2.4 and §2.6; Size2 §4; ETag comparison RFC 9175 §3.8. Sends nothing itself.
 *
 * @module
 */

import {
  type BlockOption,
  blockSize,
  decodeBlock,
  encodeBlock,
  maxBlockNumber,
} from '../coap/block-option.ts';
import { Code, codeText, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { equalBytes } from '../foundation/bytes.ts';
import { after, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { BodyBuffer, bodyOverheadBytes } from './body-buffer.ts';
import type { RequestResponseCounters } from './counters.ts';
import type { Content, PeerKey } from './exchange.ts';

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

/** §2.4: ETags must be the same, or missing in both. §2.3: Content-Format is that of the whole body. */
function sameRepresentation(a: Content, b: Content): boolean {
  return [OptionNumber.ETag, OptionNumber.ContentFormat].every((number) => {
    const [x, y] = [a.options.first(number), b.options.first(number)];
    return x === undefined || y === undefined ? x === y : equalBytes(x, y);
  });
}

/** A response cut to one block, or the reason it cannot be. */
export type Slice =
  | { readonly kind: 'slice'; readonly content: Content; readonly more: boolean }
  /** The block lies behind the end of the body. */
  | { readonly kind: 'beyond-end' };

/**
 * The block `wish` of a response, at most `szx` large (RFC 7959 §2.3). Without `wish` the first one; a body that
 * fits into one block then stays without Block2. The first of several blocks carries Size2 (§4).
 */
export function sliceResponse(response: Content, wish: BlockOption | undefined, szx: number): Slice {
  const { code, payload } = response;
  const offset = wish === undefined ? 0 : wish.num * blockSize(wish.szx);
  if (offset > 0 && offset >= payload.length) return { kind: 'beyond-end' };
  const used = Math.min(szx, wish?.szx ?? szx);
  const size = blockSize(used);
  // A body too long for NUM's 20 bits cannot be had whole; what NUM cannot name is as if it were not there.
  if (offset / size > maxBlockNumber) return { kind: 'beyond-end' };
  const more = offset + size < payload.length;
  if (wish === undefined && !more) return { kind: 'slice', content: response, more };
  const options = OptionSet.from(response.options.entries());
  options.set(OptionNumber.Block2, encodeBlock({ num: offset / size, more, szx: used }));
  if (more && offset === 0) options.set(OptionNumber.Size2, payload.length);
  return {
    kind: 'slice',
    content: { code, options, payload: payload.subarray(offset, offset + size) },
    more,
  };
}

/** What tells the response bodies for one peer apart, beside their ETags. */
export interface BodyName {
  /** Method, URI, Accept and Request-Tag; see `responseBodyKey`. */
  readonly key: string;
  /** The payload of a FETCH, of which the response is a function; `undefined` where it says nothing. */
  readonly query: Uint8Array | undefined;
}

interface KeptBody {
  readonly key: string;
  readonly query: Uint8Array | undefined;
  readonly peer: PeerKey;
  /** Where the next block of one who fetches in order begins. */
  nextByte: number;
  readonly response: Content;
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
export class ResponseBodies {
  readonly #limits: ResponseBodyLimits;
  readonly #counters: RequestResponseCounters;
  readonly #etagSeed: number;
  /** Least used first: a `Set` keeps the order of insertion. */
  readonly #bodies = new Set<KeptBody>();
  /** Least used first. */
  readonly #byKey = new Map<string, KeptBody[]>();
  readonly #byPeer = new Map<PeerKey, Set<KeptBody>>();
  readonly #expiry = new TimerQueue<KeptBody>();
  #bytes = 0;

  /** `etagSeed` is a random 32-bit number. */
  constructor(limits: ResponseBodyLimits, etagSeed: number, counters: RequestResponseCounters) {
    this.#limits = limits;
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
   * (the application's, or one made from the body). Its first `sent` bytes are on their way.
   */
  keep(name: BodyName, peer: PeerKey, response: Content, sent: number, now: Instant): Content {
    const { key } = name;
    const options = OptionSet.from(response.options.entries());
    const payload = response.payload.slice();
    if (isSuccessCode(response.code) && !options.has(OptionNumber.ETag)) {
      options.set(OptionNumber.ETag, bodyDigest(payload, this.#etagSeed));
    }
    const content = { code: response.code, options, payload };
    const alike = this.#byKey.get(key) ?? [];
    const former =
      alike.find((kept) => sameRepresentation(kept.response, content)) ??
      (alike.length < maxAlike ? undefined : alike[0]);
    if (former !== undefined) this.#remove(former);
    const query = name.query && bodyDigest(name.query, this.#etagSeed);
    const bytes = bodyOverheadBytes + key.length + payload.length;
    const kept: KeptBody = { key, query, peer, nextByte: sent, response: content, bytes };
    if (bytes > this.#limits.totalResponseBodyBytes) return content;
    this.#bytes += bytes;
    this.#use(kept, now);
    const ofPeer = this.#byPeer.get(peer) as Set<KeptBody>;
    if (ofPeer.size > this.#limits.maxResponseBodiesPerPeer) this.#evict(ofPeer);
    const { totalResponseBodyBytes, maxResponseBodies } = this.#limits;
    while (this.#bytes > totalResponseBodyBytes || this.#bodies.size > maxResponseBodies) {
      this.#evict(this.#bodies);
    }
    return content;
  }

  /** The response of which `wish` is a block; counts as use of it. */
  find(name: BodyName, wish: BlockOption, now: Instant): Content | undefined {
    const digest = name.query && bodyDigest(name.query, this.#etagSeed);
    const matches = (this.#byKey.get(name.key) ?? []).filter(
      ({ query }) => digest === undefined || (query !== undefined && equalBytes(query, digest)),
    );
    const size = blockSize(wish.szx);
    const kept = matches.reverse().find(({ nextByte }) => nextByte === wish.num * size) ?? matches[0];
    if (kept === undefined) return undefined;
    kept.nextByte = (wish.num + 1) * size;
    this.#use(kept, now);
    return kept.response;
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
    this.#bodies.delete(kept);
    this.#expiry.cancel(kept);
    const alike = (this.#byKey.get(kept.key) ?? []).filter((other) => other !== kept);
    if (alike.length > 0) this.#byKey.set(kept.key, alike);
    else this.#byKey.delete(kept.key);
    const ofPeer = this.#byPeer.get(kept.peer);
    ofPeer?.delete(kept);
    if (ofPeer?.size === 0) this.#byPeer.delete(kept.peer);
  }
}

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
