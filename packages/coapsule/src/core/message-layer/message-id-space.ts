/**
 * Message IDs of our own messages: sequential for each peer from a random start, and not used again to
 * the same peer while a message that had it may still be known there (RFC 7252 §4.4).
 *
 * The IDs in use are one range that wraps, so only its ends are kept: a list of at most about 65
 * segments, each with the time when its last ID lapses. An ID is free again at most 1/64 of
 * EXCHANGE_LIFETIME (3.9 s) late, never early; and an ID of a NON waits for those of CONs before it.
 * Apart from the range are the few that nobody may guess (RFC 7252 §11.4), which it goes around.
 *
 * Does not know what the IDs are used for. IDs of received messages are the peer's own space.
 *
 * @module
 */

import { after, type DurationMs, earliest, elapsedMs, type Instant } from '../foundation/instant.ts';
import { type RandomSource, randomUint16 } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { PeerKey } from './message-layer-output.ts';

interface Segment {
  count: number;
  readonly begun: Instant;
  lapses: Instant;
}

/** A range of Message IDs. */
export interface MessageIdRange {
  readonly first: number;
  readonly count: number;
}

/** All there are. */
export const allMessageIds: MessageIdRange = { first: 0, count: 65_536 };
const sharedSpaces = 64;

/** The Message IDs towards one peer, each counted from the first of its range. */
export class MessageIdSpace {
  readonly #count: number;
  #next: number;
  #inUse = 0;
  #segments: Segment[] = [];
  /** IDs outside of the range, with the time when each lapses. */
  #scattered = new Map<number, Instant>();
  readonly #segmentMs: DurationMs;

  /**
   * @param segmentMs How much time one segment may span; the precision of release.
   * @param count How many there are.
   */
  constructor(start: number, segmentMs: DurationMs, count: number = allMessageIds.count) {
    this.#count = count;
    this.#next = start % count;
    this.#segmentMs = segmentMs;
  }

  /** A space of its own that goes on from here and still avoids every ID in use here. */
  fork(): MessageIdSpace {
    const copy = new MessageIdSpace(this.#next, this.#segmentMs, this.#count);
    copy.#inUse = this.#inUse;
    copy.#segments = this.#segments.map((segment) => ({ ...segment }));
    copy.#scattered = new Map(this.#scattered);
    return copy;
  }

  /** Takes the next ID for `lifetimeMs`, or returns `undefined` when all are in use. */
  allocate(lifetimeMs: DurationMs, now: Instant): number | undefined {
    this.release(now);
    for (;;) {
      const lapses = this.#scattered.get(this.#next);
      if (lapses === undefined) break;
      this.#scattered.delete(this.#next);
      this.#takeNext(lapses, now);
    }
    return this.#inUse === this.#count ? undefined : this.#takeNext(after(now, lifetimeMs), now);
  }

  /** Takes any free ID, which tells nothing of others; `undefined` when too few are free for that. */
  allocateUnpredictable(random: RandomSource, lifetimeMs: DurationMs, now: Instant): number | undefined {
    this.release(now);
    const free = this.#count - this.#inUse;
    // With fewer than half of them free, one of them could be guessed.
    if (free - this.#scattered.size < this.#count / 2) return undefined;
    for (;;) {
      const offset = randomUint16(random) % this.#count;
      const id = (this.#next + offset) % this.#count;
      if (offset >= free || this.#scattered.has(id)) continue;
      this.#scattered.set(id, after(now, lifetimeMs));
      return id;
    }
  }

  /** Whether this ID may still be known to the peer. */
  isInUse(id: number): boolean {
    return this.#scattered.has(id) || (this.#next - 1 - id + 2 * this.#count) % this.#count < this.#inUse;
  }

  #takeNext(lapses: Instant, now: Instant): number {
    const last = this.#segments.at(-1);
    if (last && elapsedMs(last.begun, now) < this.#segmentMs) {
      last.count++;
      if (lapses > last.lapses) last.lapses = lapses;
    } else {
      this.#segments.push({ count: 1, begun: now, lapses });
    }
    this.#inUse++;
    const id = this.#next;
    this.#next = (id + 1) % this.#count;
    return id;
  }

  /** Frees what has lapsed. */
  release(now: Instant): void {
    if (this.#scattered.size > 0) {
      for (const [id, lapses] of this.#scattered) if (lapses <= now) this.#scattered.delete(id);
    }
    for (;;) {
      const first = this.#segments[0];
      if (first === undefined || first.lapses > now) return;
      this.#inUse -= first.count;
      this.#segments.shift();
    }
  }

  /** The ID that the next message gets. */
  get next(): number {
    return this.#next;
  }

  /** IDs that may not be used now. */
  get inUse(): number {
    return this.#inUse + this.#scattered.size;
  }

  /** When some ID becomes free; `undefined` when none is in use. */
  nextRelease(): Instant | undefined {
    let next = this.#segments[0]?.lapses;
    for (const lapses of this.#scattered.values()) next = earliest(next, lapses);
    return next;
  }

  /** When all IDs are free; `undefined` when none is in use. */
  lastRelease(): Instant | undefined {
    let last = this.#segments[0]?.lapses;
    for (const lapses of [...this.#segments.map((segment) => segment.lapses), ...this.#scattered.values()])
      if (last === undefined || lapses > last) last = lapses;
    return last;
  }
}

/**
 * The Message ID spaces of one layer.
 *
 * A peer has a space of its own while one of its IDs is in use. At `maxPeers` such spaces, further peers
 * share 64, which are still never reused early; so spoofed addresses cost no more memory. Which one a peer
 * gets is a secret of this layer: who wants to use up that of another has to use up all, 4 million IDs, or
 * 29,000 messages a second for as long as NON_LIFETIME.
 */
export class MessageIds {
  readonly #random: RandomSource;
  readonly #maxPeers: number;
  readonly #segmentMs: DurationMs;
  readonly #own = new Map<PeerKey, MessageIdSpace>();
  readonly #shared: readonly MessageIdSpace[];
  readonly #range: MessageIdRange;
  readonly #seed: number;
  readonly #lapses = new TimerQueue<PeerKey>();
  readonly #lifetimeMs: DurationMs;

  /**
   * @param exchangeLifetimeMs The longest lifetime that will be asked for.
   * @param isOne Whether all peers share one space.
   * @param range Those that are taken; others are another endpoint's.
   */
  constructor(
    random: RandomSource,
    maxPeers: number,
    exchangeLifetimeMs: DurationMs,
    isOne = false,
    range: MessageIdRange = allMessageIds,
  ) {
    this.#range = range;
    this.#random = random;
    this.#maxPeers = isOne ? 0 : maxPeers;
    this.#lifetimeMs = exchangeLifetimeMs;
    this.#segmentMs = exchangeLifetimeMs / 64;
    this.#shared = Array.from({ length: isOne ? 1 : sharedSpaces }, () => this.#space(randomUint16(random)));
    this.#seed = randomUint16(random) * 0x10000 + randomUint16(random);
  }

  /** Peers that have a space of their own. */
  get size(): number {
    return this.#own.size;
  }

  /**
   * Takes an ID towards `peer`, or returns `undefined` when none is free before `nextRelease(peer)`.
   *
   * @param isUnpredictable Whether it may tell nothing of, and follow from no, others.
   */
  allocate(peer: PeerKey, lifetimeMs: DurationMs, now: Instant, isUnpredictable = false): number | undefined {
    const from = (space: MessageIdSpace): number | undefined =>
      isUnpredictable
        ? space.allocateUnpredictable(this.#random, lifetimeMs, now)
        : space.allocate(lifetimeMs, now);
    let space = this.#own.get(peer);
    if (space === undefined) {
      const shared = this.#sharedBy(peer);
      if (this.#own.size >= this.#maxPeers) return from(shared);
      shared.release(now);
      // The peer may have had IDs of the shared space before; its own space must go around them.
      space = shared.inUse > 0 ? shared.fork() : this.#space(randomUint16(this.#random));
      this.#own.set(peer, space);
    }
    const id = from(space);
    if (this.#lapses.deadline(peer) === undefined) this.#watch(peer, space);
    return id === undefined ? undefined : this.#range.first + id;
  }

  /** The ID that the next message to `peer` may get; any, when none of its IDs is in use. */
  next(peer: PeerKey): number {
    const { first, count } = this.#range;
    return first + (this.#own.get(peer)?.next ?? randomUint16(this.#random) % count);
  }

  /** Whether `peer` may still know a message of ours by this ID. */
  isInUse(peer: PeerKey, id: number): boolean {
    const { first, count } = this.#range;
    if (id < first || id >= first + count) return false;
    return (this.#own.get(peer) ?? this.#sharedBy(peer)).isInUse(id - first);
  }

  /** Goes on from `next` with a peer that came from another process, and has no ID in use in this one. */
  continueAt(peer: PeerKey, next: number, now: Instant): void {
    if (this.#own.size >= this.#maxPeers) return;
    this.#own.set(peer, this.#space(next));
    // By then what the other process used has lapsed too.
    this.#lapses.set(peer, after(now, this.#lifetimeMs));
  }

  /** When an ID towards `peer` becomes free. */
  nextRelease(peer: PeerKey): Instant | undefined {
    return (this.#own.get(peer) ?? this.#sharedBy(peer)).nextRelease();
  }

  /** Forgets spaces that have no ID in use. */
  handleTimeout(now: Instant): void {
    for (let peer = this.#lapses.expire(now); peer !== undefined; peer = this.#lapses.expire(now)) {
      const space = this.#own.get(peer);
      if (space === undefined) continue;
      space.release(now);
      if (space.inUse === 0) this.#own.delete(peer);
      else this.#watch(peer, space);
    }
  }

  /** When `handleTimeout` has something to do. */
  nextTimeout(): Instant | undefined {
    return this.#lapses.next();
  }

  #space(start: number): MessageIdSpace {
    return new MessageIdSpace(start, this.#segmentMs, this.#range.count);
  }

  #sharedBy(peer: PeerKey): MessageIdSpace {
    let hash = this.#seed;
    for (let i = 0; i < peer.length; i++) {
      hash = Math.imul(hash ^ peer.charCodeAt(i), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return this.#shared[(hash >>> 0) % this.#shared.length] as MessageIdSpace;
  }

  /** Looks again when the space may be empty; once for each lifetime, not for each ID. */
  #watch(peer: PeerKey, space: MessageIdSpace): void {
    const release = space.lastRelease();
    if (release !== undefined) this.#lapses.set(peer, release);
  }
}
