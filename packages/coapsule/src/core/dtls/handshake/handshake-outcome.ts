/**
 * What a handshake is started with and what it leaves. Types only.
 *
 * @module
 */

import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import type { Instant } from '../../foundation/instant.ts';
import type { PeerAddress } from '../../foundation/peer-address.ts';
import type { RandomSource } from '../../foundation/random-source.ts';
import type { PeerAuthentication } from '../credentials.ts';
import type { CheckedDtlsConfig } from '../dtls-config.ts';
import type { AssociationId, DtlsOutput } from '../dtls-output.ts';
import type { ReplayWindowState } from '../record/anti-replay-window.ts';
import type { RecordView } from '../record/demultiplex.ts';
import type { EpochKeys } from '../record/epoch-keys.ts';
import type { SessionStores } from '../session/peer-sessions.ts';
import type { Flight } from './flight.ts';
import type { HandshakeContext, HandshakeResult } from './handshake-context.ts';
import type { HandshakeFailure } from './handshake-failure.ts';

/** What a good handshake leaves: all that an association starts with. */
export interface Established extends Omit<HandshakeResult, 'proof' | 'newTicket'> {
  readonly kind: 'established';
  readonly authentication: PeerAuthentication;
  readonly resumed: boolean;
  readonly read: EpochKeys;
  readonly write: EpochKeys;
  readonly window: ReplayWindowState;
  /** Next sequence number to write, in epoch 1 and in epoch 0. */
  readonly writeSequence: number;
  readonly writeSequenceEpoch0: number;
  /** message_seq of the peer's Finished. */
  readonly peerMessageSeq: number;
  /** The last flight, when it was ours to send. */
  readonly finalFlight: Flight | undefined;
  /** Application data that came early; not opened yet. */
  readonly held: readonly RecordView[];
}

/** How a handshake ended. */
export type HandshakeOutcome = Established | Failed;

/** What a failed handshake leaves. */
export interface Failed {
  readonly kind: 'failed';
  readonly failure: HandshakeFailure;
  /** Next sequence number to write in epoch 0, when the last alert went out there: it may have to be repeated. */
  readonly writeSequenceEpoch0?: number;
  /** Server: the ClientHello alone was the reason, so that it will be refused again. */
  readonly isHelloRefused: boolean;
}

/** What a handshake is started with. */
export interface HandshakeOptions {
  readonly association: AssociationId;
  readonly address: PeerAddress;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly config: CheckedDtlsConfig;
  readonly sessions: SessionStores;
  readonly emit: (output: DtlsOutput) => void;
  /** Whether there is little room left for handshakes of clients, so that slow ones are not waited for. */
  readonly isCrowded: () => boolean;
  /** Whether one more message may be looked at in place of one that was refused; asked for each. */
  readonly mayCheckAgain: (now: Instant) => boolean;
  /** The same for one that costs public-key work. */
  readonly mayCheckKeyAgain: (now: Instant) => boolean;
  readonly askForPsk: (question: Parameters<HandshakeContext['askForPsk']>[0], now: Instant) => void;
  readonly askToVerifyPeer: HandshakeContext['askToVerifyPeer'];
  readonly newConnectionId: HandshakeContext['newConnectionId'];
}

/** The record sequence number the first flight of a server begins with, and its client's first numbers. */
export interface ServerStart {
  readonly kind: 'server';
  /** That of the record with the ClientHello (RFC 6347 §4.2.1). */
  readonly recordSequenceNumber: number;
  /** That of the ClientHello; the server's first message takes the same. */
  readonly messageSeq: number;
  readonly clientRandom: Uint8Array;
}

/** How a client begins. */
export interface ClientStart {
  readonly kind: 'client';
  readonly serverName: string | undefined;
}
