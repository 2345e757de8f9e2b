/**
 * DTLS 1.2 (RFC 6347) for any number of peers over one socket: handshakes, associations, records.
 *
 * Datagrams and the time go in; datagrams, application data and events come out. A peer is known by its address, or
 * by the connection id in its records (RFC 9146); before its cookie came back nothing is kept about it. What a handshake does is in `handshake/`, what an
 * association keeps in `association-table.ts`. Knows nothing of CoAP, sockets, clocks or key stores.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { earliest, type Instant } from '../foundation/instant.ts';
import { OutputQueue } from '../foundation/output-queue.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { ProtocolMachine } from '../foundation/protocol-machine.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { AlertDescription } from './alert.ts';
import type { EstablishedInfo } from './association-facts.ts';
import type { AssociationKeeping } from './association-keeping.ts';
import type { ImportOptions, ImportRefusal } from './association-transfer.ts';
import { ClientHelloGate } from './client-hello-gate.ts';
import { plaintextReasonOf } from './discard-reason.ts';
import { type CheckedDtlsConfig, checkDtlsConfig, type DtlsConfig } from './dtls-config.ts';
import type { AssociationId, DtlsDiscardReason, DtlsOutput, DtlsRole, SendResult } from './dtls-output.ts';
import { EstablishedAssociations } from './established-associations.ts';
import { FarewellAlerts } from './farewell-alerts.ts';
import { holdsClientHello, type ReceivedFirstFragment } from './handshake/cookie-exchange.ts';
import { Handshake } from './handshake/handshake.ts';
import type { PeerVerdict, PskAnswer } from './handshake/handshake-context.ts';
import type { HandshakeFailure } from './handshake/handshake-failure.ts';
import type { ClientStart, ServerStart } from './handshake/handshake-outcome.ts';
import { failureOfHost, HandshakeAdmission } from './handshake-admission.ts';
import { type ExporterSecret, exportKeyingMaterial } from './key-schedule/exporter.ts';
import { OwnConnectionIds, ownConnectionIdLength } from './own-connection-ids.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import { type RecordView, splitRecords } from './record/demultiplex.ts';
import { ContentType } from './record/record-header.ts';
import { SessionStores } from './session/peer-sessions.ts';

export type { ImportOptions, ImportRefusal } from './association-transfer.ts';
export type { AssociationId, DtlsOutput } from './dtls-output.ts';
export type { PeerVerdict } from './handshake/handshake-context.ts';
export type { HandshakeFailure } from './handshake/handshake-failure.ts';

/** What comes in: one datagram and where it came from. The bytes are decrypted where they lie. */
export interface DtlsInput {
  readonly address: PeerAddress;
  readonly datagram: Uint8Array;
}

/** What can be told about an association: all of it once it is established, until then whose it will be. */
export type AssociationInfo =
  | ({ readonly established: true } & EstablishedInfo)
  | { readonly established: false; readonly address: PeerAddress; readonly role: DtlsRole };

/** The layer. After each call, drain `poll` and ask `nextTimeout`. */
export class DtlsLayer implements ProtocolMachine<DtlsInput, DtlsOutput> {
  readonly config: CheckedDtlsConfig;
  readonly #role: DtlsRole | 'both';
  readonly #crypto: CryptoProvider;
  readonly #random: RandomSource;
  readonly #gate: ClientHelloGate;
  readonly #established: EstablishedAssociations;
  readonly #connectionIds: OwnConnectionIds;
  /** As a server, when we are both: a client's own records have none by default. */
  readonly #connectionIdLength: number;
  readonly #pending = new PendingHandshakes();
  readonly #admission: HandshakeAdmission;
  readonly #farewells: FarewellAlerts;
  readonly #sessions: SessionStores;
  readonly #outputs = new OutputQueue<DtlsOutput>();
  readonly #exporterSecrets = new Map<AssociationId, ExporterSecret>();
  #nextAssociation = 1;

  constructor(options: {
    readonly role: DtlsRole | 'both';
    readonly crypto: CryptoProvider;
    readonly random: RandomSource;
    readonly config?: Partial<DtlsConfig>;
  }) {
    this.config = checkDtlsConfig(options.config);
    const length = ownConnectionIdLength(this.config, options.role === 'client' ? 'client' : 'server');
    this.#connectionIdLength = length === 'off' ? 0 : length;
    this.#connectionIds = new OwnConnectionIds(options.random);
    this.#established = new EstablishedAssociations({
      config: this.config,
      crypto: options.crypto,
      random: options.random,
      connectionIds: this.#connectionIds,
      keepsClientsAlive: options.role === 'server',
      emit: (output) => this.#emit(output),
    });
    this.#farewells = new FarewellAlerts(this.config.initialTimeoutMs / 2);
    this.#sessions = new SessionStores(options.crypto, options.random, this.config);
    this.#role = options.role;
    this.#crypto = options.crypto;
    this.#random = options.random;
    this.#admission = new HandshakeAdmission({
      config: this.config,
      crypto: options.crypto,
      pending: this.#pending,
      giveUp: (handshake, cause, detail, now) => this.#giveUp(handshake, cause, detail, now),
    });
    this.#gate = new ClientHelloGate(
      options.crypto,
      options.random,
      this.config,
      (output) => this.#emit(output),
      (address, failure, now) => this.#reportRefusal(address, failure, now),
    );
  }

  /** How much is kept: associations, handshakes, and bytes of unfinished handshakes. */
  get usage(): {
    readonly associations: number;
    readonly handshakes: number;
    readonly keptBytes: number;
  } {
    const { size: handshakes, keptBytes } = this.#pending;
    return { associations: this.#established.size, handshakes, keptBytes };
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
    for (const pending of this.#pending.allAt(address)) {
      if (pending.role === 'client') return pending.association;
      this.#giveUp(pending, 'replaced', 'a handshake of our own takes its place', now);
    }
    return this.#begin(address, { kind: 'client', serverName: options.serverName }, now).association;
  }

  /**
   * Sends application data in one record.
   *
   * @param data As many bytes as the peer takes in a record, at most 16384; that the record fits the MTU is the caller's
   *        care. `maxDataLength` of the association keeps both.
   */
  send(association: AssociationId, data: Uint8Array, now: Instant): SendResult {
    this.#established.keeping.noteTime(now);
    return this.#established.send(association, data);
  }

  /**
   * The peer answered something that was sent after its `address-changed` and that it could not guess: a ping with a
   * random Message ID, or an Echo (RFC 9175 §2.3). So it receives there, and the limit on what is sent ends (RFC 9146 §6).
   */
  confirmAddress(association: AssociationId): void {
    this.#established.confirmAddress(association);
  }

  /** Ends an association with close_notify, or a handshake with user_canceled; does nothing for others. */
  close(association: AssociationId, now: Instant, reason: 'local' | 'silent' = 'local'): void {
    const handshake = this.#pending.byId(association);
    if (handshake !== undefined) {
      handshake.cancel(
        { cause: 'cancelled', detail: 'ended from this side' },
        AlertDescription.UserCanceled,
        now,
      );
      this.#conclude(handshake, now);
      return;
    }
    this.#established.close(association, reason);
  }

  /**
   * Answers a `psk-lookup`. `undefined` means that there is no such identity (server) or credential (client).
   * Does nothing when the handshake is over.
   *
   * @param answer key: 1 … 65535 bytes; any other length counts as `undefined`.
   */
  answerPskLookup(lookup: number, answer: PskAnswer | undefined, now: Instant): void {
    const handshake = this.#pending.byId(lookup);
    if (handshake === undefined) return;
    const isUsable =
      answer !== undefined &&
      answer.key.length > 0 &&
      answer.key.length <= 0xffff &&
      (answer.identity?.length ?? 0) <= 0xffff;
    handshake.answerPsk(isUsable ? answer : undefined, now);
    this.#conclude(handshake, now);
  }

  /** Answers a `verify-peer`. Does nothing when the handshake is over. */
  answerPeerVerification(verification: number, verdict: PeerVerdict, now: Instant): void {
    const handshake = this.#pending.byId(verification);
    if (handshake === undefined) return;
    handshake.answerPeerVerification(verdict, now);
    this.#conclude(handshake, now);
  }

  /** What is known about an association or a handshake under way. */
  association(id: AssociationId): AssociationInfo | undefined {
    const handshake = this.#pending.byId(id);
    if (handshake !== undefined) {
      return { address: handshake.address, role: handshake.role, established: false };
    }
    const info = this.#established.info(id);
    return info === undefined ? undefined : { established: true, ...info };
  }

  /** The newest established association at an address, or else the handshake under way there. */
  associationAt(address: PeerAddress): AssociationId | undefined {
    const slot = this.#established.slotAt(address);
    return slot === undefined ? this.#pending.at(address)?.association : this.#established.id(slot);
  }

  /**
   * Exports keying material of an association (RFC 5705).
   *
   * @returns `undefined` when the layer keeps none of it (`exporter` in the settings), the association is not
   *          established or was imported, or its master secret is not bound to its handshake (RFC 7627 §5.4).
   * @throws ApiMisuseError for a label, context or length that cannot be.
   */
  exportKeyingMaterial(
    association: AssociationId,
    label: string,
    context: Uint8Array | undefined,
    length: number,
  ): Uint8Array | undefined {
    const secret = this.#exporterSecrets.get(association);
    return secret && exportKeyingMaterial(this.#crypto, secret, label, context, length);
  }

  /** Associations that outlive this process: how they leave, and what the surroundings stored of them. */
  get keeping(): Omit<AssociationKeeping, 'importAssociation'> {
    return this.#established.keeping;
  }

  /**
   * Goes on with an exported association at an address; its output is `connected` with `imported`. There is no
   * exporter, key log or session ticket for it.
   *
   * @returns its new id, or why it cannot be; never throws for what is in `state`.
   */
  importAssociation(
    state: Uint8Array,
    address: PeerAddress,
    options: ImportOptions,
    now: Instant,
  ): AssociationId | ImportRefusal {
    const association = this.#nextAssociation++;
    const layer = {
      crypto: this.#crypto,
      config: this.config,
      role: this.#role,
      connectionIdLength: this.#connectionIdLength,
    };
    const { keeping } = this.#established;
    return keeping.importAssociation(association, state, address, layer, options, now) ?? association;
  }

  // The machine.

  handle(input: DtlsInput, now: Instant): void {
    const { address, datagram } = input;
    const { records, fault } = splitRecords(datagram, this.#connectionIdLength);
    this.#gate.beginDatagram();
    if (datagram.length === 0) this.#discard(address, 'empty-datagram');
    for (const record of records) this.#receive(address, record, now);
    if (fault !== undefined) this.#discard(address, 'malformed-record');
    for (const handshake of this.#pending.allAt(address)) {
      handshake.settle(now);
      this.#conclude(handshake, now);
    }
  }

  handleTimeout(now: Instant): void {
    for (;;) {
      const due = this.#pending.expire(now);
      if (due === undefined) break;
      due.handleTimeout(now);
      this.#conclude(due, now);
    }
    this.#established.handleTimeout(now);
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.#pending.nextTimeout(), this.#established.nextTimeout());
  }

  poll(): DtlsOutput | undefined {
    return this.#outputs.shift();
  }

  // Receiving.

  #receive(address: PeerAddress, record: RecordView, now: Instant): void {
    const isShakingHands = this.#pending.at(address) !== undefined;
    if (record.epoch === 0) {
      if (record.recordType === ContentType.Handshake && holdsClientHello(record)) {
        this.#receiveClientHello(address, record, now);
      } else if (isShakingHands) {
        this.#giveToHandshakes(address, record, now);
      } else {
        if (record.recordType === ContentType.Handshake) this.#repeatFarewell(address, now);
        // RFC 6347 §4.1.2.7: nothing in the clear touches an established association, alerts least of all.
        const isKnown = this.#established.slotAt(address) !== undefined;
        this.#discard(address, isKnown ? plaintextReasonOf(record) : 'no-association');
      }
      return;
    }
    const slot = this.#established.slotFor(record, address);
    if (record.epoch === 1 && slot !== undefined) {
      const fault = this.#established.receive(slot, record, address, now);
      // What the old keys do not open may be meant for the handshake that is to replace them.
      if (fault !== undefined && !isShakingHands) this.#established.discard(slot, address, fault, now);
      if (fault === undefined || !isShakingHands) return;
    }
    if (isShakingHands) this.#giveToHandshakes(address, record, now);
    else
      this.#established.discard(
        slot,
        address,
        slot === undefined ? strangeness(record) : 'unknown-epoch',
        now,
      );
  }

  #giveToHandshakes(address: PeerAddress, record: RecordView, now: Instant): void {
    for (const handshake of this.#pending.allAt(address)) {
      handshake.receive(record, now);
      this.#conclude(handshake, now);
    }
  }

  #receiveClientHello(address: PeerAddress, record: RecordView, now: Instant): void {
    const handshake = this.#pending.at(address);
    if (this.#role === 'client' || handshake?.role === 'client') {
      this.#discard(address, 'not-a-server');
      return;
    }
    const hello = this.#gate.admit(address, record, now);
    if (hello === undefined) return;
    if (hello !== 'later-fragment') {
      this.#acceptClientHello(address, record, hello, now);
    } else if (handshake !== undefined) {
      handshake.receive(record, now);
      this.#conclude(handshake, now);
    } else {
      // Of use only to a handshake whose first fragment had a valid cookie.
      this.#discard(address, 'incomplete-client-hello');
    }
  }

  /** A ClientHello whose cookie came back: the peer is where it says it is. */
  #acceptClientHello(
    address: PeerAddress,
    record: RecordView,
    hello: ReceivedFirstFragment,
    now: Instant,
  ): void {
    const { random } = hello.start;
    const slot = this.#established.slotAt(address);
    if (slot !== undefined && this.#established.isRepeatedClientHello(slot, random)) {
      this.#discard(address, 'repeated-client-hello');
      return;
    }
    let handshake = this.#pending.allAt(address).find((one) => equalBytes(one.clientRandom, random));
    if (handshake === undefined) {
      if (this.#farewells.hasRefused(address, random, now)) {
        this.#discard(address, 'repeated-client-hello');
        this.#repeatFarewell(address, now);
        return;
      }
      const refusal = this.#admission.admit(address, now);
      if (refusal !== undefined) {
        this.#discard(address, refusal.reason);
        const { waitMs } = refusal;
        if (waitMs > 0) this.#reportRefusal(address, failureOfHost(address, waitMs), now);
        return;
      }
      const { messageSeq } = hello;
      const recordSequenceNumber = record.sequenceNumber;
      const start = { kind: 'server', recordSequenceNumber, messageSeq, clientRandom: random } as const;
      handshake = this.#begin(address, start, now);
    } else {
      this.#pending.bringForward(handshake);
    }
    if (!handshake.receiveRepeatedClientHello()) handshake.receive(record, now);
    this.#conclude(handshake, now);
  }

  // Handshakes.

  #begin(address: PeerAddress, start: ServerStart | ClientStart, now: Instant): Handshake {
    const association = this.#nextAssociation++;
    this.#farewells.forget(address);
    const handshake = new Handshake(
      {
        association,
        address,
        crypto: this.#crypto,
        random: this.#random,
        config: this.config,
        sessions: this.#sessions,
        emit: (output) => this.#emit(output),
        isCrowded: () => this.#admission.isCrowded,
        mayCheckAgain: (at) => this.#admission.mayCheckAgain(at),
        mayCheckKeyAgain: (at) => this.#admission.mayCheckKeyAgain(at),
        askForPsk: (question, at) => {
          const { identity } = question;
          if (start.kind === 'server' && identity !== undefined) {
            const failure = this.#admission.noteIdentity(association, address, identity, at);
            if (failure !== undefined) {
              this.#pending.byId(association)?.cancel(failure, undefined, at);
              return;
            }
          }
          // A handshake asks once, so its id names the look-up too.
          const lookup = association;
          this.#emit({ kind: 'psk-lookup', lookup, role: start.kind, association, address, ...question });
        },
        askToVerifyPeer: (question) => {
          const verification = association;
          this.#emit({
            kind: 'verify-peer',
            verification,
            role: start.kind,
            association,
            address,
            ...question,
          });
        },
        newConnectionId: (length) => this.#connectionIds.issue(association, length),
      },
      start,
      now,
    );
    this.#pending.add(handshake);
    this.#admission.noteBegun();
    this.#conclude(handshake, now);
    return handshake;
  }

  /** Sets the timer of a handshake, or takes over what it left. */
  #conclude(handshake: Handshake, now: Instant): void {
    const { outcome } = handshake;
    if (outcome === undefined) {
      this.#pending.schedule(handshake);
      return;
    }
    if (!this.#pending.remove(handshake)) return;
    const { address } = handshake;
    this.#admission.noteEnd(handshake, outcome.kind === 'established', now);
    if (outcome.kind === 'established') {
      for (const other of this.#pending.allAt(address)) {
        this.#giveUp(other, 'replaced', 'the client began again', now);
      }
      this.#established.add(handshake, outcome, now);
      const { suite, extendedMasterSecret, clientRandom, serverRandom } = outcome.parameters;
      if (this.config.exporter && extendedMasterSecret && this.#established.info(handshake.association)) {
        const { masterSecret } = outcome;
        const secret = { hash: suite.hash, masterSecret, clientRandom, serverRandom };
        this.#exporterSecrets.set(handshake.association, secret);
      }
      return;
    }
    this.#connectionIds.release(handshake.association);
    const { failure, writeSequenceEpoch0 } = outcome;
    if (failure.alertSent !== undefined && writeSequenceEpoch0 !== undefined) {
      const random = outcome.isHelloRefused ? handshake.clientRandom : undefined;
      this.#farewells.add(address, failure.alertSent, writeSequenceEpoch0, now, random);
    }
    const { association, role } = handshake;
    this.#emit({ kind: 'handshake-failed', association, address, role, failure });
  }

  #repeatFarewell(address: PeerAddress, now: Instant): void {
    const datagram = this.#farewells.repetition(address, now);
    if (datagram !== undefined) this.#emit({ kind: 'transmit', address, datagram });
  }

  /** Tells of a client that never got to a handshake; at a bounded rate, since it costs the client one datagram. */
  #reportRefusal(address: PeerAddress, failure: HandshakeFailure, now: Instant): void {
    if (!this.#admission.mayReport(now)) return;
    const association = this.#nextAssociation++;
    this.#emit({ kind: 'handshake-failed', association, address, role: 'server', failure });
  }

  #giveUp(handshake: Handshake, cause: 'replaced' | 'capacity', detail: string, now: Instant): void {
    handshake.cancel({ cause, detail }, undefined, now);
    this.#conclude(handshake, now);
  }

  // Outputs.

  #emit(output: DtlsOutput): void {
    if (output.kind === 'closed') {
      this.#exporterSecrets.delete(output.association);
      if (output.reason === 'alert') this.#sessions.forget(output.association);
    }
    this.#outputs.push(output);
  }

  #discard(address: PeerAddress, reason: DtlsDiscardReason): void {
    this.#emit({ kind: 'discarded', address, reason });
  }
}

/** Why a protected record belongs to no association. */
function strangeness(record: RecordView): DtlsDiscardReason {
  return record.connectionId.length > 0 ? 'unknown-connection-id' : 'no-association';
}
