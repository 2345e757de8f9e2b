/**
 * DTLS 1.2 (RFC 6347) for any number of peers over one socket: handshakes, associations, records.
 *
 * Datagrams and the time go in; datagrams, application data and events come out. A peer is known by its address;
 * before its cookie came back nothing is kept about it. What a handshake does is in `handshake/`, what an
 * association keeps in `association-table.ts`. Knows nothing of CoAP, sockets, clocks or key stores.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { after, type DurationMs, earliest, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { ProtocolMachine } from '../foundation/protocol-machine.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { AlertDescription, alertName, decodeAlert, encodeAlert } from './alert.ts';
import { AssociationTable } from './association-table.ts';
import type { CipherSuiteName } from './cipher-suites.ts';
import { type CheckedDtlsConfig, checkDtlsConfig, type DtlsConfig } from './dtls-config.ts';
import type { AssociationId, CloseReason, DtlsDiscardReason, DtlsOutput, DtlsRole } from './dtls-output.ts';
import { CookieSource } from './handshake/cookie.ts';
import {
  decideCookie,
  holdsClientHello,
  type ReceivedFirstFragment,
  readClientHello,
} from './handshake/cookie-exchange.ts';
import { encodeFlight } from './handshake/flight.ts';
import { Handshake } from './handshake/handshake.ts';
import type { PskAnswer } from './handshake/handshake-context.ts';
import type { ClientStart, Established, ServerStart } from './handshake/handshake-outcome.ts';
import { traceSent } from './handshake/handshake-trace.ts';
import { HandshakeType } from './handshake/handshake-type.ts';
import { isNewRecord, markRecordReceived } from './record/anti-replay-window.ts';
import { type RecordView, splitRecords } from './record/demultiplex.ts';
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

export type { AssociationId, CloseReason, DtlsDiscardReason, DtlsOutput, DtlsRole } from './dtls-output.ts';
export type { HandshakeFailure, HandshakeFailureCause } from './handshake/handshake-failure.ts';

/** What comes in: one datagram and where it came from. The bytes are decrypted where they lie. */
export interface DtlsInput {
  readonly address: PeerAddress;
  readonly datagram: Uint8Array;
}

/** What can be told about an association. */
export interface AssociationInfo {
  readonly address: PeerAddress;
  readonly role: DtlsRole;
  /** False while hands are shaken; then the fields below are missing. */
  readonly established: boolean;
  readonly identity?: Uint8Array;
  readonly suite?: CipherSuiteName;
  readonly extendedMasterSecret?: boolean;
  /** Bytes a record has more than its plaintext. */
  readonly recordOverhead?: number;
  readonly lastActivity?: Instant;
}

/** The layer. After each call, drain `poll` and ask `nextTimeout`. */
export class DtlsLayer implements ProtocolMachine<DtlsInput, DtlsOutput> {
  readonly config: CheckedDtlsConfig;
  readonly #role: DtlsRole | 'both';
  readonly #crypto: CryptoProvider;
  readonly #random: RandomSource;
  readonly #cookies: CookieSource;
  readonly #table = new AssociationTable();
  /** At most one handshake per address, oldest first. */
  readonly #handshakes = new Map<string, Handshake>();
  readonly #handshakeById = new Map<AssociationId, Handshake>();
  #serverHandshakes = 0;
  readonly #handshakeTimers = new TimerQueue<Handshake>();
  readonly #finalFlightTimers = new TimerQueue<AssociationId>();
  readonly #idleTimers = new TimerQueue<AssociationId>();
  #outputs: DtlsOutput[] = [];
  #nextOutput = 0;
  #nextAssociation = 1;

  constructor(options: {
    readonly role: DtlsRole | 'both';
    readonly crypto: CryptoProvider;
    readonly random: RandomSource;
    readonly config?: Partial<DtlsConfig>;
  }) {
    this.config = checkDtlsConfig(options.config);
    this.#role = options.role;
    this.#crypto = options.crypto;
    this.#random = options.random;
    this.#cookies = new CookieSource(options.crypto, options.random, this.config.cookieSecretLifetimeMs);
  }

  /** How much is kept: associations, handshakes, and bytes of unfinished handshakes. */
  get usage(): {
    readonly associations: number;
    readonly handshakes: number;
    readonly keptBytes: number;
  } {
    let keptBytes = 0;
    for (const handshake of this.#handshakes.values()) keptBytes += handshake.keptBytes;
    return {
      associations: this.#table.size,
      handshakes: this.#handshakes.size,
      keptBytes,
    };
  }

  // Commands.

  /**
   * Begins a handshake as a client. An association at the address lives on until the new one takes its place;
   * while a handshake of ours with the address is under way, its id is returned.
   *
   * @param options serverName: host name for server_name (RFC 6066 §3); a literal address is not sent.
   * @throws ApiMisuseError when the layer is a server only.
   */
  connect(address: PeerAddress, options: { readonly serverName?: string }, now: Instant): AssociationId {
    if (this.#role === 'server')
      throw new ApiMisuseError("role: got 'server', expected one that can connect");
    const pending = this.#handshakes.get(address.key);
    if (pending?.role === 'client') return pending.association;
    if (pending !== undefined)
      this.#giveUp(pending, 'replaced', 'a handshake of our own takes its place', now);
    return this.#begin(address, { kind: 'client', serverName: options.serverName }, now).association;
  }

  /**
   * Sends application data in one record.
   *
   * @param data 0 … 16384 bytes; that the record fits the MTU is the caller's care.
   * @returns false when there is no such association (any more), or the data is too long.
   */
  send(association: AssociationId, data: Uint8Array, now: Instant): boolean {
    const slot = this.#table.slotOf(association);
    if (slot === undefined || data.length > maxPlaintextLength) return false;
    if (!this.#write(slot, ContentType.ApplicationData, data)) {
      // RFC 6347 §4.1: sequence numbers do not wrap; a new handshake is needed.
      this.#close(slot, 'sequence-exhausted');
      return false;
    }
    this.#table.noteActivity(slot, now);
    return true;
  }

  /** Ends an association with close_notify, or a handshake with user_canceled; does nothing for others. */
  close(association: AssociationId, now: Instant): void {
    const handshake = this.#handshakeById.get(association);
    if (handshake !== undefined) {
      handshake.cancel(
        { cause: 'cancelled', detail: 'ended from this side' },
        AlertDescription.UserCanceled,
        now,
      );
      this.#conclude(handshake, now);
      return;
    }
    const slot = this.#table.slotOf(association);
    if (slot === undefined) return;
    this.#writeAlert(slot, 'warning', AlertDescription.CloseNotify);
    this.#close(slot, 'local');
  }

  /**
   * Answers a `psk-lookup`. `undefined` means that there is no such identity (server) or credential (client).
   * Does nothing when the handshake is over.
   *
   * @param answer key: 1 … 65535 bytes; any other length counts as `undefined`.
   */
  answerPskLookup(lookup: number, answer: PskAnswer | undefined, now: Instant): void {
    const handshake = this.#handshakeById.get(lookup);
    if (handshake === undefined) return;
    const isUsable =
      answer !== undefined &&
      answer.key.length > 0 &&
      answer.key.length <= 0xffff &&
      (answer.identity?.length ?? 0) <= 0xffff;
    handshake.answerPsk(isUsable ? answer : undefined, now);
    this.#conclude(handshake, now);
  }

  /** What is known about an association or a handshake under way. */
  association(id: AssociationId): AssociationInfo | undefined {
    const handshake = this.#handshakeById.get(id);
    if (handshake !== undefined) {
      return { address: handshake.address, role: handshake.role, established: false };
    }
    const slot = this.#table.slotOf(id);
    if (slot === undefined) return undefined;
    const { suite } = this.#table.keys(slot).write;
    return {
      address: this.#table.address(slot),
      role: this.#table.role(slot),
      established: true,
      identity: this.#table.identity(slot),
      suite: suite.name,
      extendedMasterSecret: this.#table.extendedMasterSecret(slot),
      recordOverhead: recordOverhead(suite),
      lastActivity: this.#table.lastActivity(slot),
    };
  }

  /** The established association at an address, or else the handshake under way there. */
  associationAt(address: PeerAddress): AssociationId | undefined {
    const slot = this.#table.slotAt(address);
    return slot === undefined ? this.#handshakes.get(address.key)?.association : this.#table.id(slot);
  }

  // The machine.

  handle(input: DtlsInput, now: Instant): void {
    const { address, datagram } = input;
    const { records, fault } = splitRecords(datagram);
    if (datagram.length === 0) this.#discard(address, 'empty-datagram');
    for (const record of records) this.#receive(address, record, now);
    if (fault !== undefined) this.#discard(address, 'malformed-record');
    const handshake = this.#handshakes.get(address.key);
    if (handshake === undefined) return;
    handshake.settle(now);
    this.#conclude(handshake, now);
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#handshakeTimers.expire(now); due !== undefined; ) {
      due.handleTimeout(now);
      this.#conclude(due, now);
      due = this.#handshakeTimers.expire(now);
    }
    for (let due = this.#finalFlightTimers.expire(now); due !== undefined; ) {
      const slot = this.#table.slotOf(due);
      if (slot !== undefined) this.#table.dropFinalFlight(slot);
      due = this.#finalFlightTimers.expire(now);
    }
    for (let due = this.#idleTimers.expire(now); due !== undefined; ) {
      this.#checkIdle(due, now);
      due = this.#idleTimers.expire(now);
    }
  }

  nextTimeout(): Instant | undefined {
    const handshakes = earliest(this.#handshakeTimers.next(), this.#finalFlightTimers.next());
    return earliest(handshakes, this.#idleTimers.next());
  }

  poll(): DtlsOutput | undefined {
    const output = this.#outputs[this.#nextOutput++];
    if (output !== undefined) return output;
    this.#outputs = [];
    this.#nextOutput = 0;
    return undefined;
  }

  // Receiving.

  #receive(address: PeerAddress, record: RecordView, now: Instant): void {
    const handshake = this.#handshakes.get(address.key);
    if (record.epoch === 0) {
      if (record.contentType === ContentType.Handshake && holdsClientHello(record)) {
        this.#receiveClientHello(address, record, handshake, now);
      } else if (handshake !== undefined) {
        handshake.receive(record, now);
        this.#conclude(handshake, now);
      } else {
        // RFC 6347 §4.1.2.7: nothing in the clear touches an established association, alerts least of all.
        this.#discard(
          address,
          this.#table.slotAt(address) === undefined ? 'no-association' : plaintextReason(record),
        );
      }
      return;
    }
    const slot = this.#table.slotAt(address);
    if (record.epoch === 1 && slot !== undefined) {
      const fault = this.#receiveProtected(slot, record, now);
      // What the old keys do not open may be meant for the handshake that is to replace them.
      if (fault !== undefined && handshake === undefined) this.#discard(address, fault);
      if (fault === undefined || handshake === undefined) return;
    }
    if (handshake === undefined) {
      this.#discard(address, slot === undefined ? 'no-association' : 'unknown-epoch');
      return;
    }
    handshake.receive(record, now);
    this.#conclude(handshake, now);
  }

  #receiveClientHello(
    address: PeerAddress,
    record: RecordView,
    handshake: Handshake | undefined,
    now: Instant,
  ): void {
    if (this.#role === 'client' || handshake?.role === 'client') {
      this.#discard(address, 'not-a-server');
      return;
    }
    const hello = readClientHello(record);
    if (hello === 'malformed' || hello === 'incomplete') {
      this.#discard(
        address,
        hello === 'malformed' ? 'malformed-handshake-message' : 'incomplete-client-hello',
      );
      return;
    }
    if (hello === 'later-fragment') {
      // Of use only to a handshake whose first fragment had a valid cookie.
      if (handshake === undefined) {
        this.#discard(address, 'incomplete-client-hello');
        return;
      }
      handshake.receive(record, now);
      this.#conclude(handshake, now);
      return;
    }
    const decision = decideCookie(this.#cookies, address, record, hello, now);
    if (decision.kind === 'ignore') {
      this.#discard(address, 'incomplete-client-hello');
    } else if (decision.kind === 'answer') {
      this.#traceWithoutState(address, 'received', 'ClientHello', 1, hello);
      if (decision.is === 'HelloVerifyRequest') {
        this.#traceWithoutState(address, 'sent', 'HelloVerifyRequest', 2, hello);
      } else {
        this.#traceWithoutState(address, 'sent', 'alert protocol_version', undefined, hello);
        this.#discard(address, 'client-version-too-old');
      }
      this.#emit({ kind: 'transmit', address, datagram: decision.datagram });
    } else {
      this.#acceptClientHello(address, record, handshake, hello, now);
    }
  }

  /** A ClientHello whose cookie came back: the peer is where it says it is. */
  #acceptClientHello(
    address: PeerAddress,
    record: RecordView,
    handshake: Handshake | undefined,
    hello: ReceivedFirstFragment,
    now: Instant,
  ): void {
    const { random } = hello.start;
    const slot = this.#table.slotAt(address);
    if (slot !== undefined && this.#table.isFromClientHello(slot, random)) {
      this.#discard(address, 'repeated-client-hello');
      return;
    }
    let server = handshake;
    if (server === undefined || !equalBytes(server.clientRandom, random)) {
      if (server !== undefined) this.#giveUp(server, 'replaced', 'the client began again', now);
      this.#makeRoomForHandshake(now);
      server = this.#begin(
        address,
        {
          kind: 'server',
          recordSequenceNumber: record.sequenceNumber,
          messageSeq: hello.messageSeq,
          clientRandom: random,
        },
        now,
      );
    }
    server.receive(record, now);
    this.#conclude(server, now);
  }

  /** Opens a record of epoch 1 with an association's keys and acts on it, or says why that cannot be. */
  #receiveProtected(slot: number, record: RecordView, now: Instant): DtlsDiscardReason | undefined {
    const window = this.#table.window(slot);
    if (!isNewRecord(window, record.sequenceNumber)) return 'replayed-record';
    const plaintext = openRecord(this.#table.keys(slot).read, record);
    if (isOpenFault(plaintext)) return 'authentication-failed';
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
        this.#receiveLateHandshakeMessage(slot, plaintext);
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
  #receiveLateHandshakeMessage(slot: number, content: Uint8Array): void {
    const type = content[0];
    if (type === HandshakeType.Finished) {
      this.#repeatFinalFlight(slot);
    } else if (type === HandshakeType.ClientHello || type === HandshakeType.HelloRequest) {
      // RFC 5246 §7.2.2: renegotiation is refused by a warning.
      this.#writeAlert(slot, 'warning', AlertDescription.NoRenegotiation);
      this.#traceAlert(slot, 'sent', AlertDescription.NoRenegotiation);
    }
  }

  // Handshakes.

  #begin(address: PeerAddress, start: ServerStart | ClientStart, now: Instant): Handshake {
    const association = this.#nextAssociation++;
    const handshake = new Handshake(
      {
        association,
        address,
        crypto: this.#crypto,
        random: this.#random,
        config: this.config,
        emit: (output) => this.#emit(output),
        askForPsk: (question) => {
          // A handshake asks once, so its id names the look-up too.
          const lookup = association;
          this.#emit({ kind: 'psk-lookup', lookup, role: start.kind, association, address, ...question });
        },
      },
      start,
      now,
    );
    this.#handshakes.set(address.key, handshake);
    this.#handshakeById.set(association, handshake);
    if (start.kind === 'server') this.#serverHandshakes++;
    this.#conclude(handshake, now);
    return handshake;
  }

  /** Sets the timer of a handshake, or takes over what it left. */
  #conclude(handshake: Handshake, now: Instant): void {
    const { outcome } = handshake;
    if (outcome === undefined) {
      const { deadline } = handshake;
      if (deadline !== undefined) this.#handshakeTimers.set(handshake, deadline);
      return;
    }
    if (!this.#handshakeById.delete(handshake.association)) return;
    this.#handshakes.delete(handshake.address.key);
    this.#handshakeTimers.cancel(handshake);
    if (handshake.role === 'server') this.#serverHandshakes--;
    if (outcome.kind === 'established') {
      this.#establish(handshake, outcome, now);
      return;
    }
    this.#emit({
      kind: 'handshake-failed',
      association: handshake.association,
      address: handshake.address,
      role: handshake.role,
      failure: outcome.failure,
    });
  }

  #establish(handshake: Handshake, left: Established, now: Instant): void {
    const { association, address, role } = handshake;
    // RFC 6347 §4.2.8: only now, after a verified Finished, the old association goes.
    const oldSlot = this.#table.slotAt(address);
    const replaced = oldSlot === undefined ? undefined : this.#table.id(oldSlot);
    if (oldSlot !== undefined) this.#close(oldSlot, 'replaced');
    if (this.#table.size >= this.config.maxAssociations) this.#closeLeastRecentlyUsed();
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
            : { flight: left.finalFlight, writeSequenceEpoch0: left.writeSequenceEpoch0 },
        clientRandom,
      },
      now,
    );
    if (left.finalFlight !== undefined) {
      this.#finalFlightTimers.set(association, after(now, this.config.finalFlightMs));
    }
    if (this.config.idleTimeoutMs < Infinity) {
      this.#idleTimers.set(association, after(now, this.config.idleTimeoutMs));
    }
    this.#emit({
      kind: 'connected',
      association,
      address,
      role,
      identity: left.identity,
      suite: suite.name,
      extendedMasterSecret,
      ...(replaced === undefined ? {} : { replaced }),
    });
    for (const record of left.held) {
      const fault = this.#receiveProtected(slot, record, now);
      if (fault !== undefined) this.#discard(address, fault);
      if (this.#table.slotOf(association) === undefined) return;
    }
  }

  /** The client sent its last flight again, so it lacks ours (RFC 6347 §4.2.4). */
  #repeatFinalFlight(slot: number): void {
    const final = this.#table.finalFlight(slot);
    if (final === undefined) return;
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
    const datagrams = encodeFlight(final.flight, this.config.mtu, records, (sent) => {
      this.#emit(traceSent(traced, final.flight.number, sent, true));
    });
    for (const datagram of datagrams) this.#emit({ kind: 'transmit', address, datagram });
  }

  /** Room for one more handshake of a client: the oldest one goes. */
  #makeRoomForHandshake(now: Instant): void {
    if (this.#serverHandshakes < this.config.maxHandshakes) return;
    for (const handshake of this.#handshakes.values()) {
      if (handshake.role !== 'server') continue;
      this.#giveUp(handshake, 'capacity', `${this.config.maxHandshakes} handshakes are under way`, now);
      return;
    }
  }

  #giveUp(handshake: Handshake, cause: 'replaced' | 'capacity', detail: string, now: Instant): void {
    handshake.cancel({ cause, detail }, undefined, now);
    this.#conclude(handshake, now);
  }

  // Associations.

  /** Sends one protected record; false when all sequence numbers are used. */
  #write(slot: number, contentType: ContentType, content: Uint8Array): boolean {
    if (this.#table.writeSequence(slot) > maxSequenceNumber) return false;
    const { write } = this.#table.keys(slot);
    const datagram = sealRecord(write, contentType, 1, this.#table.takeWriteSequence(slot), content);
    this.#emit({ kind: 'transmit', address: this.#table.address(slot), datagram });
    return true;
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

  #closeLeastRecentlyUsed(): void {
    const slot = this.#table.leastRecentlyUsed();
    if (slot === undefined) return;
    this.#writeAlert(slot, 'warning', AlertDescription.CloseNotify);
    this.#close(slot, 'capacity');
  }

  #checkIdle(association: AssociationId, now: Instant): void {
    const slot = this.#table.slotOf(association);
    if (slot === undefined) return;
    const idleTimeoutMs: DurationMs = this.config.idleTimeoutMs;
    const idleAt = after(this.#table.lastActivity(slot), idleTimeoutMs);
    if (idleAt > now) {
      this.#idleTimers.set(association, idleAt);
      return;
    }
    this.#writeAlert(slot, 'warning', AlertDescription.CloseNotify);
    this.#close(slot, 'idle');
  }

  #dropFinalFlight(slot: number): void {
    this.#table.dropFinalFlight(slot);
    this.#finalFlightTimers.cancel(this.#table.id(slot));
  }

  // Outputs.

  #emit(output: DtlsOutput): void {
    this.#outputs.push(output);
  }

  #discard(address: PeerAddress, reason: DtlsDiscardReason): void {
    this.#emit({ kind: 'discarded', address, reason });
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

  #traceWithoutState(
    address: PeerAddress,
    direction: 'sent' | 'received',
    name: string,
    flight: number | undefined,
    hello: ReceivedFirstFragment,
  ): void {
    this.#emit({
      kind: 'handshake-trace',
      address,
      role: 'server',
      direction,
      name,
      ...(flight === undefined ? {} : { flight, messageSeq: hello.messageSeq }),
      epoch: 0,
      retransmit: false,
      reordered: false,
    });
  }
}

function plaintextReason(record: RecordView): DtlsDiscardReason {
  switch (record.contentType) {
    case ContentType.ApplicationData:
      return 'plaintext-application-data';
    case ContentType.Alert:
      return 'plaintext-alert';
    case ContentType.Handshake:
      return 'plaintext-handshake-message';
    case ContentType.ChangeCipherSpec:
      return 'unexpected-change-cipher-spec';
  }
}
