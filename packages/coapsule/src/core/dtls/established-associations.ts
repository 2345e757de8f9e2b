/**
 * Established associations: what is done with their records, and how they begin and end.
 *
 * One epoch each, since there is no renegotiation: epoch 1. State is in `association-table.ts`; handshakes, and
 * which peer a datagram belongs to, are the business of `dtls-layer.ts`.
 *
 * @module
 */

import { ByteReader } from '../foundation/byte-reader.ts';
import { after, type DurationMs, earliest, elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { AlertDescription, alertName, decodeAlert, encodeAlert } from './alert.ts';
import { AssociationTable } from './association-table.ts';
import type { CipherSuiteName } from './cipher-suites.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { AssociationId, CloseReason, DtlsDiscardReason, DtlsOutput, DtlsRole } from './dtls-output.ts';
import { encodeFlight } from './handshake/flight.ts';
import type { Established } from './handshake/handshake-outcome.ts';
import { traceSent } from './handshake/handshake-trace.ts';
import { HandshakeType } from './handshake/handshake-type.ts';
import { decodeMessageFragment } from './handshake/message-header.ts';
import { isNewRecord, markRecordReceived } from './record/anti-replay-window.ts';
import type { RecordView } from './record/demultiplex.ts';
import { recordOverhead } from './record/epoch-keys.ts';
import { isOpenFault, openRecord } from './record/open-record.ts';
import { encodePlaintextRecord } from './record/plaintext-record.ts';
import {
  ContentType,
  maxPlaintextLength,
  maxSequenceNumber,
  ProtocolVersion,
  recordHeaderLength,
} from './record/record-header.ts';
import { sealRecord } from './record/seal-record.ts';

/** A client with the timers of RFC 6347 sends its last flight five times again within 60 s. */
const maxFinalFlightRepetitions = 16;

/** Records of the sealing limit that are left for alerts, so that the end can be told. */
const reservedForAlerts = 16;

/** Bytes of verify_data (RFC 5246 §7.4.9). */
const finishedLength = 12;

/** What can be told about an established association. */
export interface EstablishedInfo {
  readonly address: PeerAddress;
  readonly role: DtlsRole;
  /** The client's identity, on either side. */
  readonly identity: Uint8Array;
  readonly suite: CipherSuiteName;
  readonly extendedMasterSecret: boolean;
  /** Bytes a record has more than its plaintext. */
  readonly recordOverhead: number;
  readonly lastActivity: Instant;
}

/** Who shook hands. */
export interface Newcomer {
  readonly association: AssociationId;
  readonly address: PeerAddress;
  readonly role: DtlsRole;
}

/** All established associations of a layer. Slots are those of the table. */
export class EstablishedAssociations {
  readonly #config: CheckedDtlsConfig;
  readonly #emit: (output: DtlsOutput) => void;
  readonly #table = new AssociationTable();
  readonly #finalFlightTimers = new TimerQueue<AssociationId>();
  readonly #idleTimers = new TimerQueue<AssociationId>();

  constructor(config: CheckedDtlsConfig, emit: (output: DtlsOutput) => void) {
    this.#config = config;
    this.#emit = emit;
  }

  /** Number of associations. */
  get size(): number {
    return this.#table.size;
  }

  /** The slot of the association at an address. */
  slotAt(address: PeerAddress): number | undefined {
    return this.#table.slotAt(address);
  }

  id(slot: number): AssociationId {
    return this.#table.id(slot);
  }

  info(association: AssociationId): EstablishedInfo | undefined {
    const slot = this.#table.slotOf(association);
    if (slot === undefined) return undefined;
    const { suite } = this.#table.keys(slot).write;
    return {
      address: this.#table.address(slot),
      role: this.#table.role(slot),
      identity: this.#table.identity(slot),
      suite: suite.name,
      extendedMasterSecret: this.#table.extendedMasterSecret(slot),
      recordOverhead: recordOverhead(suite),
      lastActivity: this.#table.lastActivity(slot),
    };
  }

  /**
   * Whether a ClientHello with this random is a late copy of the one the association came from. Once the client has
   * shown that it has our last flight, it is not: a client without entropy at its start uses a random twice.
   */
  isRepeatedClientHello(slot: number, clientRandom: Uint8Array): boolean {
    return this.#table.finalFlight(slot) !== undefined && this.#table.isFromClientHello(slot, clientRandom);
  }

  /** Takes over what a handshake left; an older association at the address is abandoned. */
  add(newcomer: Newcomer, left: Established, now: Instant): void {
    const { association, address, role } = newcomer;
    // RFC 6347 §4.2.8: only now, after a verified Finished, the old association goes.
    const oldSlot = this.#table.slotAt(address);
    const replaced = oldSlot === undefined ? undefined : this.#table.id(oldSlot);
    if (oldSlot !== undefined) this.#close(oldSlot, 'replaced');
    if (this.#table.size >= this.#config.maxAssociations) this.#closeMostDispensable();
    const { suite, extendedMasterSecret, clientRandom } = left.parameters;
    const slot = this.#table.add(
      {
        id: association,
        address,
        role,
        identity: left.identity,
        keys: { read: left.read, write: left.write },
        extendedMasterSecret,
        window: left.window,
        writeSequence: left.writeSequence,
        finalFlight:
          left.finalFlight === undefined
            ? undefined
            : {
                flight: left.finalFlight,
                peerMessageSeq: left.peerMessageSeq,
                writeSequenceEpoch0: left.writeSequenceEpoch0,
                lastSent: now,
                repetitionsLeft: maxFinalFlightRepetitions,
              },
        clientRandom,
      },
      now,
    );
    if (left.finalFlight !== undefined) {
      this.#finalFlightTimers.set(association, after(now, this.#config.finalFlightMs));
    }
    if (this.#config.idleTimeoutMs < Infinity) {
      this.#idleTimers.set(association, after(now, this.#config.idleTimeoutMs));
    }
    this.#emit({
      kind: 'connected',
      association,
      address,
      role,
      identity: left.identity,
      suite: suite.name,
      extendedMasterSecret,
      authentication: left.authentication,
      resumed: left.resumed,
      ...connectedExtras(left.parameters),
      ...(replaced === undefined ? {} : { replaced }),
    });
    for (const record of left.held) {
      const fault = this.receive(slot, record, now);
      if (fault !== undefined) this.#discard(address, fault);
      if (this.#table.slotOf(association) === undefined) return;
    }
  }

  /** Opens a record of epoch 1 with an association's keys and acts on it, or says why that cannot be. */
  receive(slot: number, record: RecordView, now: Instant): DtlsDiscardReason | undefined {
    const window = this.#table.window(slot);
    if (!isNewRecord(window, record.sequenceNumber)) return 'replayed-record';
    const plaintext = openRecord(this.#table.keys(slot).read, record);
    if (isOpenFault(plaintext)) {
      if (plaintext.reason === 'not-authentic') this.#countForgedRecord(slot);
      return 'authentication-failed';
    }
    // Only now, or a forged record could move the window (RFC 6347 §4.1.2.6).
    markRecordReceived(window, record.sequenceNumber);
    this.#table.storeWindow(slot, window);
    this.#table.noteActivity(slot, now);
    switch (record.contentType) {
      case ContentType.ApplicationData:
        // Data in the new epoch shows that the client has our last flight.
        if (this.#table.finalFlight(slot) !== undefined) this.#dropFinalFlight(slot);
        this.#emit({
          kind: 'application-data',
          association: this.#table.id(slot),
          address: this.#table.address(slot),
          data: plaintext,
        });
        return undefined;
      case ContentType.Alert:
        this.#receiveAlert(slot, plaintext);
        return undefined;
      case ContentType.Handshake:
        this.#receiveLateHandshakeMessage(slot, plaintext, now);
        return undefined;
      case ContentType.ChangeCipherSpec:
        return 'unexpected-change-cipher-spec';
    }
  }

  #receiveAlert(slot: number, content: Uint8Array): void {
    const alert = decodeAlert(content);
    if (!('level' in alert)) {
      this.#discard(this.#table.address(slot), 'malformed-record');
      return;
    }
    if (alert.description === AlertDescription.CloseNotify) {
      // RFC 5246 §7.2.1: answered with a close_notify of our own.
      this.#writeAlert(slot, 'warning', AlertDescription.CloseNotify);
      this.#close(slot, 'close-notify', alert.description);
    } else if (alert.level === 'fatal') {
      this.#close(slot, 'alert', alert.description);
    } else {
      this.#traceAlert(slot, 'received', alert.description);
    }
  }

  /** A handshake message under the association's own keys: a repeated last flight, or a wish to renegotiate. */
  #receiveLateHandshakeMessage(slot: number, content: Uint8Array, now: Instant): void {
    const type = content[0];
    if (type === HandshakeType.Finished) {
      this.#repeatFinalFlight(slot, content, now);
    } else if (type === HandshakeType.ClientHello || type === HandshakeType.HelloRequest) {
      // RFC 5246 §7.2.2: renegotiation is refused by a warning.
      this.#writeAlert(slot, 'warning', AlertDescription.NoRenegotiation);
      this.#traceAlert(slot, 'sent', AlertDescription.NoRenegotiation);
    }
  }

  /** Sends application data in one record; false when there is no such association, or the data is too long. */
  send(association: AssociationId, data: Uint8Array): boolean {
    const slot = this.#table.slotOf(association);
    if (slot === undefined || data.length > maxPlaintextLength) return false;
    if (!this.#write(slot, ContentType.ApplicationData, data)) {
      // RFC 6347 §4.1, RFC 9325 §4.4: a new handshake is needed. What is left of the limit is for the close_notify.
      this.#closeWithNotify(slot, 'sequence-exhausted');
      return false;
    }
    return true;
  }

  /** Ends an association with close_notify. */
  close(association: AssociationId): void {
    const slot = this.#table.slotOf(association);
    if (slot !== undefined) this.#closeWithNotify(slot, 'local');
  }

  /** Runs what is due: final flights are forgotten, quiet associations closed. */
  handleTimeout(now: Instant): void {
    for (;;) {
      const due = this.#finalFlightTimers.expire(now);
      if (due === undefined) break;
      const slot = this.#table.slotOf(due);
      if (slot !== undefined) this.#table.dropFinalFlight(slot);
    }
    for (;;) {
      const due = this.#idleTimers.expire(now);
      if (due === undefined) break;
      this.#checkIdle(due, now);
    }
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.#finalFlightTimers.next(), this.#idleTimers.next());
  }

  /**
   * The client sent its last flight again, so it lacks ours (RFC 6347 §4.2.4). Only its very Finished counts, and
   * only so often: each repetition takes a sequence number of epoch 0, and the client chose where those begin.
   */
  #repeatFinalFlight(slot: number, content: Uint8Array, now: Instant): void {
    const final = this.#table.finalFlight(slot);
    if (final === undefined || !isFinished(content, final.peerMessageSeq)) return;
    if (elapsedMs(final.lastSent, now) < this.#config.initialTimeoutMs / 2) return;
    if (
      final.repetitionsLeft === 0 ||
      final.writeSequenceEpoch0 > maxSequenceNumber ||
      !this.#canWrite(slot, reservedForAlerts)
    ) {
      this.#dropFinalFlight(slot);
      return;
    }
    final.repetitionsLeft--;
    final.lastSent = now;
    const address = this.#table.address(slot);
    const traced = { association: this.#table.id(slot), address, role: this.#table.role(slot) };
    const { write } = this.#table.keys(slot);
    const records = {
      overhead: (epoch: 0 | 1): number => (epoch === 1 ? recordOverhead(write.suite) : recordHeaderLength),
      record: (contentType: ContentType, epoch: 0 | 1, content: Uint8Array): Uint8Array =>
        epoch === 1
          ? sealRecord(write, contentType, 1, this.#table.takeWriteSequence(slot), content)
          : encodePlaintextRecord(
              contentType,
              ProtocolVersion.Dtls12,
              0,
              final.writeSequenceEpoch0++,
              content,
            ),
    };
    const datagrams = encodeFlight(final.flight, this.#config.mtu, records, (sent) => {
      this.#emit(traceSent(traced, final.flight.number, sent, true));
    });
    for (const datagram of datagrams) this.#emit({ kind: 'transmit', address, datagram });
  }

  /** Sends one protected record; false when the keys have sealed all they may. */
  #write(slot: number, contentType: ContentType, content: Uint8Array): boolean {
    const reserved = contentType === ContentType.Alert ? 0 : reservedForAlerts;
    if (!this.#canWrite(slot, reserved)) return false;
    const { write } = this.#table.keys(slot);
    const datagram = sealRecord(write, contentType, 1, this.#table.takeWriteSequence(slot), content);
    this.#emit({ kind: 'transmit', address: this.#table.address(slot), datagram });
    return true;
  }

  #canWrite(slot: number, reserved: number): boolean {
    // Sequence numbers begin at 0 and none is left out, so the next one is the number of records sealed.
    const { maxSealedRecords } = this.#table.keys(slot).write.suite;
    return this.#table.writeSequence(slot) < Math.min(maxSealedRecords, maxSequenceNumber + 1) - reserved;
  }

  /** RFC 9147 §4.5.3, RFC 9325 §4.4: too many forgeries under one key, and one of them might succeed. */
  #countForgedRecord(slot: number): void {
    const { maxForgedRecords } = this.#table.keys(slot).read.suite;
    if (this.#table.countForgedRecord(slot) > maxForgedRecords) this.#closeWithNotify(slot, 'forgery-limit');
  }

  #writeAlert(slot: number, level: 'warning' | 'fatal', description: AlertDescription): void {
    this.#write(slot, ContentType.Alert, encodeAlert(level, description));
  }

  #close(slot: number, reason: CloseReason, alert?: number): void {
    const association = this.#table.id(slot);
    const address = this.#table.address(slot);
    this.#table.remove(slot);
    this.#finalFlightTimers.cancel(association);
    this.#idleTimers.cancel(association);
    this.#emit({ kind: 'closed', association, address, reason, ...(alert === undefined ? {} : { alert }) });
  }

  #closeWithNotify(slot: number, reason: CloseReason): void {
    this.#writeAlert(slot, 'warning', AlertDescription.CloseNotify);
    this.#close(slot, reason);
  }

  #closeMostDispensable(): void {
    const slot = this.#table.mostDispensable();
    if (slot === undefined) return;
    this.#closeWithNotify(slot, 'capacity');
  }

  #checkIdle(association: AssociationId, now: Instant): void {
    const slot = this.#table.slotOf(association);
    if (slot === undefined) return;
    const idleTimeoutMs: DurationMs = this.#config.idleTimeoutMs;
    const idleAt = after(this.#table.lastActivity(slot), idleTimeoutMs);
    if (idleAt > now) {
      this.#idleTimers.set(association, idleAt);
      return;
    }
    this.#closeWithNotify(slot, 'idle');
  }

  #dropFinalFlight(slot: number): void {
    this.#table.dropFinalFlight(slot);
    this.#finalFlightTimers.cancel(this.#table.id(slot));
  }

  #traceAlert(slot: number, direction: 'sent' | 'received', description: number): void {
    this.#emit({
      kind: 'handshake-trace',
      association: this.#table.id(slot),
      address: this.#table.address(slot),
      role: this.#table.role(slot),
      direction,
      name: `alert ${alertName(description)}`,
      epoch: 1,
      retransmit: false,
      reordered: false,
    });
  }

  #discard(address: PeerAddress, reason: DtlsDiscardReason): void {
    this.#emit({ kind: 'discarded', address, reason });
  }
}

/** What `connected` tells only when it was negotiated. */
function connectedExtras({
  connectionIds,
  protocol,
  serverName,
}: Established['parameters']): Partial<Extract<DtlsOutput, { kind: 'connected' }>> {
  return {
    ...(connectionIds === undefined
      ? {}
      : { connectionIdLengths: { own: connectionIds.own.length, peer: connectionIds.peer.length } }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

/** Whether a handshake record holds a whole Finished with this message_seq, and nothing else. */
function isFinished(content: Uint8Array, messageSeq: number): boolean {
  const reader = new ByteReader(content);
  const message = decodeMessageFragment(reader);
  return (
    message !== undefined &&
    reader.finished &&
    message.type === HandshakeType.Finished &&
    message.messageSeq === messageSeq &&
    message.fragment.length === finishedLength
  );
}
