/**
 * Messages received lately, so that a copy of one is recognised and answered like the first
 * (RFC 7252 §4.5), for EXCHANGE_LIFETIME (CON) or NON_LIFETIME (NON) after the first copy.
 *
 * **What counts as a copy.** Same peer, Message ID, length and digest of the whole datagram, which holds
 * type, code and token; retransmissions are identical bytes. A different message under the same
 * Message ID, from a peer that restarted or breaks §4.4, is a new message, not a copy.
 *
 * The digest is 64 bits of HalfSipHash under a random key of this layer, instead of the bytes themselves
 * (a request can be 64 KiB). Collisions cannot be computed without the key, and it never shows outside.
 * By chance, two different messages of one peer under one Message ID are confused once in 2^64. And a
 * collision could only harm the peer that sends both messages: the lookup never crosses peers.
 *
 * **What is kept.** For an answered request the code, options and payload of the answer; version, type,
 * Message ID and token are those of the copy. The store is bounded in bytes, in bytes per peer and in
 * peers. At a bound it makes room by dropping the oldest record that may be dropped: of a safe request,
 * of a response, or of a request that had no effect, which the layer above knows (a block of a body: RFC 7959
 * §2.9.1; a later block of an answer; a refusal). Records of other unsafe requests stay for their lifetime;
 * `admit` then refuses. An unsafe CON request reserves room for its answer; an answer larger than that may
 * pass the bound by the excess, because the request has been carried out by then.
 *
 * One exception, at the bound of peers only: a new peer takes the place of the one that sent nothing for the
 * longest time, if that is more than MAX_TRANSMIT_SPAN and all its requests were replied to. RFC 7252 §4.2
 * lets nobody retransmit after MAX_TRANSMIT_SPAN; the rest of EXCHANGE_LIFETIME allows for datagrams that the
 * network holds back up to 100 s, and §4.5 says SHOULD. Without it, a place for 247 s would cost a spoofer one
 * datagram, and 265 a second would shut out all who are new; so it takes 1,456 a second of requests that have
 * an effect, and shuts out nobody who is in.
 *
 * Sends nothing and does not decide what a copy is answered with.
 *
 * @module
 */

import { type Code, isSafeRequest } from '../coap/code.ts';
import type { MessageView } from '../coap/message-view.ts';
import { tokenBytes } from '../coap/token-length.ts';
import {
  exchangeLifetimeMs,
  maxTransmitSpanMs,
  nonLifetimeMs,
  type TransmissionParameters,
} from '../coap/transmission-parameters.ts';
import { noBytes } from '../foundation/bytes.ts';
import { after, type DurationMs, earliest, elapsedMs, type Instant } from '../foundation/instant.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { KeyedDigest } from './keyed-digest.ts';
import type { MessageLayerCounters, MessageLayerLimits } from './message-layer-limits.ts';
import type { PeerKey } from './message-layer-output.ts';
import { contentOf } from './message-types.ts';
import { isOpen, newList, type ReceivedRecord, type RecordList } from './received-record.ts';

/** Heap bytes of a record and its place in the index, measured, rounded up. */
const recordBytes = 256;
/** Heap bytes of an answer that is kept, besides its own. */
const answerOverheadBytes = 224;
/** What an unsafe CON request reserves for its answer. */
const reservedAnswerBytes = 1024;
/** Heap bytes of a peer with at least one record. */
const peerBytes = 256;
/** How far records may outstay their lifetime in memory (never in effect), so that timers are few. */
const sweepMs = 1000;

interface RecordsOfPeer {
  readonly byMessageId: Map<number, ReceivedRecord>;
  /** Oldest first. */
  readonly droppable: Set<ReceivedRecord>;
  bytes: number;
  /** Unsafe CON requests that were not replied to: they may still be carried out. */
  open: number;
  /** When the last record was added. */
  newestAt: Instant;
}

/** The recent messages of all peers of one layer. */
export class Deduplication {
  readonly #limits: MessageLayerLimits;
  readonly #counters: MessageLayerCounters;
  readonly #lifetimeMs: Readonly<Record<'CON' | 'NON', DurationMs>>;
  readonly #transmitSpanMs: DurationMs;
  readonly #digest: KeyedDigest;
  /** The one that sent nothing new for the longest time first. */
  readonly #peers = new Map<PeerKey, RecordsOfPeer>();
  readonly #lists: Readonly<Record<'CON' | 'NON', { droppable: RecordList; lasting: RecordList }>> = {
    CON: { droppable: newList(true), lasting: newList(false) },
    NON: { droppable: newList(true), lasting: newList(false) },
  };

  constructor(
    options: { random: RandomSource; limits: MessageLayerLimits; counters: MessageLayerCounters },
    parameters: TransmissionParameters,
  ) {
    this.#limits = options.limits;
    this.#counters = options.counters;
    this.#lifetimeMs = { CON: exchangeLifetimeMs(parameters), NON: nonLifetimeMs(parameters) };
    this.#transmitSpanMs = maxTransmitSpanMs(parameters);
    this.#digest = new KeyedDigest(options.random);
  }

  /** The record of the first copy of `message`, or `undefined` when this is the first, or it has lapsed. */
  find(peer: PeerKey, message: MessageView, now: Instant): ReceivedRecord | undefined {
    let record = this.#peers.get(peer)?.byMessageId.get(message.messageId);
    if (record === undefined) return undefined;
    this.#digest.update(message.datagram);
    const { high, low } = this.#digest;
    const { length } = message.datagram;
    for (; record; record = record.sameId) {
      if (record.digestHigh !== high || record.digestLow !== low || record.length !== length) continue;
      if (record.lapses > now) return record;
      this.#remove(record);
      return undefined;
    }
    return undefined;
  }

  /**
   * A new record of a CON or NON that `find` did not know, in state `in-progress`.
   *
   * @returns the record; its `stored` is false when there is no room, and copies will not be recognised.
   *          For an unsafe request the caller must then not carry it out.
   */
  admit(peer: PeerKey, message: MessageView, type: 'CON' | 'NON', now: Instant): ReceivedRecord {
    this.#digest.update(message.datagram);
    const unsafe = contentOf(message.code) === 'request' && !isSafeRequest(message.code);
    const record: ReceivedRecord = {
      peer,
      messageId: message.messageId,
      type,
      state: 'in-progress',
      unsafe,
      answerCode: 0,
      answerTail: noBytes,
      replied: false,
      stored: false,
      length: message.datagram.length,
      digestHigh: this.#digest.high,
      digestLow: this.#digest.low,
      lapses: after(now, this.#lifetimeMs[type]),
      bytes: unsafe && type === 'CON' ? recordBytes + reservedAnswerBytes : recordBytes,
      list: undefined,
      previous: undefined,
      next: undefined,
      sameId: undefined,
    };
    this.handleTimeout(now);
    if (this.#makeRoom(peer, record.bytes, now)) this.#insert(record, now);
    else if (!unsafe) this.#counters.untracked++;
    return record;
  }

  /** An Empty ACK went out; the answer will be a message of its own. */
  acknowledged(record: ReceivedRecord): void {
    record.state = 'acknowledged';
    this.#resize(record, recordBytes);
  }

  /**
   * The answer went out, piggybacked.
   *
   * @param datagram The ACK as sent; a copy of its part after the token is kept.
   * @param keep False: of a safe request the answer is not kept; an unsafe one had no effect, so that its
   *        record with the answer may be dropped for others.
   */
  answered(
    record: ReceivedRecord,
    code: Code,
    datagram: Uint8Array,
    tokenLength: number,
    keep: boolean,
  ): void {
    this.#settle(record);
    if (!keep && !record.unsafe) {
      record.state = 'repeatable';
      this.#resize(record, recordBytes);
      return;
    }
    record.state = 'answered';
    if (!record.stored) return;
    record.answerCode = code;
    const start = 4 + tokenBytes(tokenLength);
    if (datagram.length > start) record.answerTail = datagram.slice(start);
    const { length } = record.answerTail;
    this.#resize(record, recordBytes + (length > 0 ? answerOverheadBytes + length : 0));
    if (!keep) this.#link(record, this.#lists[record.type].droppable);
  }

  /** The answer went out as a message of its own. */
  repliedSeparately(record: ReceivedRecord, keep: boolean): void {
    this.#settle(record);
    if (!keep && record.stored) this.#link(record, this.#lists[record.type].droppable);
  }

  /** Forgets everything about `peer`. */
  forgetPeer(peer: PeerKey): void {
    const records = this.#peers.get(peer);
    if (records === undefined) return;
    for (const first of [...records.byMessageId.values()]) {
      for (let record: ReceivedRecord | undefined = first; record; ) {
        const { sameId }: ReceivedRecord = record;
        this.#remove(record);
        record = sameId;
      }
    }
  }

  /** Forgets what has lapsed. */
  handleTimeout(now: Instant): void {
    for (const { droppable, lasting } of [this.#lists.CON, this.#lists.NON]) {
      while (droppable.first && droppable.first.lapses <= now) this.#remove(droppable.first);
      while (lasting.first && lasting.first.lapses <= now) this.#remove(lasting.first);
    }
  }

  /** When `handleTimeout` has something to do; up to a second after the first record lapses. */
  nextTimeout(): Instant | undefined {
    const { CON, NON } = this.#lists;
    const first = earliest(
      earliest(CON.droppable.first?.lapses, CON.lasting.first?.lapses),
      earliest(NON.droppable.first?.lapses, NON.lasting.first?.lapses),
    );
    return first === undefined ? undefined : after(first, sweepMs);
  }

  #makeRoom(peer: PeerKey, bytes: number, now: Instant): boolean {
    const limits = this.#limits;
    const counters = this.#counters;
    for (;;) {
      const records = this.#peers.get(peer);
      if (records === undefined || records.bytes + bytes <= limits.deduplicationBytesPerPeer) break;
      const [oldest] = records.droppable;
      if (oldest === undefined) return false;
      this.#evict(oldest);
    }
    if (bytes > limits.deduplicationBytesPerPeer) return false;
    // A few evictions may not free a whole peer; then the newcomer goes without, not the others.
    for (let tries = 0; !this.#peers.has(peer) && this.#peers.size >= limits.deduplicationPeers; tries++) {
      const oldest = this.#oldestDroppable();
      if (oldest !== undefined && tries < 16) this.#evict(oldest);
      else if (!this.#forgetSilentPeer(now)) return false;
    }
    for (;;) {
      const added = this.#peers.has(peer) ? bytes : bytes + peerBytes;
      if (counters.deduplicationBytes + added <= limits.deduplicationBytes) return true;
      const oldest = this.#oldestDroppable();
      if (oldest === undefined) return false;
      this.#evict(oldest);
    }
  }

  /** Forgets the peer that was silent for the longest time, if the exception of the module comment holds for it. */
  #forgetSilentPeer(now: Instant): boolean {
    let tries = 0;
    for (const [peer, records] of this.#peers) {
      if (elapsedMs(records.newestAt, now) <= this.#transmitSpanMs || tries++ === 64) return false;
      if (records.open === 0) {
        this.#counters.evicted += records.byMessageId.size;
        this.forgetPeer(peer);
        return true;
      }
      // Looked at again after all others, so that a few slow handlers do not hold the place for it.
      this.#peers.delete(peer);
      this.#peers.set(peer, records);
    }
    return false;
  }

  /** By lifetime, a NON lapses sooner than a CON of the same age; what lapses first is of least use. */
  #oldestDroppable(): ReceivedRecord | undefined {
    const con = this.#lists.CON.droppable.first;
    const non = this.#lists.NON.droppable.first;
    if (con === undefined || non === undefined) return con ?? non;
    return non.lapses < con.lapses ? non : con;
  }

  #evict(record: ReceivedRecord): void {
    this.#counters.evicted++;
    this.#remove(record);
  }

  #insert(record: ReceivedRecord, now: Instant): void {
    let records = this.#peers.get(record.peer);
    if (records) {
      records.newestAt = now;
      this.#peers.delete(record.peer);
      this.#peers.set(record.peer, records);
    } else {
      records = { byMessageId: new Map(), droppable: new Set(), bytes: 0, open: 0, newestAt: now };
      this.#peers.set(record.peer, records);
      this.#counters.deduplicationPeers++;
      this.#counters.deduplicationBytes += peerBytes;
    }
    record.sameId = records.byMessageId.get(record.messageId);
    records.byMessageId.set(record.messageId, record);
    records.bytes += record.bytes;
    if (isOpen(record)) records.open++;
    record.stored = true;
    this.#counters.deduplicationBytes += record.bytes;
    this.#counters.deduplicationEntries++;
    const lists = this.#lists[record.type];
    this.#link(record, record.unsafe ? lists.lasting : lists.droppable);
  }

  #remove(record: ReceivedRecord): void {
    const records = this.#peers.get(record.peer);
    if (!record.stored || records === undefined) return;
    const { byMessageId } = records;
    const first = byMessageId.get(record.messageId);
    if (first === record) {
      if (record.sameId) byMessageId.set(record.messageId, record.sameId);
      else byMessageId.delete(record.messageId);
    } else {
      let before = first;
      while (before && before.sameId !== record) before = before.sameId;
      if (before) before.sameId = record.sameId;
    }
    record.sameId = undefined;
    this.#unlink(record);
    record.stored = false;
    // Whoever still has the handle, such as an observation, does not hold the answer with it.
    record.answerTail = noBytes;
    records.bytes -= record.bytes;
    if (isOpen(record)) records.open--;
    this.#counters.deduplicationBytes -= record.bytes;
    this.#counters.deduplicationEntries--;
    if (byMessageId.size > 0) return;
    this.#peers.delete(record.peer);
    this.#counters.deduplicationPeers--;
    this.#counters.deduplicationBytes -= peerBytes;
  }

  /** A reply went out. */
  #settle(record: ReceivedRecord): void {
    const records = this.#peers.get(record.peer);
    if (record.stored && records && isOpen(record)) records.open--;
    record.replied = true;
  }

  #resize(record: ReceivedRecord, bytes: number): void {
    const change = bytes - record.bytes;
    record.bytes = bytes;
    if (!record.stored) return;
    const records = this.#peers.get(record.peer);
    if (records) records.bytes += change;
    this.#counters.deduplicationBytes += change;
  }

  #link(record: ReceivedRecord, list: RecordList): void {
    this.#unlink(record);
    record.list = list;
    record.previous = list.last;
    if (list.last) list.last.next = record;
    else list.first = record;
    list.last = record;
    if (list.droppable) this.#peers.get(record.peer)?.droppable.add(record);
  }

  #unlink(record: ReceivedRecord): void {
    const { list, previous, next } = record;
    if (list === undefined) return;
    if (previous) previous.next = next;
    else list.first = next;
    if (next) next.previous = previous;
    else list.last = previous;
    record.list = undefined;
    record.previous = undefined;
    record.next = undefined;
    if (list.droppable) this.#peers.get(record.peer)?.droppable.delete(record);
  }
}
