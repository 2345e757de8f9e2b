/**
 * Established associations: what is done with their records, and how they begin and end.
 *
 * One epoch each, since there is no renegotiation: epoch 1. State is in `association-table.ts`; handshakes, and
 * which association a record belongs to, are the business of `dtls-layer.ts`. Where records go while an address
 * changes is in `address-validation.ts`, last flights in `final-flights.ts`, quiet peers in `silence-watch.ts`.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { earliest, elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { AddressValidation } from './address-validation.ts';
import { AlertDescription, alertName, decodeAlert, encodeAlert } from './alert.ts';
import {
  associationConnected,
  associationFacts,
  type EstablishedInfo,
  establishedInfo,
  isReplacedBy,
} from './association-facts.ts';
import { AssociationKeeping } from './association-keeping.ts';
import { AssociationTable, maxContentLength } from './association-table.ts';
import type { AssociationTraffic } from './association-traffic.ts';
import { discardReasonOf } from './discard-reason.ts';
import { DiscardedRecords } from './discarded-records.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type {
  AssociationId,
  CloseReason,
  Connected,
  DtlsDiscardReason,
  DtlsOutput,
  DtlsRole,
  SendResult,
} from './dtls-output.ts';
import { FinalFlights } from './final-flights.ts';
import type { Established } from './handshake/handshake-outcome.ts';
import { traceAlert } from './handshake/handshake-trace.ts';
import { HandshakeType } from './handshake/handshake-type.ts';
import { KeyUsage } from './key-usage.ts';
import type { OwnConnectionIds } from './own-connection-ids.ts';
import { isNewRecord, markRecordReceived } from './record/anti-replay-window.ts';
import { type RecordView, recordLength } from './record/demultiplex.ts';
import { isOpenFault, type OpenedRecord, openRecord } from './record/open-record.ts';
import { ContentType } from './record/record-header.ts';
import { SilenceWatch } from './silence-watch.ts';

/** Who shook hands. */
export interface Newcomer {
  readonly association: AssociationId;
  readonly address: PeerAddress;
  readonly role: DtlsRole;
}

/** What the associations of a layer share with it. */
export interface EstablishedOptions {
  readonly config: CheckedDtlsConfig;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly connectionIds: OwnConnectionIds;
  /** Associations in which we are the server are kept alive from this side too. */
  readonly keepsClientsAlive: boolean;
  readonly emit: (output: DtlsOutput) => void;
}

/** All established associations of a layer. Slots are those of the table. */
export class EstablishedAssociations {
  /** How associations leave, come back and are kept. */
  readonly keeping: AssociationKeeping;
  readonly #options: EstablishedOptions;
  readonly #emit: (output: DtlsOutput) => void;
  readonly #table: AssociationTable;
  readonly #paths: AddressValidation;
  readonly #finalFlights: FinalFlights;
  readonly #silence: SilenceWatch;
  readonly #keyUsage: KeyUsage;
  readonly #discarded: DiscardedRecords;

  constructor(options: EstablishedOptions) {
    const { config, random, emit } = options;
    this.#options = options;
    this.#emit = emit;
    const table = new AssociationTable(options.crypto, random);
    this.#table = table;
    this.#discarded = new DiscardedRecords(emit);
    this.#keyUsage = new KeyUsage({
      table,
      emit,
      isReserved: (slot, isAlert) => this.keeping.mayWrite(slot, isAlert),
    });
    const seal: KeyUsage['seal'] = (slot, contentType, content) =>
      this.#keyUsage.seal(slot, contentType, content);
    const transmit = (slot: number, datagram: Uint8Array): void => this.#paths.transmit(slot, datagram);
    this.#paths = new AddressValidation({ table, random, emit, seal });
    this.#finalFlights = new FinalFlights({ table, config, emit, seal, transmit });
    this.#silence = new SilenceWatch(config);
    this.keeping = new AssociationKeeping({
      ...options,
      table,
      seal,
      send: (association, data) => this.send(association, data),
      close: (slot, reason, notify) =>
        notify ? this.#closeWithNotify(slot, reason) : this.#close(slot, reason),
      makeRoom: () => this.#makeRoom(),
      watch: (slot, now) => this.#watch(slot, now),
    });
  }

  /** Number of associations. */
  get size(): number {
    return this.#table.size;
  }

  /** The slot of the newest association at an address. */
  slotAt(address: PeerAddress): number | undefined {
    return this.#table.slotAt(address);
  }

  /** The slot of the association that a protected record is for (RFC 9146 §3): by its connection id or by address. */
  slotFor(record: RecordView, address: PeerAddress): number | undefined {
    if (record.connectionId.length === 0) return this.#table.slotAt(address);
    const association = this.#options.connectionIds.associationWith(record.connectionId);
    return association === undefined ? undefined : this.#table.slotOf(association);
  }

  id(slot: number): AssociationId {
    return this.#table.id(slot);
  }

  associations(): readonly AssociationId[] {
    return this.#table.ids();
  }

  connected(association: AssociationId): Connected | undefined {
    const slot = this.#table.slotOf(association);
    return slot === undefined ? undefined : associationConnected(this.#table, slot);
  }

  info(association: AssociationId): EstablishedInfo | undefined {
    const slot = this.#table.slotOf(association);
    if (slot === undefined) return undefined;
    return establishedInfo(this.#table, slot, {
      mtu: this.#options.config.mtu,
      addressValidated: this.#paths.isProved(association),
      discarded: this.#discarded.of(association),
    });
  }

  /** What went by an association. */
  traffic(association: AssociationId, now: Instant): AssociationTraffic | undefined {
    const slot = this.#table.slotOf(association);
    return slot === undefined ? undefined : this.#table.traffic.of(slot, now);
  }

  /**
   * Whether a ClientHello with this random is a late copy of the one the association came from. Once the client has
   * shown that it has our last flight, it is not: a client without entropy at its start uses a random twice.
   */
  isRepeatedClientHello(slot: number, clientRandom: Uint8Array): boolean {
    return this.#finalFlights.has(slot) && this.#table.isFromClientHello(slot, clientRandom);
  }

  /** Takes over what a handshake left; an older association that it takes the place of is abandoned. */
  add(newcomer: Newcomer, left: Established, now: Instant): void {
    const { association, address, role } = newcomer;
    // RFC 6347 §4.2.8: only now, after a verified Finished, the old association goes.
    const oldSlot = this.#table.slotAt(address);
    const replacedSlot =
      oldSlot !== undefined && isReplacedBy(this.#table, oldSlot, role, left.identity) ? oldSlot : undefined;
    const replaced = replacedSlot === undefined ? undefined : this.#table.id(replacedSlot);
    if (replacedSlot !== undefined) this.#close(replacedSlot, 'replaced');
    this.#makeRoom();
    this.#options.connectionIds.claim(association, left.read.connectionId);
    const facts = associationFacts(left);
    const slot = this.#table.add(
      {
        id: association,
        address,
        role,
        facts,
        keys: { read: left.read, write: left.write },
        window: left.window,
        writeSequence: left.writeSequence,
        clientRandom: left.parameters.clientRandom,
      },
      now,
    );
    this.#watch(slot, now);
    this.#finalFlights.add(slot, left, now);
    this.#emit({
      ...associationConnected(this.#table, slot),
      ...(replaced === undefined ? {} : { replaced }),
      ...(left.pskIndex ? { otherPsk: left.pskIndex } : {}),
    });
    if (this.#options.config.keepAssociations) this.keeping.keep(slot, now);
    for (const record of left.held) {
      const fault = this.receive(slot, record, address, now);
      if (fault !== undefined) this.discard(slot, address, fault, now);
      if (this.#table.slotOf(association) === undefined) return;
    }
  }

  /**
   * Opens a record of epoch 1 with an association's keys and acts on it, or says why that cannot be.
   *
   * @param from Where the datagram came from; not always the association's address (RFC 9146 §6).
   */
  receive(slot: number, record: RecordView, from: PeerAddress, now: Instant): DtlsDiscardReason | undefined {
    const window = this.#table.window(slot);
    const { read } = this.#table.keys(slot);
    this.keeping.noteTime(now);
    const isInDoubt = this.keeping.isInDoubt(this.#table.id(slot));
    if (!isInDoubt && !isNewRecord(window, record.sequenceNumber)) {
      // A record of somebody else, such as of the association that had this address before, is not a repetition.
      return equalBytes(record.connectionId, read.connectionId)
        ? 'replayed-record'
        : 'connection-id-mismatch';
    }
    const opened = openRecord(read, record);
    if (isOpenFault(opened)) {
      if (opened.reason === 'not-authentic' && this.#keyUsage.noteForgery(slot)) {
        this.#closeWithNotify(slot, 'forgery-limit');
      }
      return discardReasonOf(opened);
    }
    if (isInDoubt && !isNewRecord(window, record.sequenceNumber)) {
      const doubtful = { sequenceNumber: record.sequenceNumber, from, length: recordLength(record) };
      return this.keeping.receiveInDoubt(slot, opened, doubtful, now);
    }
    this.#accept(slot, record, opened.contentType, from, now);
    return this.#act(slot, opened, from, recordLength(record), now);
  }

  /** What any authenticated record changes, whatever it holds. The only place where the window moves. */
  #accept(slot: number, record: RecordView, contentType: ContentType, from: PeerAddress, now: Instant): void {
    const window = this.#table.window(slot);
    const isNewest = record.sequenceNumber > window.highest;
    // Only now, or a forged record could move the window (RFC 6347 §4.1.2.6).
    markRecordReceived(window, record.sequenceNumber);
    this.#table.storeWindow(slot, window);
    const quietMs = elapsedMs(this.#table.lastActivity(slot), now);
    this.#table.noteActivity(slot, now);
    const association = this.#table.id(slot);
    this.#discarded.noteAccepted(association);
    this.keeping.accepted(association, record.sequenceNumber, now);
    const hasConnectionId = record.connectionId.length > 0;
    const length = recordLength(record);
    this.#table.traffic.noteReceived(slot, length);
    this.#paths.noteReceived(slot, { from, contentType, hasConnectionId, length, isNewest, quietMs }, now);
  }

  #act(
    slot: number,
    { contentType, content }: OpenedRecord,
    from: PeerAddress,
    length: number,
    now: Instant,
  ): DtlsDiscardReason | undefined {
    switch (contentType) {
      case ContentType.ApplicationData:
        // Data in the new epoch shows that the client has our last flight.
        this.#finalFlights.drop(slot);
        this.#emit({
          kind: 'application-data',
          association: this.#table.id(slot),
          address: this.#table.address(slot),
          data: content,
        });
        return undefined;
      case ContentType.Alert:
        return this.#receiveAlert(slot, content);
      case ContentType.Handshake:
        this.#receiveLateHandshakeMessage(slot, content, now);
        return undefined;
      case ContentType.ReturnRoutabilityCheck:
        return this.#paths.receiveMessage(slot, content, from, length, now);
      case ContentType.ChangeCipherSpec:
        return 'unexpected-change-cipher-spec';
    }
  }

  #receiveAlert(slot: number, content: Uint8Array): DtlsDiscardReason | undefined {
    const alert = decodeAlert(content);
    if (!('level' in alert)) return 'malformed-record';
    if (alert.description === AlertDescription.CloseNotify) {
      // RFC 5246 §7.2.1: answered with a close_notify of our own.
      this.#writeAlert(slot, 'warning', AlertDescription.CloseNotify);
      this.#close(slot, 'close-notify', alert.description);
    } else if (alert.level === 'fatal') {
      this.#close(slot, 'alert', alert.description);
    } else {
      this.#traceAlert(slot, 'received', alert.description);
    }
    return undefined;
  }

  /** A handshake message under the association's own keys: a repeated last flight, or a wish to renegotiate. */
  #receiveLateHandshakeMessage(slot: number, content: Uint8Array, now: Instant): void {
    const type = content[0];
    if (type === HandshakeType.Finished) {
      this.#finalFlights.repeat(slot, content, now);
    } else if (type === HandshakeType.ClientHello || type === HandshakeType.HelloRequest) {
      // RFC 5246 §7.2.2: renegotiation is refused by a warning.
      this.#writeAlert(slot, 'warning', AlertDescription.NoRenegotiation);
      this.#traceAlert(slot, 'sent', AlertDescription.NoRenegotiation);
    }
  }

  /** Tells of a protected record without effect, counts it where it belongs, and notices when there are many. */
  discard(slot: number | undefined, from: PeerAddress, reason: DtlsDiscardReason, now: Instant): void {
    const association = slot === undefined ? undefined : this.#table.id(slot);
    // The record may have been the last one that its association could bear.
    const isAlive = association !== undefined && this.#table.slotOf(association) !== undefined;
    this.#discarded.note(isAlive ? association : undefined, from, reason, now);
  }

  /** Sends application data in one record. */
  send(association: AssociationId, data: Uint8Array): SendResult {
    const slot = this.#table.slotOf(association);
    if (slot === undefined) return 'no-association';
    if (data.length > maxContentLength(this.#table, slot)) return 'too-large';
    if (!this.keeping.mayWrite(slot, false)) {
      this.keeping.hold(association, data);
      return 'sent';
    }
    const datagram = this.#keyUsage.seal(slot, ContentType.ApplicationData, data);
    if (datagram === undefined) {
      // RFC 6347 §4.1, RFC 9325 §4.4: a new handshake is needed. What is left of the limit is for the close_notify.
      this.#closeWithNotify(slot, 'sequence-exhausted');
      return 'no-association';
    }
    this.#paths.transmit(slot, datagram);
    for (const address of this.keeping.takeOthers(association, datagram.length))
      this.#emit({ kind: 'transmit', address, datagram });
    return 'sent';
  }

  /** The peer answered what was sent after its address changed. */
  confirmAddress(association: AssociationId): void {
    this.#paths.confirm(association);
  }

  /** Ends an association with close_notify. */
  close(association: AssociationId, reason: 'local' | 'silent'): void {
    const slot = this.#table.slotOf(association);
    if (slot !== undefined) this.#closeWithNotify(slot, reason);
  }

  /** Runs what is due: final flights are forgotten, quiet associations closed or asked for, paths checked. */
  handleTimeout(now: Instant): void {
    this.keeping.noteTime(now);
    this.keeping.handleTimeout(now);
    this.#finalFlights.handleTimeout(now);
    this.#paths.handleTimeout(now);
    for (;;) {
      const due = this.#silence.expire(now, (slot) => this.#table.lastActivity(slot));
      if (due === undefined) return;
      const { slot } = due;
      if (due.kind === 'idle') {
        this.#closeWithNotify(slot, 'idle');
      } else {
        this.#emit({
          kind: 'keep-alive-due',
          association: this.#table.id(slot),
          address: this.#table.address(slot),
        });
      }
    }
  }

  nextTimeout(): Instant | undefined {
    return earliest(
      earliest(this.#finalFlights.nextTimeout(), this.#paths.nextTimeout()),
      earliest(this.#silence.nextTimeout(), this.keeping.nextTimeout()),
    );
  }

  #writeAlert(slot: number, level: 'warning' | 'fatal', description: AlertDescription): void {
    const datagram = this.#keyUsage.seal(slot, ContentType.Alert, encodeAlert(level, description));
    if (datagram !== undefined) this.#paths.transmit(slot, datagram);
  }

  #close(slot: number, reason: CloseReason, alert?: number): void {
    const association = this.#table.id(slot);
    const address = this.#table.address(slot);
    const was = associationConnected(this.#table, slot);
    this.#finalFlights.drop(slot);
    this.#paths.forget(association);
    this.#silence.forget(slot);
    this.keeping.forget(association);
    this.#discarded.forget(association);
    this.#options.connectionIds.release(association);
    this.#table.remove(slot);
    const ended = { kind: 'closed', association, address, reason, was } as const;
    this.#emit(alert === undefined ? ended : { ...ended, alert });
  }

  #closeWithNotify(slot: number, reason: CloseReason): void {
    this.#writeAlert(slot, 'warning', AlertDescription.CloseNotify);
    this.#close(slot, reason);
  }

  /** Makes room for one more association. */
  #makeRoom(): void {
    const { maxAssociations } = this.#options.config;
    const dispensable = this.#table.size < maxAssociations ? undefined : this.#table.mostDispensable();
    if (dispensable !== undefined) this.#closeWithNotify(dispensable, 'capacity');
  }

  /** Watches over a new association. */
  #watch(slot: number, now: Instant): void {
    const isClient = this.#table.role(slot) === 'client';
    this.#silence.add(slot, isClient || this.#options.keepsClientsAlive, now);
  }

  #traceAlert(slot: number, direction: 'sent' | 'received', description: number): void {
    const [association, address, role] = [
      this.#table.id(slot),
      this.#table.address(slot),
      this.#table.role(slot),
    ];
    this.#emit(traceAlert({ association, address, role }, direction, alertName(description), 1));
  }
}
