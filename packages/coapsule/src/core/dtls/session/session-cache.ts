/**
 * Sessions a server can resume, by session id (RFC 5246 §7.4.1.2): bounded, oldest out, each for a limited time.
 *
 * A session that nobody asks for is bytes in one array and a few numbers: most devices never come back by one.
 *
 * @module
 */

import { ByteArena } from '../../foundation/byte-arena.ts';
import { grown, placesFor } from '../../foundation/grown.ts';
import type { Instant } from '../../foundation/instant.ts';
import { hashOfBytes, SlotIndex } from '../../foundation/slot-index.ts';
import { SlotLists } from '../../foundation/slot-lists.ts';
import type { AssociationId } from '../dtls-output.ts';
import {
  decodeSessionState,
  encodeSessionState,
  isSessionAlive,
  type SessionState,
} from './session-state.ts';

const none = -1;
/** The only list: oldest first. */
const byAge = 0;

/** The cache; needs no timer, since what is too old goes when something new comes. */
export class SessionCache {
  readonly #maxSessions: number;
  readonly #lifetimeMs: number;
  /** By session id. */
  readonly #index = new SlotIndex();
  readonly #order = new SlotLists();
  /** Of each session its id and, behind that, its state. */
  readonly #bytes = new ByteArena();
  #offsets = new Uint32Array(16);
  #idLengths = new Uint8Array(16);
  #lengths = new Uint32Array(16);
  /** When the full handshake was. */
  #createdAt = new Float64Array(16);
  /** The association that each was used for last. */
  #associations = new Float64Array(16);
  readonly #freeSlots: number[] = [];
  #slotsUsed = 0;

  /** @param maxSessions 0 … ; with 0 nothing is kept. */
  constructor(maxSessions: number, lifetimeMs: number) {
    this.#maxSessions = maxSessions;
    this.#lifetimeMs = lifetimeMs;
  }

  /** Number of sessions kept. */
  get size(): number {
    return this.#index.size;
  }

  /** Whether another session fits without the loss of one that is still good. */
  hasRoom(now: Instant): boolean {
    for (let slot = this.#oldest(); slot !== none; slot = this.#oldest()) {
      if (this.#isAlive(slot, now)) break;
      this.#drop(slot);
    }
    return this.size < this.#maxSessions;
  }

  /** Keeps a session; the id, of at most 32 bytes, must be new. */
  add(sessionId: Uint8Array, session: SessionState, association: AssociationId, now: Instant): void {
    if (!this.hasRoom(now) && this.#oldest() !== none) this.#drop(this.#oldest());
    if (this.#maxSessions === 0) return;
    const slot = this.#freeSlots.pop() ?? this.#slotsUsed++;
    if (slot >= this.#offsets.length) this.#grow(placesFor(slot));
    const state = encodeSessionState(session);
    this.#offsets[slot] = this.#bytes.add(sessionId, state);
    this.#idLengths[slot] = sessionId.length;
    this.#lengths[slot] = sessionId.length + state.length;
    this.#createdAt[slot] = session.createdAt;
    this.#associations[slot] = association;
    this.#index.insert(hashOfBytes(sessionId), slot);
    this.#order.append(byAge, slot);
  }

  /** The session with this id, unless it is too old. */
  find(sessionId: Uint8Array, now: Instant): SessionState | undefined {
    const slot = this.#slotOf(sessionId);
    if (slot === none || !this.#isAlive(slot, now)) return undefined;
    const [offset, idLength] = [this.#offsets[slot] as number, this.#idLengths[slot] as number];
    return decodeSessionState(
      this.#bytes.slice(offset + idLength, (this.#lengths[slot] as number) - idLength),
    );
  }

  /** Notes that another association came from the session. */
  noteResumed(sessionId: Uint8Array, association: AssociationId): void {
    const slot = this.#slotOf(sessionId);
    if (slot !== none) this.#associations[slot] = association;
  }

  /** Forgets a session. */
  remove(sessionId: Uint8Array): void {
    const slot = this.#slotOf(sessionId);
    if (slot !== none) this.#drop(slot);
  }

  /** Forgets the session of an association that ended by a fatal alert (RFC 5246 §7.2.2). Looks at all of them. */
  forget(association: AssociationId): void {
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      if (this.#associations[slot] === association && this.#lengths[slot] !== 0) this.#drop(slot);
    }
  }

  #oldest(): number {
    return this.#order.first(byAge);
  }

  #isAlive(slot: number, now: Instant): boolean {
    return isSessionAlive({ createdAt: this.#createdAt[slot] as Instant }, this.#lifetimeMs, now);
  }

  #slotOf(sessionId: Uint8Array): number {
    const index = this.#index;
    const hash = hashOfBytes(sessionId);
    for (let cell = index.begin(hash); index.slotAt(cell) !== none; cell = index.next(cell, hash)) {
      const slot = index.slotAt(cell);
      const isOfLength = this.#idLengths[slot] === sessionId.length;
      if (isOfLength && this.#bytes.holds(this.#offsets[slot] as number, sessionId)) return slot;
    }
    return none;
  }

  #drop(slot: number): void {
    const offset = this.#offsets[slot] as number;
    this.#index.delete(hashOfBytes(this.#bytes.slice(offset, this.#idLengths[slot] as number)), slot);
    this.#order.remove(byAge, slot);
    this.#bytes.remove(offset, this.#lengths[slot] as number);
    this.#lengths[slot] = 0;
    this.#freeSlots.push(slot);
  }

  #grow(capacity: number): void {
    this.#offsets = grown(this.#offsets, capacity);
    this.#idLengths = grown(this.#idLengths, capacity);
    this.#lengths = grown(this.#lengths, capacity);
    this.#createdAt = grown(this.#createdAt, capacity);
    this.#associations = grown(this.#associations, capacity);
  }
}
