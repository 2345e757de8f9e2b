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
 * §2.9.1; a later block of an answer; a refusal), or cannot have it twice (RFC 8613 §7.4). Records of other unsafe requests stay for their lifetime;
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
 * Sends nothing and does not decide what a copy is answered with. How records lie in memory is the matter of `record-store.ts`.
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
import { KeyedDigest } from '../foundation/keyed-digest.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { RecencyMap } from '../foundation/recency-map.ts';
import type { MessageLayerCounters, MessageLayerLimits } from './message-layer-limits.ts';
import type { PeerKey } from './message-layer-output.ts';
import { contentOf } from './message-types.ts';
import type { ReceivedRecord, RecordState } from './received-record.ts';
import { type Keeping, noPlace, RecordStore, type RecordsOfPeer } from './record-store.ts';

/** What a record counts as: its place and its share of the index, and room for the next doubling of both. */
const recordBytes = 256;
/** Heap bytes of an answer that is kept, besides its own. */
const answerOverheadBytes = 224;
/** What an unsafe CON request reserves for its answer. */
const reservedAnswerBytes = 1024;
/** Heap bytes of a peer with at least one record. */
const peerBytes = 256;
/** How far records may outstay their lifetime in memory (never in effect), so that timers are few. */
const sweepMs = 1000;

/** The recent messages of all peers of one layer. */
export class Deduplication {
  readonly #limits: MessageLayerLimits;
  readonly #counters: MessageLayerCounters;
  readonly #lifetimeMs: Readonly<Record<'CON' | 'NON', DurationMs>>;
  readonly #transmitSpanMs: DurationMs;
  readonly #digest: KeyedDigest;
  /** The one that sent nothing new for the longest time first. */
  readonly #peers = new RecencyMap<RecordsOfPeer>();
  readonly #store: RecordStore;

  constructor(
    options: { random: RandomSource; limits: MessageLayerLimits; counters: MessageLayerCounters },
    parameters: TransmissionParameters,
  ) {
    this.#limits = options.limits;
    this.#counters = options.counters;
    this.#lifetimeMs = { CON: exchangeLifetimeMs(parameters), NON: nonLifetimeMs(parameters) };
    this.#transmitSpanMs = maxTransmitSpanMs(parameters);
    this.#digest = new KeyedDigest(options.random);
    // As secret as the key.
    this.#digest.update(noBytes);
    this.#store = new RecordStore(this.#digest.high);
  }

  /** The record of the first copy of `message`, or `undefined` when this is the first, or it has lapsed. */
  find(peer: PeerKey, message: MessageView, now: Instant): ReceivedRecord | undefined {
    const store = this.#store;
    const { messageId, datagram } = message;
    const records = this.#peers.get(peer);
    this.#digest.update(datagram);
    let place = records === undefined ? noPlace : store.firstLike(records, messageId, this.#digest);
    while (place !== noPlace && !store.isOf(place, datagram.length, this.#digest))
      place = store.nextLike(place);
    if (place === noPlace) return undefined;
    if (store.lapsesAt(place) <= now) {
      this.#remove(place);
      return undefined;
    }
    return {
      peer,
      messageId,
      type: store.typeAt(place),
      state: store.stateAt(place),
      unsafe: store.isUnsafeAt(place),
      note: undefined,
      isForgettable: false,
      place,
      use: store.useAt(place),
    };
  }

  /**
   * A new record of the CON or NON that `find` was asked for last, and did not know, in state `in-progress`.
   *
   * @returns the record; `isStored` is false of it when there is no room, and copies will not be recognised.
   *          For an unsafe request the caller must then not carry it out.
   */
  admit(peer: PeerKey, message: MessageView, type: 'CON' | 'NON', now: Instant): ReceivedRecord {
    const { messageId, code } = message;
    const unsafe = contentOf(code) === 'request' && !isSafeRequest(code);
    const record: ReceivedRecord = {
      peer,
      messageId,
      type,
      state: 'in-progress',
      unsafe,
      note: undefined,
      isForgettable: false,
      place: noPlace,
      use: 0,
    };
    const bytes = unsafe && type === 'CON' ? recordBytes + reservedAnswerBytes : recordBytes;
    this.handleTimeout(now);
    if (this.#makeRoom(peer, bytes, now)) this.#insert(record, message.datagram, bytes, now);
    else if (!unsafe) this.#counters.untracked++;
    return record;
  }

  /** Whether copies of a message are recognised. */
  isStored(record: ReceivedRecord): boolean {
    return this.#placeOf(record) !== noPlace;
  }

  /** What was done about the first copy. */
  stateOf(record: ReceivedRecord): RecordState {
    const place = this.#placeOf(record);
    return place === noPlace ? record.state : this.#store.stateAt(place);
  }

  /** A copy of a safe request, whose answer was not kept, is carried out again. */
  begunAgain(record: ReceivedRecord): void {
    this.#setState(record, 'in-progress');
  }

  /** A Reset went out. */
  wasReset(record: ReceivedRecord): void {
    this.#setState(record, 'reset');
  }

  /** An Empty ACK went out; the answer will be a message of its own. */
  acknowledged(record: ReceivedRecord): void {
    this.#resize(this.#setState(record, 'acknowledged'), recordBytes);
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
      this.#resize(this.#setState(record, 'repeatable'), recordBytes);
      return;
    }
    const place = this.#setState(record, 'answered');
    if (place === noPlace) return;
    const start = 4 + tokenBytes(tokenLength);
    const length = Math.max(0, datagram.length - start);
    this.#store.setAnswer(place, code, datagram, start);
    this.#resize(place, recordBytes + (length === 0 ? 0 : answerOverheadBytes + length));
    if (!keep) this.#store.makeDroppable(place);
  }

  /** The stored answer of an `answered` record: its code, and its options and payload as bytes. */
  answerOf(record: ReceivedRecord): { readonly code: Code; readonly tail: Uint8Array } {
    const place = this.#placeOf(record);
    if (place === noPlace) return { code: 0, tail: noBytes };
    return { code: this.#store.answerCodeAt(place), tail: this.#store.answerAt(place) };
  }

  /** The answer went out as a message of its own. */
  repliedSeparately(record: ReceivedRecord, keep: boolean): void {
    this.#settle(record);
    const place = keep ? noPlace : this.#placeOf(record);
    if (place !== noPlace) this.#store.makeDroppable(place);
  }

  /** Forgets one message. */
  forget(record: ReceivedRecord): void {
    const place = this.#placeOf(record);
    if (place !== noPlace) this.#remove(place);
  }

  /** Forgets everything about `peer`. */
  forgetPeer(peer: PeerKey): void {
    const records = this.#peers.get(peer);
    if (records === undefined) return;
    while (records.droppable.first !== noPlace) this.#remove(records.droppable.first);
    while (records.lasting.first !== noPlace) this.#remove(records.lasting.first);
  }

  /** Forgets what has lapsed. */
  handleTimeout(now: Instant): void {
    this.#sweep('CON', 'droppable', now);
    this.#sweep('CON', 'lasting', now);
    this.#sweep('NON', 'droppable', now);
    this.#sweep('NON', 'lasting', now);
  }

  #sweep(type: 'CON' | 'NON', keeping: Keeping, now: Instant): void {
    const store = this.#store;
    let place = store.oldest(type, keeping);
    while (place !== noPlace && store.lapsesAt(place) <= now) {
      this.#remove(place);
      place = store.oldest(type, keeping);
    }
  }

  /** When `handleTimeout` has something to do; up to a second after the first record lapses. */
  nextTimeout(): Instant | undefined {
    const first = earliest(this.#firstLapse('CON'), this.#firstLapse('NON'));
    return first === undefined ? undefined : after(first, sweepMs);
  }

  #firstLapse(type: 'CON' | 'NON'): Instant | undefined {
    const store = this.#store;
    const droppable = store.oldest(type, 'droppable');
    const lasting = store.oldest(type, 'lasting');
    return earliest(
      droppable === noPlace ? undefined : store.lapsesAt(droppable),
      lasting === noPlace ? undefined : store.lapsesAt(lasting),
    );
  }

  #makeRoom(peer: PeerKey, bytes: number, now: Instant): boolean {
    const limits = this.#limits;
    const counters = this.#counters;
    for (;;) {
      const records = this.#peers.get(peer);
      if (records === undefined || records.bytes + bytes <= limits.deduplicationBytesPerPeer) break;
      const oldest = records.droppable.first;
      if (oldest === noPlace) return false;
      this.#evict(oldest);
    }
    if (bytes > limits.deduplicationBytesPerPeer) return false;
    const isKnown = this.#peers.get(peer) !== undefined;
    // A few evictions may not free a whole peer; then the newcomer goes without, not the others.
    for (let tries = 0; !isKnown && this.#peers.size >= limits.deduplicationPeers; tries++) {
      const oldest = this.#oldestDroppable();
      if (oldest !== noPlace && tries < 16) this.#evict(oldest);
      else if (!this.#forgetSilentPeer(now)) return false;
    }
    for (;;) {
      const added = this.#peers.get(peer) !== undefined ? bytes : bytes + peerBytes;
      if (counters.deduplicationBytes + added <= limits.deduplicationBytes) return true;
      const oldest = this.#oldestDroppable();
      if (oldest === noPlace) return false;
      this.#evict(oldest);
    }
  }

  /** Forgets the peer that was silent for the longest time, if the exception of the module comment holds for it. */
  #forgetSilentPeer(now: Instant): boolean {
    for (let tries = 0; tries < 64; tries++) {
      const peer = this.#peers.oldest();
      const records = peer === undefined ? undefined : this.#peers.get(peer);
      if (peer === undefined || records === undefined) return false;
      if (elapsedMs(records.newestAt, now) <= this.#transmitSpanMs) return false;
      if (records.open === 0) {
        this.#counters.evicted += records.count;
        this.forgetPeer(peer);
        return true;
      }
      // Looked at again after all others, so that a few slow handlers do not hold the place for it.
      this.#peers.use(peer);
    }
    return false;
  }

  /** By lifetime, a NON lapses sooner than a CON of the same age; what lapses first is of least use. */
  #oldestDroppable(): number {
    const store = this.#store;
    const con = store.oldest('CON', 'droppable');
    const non = store.oldest('NON', 'droppable');
    if (con === noPlace || non === noPlace) return con === noPlace ? non : con;
    return store.lapsesAt(non) < store.lapsesAt(con) ? non : con;
  }

  #evict(place: number): void {
    this.#counters.evicted++;
    this.#remove(place);
  }

  #insert(record: ReceivedRecord, datagram: Uint8Array, bytes: number, now: Instant): void {
    const store = this.#store;
    const { peer } = record;
    let records = this.#peers.use(peer);
    if (records === undefined) {
      records = store.newPeer(peer, now);
      this.#peers.set(peer, records);
      this.#counters.deduplicationPeers++;
      this.#counters.deduplicationBytes += peerBytes;
    }
    records.newestAt = now;
    const place = store.add(
      records,
      record,
      datagram.length,
      this.#digest,
      after(now, this.#lifetimeMs[record.type]),
      record.unsafe ? 'lasting' : 'droppable',
    );
    record.place = place;
    record.use = store.useAt(place);
    this.#resize(place, bytes);
    if (store.isOpenAt(place)) records.open++;
    this.#counters.deduplicationEntries++;
  }

  #remove(place: number): void {
    const store = this.#store;
    const records = store.peerAt(place);
    this.#resize(place, 0);
    if (store.isOpenAt(place)) records.open--;
    store.remove(place);
    this.#counters.deduplicationEntries--;
    if (records.count > 0) return;
    this.#peers.delete(records.key);
    this.#counters.deduplicationPeers--;
    this.#counters.deduplicationBytes -= peerBytes;
  }

  /** A reply went out. */
  #settle(record: ReceivedRecord): void {
    const place = this.#placeOf(record);
    if (place === noPlace) return;
    if (this.#store.isOpenAt(place)) this.#store.peerAt(place).open--;
    this.#store.setReplied(place);
    if (record.isForgettable) this.#store.makeDroppable(place);
  }

  /** @returns the place of the record, or `noPlace`. */
  #setState(record: ReceivedRecord, state: RecordState): number {
    record.state = state;
    const place = this.#placeOf(record);
    if (place !== noPlace) this.#store.setState(place, state);
    return place;
  }

  #resize(place: number, bytes: number): void {
    if (place === noPlace) return;
    const change = bytes - this.#store.bytesAt(place);
    if (change === 0) return;
    this.#store.setBytes(place, bytes);
    this.#store.peerAt(place).bytes += change;
    this.#counters.deduplicationBytes += change;
  }

  /** Where a record is; its place may be another's by now. */
  #placeOf({ place, use }: ReceivedRecord): number {
    return place !== noPlace && this.#store.useAt(place) === use ? place : noPlace;
  }
}
