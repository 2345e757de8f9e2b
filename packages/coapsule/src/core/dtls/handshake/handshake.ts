/**
 * One handshake: the machine around the states of `client-12/` and `server-12/`.
 *
 * It brings messages into order, sends flights and sends them again, keeps the limits and decides when to give
 * up. It lives only while hands are shaken; `outcome` tells what is left then. Records of an established
 * association, cookies and look-ups by address are not its business (`../dtls-layer.ts`).
 *
 * @module
 */

import { ByteReader } from '../../foundation/byte-reader.ts';
import { toHex } from '../../foundation/bytes.ts';
import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import { type DecodeFault, InvariantError } from '../../foundation/errors.ts';
import { after, earliest, type Instant } from '../../foundation/instant.ts';
import type { PeerAddress } from '../../foundation/peer-address.ts';
import type { RandomSource } from '../../foundation/random-source.ts';
import { type Alert, AlertDescription, alertName, decodeAlert, encodeAlert } from '../alert.ts';
import type { CheckedDtlsConfig } from '../dtls-config.ts';
import type { AssociationId, DtlsDiscardReason, DtlsOutput, DtlsRole } from '../dtls-output.ts';
import { isNewRecord, markRecordReceived, type ReplayWindowState } from '../record/anti-replay-window.ts';
import { fragmentOf, type RecordView } from '../record/demultiplex.ts';
import type { EpochKeys } from '../record/epoch-keys.ts';
import { isOpenFault, openRecord } from '../record/open-record.ts';
import { ContentType } from '../record/record-header.ts';
import { startClient } from './client-12/index.ts';
import { Ended } from './ended.ts';
import { encodeFlight, type Flight } from './flight.ts';
import { FlightMachine } from './flight-machine.ts';
import type {
  FailureOfState,
  FlightContent,
  HandshakeContext,
  HandshakeInput,
  HandshakeResult,
  HandshakeState,
  PskAnswer,
} from './handshake-context.ts';
import type { HandshakeFailure } from './handshake-failure.ts';
import type { ClientStart, HandshakeOptions, HandshakeOutcome, ServerStart } from './handshake-outcome.ts';
import { HandshakeRecords } from './handshake-records.ts';
import { traceReceived, traceSent } from './handshake-trace.ts';
import { HandshakeType, handshakeTypeName } from './handshake-type.ts';
import { HeldRecords } from './held-records.ts';
import { isEndingAlert, KeyEvidence } from './key-evidence.ts';
import { decodeMessageFragment, type HandshakeMessage, type MessageFragment } from './message-header.ts';
import { Reassembly } from './reassembly.ts';
import { startServer } from './server-12/index.ts';
import { Transcript } from './transcript.ts';

/** One handshake with one peer. Call `settle` after the records of each datagram. */
export class Handshake implements HandshakeContext {
  readonly association: AssociationId;
  readonly address: PeerAddress;
  readonly role: DtlsRole;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly config: CheckedDtlsConfig;
  readonly transcript: Transcript;
  /** The random of the client's ClientHello; tells a repeated ClientHello from a new one. */
  readonly clientRandom: Uint8Array;
  readonly #emit: (output: DtlsOutput) => void;
  readonly #askForPsk: HandshakeOptions['askForPsk'];
  readonly #reassembly = new Reassembly();
  readonly #flightMachine: FlightMachine;
  readonly #records: HandshakeRecords;
  readonly #window: ReplayWindowState = { highest: -1, recent: 0, older: 0 };
  readonly #overallDeadline: Instant;
  #stallDeadline: Instant;
  #now: Instant;
  #state: HandshakeState;
  #messageSeq: number;
  #flight: Flight | undefined;
  #read: EpochKeys | undefined;
  readonly #held = new HeldRecords();
  #outcome: HandshakeOutcome | undefined;
  /** A fatal alert that anybody could have sent, and when it is believed. */
  #pendingAlert: { readonly alert: Alert; readonly believedAt: Instant } | undefined;
  #peerRepeated = false;
  #progressed = false;
  readonly #evidence: KeyEvidence;

  constructor(options: HandshakeOptions, start: ServerStart | ClientStart, now: Instant) {
    this.association = options.association;
    this.address = options.address;
    this.role = start.kind;
    this.#evidence = new KeyEvidence(start.kind);
    this.crypto = options.crypto;
    this.random = options.random;
    this.config = options.config;
    this.#emit = options.emit;
    this.#askForPsk = options.askForPsk;
    // Every suite of ours has this hash (RFC 5246 §7.4.9), so it can begin before the suite is chosen.
    this.transcript = new Transcript(this.crypto, 'SHA-256');
    this.#flightMachine = new FlightMachine(this.config.initialTimeoutMs, this.config.maxTimeoutMs);
    this.#now = now;
    this.#overallDeadline = after(now, this.config.handshakeTimeoutMs);
    this.#stallDeadline = after(now, this.config.handshakeStallMs);
    if (start.kind === 'server') {
      this.#records = new HandshakeRecords(start.recordSequenceNumber);
      this.#messageSeq = start.messageSeq;
      this.#reassembly.skipTo(start.messageSeq);
      this.clientRandom = start.clientRandom.slice();
      this.#state = startServer();
    } else {
      this.#records = new HandshakeRecords(0);
      this.#messageSeq = 0;
      const { state, random } = startClient(this, start.serverName);
      this.clientRandom = random;
      this.#state = state;
    }
  }

  /** Name of the present state, for traces and tests. */
  get stateName(): string {
    return this.#state.name;
  }

  /** How it ended, once it has. */
  get outcome(): HandshakeOutcome | undefined {
    return this.#outcome;
  }

  /** Bytes kept of what the peer sent, for tests of the limits. */
  get keptBytes(): number {
    return this.#held.bytes + this.#reassembly.keptBytes;
  }

  /** When `handleTimeout` is due. */
  get deadline(): Instant | undefined {
    if (this.#outcome !== undefined) return undefined;
    let deadline = earliest(this.#overallDeadline, this.#flightMachine.deadline);
    if (this.role === 'server' && !this.#state.waitsForApplication) {
      deadline = earliest(deadline, this.#stallDeadline);
    }
    return earliest(deadline, this.#pendingAlert?.believedAt);
  }

  /** Takes one record of epoch 0 or 1. Opens it in place where it can; copies what it keeps. */
  receive(record: RecordView, now: Instant): void {
    if (this.#outcome !== undefined) return;
    this.#now = now;
    if (record.epoch === 0) this.#receivePlaintext(record);
    else if (record.epoch === 1) this.#receiveProtected(record);
    else this.#discard('unknown-epoch');
  }

  /** Does what waits for the end of a datagram: answers a repeated flight with ours. */
  settle(now: Instant): void {
    this.#now = now;
    if (this.#outcome === undefined && this.#peerRepeated && !this.#progressed) {
      const again = this.#flightMachine.handle('peer-repeated', now);
      if (again && !this.#state.waitsForApplication) this.#transmitFlight(true);
    }
    this.#peerRepeated = false;
    this.#progressed = false;
  }

  /** Hands over what the application found. */
  answerPsk(answer: PskAnswer | undefined, now: Instant): void {
    if (this.#outcome !== undefined) return;
    this.#now = now;
    this.#stallDeadline = after(now, this.config.handshakeStallMs);
    this.#advance({ kind: 'psk-answer', answer });
    this.#drain();
  }

  /** Runs what is due. */
  handleTimeout(now: Instant): void {
    if (this.#outcome !== undefined) return;
    this.#now = now;
    const isStalled =
      this.role === 'server' && !this.#state.waitsForApplication && this.#stallDeadline <= now;
    if (this.#overallDeadline <= now || isStalled) {
      this.#end({ cause: 'timeout', detail: `the peer did not go on (state ${this.#state.name})` });
      return;
    }
    const flightTimer = this.#flightMachine.deadline;
    const hasExpired = flightTimer !== undefined && flightTimer <= now;
    if (this.#pendingAlert !== undefined && (hasExpired || this.#pendingAlert.believedAt <= now)) {
      if (!this.#state.waitsForApplication) {
        this.#believe(this.#pendingAlert.alert);
        return;
      }
      // It is our own application the peer waits for: the alert gets its time afterwards.
      const { alert } = this.#pendingAlert;
      this.#pendingAlert = { alert, believedAt: after(now, this.config.initialTimeoutMs) };
    }
    if (hasExpired) this.#flightTimerExpired();
  }

  /** Ends the handshake from our side, with an alert that says so when the peer can take part in it. */
  cancel(failure: HandshakeFailure, alert: AlertDescription | undefined, now: Instant): void {
    if (this.#outcome !== undefined) return;
    this.#now = now;
    if (alert !== undefined) this.#sendAlert(alert);
    this.#end(alert === undefined ? failure : { ...failure, alertSent: alert });
  }

  // What the states call.

  nextMessageSeq(): number {
    return this.#messageSeq++;
  }

  sendFlight(number: number, contents: readonly FlightContent[]): void {
    this.#flight = { number, contents };
    // What came before this ClientHello cannot be an answer to it.
    if (number === 3) this.#reassembly.clear();
    this.#flightMachine.handle('next-flight-received', this.#now);
    this.#transmitFlight(false);
    this.#flightMachine.handle('flight-sent', this.#now);
  }

  installKeys(keys: { readonly read: EpochKeys; readonly write: EpochKeys }): void {
    this.#read = keys.read;
    this.#records.write = keys.write;
  }

  askForPsk(question: { readonly identity?: Uint8Array; readonly hint?: Uint8Array }): void {
    // The server's flight timer runs on: it also times the alert after a Finished that does not open.
    if (this.role === 'client') this.#flightMachine.handle('next-flight-received', this.#now);
    this.#askForPsk(question);
  }

  noteIdentityUnknown(): void {
    this.#evidence.identityIsUnknown = true;
  }

  logMasterSecret(clientRandom: Uint8Array, masterSecret: Uint8Array): void {
    if (!this.config.keylog) return;
    this.#emit({ kind: 'keylog', line: `CLIENT_RANDOM ${toHex(clientRandom)} ${toHex(masterSecret)}` });
  }

  establish(result: HandshakeResult): HandshakeState {
    const { write } = this.#records;
    if (this.#read === undefined || write === undefined) throw new InvariantError('established without keys');
    this.#flightMachine.handle('last-flight-received', this.#now);
    this.#outcome = {
      kind: 'established',
      ...result,
      read: this.#read,
      write,
      window: this.#window,
      writeSequence: this.#records.sequence[1],
      writeSequenceEpoch0: this.#records.sequence[0],
      peerMessageSeq: this.#reassembly.nextReceiveSeq - 1,
      finalFlight: this.#flight?.number === 6 ? this.#flight : undefined,
      held: this.#held.takeAll(),
    };
    return new Ended();
  }

  fail(failure: FailureOfState): HandshakeState {
    const { cause, detail, alert } = failure;
    this.#sendAlert(alert);
    this.#end({ cause, detail, alertSent: alert });
    return new Ended();
  }

  failMalformed(message: HandshakeMessage, fault: DecodeFault): HandshakeState {
    const detail = `${handshakeTypeName(message.type)}: ${fault.reason} (byte ${fault.offset})`;
    return this.fail({ cause: 'malformed-message', detail, alert: AlertDescription.DecodeError });
  }

  failUnexpected(state: HandshakeState, message: HandshakeMessage): HandshakeState {
    const detail = `${handshakeTypeName(message.type)} came in state ${state.name}`;
    return this.fail({ cause: 'unexpected-message', detail, alert: AlertDescription.UnexpectedMessage });
  }

  // Records.

  #receivePlaintext(record: RecordView): void {
    const fragment = fragmentOf(record);
    switch (record.contentType) {
      case ContentType.Handshake:
        this.#receiveMessages(fragment, 0);
        return;
      case ContentType.ChangeCipherSpec:
        this.#receiveChangeCipherSpec(fragment);
        return;
      case ContentType.Alert:
        this.#receivePlaintextAlert(fragment);
        return;
      case ContentType.ApplicationData:
        this.#discard('plaintext-application-data');
        return;
    }
  }

  #receiveProtected(record: RecordView): void {
    // Application data waits until the peer's Finished is verified, whether it can be read or not.
    const isReadable = this.#state.takes === 'epoch-1' && record.contentType !== ContentType.ApplicationData;
    if (!isReadable || this.#read === undefined) {
      if (!this.#held.add(record)) this.#discard('handshake-limit');
      return;
    }
    if (!isNewRecord(this.#window, record.sequenceNumber)) {
      this.#discard('replayed-record');
      return;
    }
    const plaintext = openRecord(this.#read, record);
    if (isOpenFault(plaintext)) {
      // Only counted: anybody can send a record that does not open (RFC 6347 §4.1.2.7).
      if (record.contentType === ContentType.Handshake) this.#evidence.noteUnopenedRecord();
      this.#discard('authentication-failed');
      return;
    }
    markRecordReceived(this.#window, record.sequenceNumber);
    if (record.contentType === ContentType.Handshake) {
      this.#receiveMessages(plaintext, 1);
    } else if (record.contentType === ContentType.Alert) {
      const alert = decodeAlert(plaintext);
      if (!('level' in alert)) return;
      this.#traceAlert('received', alert.description, 1);
      if (isEndingAlert(alert)) this.#believe(alert);
    }
  }

  #receiveMessages(content: Uint8Array, epoch: 0 | 1): void {
    const reader = new ByteReader(content);
    do {
      const fragment = decodeMessageFragment(reader);
      if (fragment === undefined) {
        this.#discard('malformed-handshake-message');
        return;
      }
      // RFC 5246 §7.4.1.1: a client that is shaking hands ignores HelloRequest.
      if (fragment.type === HandshakeType.HelloRequest) continue;
      if (this.#isLateAnswer(fragment)) {
        this.#discard('late-answer');
        continue;
      }
      const fate = this.#reassembly.add(epoch, fragment);
      const isRepeated = fate === 'old';
      // A late HelloVerifyRequest says nothing about our present flight.
      if (isRepeated && fragment.type !== HandshakeType.HelloVerifyRequest) {
        this.#peerRepeated = true;
        this.#evidence.notePeerRepeated();
      }
      if (fate === 'refused') this.#discard('handshake-limit');
      const isFirstAnswer = this.#state.takes === 'first-answer' && firstAnswers.includes(fragment.type);
      const reordered = fate === 'ahead' && !isFirstAnswer;
      this.#emit(traceReceived(this, epoch, fragment, { retransmit: isRepeated, reordered }));
      this.#drain();
    } while (reader.remaining > 0 && this.#outcome === undefined);
  }

  /**
   * Whether a ServerHello answers a ClientHello of an earlier run of this client: servers number it no higher
   * than the ClientHello it answers.
   */
  #isLateAnswer(fragment: MessageFragment): boolean {
    const lastHello = this.#messageSeq - 1;
    return (
      this.#state.takes === 'first-answer' &&
      fragment.type === HandshakeType.ServerHello &&
      fragment.messageSeq > lastHello
    );
  }

  #receiveChangeCipherSpec(content: Uint8Array): void {
    const isWellFormed = content.length === 1 && content[0] === 1;
    // RFC 5246 §7.1, and the cause of more than one CVE: never before the messages it has to follow.
    if (!isWellFormed || !this.#state.takesChangeCipherSpec) {
      if (!this.#evidence.hasChangeCipherSpec) this.#discard('unexpected-change-cipher-spec');
      return;
    }
    this.#emit({
      kind: 'handshake-trace',
      association: this.association,
      address: this.address,
      role: this.role,
      direction: 'received',
      name: 'ChangeCipherSpec',
      flight: this.role === 'server' ? 5 : 6,
      epoch: 0,
      retransmit: false,
      reordered: false,
    });
    this.#evidence.noteChangeCipherSpec();
    if (this.#flightMachine.state === 'waiting') this.#flightMachine.restartTimer(this.#now);
    this.#advance({ kind: 'change-cipher-spec' });
    this.#drain();
  }

  #receivePlaintextAlert(content: Uint8Array): void {
    const alert = decodeAlert(content);
    if (!('level' in alert)) {
      this.#discard('malformed-record');
      return;
    }
    this.#traceAlert('received', alert.description, 0);
    if (!isEndingAlert(alert) || this.#pendingAlert !== undefined) return;
    // Anybody could have sent it; a handshake that goes on proves it wrong.
    this.#pendingAlert = { alert, believedAt: after(this.#now, this.config.initialTimeoutMs) };
  }

  // The states.

  /** Gives the state whatever it now takes, until there is nothing left. */
  #drain(): void {
    for (;;) {
      const message = this.#nextMessage();
      if (message !== undefined) {
        this.#advance({ kind: 'message', message });
        continue;
      }
      const held = this.#state.takes === 'epoch-1' ? this.#held.takeHandshakeRecords() : [];
      if (held.length === 0) return;
      for (const record of held) this.#receiveProtected(record);
    }
  }

  #nextMessage(): HandshakeMessage | undefined {
    switch (this.#state.takes) {
      case 'nothing':
        return undefined;
      case 'epoch-0':
        return this.#reassembly.take(0);
      case 'epoch-1':
        return this.#reassembly.take(1);
      case 'first-answer': {
        const message = this.#reassembly.takeOutOfOrder(firstAnswers);
        if (message?.type === HandshakeType.ServerHello) this.#reassembly.skipTo(message.messageSeq + 1);
        return message;
      }
    }
  }

  #advance(input: HandshakeInput): void {
    const before = this.#state;
    const next = before.handle(input, this);
    this.#state = this.#outcome === undefined ? next : new Ended();
    if (input.kind === 'psk-answer' || (next === before && input.kind === 'message')) return;
    this.#progressed = true;
    this.#pendingAlert = undefined;
    this.#stallDeadline = after(this.#now, this.config.handshakeStallMs);
  }

  // Flights, alerts and the end.

  #flightTimerExpired(): void {
    const verdict = this.#evidence.noteTimerExpired(this.#flight?.number === 5);
    if (verdict === 'bad-finished') {
      this.#sendAlert(AlertDescription.DecryptError);
      this.#end({ ...this.#evidence.failure(verdict), alertSent: AlertDescription.DecryptError });
    } else if (verdict === 'no-answer') {
      this.#end(this.#evidence.failure(verdict));
    } else {
      const again = this.#flightMachine.handle('timer-expired', this.#now);
      if (again && !this.#state.waitsForApplication) this.#transmitFlight(true);
    }
  }

  #believe(alert: Alert): void {
    this.#end(this.#evidence.failureByAlert(alert, this.#flight?.number === 5));
  }

  #end(failure: HandshakeFailure): void {
    this.#outcome = { kind: 'failed', failure: this.#evidence.refine(failure) };
    this.#state = new Ended();
    this.#held.takeAll();
  }

  #transmitFlight(retransmit: boolean): void {
    const flight = this.#flight;
    if (flight === undefined || !this.#records.hasNumbersLeft) return;
    const datagrams = encodeFlight(flight, this.config.mtu, this.#records, (sent) => {
      this.#emit(traceSent(this, flight.number, sent, retransmit));
    });
    for (const datagram of datagrams) this.#emit({ kind: 'transmit', address: this.address, datagram });
  }

  #sendAlert(description: AlertDescription): void {
    if (!this.#records.hasNumbersLeft) return;
    // A server writes in epoch 1 only from flight 6 on, a client from flight 5 on.
    const epoch = this.#flight !== undefined && this.#flight.number >= 5 ? 1 : 0;
    const datagram = this.#records.record(ContentType.Alert, epoch, encodeAlert('fatal', description));
    this.#traceAlert('sent', description, epoch);
    this.#emit({ kind: 'transmit', address: this.address, datagram });
  }

  #traceAlert(direction: 'sent' | 'received', description: number, epoch: 0 | 1): void {
    this.#emit({
      kind: 'handshake-trace',
      association: this.association,
      address: this.address,
      role: this.role,
      direction,
      name: `alert ${alertName(description)}`,
      epoch,
      retransmit: false,
      reordered: false,
    });
  }

  #discard(reason: DtlsDiscardReason): void {
    this.#emit({ kind: 'discarded', address: this.address, reason });
  }
}

const firstAnswers: readonly number[] = [HandshakeType.HelloVerifyRequest, HandshakeType.ServerHello];
