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
import { earliest, type Instant } from '../../foundation/instant.ts';
import type { PeerAddress } from '../../foundation/peer-address.ts';
import type { RandomSource } from '../../foundation/random-source.ts';
import { AlertDescription, alertName, decodeAlert } from '../alert.ts';
import type { CheckedDtlsConfig } from '../dtls-config.ts';
import type { AssociationId, DtlsDiscardReason, DtlsOutput, DtlsRole } from '../dtls-output.ts';
import { fragmentOf, type RecordView } from '../record/demultiplex.ts';
import type { EpochKeys } from '../record/epoch-keys.ts';
import { ContentType } from '../record/record-header.ts';
import { startClient } from './client-12/index.ts';
import { Ended } from './ended.ts';
import { FlightMachine } from './flight-machine.ts';
import { HandshakeClock } from './handshake-clock.ts';
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
import { traceAlert, traceChangeCipherSpec, traceReceived } from './handshake-trace.ts';
import { HandshakeType, handshakeTypeName } from './handshake-type.ts';
import { IncomingMessages } from './incoming-messages.ts';
import { isEndingAlert, KeyEvidence } from './key-evidence.ts';
import { decodeMessageFragment, type HandshakeMessage } from './message-header.ts';
import { OutgoingFlights } from './outgoing-flights.ts';
import { ProtectedRecords } from './protected-records.ts';
import { startServer } from './server-12/index.ts';
import { Transcript } from './transcript.ts';
import { UnprovenEnd, type UnprovenSign } from './unproven-end.ts';

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
  /**
   * Set while another handshake with the same peer has the voice: this one goes on when the peer does, but repeats
   * nothing and sends no alert.
   */
  isSetAside = false;
  readonly #emit: (output: DtlsOutput) => void;
  readonly #askForPsk: HandshakeOptions['askForPsk'];
  readonly #incoming: IncomingMessages;
  readonly #outgoing: OutgoingFlights;
  readonly #flightMachine: FlightMachine;
  readonly #protected = new ProtectedRecords();
  readonly #clock: HandshakeClock;
  #now: Instant;
  #state: HandshakeState;
  #outcome: HandshakeOutcome | undefined;
  readonly #unprovenEnd = new UnprovenEnd();
  /** Why the state refused the message it was just given. */
  #refusal: FailureOfState | undefined;
  #hasTimerExpired = false;
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
    this.#clock = new HandshakeClock(start.kind, this.config, now);
    const first = start.kind === 'server' ? start : { recordSequenceNumber: 0, messageSeq: 0 };
    this.#incoming = new IncomingMessages(first.messageSeq);
    this.#outgoing = new OutgoingFlights(this, this.config.mtu, this.#emit, first);
    if (start.kind === 'server') {
      this.clientRandom = start.clientRandom.slice();
      this.#state = startServer();
    } else {
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
    return this.#protected.held.bytes + this.#incoming.keptBytes;
  }

  /** When `handleTimeout` is due. */
  get deadline(): Instant | undefined {
    if (this.#outcome !== undefined) return undefined;
    return earliest(this.#clock.deadline(this.#isPeersTurn), this.#flightMachine.deadline);
  }

  /** Whether it is the peer's turn, in a part of the handshake that has a time limit of its own. */
  get #isPeersTurn(): boolean {
    return !this.#state.waitsForApplication && (this.role === 'server' || this.#outgoing.isFinishedSent);
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
      if (again && !this.#state.waitsForApplication) this.#transmitAgain();
    }
    this.#peerRepeated = false;
    this.#progressed = false;
    this.#incoming.beginDatagram();
  }

  /**
   * Server: the ClientHello came again, with a good cookie but under any message_seq, since a client that got two
   * cookies sends two of them.
   *
   * @returns false when the first one is not complete yet, so that this one can be it.
   */
  receiveRepeatedClientHello(): boolean {
    if (this.#outgoing.flight === undefined) return false;
    this.#peerRepeated = true;
    return true;
  }

  /** Hands over what the application found. */
  answerPsk(answer: PskAnswer | undefined, now: Instant): void {
    if (this.#outcome !== undefined) return;
    this.#now = now;
    this.#clock.noteProgress(now);
    this.#advance({ kind: 'psk-answer', answer });
    this.#drain();
  }

  /** Runs what is due. */
  handleTimeout(now: Instant): void {
    if (this.#outcome !== undefined) return;
    this.#now = now;
    const expired = this.#clock.expired(this.#isPeersTurn, now);
    if (expired === 'stalled' && this.role === 'client') {
      this.#end(this.#evidence.failure('silence'));
    } else if (expired !== undefined) {
      this.#end({ cause: 'timeout', detail: `the peer did not go on (state ${this.#state.name})` });
    } else if (this.#flightMachine.deadline !== undefined && this.#flightMachine.deadline <= now) {
      this.#flightTimerExpired();
    }
  }

  /** Ends the handshake from our side, with an alert that says so when the peer can take part in it. */
  cancel(failure: HandshakeFailure, alert: AlertDescription | undefined, now: Instant): void {
    if (this.#outcome !== undefined) return;
    this.#now = now;
    if (alert === undefined) this.#end(failure);
    else this.#endWithAlert(failure, alert);
  }

  // What the states call.

  nextMessageSeq(): number {
    return this.#outgoing.messageSeq++;
  }

  continueAfter(messageSeq: number): void {
    this.#outgoing.messageSeq = messageSeq + 1;
  }

  sendFlight(number: number, contents: readonly FlightContent[]): void {
    this.#outgoing.flight = { number, contents };
    this.#hasTimerExpired = false;
    this.#unprovenEnd.forget();
    this.#incoming.noteFlightSent();
    this.#flightMachine.handle('next-flight-received', this.#now);
    this.#outgoing.transmit(false);
    this.#flightMachine.handle('flight-sent', this.#now);
  }

  changeFlight(number: number, contents: readonly FlightContent[]): void {
    this.#outgoing.flight = { number, contents };
  }

  installKeys(keys: { readonly read: EpochKeys; readonly write: EpochKeys }): void {
    this.#protected.keys = keys.read;
    this.#outgoing.records.write = keys.write;
    this.#evidence.noteKeys();
    // The time for a Finished that opens begins when both are there.
    if (this.#evidence.hasChangeCipherSpec) this.#restartTimer();
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
    const { records, flight } = this.#outgoing;
    const { write } = records;
    const { keys: read, window, held } = this.#protected;
    if (read === undefined || write === undefined) throw new InvariantError('established without keys');
    this.#flightMachine.handle('last-flight-received', this.#now);
    this.#outcome = {
      kind: 'established',
      ...result,
      read,
      write,
      window,
      writeSequence: records.sequence[1],
      writeSequenceEpoch0: records.sequence[0],
      peerMessageSeq: this.#incoming.lastMessageSeq,
      finalFlight: flight?.number === 6 ? flight : undefined,
      held: held.takeAll(),
    };
    return new Ended();
  }

  fail({ cause, detail, alert }: FailureOfState): HandshakeState {
    this.#endWithAlert({ cause, detail }, alert);
    return new Ended();
  }

  failMalformed(message: HandshakeMessage, fault: DecodeFault): HandshakeState {
    const detail = `${handshakeTypeName(message.type)}: ${fault.reason} (byte ${fault.offset})`;
    return this.#refuse({ cause: 'malformed-message', detail, alert: AlertDescription.DecodeError });
  }

  failUnexpected(state: HandshakeState, message: { readonly type: number }): HandshakeState {
    const detail = `${handshakeTypeName(message.type)} came in state ${state.name}`;
    return this.#refuse({ cause: 'unexpected-message', detail, alert: AlertDescription.UnexpectedMessage });
  }

  #refuse(failure: FailureOfState): HandshakeState {
    // What was protected is the peer's own doing.
    if (this.#state.takes === 'epoch-1') return this.fail(failure);
    this.#refusal = failure;
    return this.#state;
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
    const plaintext = this.#protected.open(record, this.#state.takes === 'epoch-1');
    if (plaintext === 'held') return;
    if (typeof plaintext === 'string') {
      // Only counted: anybody can send a record that does not open (RFC 6347 §4.1.2.7).
      const isUnopened =
        plaintext === 'authentication-failed' && record.contentType === ContentType.Handshake;
      if (isUnopened) this.#evidence.noteUnopenedRecord();
      this.#discard(plaintext);
      return;
    }
    if (record.contentType === ContentType.Handshake) {
      this.#receiveMessages(plaintext, 1);
    } else if (record.contentType === ContentType.Alert) {
      const alert = decodeAlert(plaintext);
      if (!('level' in alert)) return;
      this.#emit(traceAlert(this, 'received', alertName(alert.description), 1));
      if (isEndingAlert(alert)) this.#believe({ kind: 'alert', alert });
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
      // A ServerHello numbered higher than our ClientHello was meant for an earlier run of this client; unless
      // nothing better comes.
      const latestAnswer = this.#hasTimerExpired ? Infinity : this.#outgoing.messageSeq - 1;
      const fate = this.#incoming.add(epoch, fragment, this.#state, latestAnswer);
      if (fate === 'late-answer') {
        this.#discard('late-answer');
        continue;
      }
      if (fate === 'refused') {
        this.#discard('handshake-limit');
        continue;
      }
      const isRepeated = fate === 'old' || fate === 'repeated';
      this.#emit(
        traceReceived(this, epoch, fragment, { retransmit: isRepeated, reordered: fate === 'ahead' }),
      );
      if (fate === 'repeated') {
        this.#peerRepeated = true;
        this.#evidence.notePeerRepeated();
        if (this.role === 'client') this.#clock.noteProgress(this.#now);
      }
      if (fate === 'unexpected') {
        this.failUnexpected(this.#state, fragment);
        this.#noteRefusal();
      }
      this.#drain();
    } while (reader.remaining > 0 && this.#outcome === undefined);
  }

  #receiveChangeCipherSpec(content: Uint8Array): void {
    const isWellFormed = content.length === 1 && content[0] === 1;
    // RFC 5246 §7.1, and the cause of more than one CVE: never before the messages it has to follow.
    if (!isWellFormed || !this.#state.takesChangeCipherSpec) {
      if (!this.#evidence.hasChangeCipherSpec) this.#discard('unexpected-change-cipher-spec');
      return;
    }
    this.#emit(traceChangeCipherSpec(this));
    this.#evidence.noteChangeCipherSpec();
    this.#restartTimer();
    this.#advance({ kind: 'change-cipher-spec' });
    this.#drain();
  }

  #receivePlaintextAlert(content: Uint8Array): void {
    const alert = decodeAlert(content);
    if (!('level' in alert)) {
      this.#discard('malformed-record');
      return;
    }
    this.#emit(traceAlert(this, 'received', alertName(alert.description), 0));
    if (isEndingAlert(alert)) this.#noteUnproven({ kind: 'alert', alert });
  }

  /** Something anybody could have sent says that the handshake is over; one that goes on proves it wrong. */
  #noteUnproven(sign: UnprovenSign): void {
    const effect = this.#unprovenEnd.note(sign);
    if (effect === 'believed' && !this.#state.waitsForApplication) this.#believe(sign);
    // Asks the peer again soon, whatever the timer had grown to.
    else if (effect === 'first') this.#restartTimer();
  }

  // The states.

  /** Gives the state whatever it now takes, until there is nothing left. */
  #drain(): void {
    for (;;) {
      const message = this.#incoming.next(this.#state.takes);
      if (message !== undefined) {
        this.#advance({ kind: 'message', message });
        if (this.#refusal !== undefined) {
          this.#incoming.refuse(message);
          this.#noteRefusal();
        }
        continue;
      }
      const held = this.#state.takes === 'epoch-1' ? this.#protected.held.takeHandshakeRecords() : [];
      if (held.length === 0) return;
      for (const record of held) this.#receiveProtected(record);
    }
  }

  #noteRefusal(): void {
    const failure = this.#refusal;
    this.#refusal = undefined;
    if (failure === undefined) return;
    this.#discard('unexpected-handshake-message');
    this.#noteUnproven({ kind: 'message', failure });
  }

  #advance(input: HandshakeInput): void {
    const before = this.#state;
    const next = before.handle(input, this);
    this.#state = this.#outcome === undefined ? next : new Ended();
    if (input.kind === 'psk-answer' || (next === before && input.kind === 'message')) return;
    this.#progressed = true;
    this.#unprovenEnd.forget();
    this.#clock.noteProgress(this.#now);
  }

  // Flights, alerts and the end.

  #flightTimerExpired(): void {
    this.#hasTimerExpired = true;
    if (this.#state.waitsForApplication) {
      // The peer waits for us: its silence and its repetitions say nothing.
      this.#flightMachine.handle('timer-expired', this.#now);
      return;
    }
    const sign = this.#unprovenEnd.noteTimerExpired();
    if (sign !== undefined) {
      this.#believe(sign);
      return;
    }
    const verdict = this.#evidence.noteTimerExpired(this.#outgoing.isFinishedSent);
    if (verdict === 'bad-finished') {
      this.#endWithAlert(this.#evidence.failure(verdict), AlertDescription.DecryptError);
    } else if (verdict === 'no-answer') {
      this.#end(this.#evidence.failure(verdict));
    } else {
      this.#state.handleTimerExpired?.(this);
      if (this.#flightMachine.handle('timer-expired', this.#now)) this.#transmitAgain();
    }
  }

  #transmitAgain(): void {
    if (!this.isSetAside) this.#outgoing.transmit(true);
  }

  #restartTimer(): void {
    if (this.#flightMachine.state === 'waiting') this.#flightMachine.restartTimer(this.#now);
  }

  #believe(sign: UnprovenSign): void {
    if (sign.kind === 'message') this.fail(sign.failure);
    else this.#end(this.#evidence.failureByAlert(sign.alert, this.#outgoing.isFinishedSent));
  }

  #endWithAlert(failure: HandshakeFailure, alertSent: AlertDescription): void {
    if (this.isSetAside) {
      this.#end(failure);
      return;
    }
    this.#outgoing.sendAlert(alertSent);
    this.#end({ ...failure, alertSent });
  }

  #end(failure: HandshakeFailure): void {
    const isInEpoch0 = failure.alertSent !== undefined && !this.#outgoing.isFinishedSent;
    this.#outcome = {
      kind: 'failed',
      failure: this.#evidence.refine(failure),
      ...(isInEpoch0 ? { writeSequenceEpoch0: this.#outgoing.records.sequence[0] } : {}),
    };
    this.#state = new Ended();
    this.#protected.held.takeAll();
  }

  #discard(reason: DtlsDiscardReason): void {
    this.#emit({ kind: 'discarded', address: this.address, reason });
  }
}
