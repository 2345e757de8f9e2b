/**
 * The handshakes of a layer: how they begin and get their records, and what is done with what they leave.
 *
 * Which of them there may be is decided by `handshake-admission.ts` and `client-hello-gate.ts`, what one does by
 * `handshake/`. Records of established associations do not come here.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { earliest, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import { AlertDescription } from './alert.ts';
import { ClientHelloGate } from './client-hello-gate.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { AssociationId, DtlsDiscardReason, DtlsOutput, DtlsRole } from './dtls-output.ts';
import type { EstablishedAssociations } from './established-associations.ts';
import { FarewellAlerts } from './farewell-alerts.ts';
import type { ReceivedFirstFragment } from './handshake/cookie-exchange.ts';
import { Handshake } from './handshake/handshake.ts';
import { maxOtherKeys, type PeerVerdict, type PskAnswer } from './handshake/handshake-context.ts';
import type { HandshakeFailure } from './handshake/handshake-failure.ts';
import type { ClientStart, ServerStart } from './handshake/handshake-outcome.ts';
import { failureOfHost, HandshakeAdmission } from './handshake-admission.ts';
import { HandshakeTurns } from './handshake-turns.ts';
import type { ExporterSecret } from './key-schedule/exporter.ts';
import type { OwnConnectionIds } from './own-connection-ids.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import type { RecordView } from './record/demultiplex.ts';
import { SessionStores } from './session/peer-sessions.ts';
import { givesWay, mayGiveWay } from './simultaneous-handshakes.ts';

/** What the handshakes need of their layer. */
export interface HandshakeSurroundings {
  readonly role: DtlsRole | 'both';
  readonly config: CheckedDtlsConfig;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly established: EstablishedAssociations;
  readonly connectionIds: OwnConnectionIds;
  readonly emit: (output: DtlsOutput) => void;
  readonly keepExporterSecret: (association: AssociationId, secret: ExporterSecret) => void;
}

/** All of them, by address and id. */
export class Handshakes {
  readonly #surroundings: HandshakeSurroundings;
  /** Of handshakes where we are the client. */
  readonly #clientConfig: CheckedDtlsConfig;
  readonly #gate: ClientHelloGate;
  readonly #pending = new PendingHandshakes();
  readonly #admission: HandshakeAdmission;
  readonly #farewells: FarewellAlerts;
  readonly #sessions: SessionStores;
  readonly #turns: HandshakeTurns;
  /** A record that has waited is being given. */
  #isItsTurn = false;
  #nextAssociation = 1;

  constructor(surroundings: HandshakeSurroundings) {
    const { config, crypto, random, emit } = surroundings;
    this.#surroundings = surroundings;
    this.#clientConfig = { ...config, credentials: config.clientCredentials };
    this.#farewells = new FarewellAlerts(config.initialTimeoutMs / 2);
    this.#sessions = new SessionStores(crypto, random, config);
    this.#turns = new HandshakeTurns(config.handshakeRecordsPerTurn);
    this.#admission = new HandshakeAdmission({
      config,
      crypto,
      pending: this.#pending,
      giveUp: (handshake, cause, detail, now) => this.#giveUp(handshake, cause, detail, now),
    });
    this.#gate = new ClientHelloGate(crypto, random, config, emit, (address, failure, now) =>
      this.#reportRefusal(address, failure, now),
    );
  }

  /** Number of handshakes. */
  get size(): number {
    return this.#pending.size;
  }

  /** Bytes kept of what peers sent. */
  get keptBytes(): number {
    return this.#pending.keptBytes + this.#turns.keptBytes;
  }

  /** The handshake at an address that has the voice there. */
  at(address: PeerAddress): Handshake | undefined {
    return this.#pending.at(address);
  }

  byId(association: AssociationId): Handshake | undefined {
    return this.#pending.byId(association);
  }

  /** An id that was never used. */
  newAssociation(): AssociationId {
    return this.#nextAssociation++;
  }

  /** Begins as a client, or returns the handshake that is under way there: of ours, or of the peer where that will do. */
  connect(address: PeerAddress, serverName: string | undefined, now: Instant): AssociationId {
    const [mayWait, present] = [mayGiveWay(this.#surroundings.config), this.#pending.at(address)];
    if (present !== undefined && (mayWait || present.role === 'client')) return present.association;
    for (const pending of this.#pending.allAt(address)) {
      this.#giveUp(pending, 'replaced', 'a handshake of our own takes its place', now);
    }
    return this.#begin(address, { kind: 'client', serverName }, now).association;
  }

  /** Ends a handshake with user_canceled; false when there is none by that id. */
  cancel(association: AssociationId, now: Instant): boolean {
    const handshake = this.#pending.byId(association);
    if (handshake === undefined) return false;
    const failure = { cause: 'cancelled', detail: 'ended from this side' } as const;
    handshake.cancel(failure, AlertDescription.UserCanceled, now);
    this.#conclude(handshake, now);
    return true;
  }

  /** See `DtlsLayer.answerPskLookup`. */
  answerPskLookup(lookup: number, answer: PskAnswer | undefined, now: Instant): void {
    const handshake = this.#pending.byId(lookup);
    if (handshake === undefined) return;
    const isUsable =
      answer !== undefined && isUsableKey(answer.key) && (answer.identity?.length ?? 0) <= 0xffff;
    // The one place where more are left out. By its number is told which one a client has: one that nobody can have keeps the
    // place of one that is none.
    const otherKeys = answer?.otherKeys
      ?.slice(0, maxOtherKeys)
      .map((key) => (isUsableKey(key) ? key : randomBytes(this.#surroundings.random, 16)));
    const others = otherKeys === undefined ? {} : { otherKeys };
    handshake.answerPsk(isUsable ? { ...answer, ...others } : undefined, now);
    this.#conclude(handshake, now);
  }

  /** See `DtlsLayer.answerPeerVerification`. */
  answerPeerVerification(verification: number, verdict: PeerVerdict, now: Instant): void {
    const handshake = this.#pending.byId(verification);
    if (handshake === undefined) return;
    handshake.answerPeerVerification(verdict, now);
    this.#conclude(handshake, now);
  }

  /** An association ended by a fatal alert: its session does not go on (RFC 5246 §7.2.2). */
  forgetSession(association: AssociationId): void {
    this.#sessions.forget(association);
  }

  /** A new datagram begins. */
  beginDatagram(): void {
    this.#gate.beginDatagram();
    this.#turns.beginDatagram();
  }

  /** All records of a datagram have been given; those that wait have not. */
  endDatagram(address: PeerAddress, now: Instant): void {
    if (!this.#turns.isWaiting(address)) this.#settle(address, now);
  }

  /**
   * A new turn of the loop: as many of the records that wait as there is time for.
   *
   * @param give Takes each as if it came now.
   */
  takeTurn(give: (address: PeerAddress, record: RecordView) => void, now: Instant): void {
    this.#turns.beginTurn();
    for (;;) {
      const waiting = this.#turns.next(now);
      if (waiting === undefined) return;
      this.#gate.beginDatagram();
      this.#isItsTurn = true;
      try {
        give(waiting.address, waiting.record);
      } finally {
        // Whatever becomes of one record, those to come are admitted by their cookies.
        this.#isItsTurn = false;
      }
      if (waiting.isLastOfDatagram) this.#settle(waiting.address, now);
    }
  }

  #settle(address: PeerAddress, now: Instant): void {
    for (const handshake of this.#pending.allAt(address)) {
      handshake.settle(now);
      this.#conclude(handshake, now);
    }
  }

  /** See `DtlsLayer.linkRestored`. */
  linkRestored(now: Instant): void {
    for (const handshake of this.#pending.all()) {
      handshake.linkRestored(now);
      this.#conclude(handshake, now);
    }
  }

  handleTimeout(now: Instant): void {
    for (;;) {
      const due = this.#pending.expire(now);
      if (due === undefined) return;
      due.handleTimeout(now);
      this.#conclude(due, now);
    }
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.#pending.nextTimeout(), this.#turns.nextTimeout());
  }

  /** Gives a record to the handshakes at an address, at once or when it is its turn. */
  receive(address: PeerAddress, record: RecordView, now: Instant): void {
    if (!this.#isDueNow(address, record, now)) return;
    for (const handshake of this.#pending.allAt(address)) {
      handshake.receive(record, now);
      this.#conclude(handshake, now);
    }
  }

  /** Takes a record of epoch 0 that holds (a part of) a ClientHello. */
  receiveClientHello(address: PeerAddress, record: RecordView, now: Instant): void {
    const { role, config } = this.#surroundings;
    const handshake = this.#pending.at(address);
    const own = handshake?.role === 'client' ? handshake : undefined;
    if (role === 'client' || (own !== undefined && !mayGiveWay(config))) {
      this.#discard(address, 'not-a-server');
      return;
    }
    const hello = this.#isItsTurn ? this.#gate.admitted(record) : this.#gate.admit(address, record, now);
    if (hello === undefined) return;
    if (own !== undefined && (hello === 'later-fragment' || !givesWay(own, hello.start.random))) {
      this.#discard(address, 'not-a-server');
    } else if (hello === 'later-fragment' && handshake === undefined && !this.#turns.isWaiting(address)) {
      // Of use only to a handshake whose first fragment had a valid cookie.
      this.#discard(address, 'incomplete-client-hello');
    } else if (!this.#isDueNow(address, record, now)) {
      return;
    } else if (hello !== 'later-fragment') {
      this.#acceptClientHello(address, record, hello, now);
    } else if (handshake !== undefined) {
      handshake.receive(record, now);
      this.#conclude(handshake, now);
    }
  }

  /** Whether a record is taken now; else it waits for its turn. */
  #isDueNow(address: PeerAddress, record: RecordView, now: Instant): boolean {
    if (this.#isItsTurn) return true;
    if (!this.#turns.isWaiting(address) && this.#turns.take(now)) return true;
    if (!this.#turns.wait(address, record, now)) this.#discard(address, 'handshake-limit');
    return false;
  }

  /** A ClientHello whose cookie came back: the peer is where it says it is. */
  #acceptClientHello(
    address: PeerAddress,
    record: RecordView,
    hello: ReceivedFirstFragment,
    now: Instant,
  ): void {
    const { random } = hello.start;
    const slot = this.#surroundings.established.slotAt(address);
    if (slot !== undefined && this.#surroundings.established.isRepeatedClientHello(slot, random)) {
      this.#discard(address, 'repeated-client-hello');
      return;
    }
    let handshake = this.#pending.allAt(address).find((one) => equalBytes(one.clientRandom, random));
    if (handshake === undefined) {
      if (this.#farewells.hasRefused(address, random, now)) {
        this.#discard(address, 'repeated-client-hello');
        this.repeatFarewell(address, now);
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
      handshake = this.#begin(address, start, now, this.#endOwn(address));
    } else {
      this.#pending.bringForward(handshake);
    }
    if (!handshake.receiveRepeatedClientHello()) handshake.receive(record, now);
    this.#conclude(handshake, now);
  }

  /** Our own handshake gives way; whoever waits for its association gets that of the peer's handshake. */
  #endOwn(address: PeerAddress): AssociationId | undefined {
    const own = this.#pending.at(address);
    if (own?.role !== 'client') return undefined;
    this.#pending.remove(own);
    this.#surroundings.connectionIds.release(own.association);
    return own.association;
  }

  #begin(
    address: PeerAddress,
    start: ServerStart | ClientStart,
    now: Instant,
    association: AssociationId = this.newAssociation(),
  ): Handshake {
    this.#farewells.forget(address);
    const handshake = new Handshake(
      {
        association,
        address,
        crypto: this.#surroundings.crypto,
        random: this.#surroundings.random,
        config: start.kind === 'client' ? this.#clientConfig : this.#surroundings.config,
        sessions: this.#sessions,
        emit: this.#surroundings.emit,
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
          this.#surroundings.emit({
            kind: 'psk-lookup',
            lookup,
            role: start.kind,
            association,
            address,
            ...question,
          });
        },
        askToVerifyPeer: (question) => {
          const verification = association;
          this.#surroundings.emit({
            kind: 'verify-peer',
            verification,
            role: start.kind,
            association,
            address,
            ...question,
          });
        },
        newConnectionId: (length) => this.#surroundings.connectionIds.issue(association, length),
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
      this.#surroundings.established.add(handshake, outcome, now);
      const { suite, extendedMasterSecret, clientRandom, serverRandom } = outcome.parameters;
      if (
        this.#surroundings.config.exporter &&
        extendedMasterSecret &&
        this.#surroundings.established.info(handshake.association)
      ) {
        const { masterSecret } = outcome;
        const secret = { hash: suite.hash, masterSecret, clientRandom, serverRandom };
        this.#surroundings.keepExporterSecret(handshake.association, secret);
      }
      return;
    }
    this.#surroundings.connectionIds.release(handshake.association);
    const { failure, writeSequenceEpoch0 } = outcome;
    if (failure.alertSent !== undefined && writeSequenceEpoch0 !== undefined) {
      const random = outcome.isHelloRefused ? handshake.clientRandom : undefined;
      this.#farewells.add(address, failure.alertSent, writeSequenceEpoch0, now, random);
    }
    const { association, role } = handshake;
    this.#surroundings.emit({ kind: 'handshake-failed', association, address, role, failure });
  }

  /** Tells a peer that goes on with what has failed that it has. */
  repeatFarewell(address: PeerAddress, now: Instant): void {
    const datagram = this.#farewells.repetition(address, now);
    if (datagram !== undefined) this.#surroundings.emit({ kind: 'transmit', address, datagram });
  }

  /** Tells of a client that never got to a handshake; at a bounded rate, since it costs the client one datagram. */
  #reportRefusal(address: PeerAddress, failure: HandshakeFailure, now: Instant): void {
    if (!this.#admission.mayReport(now)) return;
    const association = this.newAssociation();
    this.#surroundings.emit({ kind: 'handshake-failed', association, address, role: 'server', failure });
  }

  #giveUp(handshake: Handshake, cause: 'replaced' | 'capacity', detail: string, now: Instant): void {
    handshake.cancel({ cause, detail }, undefined, now);
    this.#conclude(handshake, now);
  }

  #discard(address: PeerAddress, reason: DtlsDiscardReason): void {
    this.#surroundings.emit({ kind: 'discarded', address, reason });
  }
}

/** Whether a pre-shared key has a length that there is (RFC 4279 §2). */
function isUsableKey({ length }: Uint8Array): boolean {
  return length > 0 && length <= 0xffff;
}
