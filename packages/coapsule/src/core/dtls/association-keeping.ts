/**
 * Associations that outlive this process or sleep: what of them is stored, how they leave and come back, and how a
 * peer proves after a crash that its records are new (docs/sleep-and-wake.md, docs/decisions/018).
 *
 * Which numbers and edges are stored when is in `kept-associations.ts`, the bytes in `association-state.ts`.
 *
 * @module
 */

import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import type { AssociationKeys } from './active-keys.ts';
import { associationConnected } from './association-facts.ts';
import { applicationStateLength } from './association-state.ts';
import type { AssociationTable } from './association-table.ts';
import {
  type ExportOptions,
  type ImportingLayer,
  type ImportOptions,
  type ImportRefusal,
  isImportRefusal,
  readAssociation,
  writeAssociation,
} from './association-transfer.ts';
import type { AssociationId, CloseReason, DtlsDiscardReason, DtlsOutput } from './dtls-output.ts';
import { type DoubtfulRecord, FreshnessProofs, type FreshnessVerdict } from './freshness-proofs.ts';
import { KeptAssociations, leastReservation } from './kept-associations.ts';
import type { OwnConnectionIds } from './own-connection-ids.ts';
import { everythingReceived } from './record/anti-replay-window.ts';
import type { OpenedRecord } from './record/open-record.ts';
import { ContentType } from './record/record-header.ts';
import { encodePathMessage, PathMessageType } from './return-routability-message.ts';

/** The ClientHello of an association that was imported is not known. */
const noClientRandom = new Uint8Array(32);

/** What this file needs of its surroundings. */
export interface KeepingSurroundings {
  readonly table: AssociationTable;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly connectionIds: OwnConnectionIds;
  readonly emit: (output: DtlsOutput) => void;
  readonly seal: (slot: number, contentType: ContentType, content: Uint8Array) => Uint8Array | undefined;
  readonly send: (association: AssociationId, data: Uint8Array) => void;
  /** Ends an association, with or without a close_notify. */
  readonly close: (slot: number, reason: CloseReason, notify: boolean) => void;
  /** Makes room for one more. */
  readonly makeRoom: () => void;
  /** Watches over a new one. */
  readonly watch: (slot: number, now: Instant) => void;
}

/** A kept association with what a clean end stores of it. */
export interface KeptNumbers {
  readonly association: AssociationId;
  /** Next write sequence number. */
  readonly next: number;
  /** Right edge of the replay window; -1 when nothing was received. */
  readonly edge: number;
  /** Whether its peer has still to prove that it is alive: what is stored of it stays as it is. */
  readonly isInDoubt: boolean;
}

/** See the module comment. */
export class AssociationKeeping {
  readonly #surroundings: KeepingSurroundings;
  readonly #kept: KeptAssociations;
  readonly #freshness: FreshnessProofs;

  constructor(surroundings: KeepingSurroundings) {
    this.#surroundings = surroundings;
    this.#kept = new KeptAssociations(surroundings.emit);
    this.#freshness = new FreshnessProofs(surroundings.random);
  }

  // Leaving and coming back.

  /**
   * Ends an association without a word to the peer, for another process or a later time: nothing can be sent by it
   * any more. Its output is `closed` with the reason `exported`.
   *
   * @returns at most 256 bytes with connection ids of usual lengths, with all its secrets; `undefined` when there is
   *          no such association.
   */
  exportAssociation(association: AssociationId, options: ExportOptions): Uint8Array | undefined {
    const state = this.stateOf(association, options);
    const slot = this.#surroundings.table.slotOf(association);
    if (slot !== undefined) this.#surroundings.close(slot, 'exported', false);
    return state;
  }

  /** What `exportAssociation` would return; the association goes on. Only for copies that are never used twice. */
  stateOf(association: AssociationId, options: ExportOptions): Uint8Array | undefined {
    const { crypto, table } = this.#surroundings;
    const slot = table.slotOf(association);
    return slot === undefined ? undefined : writeAssociation(crypto, table, slot, options);
  }

  /**
   * Goes on with an exported association under a new id; its output is `connected` with `imported`.
   *
   * @returns why it cannot be, or `undefined`; never throws for what is in `state`.
   */
  importAssociation(
    association: AssociationId,
    state: Uint8Array,
    address: PeerAddress,
    layer: ImportingLayer,
    options: ImportOptions,
    now: Instant,
  ): ImportRefusal | undefined {
    const { table, connectionIds, emit, makeRoom, watch } = this.#surroundings;
    const imported = readAssociation(layer, state, options);
    if (isImportRefusal(imported)) return imported;
    const { facts, keys, writeFrom } = imported;
    const { role, window: exactWindow } = imported.state;
    const { crashedAt, reserved = writeFrom } = options;
    if (!this.#isFree(address, keys)) return 'address-in-use';
    if (!connectionIds.claim(association, keys.read.connectionId)) return 'connection-id-in-use';
    makeRoom();
    const window = crashedAt === undefined ? exactWindow : everythingReceived(crashedAt);
    const slot = table.addImported(
      {
        id: association,
        address,
        role,
        facts,
        keys,
        window,
        writeSequence: writeFrom,
        clientRandom: noClientRandom,
      },
      now,
    );
    watch(slot, now);
    if (crashedAt !== undefined && crashedAt >= 0) this.#freshness.doubt(association);
    if (layer.config.keepAssociations) {
      this.#kept.add(association, role, writeFrom, reserved, window.highest, now);
    }
    emit({ ...associationConnected(table, slot), imported: true });
    return undefined;
  }

  /** Two without connection ids cannot be told apart at one address. */
  #isFree(address: PeerAddress, { read }: AssociationKeys): boolean {
    const { table } = this.#surroundings;
    const slot = table.slotAt(address);
    if (slot === undefined) return true;
    return read.connectionId.length > 0 || table.ownIdLength(slot) > 0;
  }

  // Keeping.

  /** Asks the surroundings to keep an association from now on. */
  keep(slot: number, now: Instant): void {
    const { table, emit } = this.#surroundings;
    const association = table.id(slot);
    const first = table.writeSequence(slot);
    // A client has nothing before its first record; a server's state is stored while it writes.
    const reserved = table.role(slot) === 'client' ? first : first + leastReservation;
    const edge = table.window(slot).highest;
    this.#kept.add(association, table.role(slot), first, reserved, edge, now);
    const identity = table.identity(slot);
    const { authentication } = table.terms(slot);
    const application = new Uint8Array(applicationStateLength);
    const state = this.stateOf(association, { generation: 0, application }) as Uint8Array;
    const address = table.address(slot);
    emit({ kind: 'keep-association', association, address, identity, authentication, state, reserved, edge });
  }

  /**
   * The kept associations, for a clean end. One in doubt is stored as it has to be: not exact, since the next process
   * knows no more about its peer than this one.
   */
  keptNumbers(): KeptNumbers[] {
    const { table } = this.#surroundings;
    return this.#kept.ids().map((association) => {
      const slot = table.slotOf(association) as number;
      const isInDoubt = this.#freshness.isInDoubt(association);
      return { association, next: table.writeSequence(slot), edge: table.window(slot).highest, isInDoubt };
    });
  }

  nextWriteSequence(association: AssociationId): number | undefined {
    const { table } = this.#surroundings;
    const slot = table.slotOf(association);
    return slot === undefined ? undefined : table.writeSequence(slot);
  }

  /** Answers a `reserve-sequence`: what waited for it goes out. */
  reservationStored(association: AssociationId, upTo: number): void {
    for (const data of this.#kept.reservationStored(association, upTo)) {
      this.#surroundings.send(association, data);
    }
  }

  /** Answers an `advance-edge`. */
  edgeStored(association: AssociationId, edge: number): void {
    this.#kept.edgeStored(association, edge);
  }

  /** A `reserve-sequence` or `advance-edge` could not be stored. An association that has to wait for it ends. */
  storingFailed(association: AssociationId): void {
    const slot = this.#surroundings.table.slotOf(association);
    const isStuck = this.#kept.storingFailed(association);
    if (isStuck && slot !== undefined) this.#surroundings.close(slot, 'storing-failed', true);
  }

  /** A `keep-association` could not be stored: it is like any other from now on. */
  stopKeeping(association: AssociationId): void {
    for (const data of this.#kept.remove(association)) this.#surroundings.send(association, data);
  }

  // What `established-associations.ts` tells and asks.

  noteTime(now: Instant): void {
    this.#kept.noteTime(now);
  }

  /** Whether a record may be sealed now. */
  mayWrite(slot: number, isAlert: boolean): boolean {
    const { table } = this.#surroundings;
    return this.#kept.mayWrite(table.id(slot), table.writeSequence(slot), isAlert);
  }

  /** Keeps data that may not be written yet. */
  hold(association: AssociationId, data: Uint8Array): void {
    this.#kept.hold(association, data);
  }

  /** An authentic, new record came; called before what it holds comes out. */
  accepted(association: AssociationId, sequenceNumber: number, now: Instant): void {
    this.#kept.received(association, sequenceNumber, now);
    this.#freshness.settle(association);
  }

  /** The association is over. */
  forget(association: AssociationId): void {
    this.#kept.remove(association);
    this.#freshness.settle(association);
  }

  handleTimeout(now: Instant): void {
    this.#kept.handleTimeout(now);
  }

  nextTimeout(): Instant | undefined {
    return this.#kept.nextTimeout();
  }

  // Freshness after a crash.

  isInDoubt(association: AssociationId): boolean {
    return this.#freshness.isInDoubt(association);
  }

  /** An authentic record that may have been received before a crash: for all that is known a replay. */
  receiveInDoubt(
    slot: number,
    { contentType, content }: OpenedRecord,
    record: DoubtfulRecord,
    now: Instant,
  ): DtlsDiscardReason | undefined {
    const { table, emit } = this.#surroundings;
    const association = table.id(slot);
    const address = table.address(slot);
    const { sequenceNumber } = record;
    if (
      contentType === ContentType.ReturnRoutabilityCheck &&
      this.#freshness.isAnswer(association, content)
    ) {
      this.#proveFresh(association, sequenceNumber, now);
      return undefined;
    }
    const asked = this.#freshness.receive(association, record, address, now);
    if (table.returnRoutabilityCheck(slot)) {
      for (const to of asked.addresses) this.#challenge(slot, to);
    } else if (contentType === ContentType.ApplicationData) {
      emit({
        kind: 'doubtful-data',
        association,
        address,
        data: content,
        sequenceNumber,
        ask: asked.addresses.length > 0,
        isFromNewAddress: asked.isFromNewAddress,
      });
    }
    return 'freshness-unproved';
  }

  /** RFC 9853 §4: one record of about the size of the one in doubt. */
  #challenge(slot: number, address: PeerAddress): void {
    const { table, seal, emit } = this.#surroundings;
    const association = table.id(slot);
    const cookie = this.#freshness.newCookie(association);
    const message = encodePathMessage({ type: PathMessageType.Challenge, cookie });
    const datagram = seal(slot, ContentType.ReturnRoutabilityCheck, message);
    if (datagram === undefined || !this.#freshness.maySend(association, address, datagram.length)) return;
    emit({ kind: 'transmit', address, datagram });
  }

  /** The layer above sends its question, because of `doubtful-data`. */
  noteQuestion(association: AssociationId, now: Instant): void {
    this.#freshness.noteQuestion(association, now);
  }

  /**
   * Doubtful data that answers a question of the layer above, or answers none. After a few of the latter the doubt is
   * settled without a proof: what was in doubt counts as received for good.
   *
   * @returns `proved`: all later records are new.
   */
  judgeAnswer(
    association: AssociationId,
    sequenceNumber: number,
    isRight: boolean,
    now: Instant,
  ): FreshnessVerdict {
    const verdict = this.#freshness.judge(association, sequenceNumber, isRight);
    if (verdict === 'proved') this.#proveFresh(association, sequenceNumber, now);
    else if (verdict === 'given-up') this.#freshness.settle(association);
    return verdict;
  }

  /** The record with this number answered a question that was asked since the crash: all later ones are new. */
  #proveFresh(association: AssociationId, sequenceNumber: number, now: Instant): void {
    const { table } = this.#surroundings;
    const slot = table.slotOf(association);
    if (slot === undefined || !this.#freshness.isInDoubt(association)) return;
    this.#freshness.settle(association);
    table.storeWindow(slot, everythingReceived(sequenceNumber));
    table.noteActivity(slot, now);
  }

  /** Where a record goes too, as long as the peer is in doubt: its address may have changed meanwhile. */
  takeOthers(association: AssociationId, bytes: number): readonly PeerAddress[] {
    return this.#freshness.takeOthers(association, bytes);
  }
}
