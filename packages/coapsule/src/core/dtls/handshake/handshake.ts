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
import { earliest, type Instant } from '../../foundation/instant.ts';
import type { PeerAddress } from '../../foundation/peer-address.ts';
import { type Alert, AlertDescription, alertName, decodeAlert } from '../alert.ts';
import type { AssociationId, DtlsDiscardReason, DtlsRole, TracedDatagram } from '../dtls-output.ts';
import { fragmentOf, type RecordView } from '../record/demultiplex.ts';
import { ContentType } from '../record/record-header.ts';
import { failureByAlert, isEndingAlert } from './alert-meaning.ts';
import { startClient } from './client-12/index.ts';
import { Ended } from './ended.ts';
import { HandshakeClock } from './handshake-clock.ts';
import type { HandshakeInput, PeerVerdict, PskAnswer } from './handshake-context.ts';
import { HandshakeEffects } from './handshake-effects.ts';
import type { HandshakeFailure } from './handshake-failure.ts';
import type { ClientStart, HandshakeOptions, HandshakeOutcome, ServerStart } from './handshake-outcome.ts';
import { traceAlert, traceChangeCipherSpec, traceReceived } from './handshake-trace.ts';
import { HandshakeType } from './handshake-type.ts';
import { decodeMessageFragment } from './message-header.ts';
import { startServer } from './server-12/index.ts';
import type { UnprovenSign } from './unproven-end.ts';

/** One handshake with one peer. Call `settle` after the records of each datagram. */
export class Handshake {
  readonly association: AssociationId;
  readonly address: PeerAddress;
  readonly role: DtlsRole;
  /** Whether a session goes on; known from the ServerHello on. */
  isResumption = false;
  /** The random of the client's ClientHello; tells a repeated ClientHello from a new one. */
  readonly clientRandom: Uint8Array;
  readonly #effects: HandshakeEffects;
  readonly #clock: HandshakeClock;
  readonly #options: HandshakeOptions;
  /** Datagrams from the peer so far, and the present one. */
  #datagrams = 0;
  #datagram: TracedDatagram = { bytes: 0 };
  #isNewDatagram = true;
  /** Whether a message was refused since it last went on: those after it may cost a check each. */
  #hasRefused = false;
  #peerRepeated = false;
  #progressed = false;

  constructor(options: HandshakeOptions, start: ServerStart | ClientStart, now: Instant) {
    this.association = options.association;
    this.address = options.address;
    this.role = start.kind;
    this.#options = options;
    this.#clock = new HandshakeClock(options.config, now);
    const first = start.kind === 'server' ? start : { recordSequenceNumber: 0, messageSeq: 0 };
    this.#effects = new HandshakeEffects(options, this, first, now);
    if (start.kind === 'server') {
      this.clientRandom = start.clientRandom.slice();
      this.#effects.state = startServer();
    } else {
      const { state, random } = startClient(this.#effects, start.serverName);
      this.clientRandom = random;
      this.#effects.state = state;
    }
  }

  /**
   * Set while another handshake with the same peer has the voice: this one goes on when the peer does, but repeats
   * nothing and sends no alert.
   */
  set isSetAside(isSetAside: boolean) {
    this.#effects.isSetAside = isSetAside;
  }

  /** Name of the present state, for traces and tests. */
  get stateName(): string {
    return this.#effects.state.name;
  }

  /** How it ended, once it has. */
  get outcome(): HandshakeOutcome | undefined {
    return this.#effects.outcome;
  }

  /** Server: whether the client's key or identity looks wrong, however the handshake ends. */
  get hasDoubtfulKey(): boolean {
    return this.#effects.evidence.speaksAgainstKey;
  }

  /** Bytes kept of what the peer sent, for tests of the limits. */
  get keptBytes(): number {
    return this.#effects.protectedRecords.held.bytes + this.#effects.incoming.keptBytes;
  }

  /** When `handleTimeout` is due. */
  get deadline(): Instant | undefined {
    if (this.#effects.outcome !== undefined) return undefined;
    return earliest(this.#clock.deadline(this.#patience), this.#effects.flightMachine.deadline);
  }

  /**
   * How long the peer's silence may last, where that is limited: with a server when it has little room left, with a
   * client when the server may have fallen silent because of a wrong key.
   */
  get #patience(): number | undefined {
    const { state, outgoing, evidence } = this.#effects;
    if (state.waitsForApplication) return undefined;
    if (this.role === 'server') return this.#options.isCrowded() ? 1 : undefined;
    return outgoing.isFinishedSent && evidence.usesPsk ? evidence.patience : undefined;
  }

  /** Takes one record of epoch 0 or 1. Opens it in place where it can; copies what it keeps. */
  receive(record: RecordView, now: Instant): void {
    if (this.#effects.outcome !== undefined) return;
    this.#effects.now = now;
    if (this.#isNewDatagram) this.#datagram = { bytes: record.datagram.length, number: this.#datagrams++ };
    this.#isNewDatagram = false;
    if (record.epoch === 0) this.#receivePlaintext(record);
    else if (record.epoch === 1) this.#receiveProtected(record);
    else this.#discard('unknown-epoch');
  }

  /** Does what waits for the end of a datagram: answers a repeated flight with ours. */
  settle(now: Instant): void {
    this.#effects.now = now;
    if (this.#effects.outcome === undefined && this.#peerRepeated && !this.#progressed) {
      const again = this.#effects.flightMachine.handle('peer-repeated', now);
      if (again && !this.#effects.state.waitsForApplication) this.#effects.transmitAgain();
    }
    this.#peerRepeated = false;
    this.#progressed = false;
    this.#isNewDatagram = true;
    this.#effects.incoming.beginDatagram();
    this.#effects.keyChecks.beginDatagram();
  }

  /**
   * Server: the ClientHello came again, with a good cookie but under any message_seq, since a client that got two
   * cookies sends two of them.
   *
   * @returns false when the first one is not complete yet, so that this one can be it.
   */
  receiveRepeatedClientHello(): boolean {
    if (this.#effects.outgoing.flight === undefined) return false;
    this.#peerRepeated = true;
    this.#effects.seen.repeatedHellos++;
    return true;
  }

  /** Hands over what the application found. */
  answerPsk(answer: PskAnswer | undefined, now: Instant): void {
    this.#answer({ kind: 'psk-answer', answer }, now);
  }

  /** Hands over what the application thinks of the peer's credential. */
  answerPeerVerification(verdict: PeerVerdict, now: Instant): void {
    this.#answer({ kind: 'peer-verdict', verdict }, now);
  }

  #answer(input: HandshakeInput, now: Instant): void {
    if (this.#effects.outcome !== undefined) return;
    this.#effects.now = now;
    this.#clock.noteProgress(now);
    this.#advance(input);
    this.#drain();
  }

  /** Runs what is due. */
  handleTimeout(now: Instant): void {
    if (this.#effects.outcome !== undefined) return;
    this.#effects.now = now;
    const expired = this.#clock.expired(this.#patience, now);
    const { deadline = Infinity } = this.#effects.flightMachine;
    if (expired !== undefined) this.#effects.endForSilence(expired);
    else if (deadline <= now) this.#flightTimerExpired();
  }

  /** The link was interrupted and is there again: our flight goes once more, at once. */
  linkRestored(now: Instant): void {
    const { outcome, state, flightMachine } = this.#effects;
    if (outcome !== undefined || state.waitsForApplication) return;
    this.#effects.now = now;
    if (flightMachine.linkRestored(now)) this.#effects.transmitAgain();
  }

  /** Ends the handshake from our side, with an alert that says so when the peer can take part in it. */
  cancel(failure: HandshakeFailure, alert: AlertDescription | undefined, now: Instant): void {
    if (this.#effects.outcome !== undefined) return;
    this.#effects.now = now;
    if (alert === undefined) this.#effects.end(failure);
    else this.#effects.endWithAlert(failure, alert);
  }

  #receivePlaintext(record: RecordView): void {
    const fragment = fragmentOf(record);
    switch (record.recordType) {
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
    const opened = this.#effects.protectedRecords.open(record, this.#effects.state.takes === 'epoch-1');
    if (opened === 'held') return;
    if (typeof opened === 'string') {
      // Only counted: anybody can send a record that does not open (RFC 6347 §4.1.2.7).
      const isUnopened =
        opened === 'authentication-failed' && record.recordType !== ContentType.ApplicationData;
      if (isUnopened) this.#effects.evidence.noteUnopenedRecord();
      this.#discard(opened);
      return;
    }
    if (opened.contentType === ContentType.Handshake) {
      this.#receiveMessages(opened.content, 1);
    } else if (opened.contentType === ContentType.Alert) {
      const alert = decodeAlert(opened.content);
      if (!('level' in alert)) return;
      this.#traceAlert(alert, 1);
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
      const latestAnswer = this.#effects.hasTimerExpired ? Infinity : this.#effects.outgoing.messageSeq - 1;
      const fate = this.#effects.incoming.add(epoch, fragment, this.#effects.state, latestAnswer);
      if (fate === 'late-answer') {
        this.#discard('late-answer');
        continue;
      }
      if (fate === 'refused') {
        this.#discard('handshake-limit');
        continue;
      }
      const isRepeated = this.#effects.seen.noteFragment(fragment) || fate === 'old' || fate === 'repeated';
      this.#effects.emit(
        traceReceived(this, epoch, fragment, this.#datagram, {
          retransmit: isRepeated,
          reordered: fate === 'ahead' && !isRepeated,
        }),
      );
      if (!isRepeated) this.#effects.flightMachine.noteAnswerPart(this.#effects.now);
      if (fate === 'repeated') {
        this.#peerRepeated = true;
        this.#effects.seen.repeatedAnswers++;
        this.#effects.evidence.notePeerRepeated();
        if (this.role === 'client') this.#clock.noteRepetition(this.#effects.now);
      }
      if (fate === 'unexpected') {
        this.#effects.failUnexpected(this.#effects.state, fragment);
        this.#noteRefusal();
      }
      this.#drain();
    } while (reader.remaining > 0 && this.#effects.outcome === undefined);
  }

  #receiveChangeCipherSpec(content: Uint8Array): void {
    const isWellFormed = content.length === 1 && content[0] === 1;
    // RFC 5246 §7.1, and the cause of more than one CVE: never before the messages it has to follow.
    if (!isWellFormed || !this.#effects.state.takesChangeCipherSpec) {
      if (!this.#effects.evidence.hasChangeCipherSpec) this.#discard('unexpected-change-cipher-spec');
      return;
    }
    const { evidence } = this.#effects;
    this.#effects.emit(traceChangeCipherSpec(this, this.#datagram, evidence.hasChangeCipherSpec));
    evidence.noteChangeCipherSpec();
    this.#effects.restartTimer();
    this.#advance({ kind: 'change-cipher-spec' });
    this.#drain();
  }

  #receivePlaintextAlert(content: Uint8Array): void {
    const alert = decodeAlert(content);
    if (!('level' in alert)) {
      this.#discard('malformed-record');
      return;
    }
    this.#traceAlert(alert, 0);
    if (isEndingAlert(alert)) this.#noteUnproven({ kind: 'alert', alert });
  }

  /** Something anybody could have sent says that the handshake is over; one that goes on proves it wrong. */
  #noteUnproven(sign: UnprovenSign): void {
    const effect = this.#effects.unprovenEnd.note(sign);
    if (effect === 'believed' && !this.#effects.state.waitsForApplication) this.#believe(sign);
    // Asks the peer again soon, whatever the timer had grown to.
    else if (effect === 'first') this.#effects.restartTimer();
  }

  /** Gives the state whatever it now takes, until there is nothing left. */
  #drain(): void {
    for (;;) {
      const message = this.#effects.incoming.next(this.#effects.state.takes);
      if (message !== undefined && this.#hasRefused && !this.#options.mayCheckAgain(this.#effects.now)) {
        this.#effects.incoming.refuse(message);
        this.#discard('handshake-rate');
        continue;
      }
      if (message !== undefined) {
        this.#advance({ kind: 'message', message });
        if (this.#effects.refusal !== undefined) {
          this.#effects.incoming.refuse(message);
          this.#noteRefusal();
        }
        continue;
      }
      const held =
        this.#effects.state.takes === 'epoch-1'
          ? this.#effects.protectedRecords.held.takeHandshakeRecords()
          : [];
      if (held.length === 0) return;
      for (const record of held) this.#receiveProtected(record);
    }
  }

  #noteRefusal(): void {
    const failure = this.#effects.refusal;
    this.#effects.refusal = undefined;
    if (failure === undefined) return;
    if (failure === 'passed-over') {
      this.#discard('handshake-rate');
      return;
    }
    this.#hasRefused = true;
    this.#discard('unexpected-handshake-message');
    this.#noteUnproven({ kind: 'message', failure });
  }

  #advance(input: HandshakeInput): void {
    const before = this.#effects.state;
    const next = before.handle(input, this.#effects);
    this.#effects.state = this.#effects.outcome === undefined ? next : new Ended();
    if (
      input.kind === 'psk-answer' ||
      input.kind === 'peer-verdict' ||
      (next === before && input.kind === 'message')
    )
      return;
    this.#progressed = true;
    this.#hasRefused = false;
    this.#effects.unprovenEnd.forget();
    this.#clock.noteProgress(this.#effects.now);
  }

  #flightTimerExpired(): void {
    this.#effects.hasTimerExpired = true;
    if (this.#effects.state.waitsForApplication) {
      // The peer waits for us: its silence and its repetitions say nothing.
      this.#effects.flightMachine.handle('timer-expired', this.#effects.now);
      return;
    }
    const sign = this.#effects.unprovenEnd.noteTimerExpired();
    if (sign !== undefined) {
      this.#believe(sign);
      return;
    }
    // A client that repeats its ClientHello to a server that goes on with a session says nothing about keys.
    const isClientFinished = this.role === 'client' && this.#effects.outgoing.isFinishedSent;
    const verdict = this.#effects.evidence.noteTimerExpired(isClientFinished);
    if (verdict === 'bad-finished') {
      this.#effects.endWithAlert(this.#effects.evidence.failure(verdict), AlertDescription.DecryptError);
    } else {
      if (verdict === 'no-answer') this.#clock.noteLastChance(this.#effects.now);
      this.#effects.state.handleTimerExpired?.(this.#effects);
      if (this.#effects.outcome !== undefined) return;
      const isDue = this.#effects.flightMachine.handle('timer-expired', this.#effects.now);
      if (isDue) this.#effects.transmitAgain();
    }
  }

  #believe(sign: UnprovenSign): void {
    if (sign.kind === 'message') this.#effects.fail(sign.failure);
    else this.#effects.end(failureByAlert(sign.alert, this.#effects.facts));
  }

  #traceAlert({ description }: Alert, epoch: 0 | 1): void {
    this.#effects.emit(traceAlert(this, 'received', alertName(description), epoch, this.#datagram));
  }

  #discard(reason: DtlsDiscardReason): void {
    this.#effects.emit({ kind: 'discarded', address: this.address, reason });
  }
}
