/**
 * What the states of a handshake see of the machine around them, and what the machine sees of a state.
 *
 * Types only, so that each state file needs no other part of the machine.
 *
 * @module
 */

import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import type { DecodeFault } from '../../foundation/errors.ts';
import type { Instant } from '../../foundation/instant.ts';
import type { RandomSource } from '../../foundation/random-source.ts';
import type { AlertDescription } from '../alert.ts';
import type { CipherSuite } from '../cipher-suites.ts';
import type { CertificateType, PresentedCredential } from '../credentials.ts';
import type { CheckedDtlsConfig } from '../dtls-config.ts';
import type { DtlsRole } from '../dtls-output.ts';
import type { EpochKeys } from '../record/epoch-keys.ts';
import type { SessionsAsClient, SessionsAsServer } from '../session/peer-sessions.ts';
import type { SessionProof, SessionState } from '../session/session-state.ts';
import type { HandshakeFailureCause } from './handshake-failure.ts';
import type { HandshakeMessage } from './message-header.ts';
import type { NewSessionTicket } from './messages/new-session-ticket.ts';
import type { Transcript } from './transcript.ts';

/** What a credential look-up came to. */
export interface PskAnswer {
  /** The client's own identity; not used by a server. */
  readonly identity?: Uint8Array;
  /** 1 … 65535 bytes. */
  readonly key: Uint8Array;
  /**
   * Server: other keys that the client may have under this identity, such as the one before a rotation; more than
   * `maxOtherKeys` do not come as far as a handshake. Which one it has shows in its first protected record.
   */
  readonly otherKeys?: readonly Uint8Array[];
}

/** More other keys are left out: a record that opens with none of them costs an attempt with each. */
export const maxOtherKeys = 3;

/** What became of a `verify-peer`. */
export type PeerVerdict =
  /** `identity` names the peer in `connected`; may be empty. */
  | { readonly accepted: true; readonly identity: Uint8Array }
  | {
      readonly accepted: false;
      readonly cause: HandshakeFailureCause;
      /** A sentence for a log: the subject, the dates, the names. */
      readonly detail: string;
    };

/** What can happen to a state. */
export type HandshakeInput =
  | { readonly kind: 'message'; readonly message: HandshakeMessage }
  | { readonly kind: 'change-cipher-spec' }
  | { readonly kind: 'psk-answer'; readonly answer: PskAnswer | undefined }
  | { readonly kind: 'peer-verdict'; readonly verdict: PeerVerdict };

/** One state. Each class holds only what it needs; `handle` returns the next one, or itself. */
export interface HandshakeState {
  readonly name: string;
  /**
   * Which messages it takes: the next in order of that epoch, the first answer of a server (whose numbering
   * is not known yet), or none for now.
   */
  readonly takes: 'epoch-0' | 'epoch-1' | 'first-answer' | 'nothing';
  /**
   * Types of messages that may come now, or later in the same flight. Others are not kept in epoch 0, where
   * anybody can send them.
   */
  readonly expects: readonly number[];
  readonly takesChangeCipherSpec: boolean;
  /** Whether it waits for the application: our last flight is then not sent again by the timer. */
  readonly waitsForApplication: boolean;
  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState;
  /** The flight timer expired: a last chance to change the flight before it is sent again. */
  handleTimerExpired?(context: HandshakeContext): void;
}

/** A content of an outgoing flight. */
export type FlightContent =
  | { readonly kind: 'message'; readonly message: HandshakeMessage; readonly epoch: 0 | 1 }
  | { readonly kind: 'change-cipher-spec' };

/** What both Hellos agreed on. */
export interface HandshakeParameters {
  readonly suite: CipherSuite;
  readonly clientRandom: Uint8Array;
  readonly serverRandom: Uint8Array;
  readonly extendedMasterSecret: boolean;
  /** RFC 9146; `undefined` when it was not negotiated. */
  readonly connectionIds: ConnectionIds | undefined;
  /** Whether RFC 9853 was negotiated. */
  readonly returnRoutabilityCheck: boolean;
  /** Largest plaintext of a record to the peer, and of one to us, in bytes (RFC 8449, RFC 6066 §4). */
  readonly recordSizeLimits: { readonly peer: number; readonly own: number };
  /** RFC 7301. */
  readonly protocol: string | undefined;
  /** RFC 6066 §3: the name that was asked for. */
  readonly serverName: string | undefined;
  /** In which form each side shows its key, where it does (RFC 7250). */
  readonly certificateTypes: Readonly<Record<DtlsRole, CertificateType>>;
  readonly session: AgreedSession;
}

/** The session of a handshake, as the ServerHello tells it. */
export interface AgreedSession {
  /** 0 … 32 bytes. */
  readonly sessionId: Uint8Array;
  /** Whether a NewSessionTicket comes before the server's ChangeCipherSpec (RFC 5077 §3.3). */
  readonly isTicketPromised: boolean;
  /** The one that goes on (RFC 5246 §7.3); `undefined` in a full handshake. */
  readonly resumed: SessionState | undefined;
}

/** The connection ids of an association (RFC 9146 §3); an empty one means records in the usual format. */
export interface ConnectionIds {
  /** In records to us: ours to choose, of the length that the layer was given. */
  readonly own: Uint8Array;
  /** In records to the peer, 0 … 255 bytes. */
  readonly peer: Uint8Array;
}

/** What an association needs to know when the handshake is over. */
export interface HandshakeResult {
  /** Server with a pre-shared key: which it was, 0 for `key` and n for the nth of `otherKeys`. */
  readonly pskIndex?: number;
  readonly parameters: HandshakeParameters;
  /** PSK: the client's identity, on either side. Else what the verdict said, or empty. */
  readonly identity: Uint8Array;
  readonly proof: SessionProof;
  /** 48 bytes (RFC 5246 §8.1). */
  readonly masterSecret: Uint8Array;
  /** Client: what came as NewSessionTicket. */
  readonly newTicket?: NewSessionTicket;
}

/** Why a state ends the handshake. */
export interface FailureOfState {
  readonly cause: HandshakeFailureCause;
  readonly detail: string;
  /** The fatal alert to send. */
  readonly alert: AlertDescription;
}

/** The keys of epoch 1 in both directions. */
export interface InstalledKeys {
  readonly read: EpochKeys;
  readonly write: EpochKeys;
}

/** What a state may do. */
export interface HandshakeContext {
  readonly role: DtlsRole;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly config: CheckedDtlsConfig;
  readonly transcript: Transcript;
  readonly now: Instant;
  readonly sessionsAsServer: SessionsAsServer;
  readonly sessionsAsClient: SessionsAsClient;
  /** The value for the next message of ours, counted up. */
  nextMessageSeq(): number;
  /** The peer goes on from our message with this message_seq, so ours go on there too. */
  continueAfter(messageSeq: number): void;
  /** Sends a flight (numbers as in RFC 6347 Figure 1) and keeps it for retransmission. */
  sendFlight(number: 1 | 3 | 4 | 5 | 6, contents: readonly FlightContent[]): void;
  /** Puts another flight in the place of the one under way; it goes out when that would be sent again. */
  changeFlight(number: 3, contents: readonly FlightContent[]): void;
  /**
   * The Hellos have agreed: the transcript gets its hash, and from the next flight on no record carries more
   * plaintext than the peer takes (RFC 8449, RFC 6066 §4).
   */
  agree(parameters: HandshakeParameters): void;
  /**
   * Hands over the keys of epoch 1. Reading with them begins with the peer's ChangeCipherSpec.
   *
   * @param others Made when the first record opens with none of those before; the ones that open it take the place.
   */
  installKeys(keys: InstalledKeys, others?: readonly (() => InstalledKeys)[]): void;
  /** Which of the keys that were handed over are in use: 0 for the first, n for the nth of the others. */
  readonly installedIndex: number;
  /** Asks the application for a key; the answer comes as an input. */
  askForPsk(question: { readonly identity?: Uint8Array; readonly hint?: Uint8Array }): void;
  /** Asks the application to judge what the peer showed; the verdict comes as an input. */
  askToVerifyPeer(question: { readonly credential: PresentedCredential; readonly serverName?: string }): void;
  /** A connection id for records to us that no other association of this layer has. */
  newConnectionId(length: number): Uint8Array;
  /** Remembers whether the identity had a key, for the cause of a failure. */
  noteIdentityUnknown(): void;
  /** Writes the key log line when the configuration wants it. */
  logMasterSecret(clientRandom: Uint8Array, masterSecret: Uint8Array): void;
  /** Ends the handshake well. */
  establish(result: HandshakeResult): HandshakeState;
  /** Ends the handshake with a fatal alert. */
  fail(failure: FailureOfState): HandshakeState;
  /**
   * Refuses a message for what is in it. In the clear, anybody could have sent it, and it ends the handshake only
   * when nothing better comes. Returns the present state in that case.
   */
  refuse(failure: FailureOfState): HandshakeState;
  /**
   * Does public-key work for a message that anybody could have sent. Refuses the message when the check fails; passes
   * it over, so that it is waited for again, when there was too much of such work (`key-checks.ts`).
   *
   * @returns `undefined` when the state is to stay as it is.
   */
  checkKey<T extends object>(message: HandshakeMessage, check: () => T | FailureOfState): T | undefined;
  /**
   * Refuses a message that cannot be decoded. Protected, it ends the handshake; in the clear, where anybody could
   * have sent it, it ends it only when nothing better comes. Returns the present state in that case.
   */
  failMalformed(message: HandshakeMessage, fault: DecodeFault): HandshakeState;
  /** Refuses a message that has no place here (RFC 5246 §7.4), in the same way. */
  failUnexpected(state: HandshakeState, message: HandshakeMessage): HandshakeState;
}
