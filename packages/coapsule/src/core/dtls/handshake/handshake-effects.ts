/**
 * What the states of a handshake can bring about: flights, keys, questions, and its end.
 *
 * What comes in, and when anything happens, is the business of `handshake.ts`, which owns one of these.
 *
 * @module
 */

import { toHex } from '../../foundation/bytes.ts';
import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import { type DecodeFault, InvariantError } from '../../foundation/errors.ts';
import type { DurationMs, Instant } from '../../foundation/instant.ts';
import type { RandomSource } from '../../foundation/random-source.ts';
import { AlertDescription } from '../alert.ts';
import { signsKeyExchange } from '../cipher-suites.ts';
import type { PresentedCredential } from '../credentials.ts';
import type { CheckedDtlsConfig } from '../dtls-config.ts';
import type { DtlsOutput, DtlsRole } from '../dtls-output.ts';
import { SessionsAsClient, SessionsAsServer } from '../session/peer-sessions.ts';
import { Ended } from './ended.ts';
import { FlightMachine } from './flight-machine.ts';
import type {
  FailureOfState,
  FlightContent,
  HandshakeContext,
  HandshakeParameters,
  HandshakeResult,
  HandshakeState,
  InstalledKeys,
} from './handshake-context.ts';
import type { HandshakeFacts } from './handshake-facts.ts';
import type { HandshakeFailure } from './handshake-failure.ts';
import type { HandshakeOptions, HandshakeOutcome } from './handshake-outcome.ts';
import type { TracedHandshake } from './handshake-trace.ts';
import { HandshakeTranscript } from './handshake-transcript.ts';
import { handshakeTypeName } from './handshake-type.ts';
import { IncomingMessages } from './incoming-messages.ts';
import { KeyChecks } from './key-checks.ts';
import { KeyEvidence } from './key-evidence.ts';
import type { HandshakeMessage } from './message-header.ts';
import { ObservedFlights } from './observed-flights.ts';
import { OutgoingFlights } from './outgoing-flights.ts';
import { authenticationOf } from './peer-credential.ts';
import { ProtectedRecords } from './protected-records.ts';
import { failureBySilence } from './silence.ts';
import { Transcript } from './transcript.ts';
import { UnprovenEnd } from './unproven-end.ts';

/** The effects of one handshake, and the parts of it that they work on. */
export class HandshakeEffects implements HandshakeContext {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly config: CheckedDtlsConfig;
  readonly transcript: Transcript;
  readonly incoming: IncomingMessages;
  readonly outgoing: OutgoingFlights;
  readonly protectedRecords: ProtectedRecords = new ProtectedRecords();
  readonly flightMachine: FlightMachine;
  readonly evidence: KeyEvidence;
  readonly keyChecks: KeyChecks;
  readonly seen: ObservedFlights = new ObservedFlights();
  readonly unprovenEnd: UnprovenEnd = new UnprovenEnd();
  /** The time of the present call. */
  now: Instant;
  /** The state that is asked. */
  state: HandshakeState = new Ended();
  /** How it ended, once it has. */
  outcome: HandshakeOutcome | undefined;
  /** Why the state refused the message it was just given, or that it did not look at it. */
  refusal: FailureOfState | 'passed-over' | undefined;
  /** Whether the timer of the present flight has expired. */
  hasTimerExpired = false;
  /** See `Handshake.isSetAside`. */
  isSetAside = false;
  readonly role: DtlsRole;
  readonly sessionsAsServer: SessionsAsServer;
  readonly sessionsAsClient: SessionsAsClient;
  readonly #emitOutside: (output: DtlsOutput) => void;
  readonly #askForPsk: HandshakeOptions['askForPsk'];
  readonly #askToVerifyPeer: HandshakeOptions['askToVerifyPeer'];
  readonly #newConnectionId: HandshakeOptions['newConnectionId'];
  readonly #traced: TracedHandshake;
  readonly #datagrams: HandshakeTranscript;
  #parameters: HandshakeParameters | undefined;

  constructor(
    options: HandshakeOptions,
    traced: TracedHandshake,
    first: { readonly recordSequenceNumber: number; readonly messageSeq: number },
    now: Instant,
  ) {
    this.crypto = options.crypto;
    this.random = options.random;
    this.config = options.config;
    this.now = now;
    this.role = traced.role;
    const { association, address, sessions } = options;
    this.sessionsAsServer = new SessionsAsServer(sessions.server, association, () => this.now);
    this.sessionsAsClient = new SessionsAsClient(sessions.client, association, address, () => this.now);
    this.#emitOutside = options.emit;
    this.#askForPsk = options.askForPsk;
    this.#askToVerifyPeer = options.askToVerifyPeer;
    this.#newConnectionId = options.newConnectionId;
    this.#traced = traced;
    this.#datagrams = new HandshakeTranscript(traced.role);
    this.transcript = new Transcript(this.crypto);
    const { initialTimeoutMs, maxTimeoutMs, mtu, bytesPerSecond } = this.config;
    const wireMs = (bytes: number): DurationMs => (1000 * bytes) / bytesPerSecond;
    const wireTime = { flightMs: () => wireMs(this.outgoing.transmittedBytes), answerMs: wireMs(mtu) };
    const isSlow = bytesPerSecond < Infinity;
    this.flightMachine = new FlightMachine(initialTimeoutMs, maxTimeoutMs, isSlow ? wireTime : undefined);
    this.evidence = new KeyEvidence(traced.role);
    this.keyChecks = new KeyChecks(
      (body) => options.crypto.digest('SHA-256', body),
      (at) => options.mayCheckKeyAgain(at),
    );
    this.incoming = new IncomingMessages(first.messageSeq);
    this.outgoing = new OutgoingFlights(traced, this.config.mtu, (output) => this.emit(output), first);
  }

  nextMessageSeq(): number {
    return this.outgoing.messageSeq++;
  }

  continueAfter(messageSeq: number): void {
    this.outgoing.messageSeq = messageSeq + 1;
  }

  sendFlight(number: number, contents: readonly FlightContent[]): void {
    this.outgoing.flight = { number, contents };
    if (this.hasTimerExpired) this.evidence.sawLoss = true;
    this.hasTimerExpired = false;
    this.unprovenEnd.forget();
    this.incoming.noteFlightSent();
    this.seen.begin();
    this.flightMachine.handle('next-flight-received', this.now);
    this.outgoing.transmit(false);
    this.flightMachine.handle('flight-sent', this.now);
  }

  changeFlight(number: number, contents: readonly FlightContent[]): void {
    this.outgoing.flight = { number, contents };
  }

  agree(parameters: HandshakeParameters): void {
    const { suite, recordSizeLimits, session } = parameters;
    this.#parameters = parameters;
    this.transcript.begin(suite.hash);
    this.outgoing.recordLimit = recordSizeLimits.peer;
    // Where a session goes on, both have its key.
    this.evidence.usesPsk = !signsKeyExchange(suite) && session.resumed === undefined;
    this.#traced.isResumption = session.resumed !== undefined;
  }

  get installedIndex(): number {
    return this.protectedRecords.installedIndex;
  }

  installKeys(keys: InstalledKeys, others: readonly (() => InstalledKeys)[] = []): void {
    this.outgoing.records.write = keys.write;
    this.protectedRecords.install(keys, others, ({ write }) => {
      this.outgoing.records.write = write;
    });
    this.evidence.noteKeys();
    // The time for a Finished that opens begins when both are there.
    if (this.evidence.hasChangeCipherSpec) this.restartTimer();
  }

  askForPsk(question: { readonly identity?: Uint8Array; readonly hint?: Uint8Array }): void {
    // The server's flight timer runs on: it also times the alert after a Finished that does not open.
    if (this.role === 'client') this.flightMachine.handle('next-flight-received', this.now);
    this.#askForPsk(question, this.now);
  }

  askToVerifyPeer(question: {
    readonly credential: PresentedCredential;
    readonly serverName?: string;
  }): void {
    if (this.role === 'client') this.flightMachine.handle('next-flight-received', this.now);
    this.#askToVerifyPeer(question);
  }

  newConnectionId(length: number): Uint8Array {
    return this.#newConnectionId(length);
  }

  noteIdentityUnknown(): void {
    this.evidence.identityIsUnknown = true;
  }

  logMasterSecret(clientRandom: Uint8Array, masterSecret: Uint8Array): void {
    if (!this.config.keylog) return;
    this.emit({ kind: 'keylog', line: `CLIENT_RANDOM ${toHex(clientRandom)} ${toHex(masterSecret)}` });
  }

  establish({ parameters, identity, proof, masterSecret, pskIndex }: HandshakeResult): HandshakeState {
    const { records, flight } = this.outgoing;
    const resumed = parameters.session.resumed !== undefined;
    const { write } = records;
    const { keys: read, window, held } = this.protectedRecords;
    if (read === undefined || write === undefined) throw new InvariantError('established without keys');
    this.flightMachine.handle('last-flight-received', this.now);
    this.outcome = {
      kind: 'established',
      parameters,
      identity,
      authentication: authenticationOf(proof),
      masterSecret,
      ...(pskIndex === undefined ? {} : { pskIndex }),
      resumed,
      read,
      write,
      window,
      writeSequence: records.sequence[1],
      writeSequenceEpoch0: records.sequence[0],
      peerMessageSeq: this.incoming.lastMessageSeq,
      // RFC 5246 §7.3: in an abbreviated handshake the last flight is the client's.
      finalFlight: resumed === (this.role === 'client') ? flight : undefined,
      held: held.takeAll(),
    };
    return new Ended();
  }

  fail({ cause, detail, alert }: FailureOfState): HandshakeState {
    this.endWithAlert({ cause, detail }, alert);
    return new Ended();
  }

  refuse(failure: FailureOfState): HandshakeState {
    // What was protected is the peer's own doing.
    if (this.state.takes === 'epoch-1') return this.fail(failure);
    this.refusal = failure;
    return this.state;
  }

  checkKey<T extends object>(message: HandshakeMessage, check: () => T | FailureOfState): T | undefined {
    const result = this.keyChecks.check(message, check, this.now);
    if (result === 'passed-over') this.refusal = result;
    else if ('alert' in result) this.refuse(result);
    else return result;
    return undefined;
  }

  failMalformed(message: HandshakeMessage, fault: DecodeFault): HandshakeState {
    const detail = `${handshakeTypeName(message.type)}: ${fault.reason} (byte ${fault.offset})`;
    return this.refuse({ cause: 'malformed-message', detail, alert: AlertDescription.DecodeError });
  }

  failUnexpected(state: HandshakeState, message: { readonly type: number }): HandshakeState {
    const detail = `${handshakeTypeName(message.type)} came in state ${state.name}`;
    return this.refuse({ cause: 'unexpected-message', detail, alert: AlertDescription.UnexpectedMessage });
  }

  // What the machine calls.

  emit(output: DtlsOutput): void {
    if (output.kind === 'handshake-trace') this.#datagrams.note(output, this.now);
    this.#emitOutside(output);
  }

  /** What is known when it ends. */
  get facts(): HandshakeFacts {
    const { role, config, outgoing, evidence, seen } = this;
    return {
      role,
      config,
      parameters: this.#parameters,
      flight: outgoing.flight,
      ...outgoing.effort,
      isFinishedSent: outgoing.isFinishedSent,
      usesPsk: evidence.usesPsk,
      seen,
      nextMessageSeq: this.incoming.lastMessageSeq + 1,
      waitsForApplication: this.state.waitsForApplication,
    };
  }

  /** Gives the flight timer its first value again, while it runs. */
  restartTimer(): void {
    if (this.flightMachine.state === 'waiting') this.flightMachine.restartTimer(this.now);
  }

  /** Sends the present flight again. */
  transmitAgain(): void {
    if (!this.isSetAside) this.outgoing.transmit(true);
  }

  /** Ends the handshake and tells the peer. */
  endWithAlert(failure: HandshakeFailure, alertSent: AlertDescription): void {
    if (this.isSetAside) {
      this.end(failure);
      return;
    }
    this.outgoing.sendAlert(alertSent);
    this.end({ ...failure, alertSent });
  }

  /** Ends a handshake that the peer does not go on with: for a wrong key, when that may be it, or for how far it came. */
  endForSilence(verdict: 'silence' | 'no-answer'): void {
    const { facts } = this;
    const mayBeTheKey = this.role === 'client' && facts.isFinishedSent && facts.usesPsk;
    this.end(mayBeTheKey ? this.evidence.failure(verdict) : failureBySilence(facts));
  }

  /** Ends the handshake in silence. */
  end(failure: HandshakeFailure): void {
    if (this.#blamesSession(failure)) this.sessionsAsClient.forgetOffered();
    const isInEpoch0 = failure.alertSent !== undefined && !this.outgoing.isFinishedSent;
    this.outcome = {
      kind: 'failed',
      failure: { ...this.#refined(failure), transcript: this.#datagrams.datagrams },
      isHelloRefused: this.role === 'server' && this.outgoing.flight === undefined,
      ...(isInEpoch0 ? { writeSequenceEpoch0: this.outgoing.records.sequence[0] } : {}),
    };
    this.state = new Ended();
    this.protectedRecords.held.takeAll();
  }

  /** The same failure, or what we know better than a peer that falls silent or gives up. */
  #refined(failure: HandshakeFailure): HandshakeFailure {
    if (failure.alertReceived === AlertDescription.UserCanceled) {
      const { cause, detail } = failureBySilence(this.facts);
      if (cause === 'mtu-too-large') return { ...failure, cause, detail };
    }
    return this.evidence.refine(failure);
  }

  /** Whether it may be for the session we offered. Silence before the ServerHello says nothing about it. */
  #blamesSession({ cause }: HandshakeFailure): boolean {
    if (cause === 'peer-silent') return this.#traced.isResumption === true;
    return cause !== 'cancelled' && cause !== 'replaced' && cause !== 'capacity';
  }
}
