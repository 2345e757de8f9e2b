/**
 * All established associations: numbers in a typed array by slot, found by id or by peer address.
 *
 * A slot is used again after its association ended, an id never is. Several associations may have the same address,
 * when a NAT gave the port of one device to another (RFC 9146 §1): the newest is found by it, the others by their
 * connection ids only. Holds state and finds it; opening, sealing and closing are in `established-associations.ts`.
 *
 * What differs from one association to the next lies in 64 bytes of one array and in `association-bytes.ts`, what many have
 * in common is one object of `shared-terms.ts` for all of them: an idle one costs no object of its own but its address.
 *
 * @module
 */

import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { grown, placesFor } from '../foundation/grown.ts';
import { elapsedMs, type Instant } from '../foundation/instant.ts';
import { KeyedDigest } from '../foundation/keyed-digest.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { hashOfNumber, SlotIndex } from '../foundation/slot-index.ts';
import { ActiveKeys, type AssociationKeys } from './active-keys.ts';
import { AssociationBytes, type BytesPlace, type KeysOfBytes } from './association-bytes.ts';
import { AssociationTraffics } from './association-traffic.ts';
import type { CipherSuite } from './cipher-suites.ts';
import type { AssociationId, DtlsRole } from './dtls-output.ts';
import { EvictionOrder } from './eviction-order.ts';
import type { ReplayWindowState } from './record/anti-replay-window.ts';
import { innerTypeLength, recordKeysOf } from './record/epoch-keys.ts';
import { maxPlaintextLength } from './record/record-header.ts';
import { type Agreed, SharedTerms, type Terms } from './shared-terms.ts';

/** What was found out and agreed on in the handshake; does not change. */
export interface AssociationFacts extends Agreed {
  /** PSK: the client's identity, on either side. Else what the verification of the peer said, or empty. */
  readonly identity: Uint8Array;
  /** Of an association that was imported without its identity: that is its hash then. */
  readonly identityHash?: Uint8Array;
}

/** A new association as a handshake leaves it. */
export interface NewAssociation {
  readonly id: AssociationId;
  readonly address: PeerAddress;
  readonly role: DtlsRole;
  readonly facts: AssociationFacts;
  readonly keys: KeysOfBytes;
  readonly window: Readonly<ReplayWindowState>;
  readonly writeSequence: number;
  /** 32 bytes. */
  readonly clientRandom: Uint8Array;
}

const flagClient = 1 << 16;
const flagRenewalTold = 2 << 16;
/** The identity that is kept is the hash of one that nobody told. */
const flagIdentityIsHash = 4 << 16;

/** What is kept of a slot in `#numbers`, 64 bytes: the doubles among it. */
const column = { id: 0, writeSequence: 1, windowHighest: 2, lastActivity: 4, movedUpAt: 5 } as const;
const doublesOfSlot = 8;

/** And the words; `place` is where its bytes are, in units of `placeUnit`. */
const word = {
  windowRecent: 6,
  windowOlder: 7,
  place: 12,
  clientRandomTag: 13,
  /** The connection ids': own in the lowest byte, the peer's in the next one. Above them the flags. */
  lengthsAndFlags: 14,
  identityLength: 15,
} as const;
const wordsOfSlot = 2 * doublesOfSlot;
const placeUnit = 8;

/** The order of eviction is exact to this time: a record moves its association up at most so often. */
const moveUpMs = 1000;

const none = -1;

/** The table; see the module comment. Slots are valid until `remove`. */
export class AssociationTable {
  #capacity = 16;
  /** One line of the processor's cache for each slot: `column` and `word` tell what is where. */
  #numbers = new Float64Array(doublesOfSlot * this.#capacity);
  /** The same memory. */
  #words = new Uint32Array(this.#numbers.buffer);
  /** Of the few that have any. */
  readonly #forgedRecords = new Map<number, number>();
  readonly #bytes: AssociationBytes;
  readonly #keys = new ActiveKeys();
  readonly #addresses: (PeerAddress | undefined)[] = [];
  readonly #terms: (Terms | undefined)[] = [];
  readonly #sharedTerms = new SharedTerms();
  readonly #byId = new SlotIndex();
  readonly #byAddress = new SlotIndex();
  /** Addresses are the choice of peers. */
  readonly #digest: KeyedDigest;
  #hashedKey: string | undefined;
  #hash = 0;
  readonly #evictionOrder: EvictionOrder;
  /** What goes by them. */
  readonly traffic: AssociationTraffics = new AssociationTraffics();
  readonly #freeSlots: number[] = [];
  #slotsUsed = 0;
  /** Filled by `window`, written back by `storeWindow`. */
  readonly #scratch: ReplayWindowState = { highest: -1, recent: 0, older: 0 };

  /** @param crypto Makes the keys of associations that are in use. */
  constructor(crypto: CryptoProvider, random: RandomSource) {
    this.#bytes = new AssociationBytes(crypto);
    this.#digest = new KeyedDigest(random);
    this.#evictionOrder = new EvictionOrder(this.#digest);
  }

  /** Number of associations. */
  get size(): number {
    return this.#byId.size;
  }

  /** Takes a new association, as the latest one that was heard of; from now on its address finds it. */
  add(association: NewAssociation, now: Instant): number {
    const slot = this.#freeSlots.pop() ?? this.#slotsUsed++;
    if (slot >= this.#capacity) this.#grow();
    const { id, address, window } = association;
    this.#setNumber(slot, column.id, id);
    this.#setNumber(slot, column.writeSequence, association.writeSequence);
    this.storeWindow(slot, window);
    this.#setNumber(slot, column.lastActivity, now);
    this.#setNumber(slot, column.movedUpAt, now);
    this.#setWord(slot, word.clientRandomTag, randomTag(association.clientRandom));
    this.traffic.begin(slot, now);
    this.#storeFacts(slot, association);
    this.#byId.insert(hashOfNumber(id), slot);
    this.#enterAddress(slot, address);
    return slot;
  }

  /**
   * The peer has another address now, which finds this association from now on; unless another one can only be found
   * by it, and this one by its connection id too.
   */
  move(slot: number, address: PeerAddress): void {
    const owner = this.slotAt(address);
    this.#leaveAddress(slot);
    this.#enterAddress(slot, address);
    if (owner !== undefined) this.#leaveAddressTo(owner, slot);
  }

  /** Takes an association of another process; the address goes on finding one that nothing else finds. */
  addImported(association: NewAssociation, now: Instant): number {
    const owner = this.slotAt(association.address);
    const slot = this.add(association, now);
    if (owner !== undefined) this.#leaveAddressTo(owner, slot);
    return slot;
  }

  /** One without a connection id can be found by its address only. */
  #leaveAddressTo(owner: number, slot: number): void {
    if (owner === slot || this.ownIdLength(owner) > 0 || this.ownIdLength(slot) === 0) return;
    const hash = this.#hashOf(this.address(slot).key);
    this.#byAddress.delete(hash, slot);
    this.#byAddress.insert(hash, owner);
  }

  /** Forgets an association; its keys go with it. */
  remove(slot: number): void {
    this.#byId.delete(hashOfNumber(this.id(slot)), slot);
    this.#leaveAddress(slot);
    this.#keys.remove(slot);
    this.#bytes.remove(this.#placeOf(slot));
    this.#forgedRecords.delete(slot);
    this.#addresses[slot] = undefined;
    this.#terms[slot] = undefined;
    this.#freeSlots.push(slot);
  }

  /** Of all associations. */
  ids(): readonly AssociationId[] {
    const ids: AssociationId[] = [];
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      if (this.#addresses[slot] !== undefined) ids.push(this.id(slot));
    }
    return ids;
  }

  slotOf(id: AssociationId): number | undefined {
    const index = this.#byId;
    const hash = hashOfNumber(id);
    for (let cell = index.begin(hash); index.slotAt(cell) !== none; cell = index.next(cell, hash)) {
      const slot = index.slotAt(cell);
      if (this.id(slot) === id) return slot;
    }
    return undefined;
  }

  /** The newest association with a peer at an address. */
  slotAt({ key }: PeerAddress): number | undefined {
    const index = this.#byAddress;
    const hash = this.#hashOf(key);
    for (let cell = index.begin(hash); index.slotAt(cell) !== none; cell = index.next(cell, hash)) {
      const slot = index.slotAt(cell);
      if (this.#addresses[slot]?.key === key) return slot;
    }
    return undefined;
  }

  id(slot: number): AssociationId {
    return this.#number(slot, column.id);
  }

  address(slot: number): PeerAddress {
    return this.#addresses[slot] as PeerAddress;
  }

  /** The keys, ready for use. */
  keys(slot: number): AssociationKeys {
    return this.#keys.of(slot) ?? this.#use(slot, this.keysOfBytes(slot));
  }

  /** The keys with what they are made from, made anew: for an association that goes away. */
  keysOfBytes(slot: number): KeysOfBytes {
    return this.#bytes.keys(this.#placeOf(slot));
  }

  suite(slot: number): CipherSuite {
    return this.terms(slot).suite;
  }

  /** Bytes of the connection id in records to us; 0 when they have none. */
  ownIdLength(slot: number): number {
    return this.#word(slot, word.lengthsAndFlags) & 0xff;
  }

  /** Bytes of the connection id in records to the peer; 0 when they have none. */
  peerIdLength(slot: number): number {
    return (this.#word(slot, word.lengthsAndFlags) >>> 8) & 0xff;
  }

  /** What was agreed on: an object that other associations have too. */
  terms(slot: number): Terms {
    return this.#terms[slot] as Terms;
  }

  /** A copy of the peer's identity; where nobody told that, of its hash. */
  identity(slot: number): Uint8Array {
    return this.#bytes.identity(this.#placeOf(slot));
  }

  /** Whether what is kept as the identity is its hash. */
  isIdentityHash(slot: number): boolean {
    return this.#hasFlag(slot, flagIdentityIsHash);
  }

  /** See `AssociationFacts`. */
  peerRecordSizeLimit(slot: number): number {
    return this.terms(slot).peerRecordSizeLimit;
  }

  /** See `AssociationFacts`. */
  returnRoutabilityCheck(slot: number): boolean {
    return this.terms(slot).returnRoutabilityCheck;
  }

  role(slot: number): DtlsRole {
    return this.#hasFlag(slot, flagClient) ? 'client' : 'server';
  }

  /** Marks that a renewal was asked for; false when it was already. */
  markRenewalTold(slot: number): boolean {
    if (this.#hasFlag(slot, flagRenewalTold)) return false;
    this.#setWord(slot, word.lengthsAndFlags, this.#word(slot, word.lengthsAndFlags) | flagRenewalTold);
    return true;
  }

  /** The next sequence number to write with, without counting it. */
  writeSequence(slot: number): number {
    return this.#number(slot, column.writeSequence);
  }

  /** Takes the next sequence number to write with; none is given twice. */
  takeWriteSequence(slot: number): number {
    const sequence = this.writeSequence(slot);
    this.#setNumber(slot, column.writeSequence, sequence + 1);
    return sequence;
  }

  /** The replay window of a slot, in an object that the next call uses again. */
  window(slot: number): ReplayWindowState {
    this.#scratch.highest = this.#number(slot, column.windowHighest);
    this.#scratch.recent = this.#word(slot, word.windowRecent);
    this.#scratch.older = this.#word(slot, word.windowOlder);
    return this.#scratch;
  }

  storeWindow(slot: number, window: Readonly<ReplayWindowState>): void {
    this.#setNumber(slot, column.windowHighest, window.highest);
    this.#setWord(slot, word.windowRecent, window.recent);
    this.#setWord(slot, word.windowOlder, window.older);
  }

  lastActivity(slot: number): Instant {
    return this.#number(slot, column.lastActivity) as Instant;
  }

  noteActivity(slot: number, now: Instant): void {
    this.#setNumber(slot, column.lastActivity, now);
    if (elapsedMs(this.#number(slot, column.movedUpAt) as Instant, now) < moveUpMs) return;
    this.#setNumber(slot, column.movedUpAt, now);
    this.#evictionOrder.touch(slot);
  }

  /** Counts a record that could not be authenticated; returns how many there were. */
  countForgedRecord(slot: number): number {
    const count = (this.#forgedRecords.get(slot) ?? 0) + 1;
    this.#forgedRecords.set(slot, count);
    return count;
  }

  /** Whether the association came from the ClientHello with this random (by 32 of its bits). */
  isFromClientHello(slot: number, clientRandom: Uint8Array): boolean {
    return this.#word(slot, word.clientRandomTag) === randomTag(clientRandom);
  }

  /** The association to give up for a new one; see `eviction-order.ts`. */
  mostDispensable(): number | undefined {
    return this.#evictionOrder.first();
  }

  /** Of the key of an address. Each is asked for several times in a row. */
  #hashOf(key: string): number {
    if (key !== this.#hashedKey) {
      this.#hash = this.#digest.hashOf(key);
      this.#hashedKey = key;
    }
    return this.#hash;
  }

  #enterAddress(slot: number, address: PeerAddress): void {
    const before = this.slotAt(address);
    const hash = this.#hashOf(address.key);
    if (before !== undefined) this.#byAddress.delete(hash, before);
    this.#addresses[slot] = address;
    this.#byAddress.insert(hash, slot);
    this.#evictionOrder.add(slot, address.host);
  }

  #leaveAddress(slot: number): void {
    // A newer association may have the address by now: then this one is not in the index.
    this.#byAddress.delete(this.#hashOf(this.address(slot).key), slot);
    this.#evictionOrder.remove(slot);
  }

  #storeFacts(slot: number, { role, facts, keys: { read, write }, keys }: NewAssociation): void {
    const { identity, identityHash } = facts;
    this.#terms[slot] = this.#sharedTerms.of(read.suite, facts);
    const flags =
      (role === 'client' ? flagClient : 0) | (identityHash === undefined ? 0 : flagIdentityIsHash);
    const lengths = read.connectionId.length | (write.connectionId.length << 8);
    this.#setWord(slot, word.lengthsAndFlags, lengths | flags);
    this.#setWord(slot, word.identityLength, identity.length);
    this.#setWord(slot, word.place, this.#bytes.add(keys, identity) / placeUnit);
    if (read.isInUse || write.isInUse) this.#use(slot, keys);
  }

  #use(slot: number, { read, write }: KeysOfBytes): AssociationKeys {
    const keys = { read: recordKeysOf(read), write: recordKeysOf(write) };
    this.#keys.add(slot, keys);
    return keys;
  }

  #placeOf(slot: number): BytesPlace {
    return {
      offset: placeUnit * this.#word(slot, word.place),
      suite: this.suite(slot),
      ownIdLength: this.ownIdLength(slot),
      peerIdLength: this.peerIdLength(slot),
      identityLength: this.#word(slot, word.identityLength),
    };
  }

  #hasFlag(slot: number, flag: number): boolean {
    return (this.#word(slot, word.lengthsAndFlags) & flag) !== 0;
  }

  #number(slot: number, which: number): number {
    return this.#numbers[doublesOfSlot * slot + which] as number;
  }

  #setNumber(slot: number, which: number, value: number): void {
    this.#numbers[doublesOfSlot * slot + which] = value;
  }

  #word(slot: number, which: number): number {
    return this.#words[wordsOfSlot * slot + which] as number;
  }

  #setWord(slot: number, which: number, value: number): void {
    this.#words[wordsOfSlot * slot + which] = value;
  }

  #grow(): void {
    this.#capacity = placesFor(this.#capacity);
    this.#numbers = grown(this.#numbers, doublesOfSlot * this.#capacity);
    this.#words = new Uint32Array(this.#numbers.buffer);
  }
}

/** Most content of one record to the peer, in bytes: its limit covers the inner type too (RFC 8449 §4, RFC 9146 §5). */
export function maxContentLength(table: AssociationTable, slot: number): number {
  const limit = Math.min(table.peerRecordSizeLimit(slot), maxPlaintextLength);
  return limit - (table.peerIdLength(slot) > 0 ? innerTypeLength : 0);
}

/** The last 4 bytes: the first ones may be a clock (RFC 5246 §7.4.1.2). */
function randomTag(random: Uint8Array): number {
  let tag = 0;
  for (let i = 28; i < 32; i++) tag = (tag << 8) | (random[i] as number);
  return tag >>> 0;
}
