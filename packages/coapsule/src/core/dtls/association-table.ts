/**
 * All established associations: numbers in typed-array columns by slot, found by id or by peer address.
 *
 * A slot is used again after its association ended, an id never is. Several associations may have the same address,
 * when a NAT gave the port of one device to another (RFC 9146 §1): the newest is found by it, the others by their
 * connection ids only. Holds state and finds it; opening, sealing and closing are in `established-associations.ts`.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { PeerAuthentication } from './credentials.ts';
import type { AssociationId, DtlsRole } from './dtls-output.ts';
import { EvictionOrder } from './eviction-order.ts';
import type { Flight } from './handshake/flight.ts';
import type { ReplayWindowState } from './record/anti-replay-window.ts';
import { type EpochKeys, innerTypeLength } from './record/epoch-keys.ts';
import { maxPlaintextLength } from './record/record-header.ts';

/** Keys of epoch 1 of both directions. */
export interface AssociationKeys {
  readonly read: EpochKeys;
  readonly write: EpochKeys;
}

/** What was found out and agreed on in the handshake; does not change. */
export interface AssociationFacts {
  /** PSK: the client's identity, on either side. Else what the verification of the peer said, or empty. */
  readonly identity: Uint8Array;
  /** Of an association that was imported without its identity: that is its hash then. */
  readonly identityHash?: Uint8Array;
  readonly authentication: PeerAuthentication;
  readonly resumed: boolean;
  readonly extendedMasterSecret: boolean;
  /** Whether connection ids were negotiated; the keys have them. */
  readonly hasConnectionIds: boolean;
  readonly returnRoutabilityCheck: boolean;
  /** Most plaintext of a record that the peer takes, in bytes (RFC 8449, RFC 6066 §4). */
  readonly peerRecordSizeLimit: number;
  readonly protocol: string | undefined;
  readonly serverName: string | undefined;
}

/** A last flight, kept for a peer that did not get it (RFC 6347 §4.2.4). */
export interface FinalFlight {
  readonly flight: Flight;
  /** message_seq of the peer's Finished, whose repetition asks for this flight. */
  readonly peerMessageSeq: number;
  /** Next sequence number of epoch 0, in which its ChangeCipherSpec goes. */
  writeSequenceEpoch0: number;
  lastSent: Instant;
  repetitionsLeft: number;
}

/** A new association as a handshake leaves it. */
export interface NewAssociation {
  readonly id: AssociationId;
  readonly address: PeerAddress;
  readonly role: DtlsRole;
  readonly facts: AssociationFacts;
  readonly keys: AssociationKeys;
  readonly window: Readonly<ReplayWindowState>;
  readonly writeSequence: number;
  readonly finalFlight: FinalFlight | undefined;
  /** 32 bytes. */
  readonly clientRandom: Uint8Array;
}

const flagClient = 1;
const flagRenewalTold = 2;

/** The table; see the module comment. Slots are valid until `remove`. */
export class AssociationTable {
  #capacity = 16;
  #ids = new Float64Array(this.#capacity);
  #writeSequence = new Float64Array(this.#capacity);
  #windowHighest = new Float64Array(this.#capacity);
  #windowRecent = new Uint32Array(this.#capacity);
  #windowOlder = new Uint32Array(this.#capacity);
  #lastActivity = new Float64Array(this.#capacity);
  #clientRandomTag = new Uint32Array(this.#capacity);
  #forgedRecords = new Float64Array(this.#capacity);
  #flags = new Uint8Array(this.#capacity);
  readonly #keys: (AssociationKeys | undefined)[] = [];
  readonly #addresses: (PeerAddress | undefined)[] = [];
  readonly #facts: (AssociationFacts | undefined)[] = [];
  readonly #finalFlights: (FinalFlight | undefined)[] = [];
  readonly #slotById = new Map<AssociationId, number>();
  readonly #slotByAddress = new Map<string, number>();
  readonly #evictionOrder = new EvictionOrder();
  readonly #freeSlots: number[] = [];
  #slotsUsed = 0;
  /** Filled by `window`, written back by `storeWindow`. */
  readonly #scratch: ReplayWindowState = { highest: -1, recent: 0, older: 0 };

  /** Number of associations. */
  get size(): number {
    return this.#slotById.size;
  }

  /** Takes a new association, as the latest one that was heard of; from now on its address finds it. */
  add(association: NewAssociation, now: Instant): number {
    const slot = this.#freeSlots.pop() ?? this.#slotsUsed++;
    if (slot >= this.#capacity) this.#grow();
    const { id, address, keys, window } = association;
    this.#ids[slot] = id;
    this.#writeSequence[slot] = association.writeSequence;
    this.#windowHighest[slot] = window.highest;
    this.#windowRecent[slot] = window.recent;
    this.#windowOlder[slot] = window.older;
    this.#lastActivity[slot] = now;
    this.#clientRandomTag[slot] = randomTag(association.clientRandom);
    this.#forgedRecords[slot] = 0;
    this.#flags[slot] = association.role === 'client' ? flagClient : 0;
    this.#keys[slot] = keys;
    this.#facts[slot] = association.facts;
    this.#finalFlights[slot] = association.finalFlight;
    this.#slotById.set(id, slot);
    this.#enterAddress(slot, address);
    return slot;
  }

  /**
   * The peer has another address now, which finds this association from now on; unless another one can only be found
   * by it, and this one by its connection id too.
   */
  move(slot: number, address: PeerAddress): void {
    const owner = this.#slotByAddress.get(address.key);
    this.#leaveAddress(slot);
    this.#enterAddress(slot, address);
    if (owner !== undefined) this.#leaveAddressTo(owner, slot);
  }

  /** Takes an association of another process; the address goes on finding one that nothing else finds. */
  addImported(association: NewAssociation, now: Instant): number {
    const owner = this.#slotByAddress.get(association.address.key);
    const slot = this.add(association, now);
    if (owner !== undefined) this.#leaveAddressTo(owner, slot);
    return slot;
  }

  /** One without a connection id can be found by its address only. */
  #leaveAddressTo(owner: number, slot: number): void {
    if (owner === slot || this.#hasConnectionId(owner) || !this.#hasConnectionId(slot)) return;
    this.#slotByAddress.set(this.address(slot).key, owner);
  }

  /** Forgets an association; its keys go with it. */
  remove(slot: number): void {
    this.#slotById.delete(this.id(slot));
    this.#leaveAddress(slot);
    this.#keys[slot] = undefined;
    this.#addresses[slot] = undefined;
    this.#facts[slot] = undefined;
    this.#finalFlights[slot] = undefined;
    this.#freeSlots.push(slot);
  }

  slotOf(id: AssociationId): number | undefined {
    return this.#slotById.get(id);
  }

  /** The newest association with a peer at an address. */
  slotAt(address: PeerAddress): number | undefined {
    return this.#slotByAddress.get(address.key);
  }

  id(slot: number): AssociationId {
    return this.#ids[slot] as number;
  }

  address(slot: number): PeerAddress {
    return this.#addresses[slot] as PeerAddress;
  }

  keys(slot: number): AssociationKeys {
    return this.#keys[slot] as AssociationKeys;
  }

  facts(slot: number): AssociationFacts {
    return this.#facts[slot] as AssociationFacts;
  }

  role(slot: number): DtlsRole {
    return ((this.#flags[slot] as number) & flagClient) !== 0 ? 'client' : 'server';
  }

  /** Marks that a renewal was asked for; false when it was already. */
  markRenewalTold(slot: number): boolean {
    const flags = this.#flags[slot] as number;
    this.#flags[slot] = flags | flagRenewalTold;
    return (flags & flagRenewalTold) === 0;
  }

  /** The next sequence number to write with, without counting it. */
  writeSequence(slot: number): number {
    return this.#writeSequence[slot] as number;
  }

  /** Takes the next sequence number to write with; none is given twice. */
  takeWriteSequence(slot: number): number {
    const sequence = this.#writeSequence[slot] as number;
    this.#writeSequence[slot] = sequence + 1;
    return sequence;
  }

  /** The replay window of a slot, in an object that the next call uses again. */
  window(slot: number): ReplayWindowState {
    this.#scratch.highest = this.#windowHighest[slot] as number;
    this.#scratch.recent = this.#windowRecent[slot] as number;
    this.#scratch.older = this.#windowOlder[slot] as number;
    return this.#scratch;
  }

  storeWindow(slot: number, window: Readonly<ReplayWindowState>): void {
    this.#windowHighest[slot] = window.highest;
    this.#windowRecent[slot] = window.recent;
    this.#windowOlder[slot] = window.older;
  }

  lastActivity(slot: number): Instant {
    return this.#lastActivity[slot] as Instant;
  }

  /** When something came from an association; `undefined` when it is over. */
  heardAt(id: AssociationId): Instant | undefined {
    const slot = this.#slotById.get(id);
    return slot === undefined ? undefined : this.lastActivity(slot);
  }

  noteActivity(slot: number, now: Instant): void {
    this.#lastActivity[slot] = now;
    this.#evictionOrder.touch(slot);
  }

  /** Counts a record that could not be authenticated; returns how many there were. */
  countForgedRecord(slot: number): number {
    const count = (this.#forgedRecords[slot] as number) + 1;
    this.#forgedRecords[slot] = count;
    return count;
  }

  finalFlight(slot: number): FinalFlight | undefined {
    return this.#finalFlights[slot];
  }

  dropFinalFlight(slot: number): void {
    this.#finalFlights[slot] = undefined;
  }

  /** Whether the association came from the ClientHello with this random (by 32 of its bits). */
  isFromClientHello(slot: number, clientRandom: Uint8Array): boolean {
    return this.#clientRandomTag[slot] === randomTag(clientRandom);
  }

  /** The association to give up for a new one; see `eviction-order.ts`. */
  mostDispensable(): number | undefined {
    return this.#evictionOrder.first();
  }

  #enterAddress(slot: number, address: PeerAddress): void {
    this.#addresses[slot] = address;
    this.#slotByAddress.set(address.key, slot);
    this.#evictionOrder.add(slot, address.host);
  }

  #hasConnectionId(slot: number): boolean {
    return this.keys(slot).read.connectionId.length > 0;
  }

  #leaveAddress(slot: number): void {
    const { key } = this.address(slot);
    // A newer association may have the address by now.
    if (this.#slotByAddress.get(key) === slot) this.#slotByAddress.delete(key);
    this.#evictionOrder.remove(slot);
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#ids = grown(this.#ids, new Float64Array(this.#capacity));
    this.#writeSequence = grown(this.#writeSequence, new Float64Array(this.#capacity));
    this.#windowHighest = grown(this.#windowHighest, new Float64Array(this.#capacity));
    this.#windowRecent = grown(this.#windowRecent, new Uint32Array(this.#capacity));
    this.#windowOlder = grown(this.#windowOlder, new Uint32Array(this.#capacity));
    this.#lastActivity = grown(this.#lastActivity, new Float64Array(this.#capacity));
    this.#clientRandomTag = grown(this.#clientRandomTag, new Uint32Array(this.#capacity));
    this.#forgedRecords = grown(this.#forgedRecords, new Float64Array(this.#capacity));
    this.#flags = grown(this.#flags, new Uint8Array(this.#capacity));
  }
}

/** Most content of one record to the peer, in bytes: its limit covers the inner type too (RFC 8449 §4, RFC 9146 §5). */
export function maxContentLength(table: AssociationTable, slot: number): number {
  const hasConnectionId = table.keys(slot).write.connectionId.length > 0;
  const limit = Math.min(table.facts(slot).peerRecordSizeLimit, maxPlaintextLength);
  return limit - (hasConnectionId ? innerTypeLength : 0);
}

function grown<Column extends Float64Array | Uint32Array | Uint8Array>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}

/** The last 4 bytes: the first ones may be a clock (RFC 5246 §7.4.1.2). */
function randomTag(random: Uint8Array): number {
  return new DataView(random.buffer, random.byteOffset, random.byteLength).getUint32(28);
}
