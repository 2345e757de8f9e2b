/**
 * The connection ids that this side gives to peers (RFC 9146 §3): none is given twice at the same time.
 *
 * All have the length the layer was configured with, since a record does not tell it. They are random, behind a prefix
 * where one is set: whoever guesses one learns nothing, and it authenticates nobody.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';
import { grown, placesFor } from '../foundation/grown.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import { hashOfBytes, hashOfNumber, SlotIndex } from '../foundation/slot-index.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { AssociationId, DtlsRole } from './dtls-output.ts';

/** Draws before the length counts as used up: only with one byte does it come to that. */
const maxDraws = 64;

const none = -1;

/** A device needs none, since its server stays where it is; a server with 8 bytes recognises 2^64 devices. */
const defaultLengths: Readonly<Record<DtlsRole, number>> = { client: 0, server: 8 };

/**
 * Bytes of the connection ids that a layer gives to peers in a role.
 *
 * @returns 0 where records to us are to have none; `'off'` where the extension is not used at all.
 */
export function ownConnectionIdLength(
  config: Pick<CheckedDtlsConfig, 'connectionIdLength'>,
  role: DtlsRole,
): number | 'off' {
  return config.connectionIdLength ?? defaultLengths[role];
}

/** Which association, established or still shaking hands, has which connection id. */
export class OwnConnectionIds {
  readonly #random: RandomSource;
  readonly #prefix: Uint8Array;
  // Columns by entry: two typed arrays and two indices instead of two Maps with a text for each.
  #associations = new Float64Array(16);
  #lengths = new Uint8Array(16);
  /** Bytes of each entry here: those of the longest one so far. */
  #stride = 8;
  #bytes = new Uint8Array(16 * this.#stride);
  readonly #byConnectionId = new SlotIndex();
  readonly #byAssociation = new SlotIndex();
  readonly #freeEntries: number[] = [];
  #entriesUsed = 0;

  /** @param prefix What all that are issued begin with. */
  constructor(random: RandomSource, prefix: Uint8Array = noBytes) {
    this.#random = random;
    this.#prefix = prefix;
  }

  /** A new one for an association; empty, so that its records do without, when too many of that length are in use. */
  issue(association: AssociationId, length: number): Uint8Array {
    if (length === 0) return noBytes;
    for (let draw = 0; draw < maxDraws; draw++) {
      const connectionId = randomBytes(this.#random, length);
      connectionId.set(this.#prefix);
      if (this.claim(association, connectionId)) return connectionId;
    }
    return noBytes;
  }

  /** Takes a given one for an association, in the place of the one it had; false when another association has it. */
  claim(association: AssociationId, connectionId: Uint8Array): boolean {
    const owner = this.#entryWith(connectionId);
    if (owner !== none) return this.#associations[owner] === association;
    this.release(association);
    if (connectionId.length === 0) return true;
    const entry = this.#freeEntries.pop() ?? this.#entriesUsed++;
    this.#makeRoom(entry, connectionId.length);
    this.#associations[entry] = association;
    this.#lengths[entry] = connectionId.length;
    this.#bytes.set(connectionId, entry * this.#stride);
    this.#byConnectionId.insert(hashOfBytes(connectionId), entry);
    this.#byAssociation.insert(hashOfNumber(association), entry);
    return true;
  }

  associationWith(connectionId: Uint8Array): AssociationId | undefined {
    const entry = this.#entryWith(connectionId);
    return entry === none ? undefined : (this.#associations[entry] as number);
  }

  /** The association is over, or never came to be. */
  release(association: AssociationId): void {
    const hash = hashOfNumber(association);
    const index = this.#byAssociation;
    for (let cell = index.begin(hash); index.slotAt(cell) >= 0; cell = index.next(cell, hash)) {
      const entry = index.slotAt(cell);
      if (this.#associations[entry] !== association) continue;
      index.delete(hash, entry);
      const start = entry * this.#stride;
      const connectionId = this.#bytes.subarray(start, start + (this.#lengths[entry] as number));
      this.#byConnectionId.delete(hashOfBytes(connectionId), entry);
      this.#freeEntries.push(entry);
      return;
    }
  }

  #entryWith(connectionId: Uint8Array): number {
    if (connectionId.length === 0) return none;
    const index = this.#byConnectionId;
    const hash = hashOfBytes(connectionId);
    for (let cell = index.begin(hash); index.slotAt(cell) >= 0; cell = index.next(cell, hash)) {
      if (this.#holds(index.slotAt(cell), connectionId)) return index.slotAt(cell);
    }
    return none;
  }

  #holds(entry: number, connectionId: Uint8Array): boolean {
    if (this.#lengths[entry] !== connectionId.length) return false;
    const start = entry * this.#stride;
    for (let i = 0; i < connectionId.length; i++) {
      if (this.#bytes[start + i] !== connectionId[i]) return false;
    }
    return true;
  }

  #makeRoom(entry: number, length: number): void {
    const stride = Math.max(this.#stride, length);
    const hasRoom = entry < this.#associations.length;
    if (hasRoom && stride === this.#stride) return;
    const capacity = hasRoom ? this.#associations.length : placesFor(this.#associations.length);
    const bytes = new Uint8Array(capacity * stride);
    for (let one = 0; one < this.#associations.length; one++) {
      bytes.set(this.#bytes.subarray(one * this.#stride, (one + 1) * this.#stride), one * stride);
    }
    this.#associations = grown(this.#associations, capacity);
    this.#lengths = grown(this.#lengths, capacity);
    this.#bytes = bytes;
    this.#stride = stride;
  }
}
