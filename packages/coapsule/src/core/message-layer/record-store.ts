/**
 * What is remembered of received messages, as rows of numbers: a message that was answered costs 64 bytes, a line of the
 * processor's cache, and its share of an index, but no object, which the garbage collector would visit for as long as
 * EXCHANGE_LIFETIME.
 *
 * A message has a place, the number of its row. Places are found by peer and Message ID through chains of a hash index; each
 * is in one list of all peers and in one of its peer, both oldest first. Knows no rules: see `deduplication.ts`.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import { type KeptAnswer, KeptAnswers } from './kept-answers.ts';
import type { PeerKey } from './message-layer-output.ts';
import { type ReceivedRecord, type RecordState, recordStates } from './received-record.ts';

/** No place: the end of a list, or a message that is not remembered. */
export const noPlace = -1;

/** Whether a message may be forgotten to make room: its list among those of its type, and of its peer. */
export type Keeping = 'lasting' | 'droppable';

/** The digest of a datagram: two numbers of 32 bits, signed. */
export interface Digest {
  readonly high: number;
  readonly low: number;
}

/** What all messages of one peer have in common. */
export interface RecordsOfPeer {
  readonly key: PeerKey;
  /** Never used twice by one store. */
  readonly number: number;
  /** Where its chains begin. */
  readonly chains: number;
  /** Accounted for its messages. */
  bytes: number;
  count: number;
  /** Unsafe CON requests that were not replied to: they may still be carried out. */
  open: number;
  /** When the last message was added. */
  newestAt: Instant;
  readonly lasting: PlaceList;
  readonly droppable: PlaceList;
}

/** Places from the oldest to the newest. */
export interface PlaceList {
  first: number;
  last: number;
}

/** Places at the start, and again when the store runs empty. */
const firstCapacity = 256;
/** A larger store is given back when it is empty. */
const capacityKept = 16_384;

/**
 * Messages of one peer with one Message ID, which should not be (RFC 7252 §4.4), are in so many chains, by their digests: a peer
 * that sends nothing else must not make each of them look at all the others.
 */
const chainsPerMessageId = 256;

/** Most chains hold one message or none: to find that a message is new seldom looks at the row of another. */
const chainsPerPlace = 4;
/** Numbers of a row; a time takes two. */
const rowLength = 16;
// What is where in a row.
const lapsesField = 0;
const useField = 2;
const chainField = 3;
const olderField = 4;
const newerField = 5;
const olderOfPeerField = 6;
const newerOfPeerField = 7;
const peerField = 8;
const messageIdField = 9;
const lengthField = 10;
const digestHighField = 11;
const digestLowField = 12;
const bytesField = 13;
const flagsField = 14;
const answerCodeField = 15;

// Bits of a place's flags: the state in the lowest three.
const stateMask = 7;
const unsafeFlag = 8;
const conFlag = 16;
const repliedFlag = 32;
const droppableFlag = 64;

/** See the module comment. */
export class RecordStore {
  #capacity = 0;
  #size = 0;
  #lastUse = 0;
  #lastPeer = 0;
  readonly #seed: number;
  /** Of all peers, in the order of `listNumber`: a number finds one faster than two names. */
  readonly #lists: readonly PlaceList[] = Array.from({ length: 4 }, newPlaceList);
  #firstFree = noPlace;
  /** The first place of each chain of the index. */
  #chains = new Int32Array(0);
  #rows = new Int32Array(0);
  /** The same memory. */
  #times = new Float64Array(0);
  #peers: (RecordsOfPeer | undefined)[] = [];
  #answers: (KeptAnswer | undefined)[] = [];
  readonly #kept = new KeptAnswers();

  /** @param seed Makes it unknown to others which messages share a chain. */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Messages remembered. */
  get size(): number {
    return this.#size;
  }

  /** What a peer without messages begins with. */
  newPeer(key: PeerKey, now: Instant): RecordsOfPeer {
    const number = ++this.#lastPeer;
    const counts = { bytes: 0, count: 0, open: 0 };
    const lists = { lasting: newPlaceList(), droppable: newPlaceList() };
    return { key, number, chains: scrambled(number, this.#seed), ...counts, newestAt: now, ...lists };
  }

  /**
   * Remembers a message, as the newest: `in-progress`, not replied to, of no bytes yet.
   *
   * @param length Of the datagram, which tells it with its digest from others of the peer with its Message ID.
   */
  add(
    peer: RecordsOfPeer,
    { messageId, type, unsafe }: Pick<ReceivedRecord, 'messageId' | 'type' | 'unsafe'>,
    length: number,
    { high, low }: Digest,
    lapses: Instant,
    keeping: Keeping,
  ): number {
    if (this.#firstFree === noPlace) this.#grow();
    const place = this.#firstFree;
    const rows = this.#rows;
    const row = place * rowLength;
    this.#firstFree = rows[row + chainField] as number;
    this.#times[(row + lapsesField) / 2] = lapses;
    // 0 is left out when the counter begins again.
    this.#lastUse = (this.#lastUse + 1) | 0 || 1;
    rows[row + useField] = this.#lastUse;
    rows[row + peerField] = peer.number;
    rows[row + messageIdField] = messageId;
    rows[row + lengthField] = length;
    rows[row + digestHighField] = high;
    rows[row + digestLowField] = low;
    rows[row + bytesField] = 0;
    rows[row + flagsField] = (unsafe ? unsafeFlag : 0) | (type === 'CON' ? conFlag : 0);
    this.#peers[place] = peer;
    const chain = this.#chainOf(peer, messageId, low);
    rows[row + chainField] = this.#chains[chain] as number;
    this.#chains[chain] = place;
    this.#link(place, keeping);
    peer.count++;
    this.#size++;
    return place;
  }

  /** Forgets a message. */
  remove(place: number): void {
    const peer = this.peerAt(place);
    this.#unlink(place);
    const chain = this.#chainAt(place);
    const next = this.#at(place, chainField);
    let before = this.#chains[chain] as number;
    if (before === place) this.#chains[chain] = next;
    else {
      while (this.#at(before, chainField) !== place) before = this.#at(before, chainField);
      this.#put(before, chainField, next);
    }
    this.#peers[place] = undefined;
    this.#dropAnswer(place);
    this.#put(place, useField, 0);
    this.#put(place, chainField, this.#firstFree);
    this.#firstFree = place;
    peer.count--;
    this.#size--;
    if (this.#size === 0 && this.#capacity > capacityKept) this.#allocate(firstCapacity);
  }

  /** The first message of a peer with this Message ID that may have this digest; the next one is found with `nextLike`. */
  firstLike(peer: RecordsOfPeer, messageId: number, { low }: Digest): number {
    if (this.#capacity === 0) return noPlace;
    const first = this.#chains[this.#chainOf(peer, messageId, low)] as number;
    return this.#search(first, peer.number, messageId);
  }

  /** The next message of the same peer with the same Message ID that may have the same digest. */
  nextLike(place: number): number {
    return this.#search(
      this.#at(place, chainField),
      this.#at(place, peerField),
      this.#at(place, messageIdField),
    );
  }

  #search(start: number, peer: number, messageId: number): number {
    let place = start;
    while (
      place !== noPlace &&
      (this.#at(place, messageIdField) !== messageId || this.#at(place, peerField) !== peer)
    ) {
      place = this.#at(place, chainField);
    }
    return place;
  }

  /** Whether a datagram of this length and digest is the one that is remembered here. */
  isOf(place: number, length: number, { high, low }: Digest): boolean {
    return (
      this.#at(place, digestLowField) === low &&
      this.#at(place, digestHighField) === high &&
      this.#at(place, lengthField) === length
    );
  }

  /** Makes a message the newest of those that may be dropped. */
  makeDroppable(place: number): void {
    this.#unlink(place);
    this.#link(place, 'droppable');
  }

  /** The oldest message of a type, of all peers; `noPlace` when there is none. */
  oldest(type: 'CON' | 'NON', keeping: Keeping): number {
    return this.#listOf(type, keeping).first;
  }

  /** Whose message it is. */
  peerAt(place: number): RecordsOfPeer {
    return this.#peers[place] as RecordsOfPeer;
  }

  /** Which of the messages that had a place it is; 0 when there is none now. */
  useAt(place: number): number {
    return this.#at(place, useField);
  }

  typeAt(place: number): 'CON' | 'NON' {
    return this.#has(place, conFlag) ? 'CON' : 'NON';
  }

  isUnsafeAt(place: number): boolean {
    return this.#has(place, unsafeFlag);
  }

  /** Whether a request may still be carried out, and a copy of it come; those of a NON are not sent on purpose. */
  isOpenAt(place: number): boolean {
    return (this.#at(place, flagsField) & (unsafeFlag | conFlag | repliedFlag)) === (unsafeFlag | conFlag);
  }

  lapsesAt(place: number): Instant {
    return this.#times[(place * rowLength + lapsesField) / 2] as Instant;
  }

  bytesAt(place: number): number {
    return this.#at(place, bytesField);
  }

  setBytes(place: number, bytes: number): void {
    this.#put(place, bytesField, bytes);
  }

  stateAt(place: number): RecordState {
    return recordStates[this.#at(place, flagsField) & stateMask] as RecordState;
  }

  setState(place: number, state: RecordState): void {
    this.#put(place, flagsField, (this.#at(place, flagsField) & ~stateMask) | recordStates.indexOf(state));
  }

  /** A reply went out, piggybacked or not. */
  setReplied(place: number): void {
    this.#put(place, flagsField, this.#at(place, flagsField) | repliedFlag);
  }

  /** The code of the answer that is stored. */
  answerCodeAt(place: number): number {
    return this.#at(place, answerCodeField);
  }

  /** Options and payload of the answer that is stored, as bytes. */
  answerAt(place: number): Uint8Array {
    const kept = this.#answers[place];
    return kept === undefined ? noBytes : this.#kept.bytesOf(kept);
  }

  /** Stores an answer: its code, and a copy of what its datagram has from `start` on. */
  setAnswer(place: number, code: number, datagram: Uint8Array, start: number): void {
    this.#dropAnswer(place);
    this.#put(place, answerCodeField, code);
    if (datagram.length > start) this.#answers[place] = this.#kept.keep(datagram, start);
  }

  #dropAnswer(place: number): void {
    const kept = this.#answers[place];
    if (kept === undefined) return;
    this.#kept.release(kept);
    this.#answers[place] = undefined;
  }

  #at(place: number, field: number): number {
    return this.#rows[place * rowLength + field] as number;
  }

  #put(place: number, field: number, value: number): void {
    this.#rows[place * rowLength + field] = value;
  }

  #has(place: number, flag: number): boolean {
    return (this.#at(place, flagsField) & flag) !== 0;
  }

  /**
   * Message IDs that follow each other have chains that are near each other in memory, but not side by side, or a peer that
   * counts would find its latest messages in the chains of its next ones. Where they are is a secret for each peer.
   */
  #chainOf({ chains }: RecordsOfPeer, messageId: number, digestLow: number): number {
    const spread = digestLow & (chainsPerMessageId - 1);
    return (chains + chainsPerPlace * messageId + spread) & (this.#chains.length - 1);
  }

  #chainAt(place: number): number {
    return this.#chainOf(
      this.peerAt(place),
      this.#at(place, messageIdField),
      this.#at(place, digestLowField),
    );
  }

  #listOf(type: 'CON' | 'NON', keeping: Keeping): PlaceList {
    return this.#lists[listNumber(type, keeping)] as PlaceList;
  }

  #link(place: number, keeping: Keeping): void {
    if (keeping === 'droppable') this.#put(place, flagsField, this.#at(place, flagsField) | droppableFlag);
    this.#append(this.#listOf(this.typeAt(place), keeping), place, olderField, newerField);
    this.#append(listOfPeer(this.peerAt(place), keeping), place, olderOfPeerField, newerOfPeerField);
  }

  #unlink(place: number): void {
    const keeping = this.#has(place, droppableFlag) ? 'droppable' : 'lasting';
    this.#takeOut(this.#listOf(this.typeAt(place), keeping), place, olderField, newerField);
    this.#takeOut(listOfPeer(this.peerAt(place), keeping), place, olderOfPeerField, newerOfPeerField);
  }

  #append(list: PlaceList, place: number, older: number, newer: number): void {
    this.#put(place, older, list.last);
    this.#put(place, newer, noPlace);
    if (list.last === noPlace) list.first = place;
    else this.#put(list.last, newer, place);
    list.last = place;
  }

  #takeOut(list: PlaceList, place: number, older: number, newer: number): void {
    const before = this.#at(place, older);
    const behind = this.#at(place, newer);
    if (before === noPlace) list.first = behind;
    else this.#put(before, newer, behind);
    if (behind === noPlace) list.last = before;
    else this.#put(behind, older, before);
  }

  #grow(): void {
    const used = this.#capacity;
    this.#allocate(Math.max(firstCapacity, 2 * used));
    for (let place = 0; place < used; place++) {
      const chain = this.#chainAt(place);
      this.#put(place, chainField, this.#chains[chain] as number);
      this.#chains[chain] = place;
    }
  }

  /** New memory, with what was in the old one, which is full or empty. */
  #allocate(capacity: number): void {
    const used = this.#size === 0 ? 0 : this.#capacity;
    const rows = new Int32Array(capacity * rowLength);
    rows.set(this.#rows.subarray(0, used * rowLength));
    this.#rows = rows;
    this.#times = new Float64Array(rows.buffer);
    this.#chains = new Int32Array(capacity * chainsPerPlace).fill(noPlace);
    this.#capacity = capacity;
    this.#peers.length = used;
    this.#answers.length = used;
    for (let place = used; place < capacity; place++) {
      this.#peers.push(undefined);
      this.#answers.push(undefined);
    }
    this.#firstFree = noPlace;
    for (let place = capacity - 1; place >= used; place--) {
      this.#put(place, chainField, this.#firstFree);
      this.#firstFree = place;
    }
  }
}

/** A number that nobody can tell who does not know the seed. */
function scrambled(number: number, seed: number): number {
  let hash = number ^ seed;
  for (const factor of [0x85ebca6b, 0xc2b2ae35]) {
    hash = Math.imul(hash ^ (hash >>> 16), factor);
    hash ^= hash >>> 13;
  }
  return hash >>> 0;
}

function listNumber(type: 'CON' | 'NON', keeping: Keeping): number {
  return (type === 'CON' ? 0 : 2) + (keeping === 'lasting' ? 0 : 1);
}

function listOfPeer(peer: RecordsOfPeer, keeping: Keeping): PlaceList {
  return keeping === 'lasting' ? peer.lasting : peer.droppable;
}

/** An empty list. */
function newPlaceList(): PlaceList {
  return { first: noPlace, last: noPlace };
}
