/**
 * What the DTLS layer tells its caller. Types only.
 *
 * @module
 */

import type { PeerAddress } from '../foundation/peer-address.ts';
import type { CipherSuiteName } from './cipher-suites.ts';
import type { PeerAuthentication, PresentedCredential } from './credentials.ts';
import type { HandshakeFailure } from './handshake/handshake-failure.ts';

/** One association (RFC 9147 §2), from its first handshake message on. Never used again in a process. */
export type AssociationId = number;

/** Which side of an association we are. */
export type DtlsRole = 'client' | 'server';

/** Why an association ended. */
export type CloseReason =
  | 'close-notify'
  | 'alert'
  | 'replaced'
  | 'idle'
  | 'local'
  | 'capacity'
  | 'sequence-exhausted'
  | 'forgery-limit'
  /** It was asked for a sign of life and gave none. */
  | 'silent'
  /** It goes on elsewhere, or later: the peer was told nothing. */
  | 'exported'
  /** What it needs could not be stored. */
  | 'storing-failed';

/** Why bytes that came in had no effect. */
export type DtlsDiscardReason =
  | 'empty-datagram'
  | 'malformed-record'
  | 'malformed-handshake-message'
  | 'unexpected-handshake-message'
  | 'no-association'
  /** A record with a connection id that no association has. */
  | 'unknown-connection-id'
  /** A record with a connection id where none was agreed on, or without one where one was (RFC 9146 §3). */
  | 'connection-id-mismatch'
  | 'unexpected-content-type'
  | 'unexpected-path-message'
  | 'unknown-epoch'
  | 'replayed-record'
  /** It may have been received before a crash: the peer is asked for a sign of life. */
  | 'freshness-unproved'
  | 'authentication-failed'
  | 'plaintext-application-data'
  | 'plaintext-alert'
  | 'plaintext-handshake-message'
  | 'unexpected-change-cipher-spec'
  | 'handshake-limit'
  /** A ClientHello beyond `handshakeRate`. */
  | 'handshake-rate'
  /** A ClientHello of a host that has tried too many wrong keys or unknown identities. */
  | 'too-many-attempts'
  | 'incomplete-client-hello'
  | 'client-version-too-old'
  | 'repeated-client-hello'
  | 'not-a-server'
  | 'late-answer';

/** What became of data to send. */
export type SendResult =
  /** In a record on its way, or waiting: for a proof of the peer's new address, or for the surroundings to store. */
  | 'sent'
  /** It is longer than `maxDataLength`. */
  | 'too-large'
  /** There is no such association (any more). */
  | 'no-association';

/** One handshake message, ChangeCipherSpec or alert on its way, for a trace people can read. */
export interface HandshakeTrace {
  readonly kind: 'handshake-trace';
  /** Missing for what is answered without state. */
  readonly association?: AssociationId;
  readonly address: PeerAddress;
  readonly role: DtlsRole;
  readonly direction: 'sent' | 'received';
  /** Such as `ClientHello`, `ChangeCipherSpec`, `alert decrypt_error`. */
  readonly name: string;
  /** RFC 6347 Figure 1; missing for alerts. */
  readonly flight?: number;
  readonly epoch: number;
  readonly messageSeq?: number;
  /** Present when the record holds a part of the message only; in bytes of the body. */
  readonly fragment?: { readonly offset: number; readonly length: number; readonly total: number };
  /** Sent again by us, or seen before from the peer. */
  readonly retransmit: boolean;
  /** Came before a message it has to wait for. */
  readonly reordered: boolean;
  /** The datagram it is in. */
  readonly datagram?: TracedDatagram;
}

/** A datagram on the wire, without the headers of UDP and below. */
export interface TracedDatagram {
  readonly bytes: number;
  /** Counted from 0 in each direction of a handshake; missing where nothing is counted. */
  readonly number?: number;
  /** The limit it was made for, when repeated loss has brought it down from the configured MTU (RFC 6347 §4.1.1.1). */
  readonly reducedTo?: number;
}

/** Many records in a row that are of no use to us, from a peer or an address: what that most likely means. */
export interface OutOfStep {
  readonly kind: 'out-of-step';
  /** Missing when no association is known at the address. */
  readonly association?: AssociationId;
  readonly address: PeerAddress;
  /** How many there were. */
  readonly records: number;
  readonly likely: /** Sequence numbers seen before: the peer restored an old copy of its session, or somebody replays. */
    | 'old-copy-restored'
    /** Records of other keys: the peer has another session than we, or somebody forges. */
    | 'other-session'
    /** No session here: this side lost it, or closed it without the peer's knowledge. */
    | 'session-unknown-here';
}

/** What has to be stored. Each is to be in the store before any later one, or together with it. */
export type KeepingOutput =
  | {
      readonly kind: 'reserve-sequence';
      readonly association: AssociationId;
      /** First number that is not reserved. Answer with `reservationStored` or `storingFailed`. */
      readonly upTo: number;
    }
  | {
      readonly kind: 'advance-edge';
      readonly association: AssociationId;
      /**
       * Stored before the effects of data that comes out after this, or with them, and before answers to it leave.
       * Answer with `edgeStored` or `storingFailed`.
       */
      readonly edge: number;
    };

/** An association is there, and what the handshake said of it. */
export interface Connected {
  readonly kind: 'connected';
  readonly association: AssociationId;
  readonly address: PeerAddress;
  readonly role: DtlsRole;
  /** PSK: the client's identity, on either side. Else what the verification of the peer said, or empty. */
  readonly identity: Uint8Array;
  readonly authentication: PeerAuthentication;
  /** Server: the client has the nth of the other keys that its identity may have. */
  readonly otherPsk?: number;
  readonly suite: CipherSuiteName;
  readonly extendedMasterSecret: boolean;
  /** Whether an earlier session went on (RFC 5246 §7.3, RFC 5077). */
  readonly resumed: boolean;
  /** There was no handshake: the association comes from an earlier process, or from before a deep sleep. */
  readonly imported?: true;
  /** Negotiated, RFC 9146; without the field nothing was. Lengths in bytes: of records to us, and of ours. */
  readonly connectionIdLengths?: { readonly own: number; readonly peer: number };
  /** Negotiated application protocol (RFC 7301). */
  readonly protocol?: string;
  /** server_name of the ClientHello (RFC 6066 §3). */
  readonly serverName?: string;
  /** The association at the same address that this one took the place of. */
  readonly replaced?: AssociationId;
}

/** All outputs of `DtlsLayer`. */
export type DtlsOutput =
  | { readonly kind: 'transmit'; readonly address: PeerAddress; readonly datagram: Uint8Array }
  | {
      readonly kind: 'psk-lookup';
      /** To be answered with `answerPskLookup`. */
      readonly lookup: number;
      readonly role: DtlsRole;
      readonly association: AssociationId;
      readonly address: PeerAddress;
      /** Server: what the client calls itself. */
      readonly identity?: Uint8Array;
      /** Client: the server's hint, when it sent one. */
      readonly hint?: Uint8Array;
    }
  | {
      readonly kind: 'verify-peer';
      /** To be answered with `answerPeerVerification`. */
      readonly verification: number;
      readonly role: DtlsRole;
      readonly association: AssociationId;
      readonly address: PeerAddress;
      readonly credential: PresentedCredential;
      /** Client: the name that was asked for. Server: the name the client asked for. */
      readonly serverName?: string;
    }
  | Connected
  | {
      readonly kind: 'application-data';
      readonly association: AssociationId;
      readonly address: PeerAddress;
      /** May be a view of the datagram it came in. */
      readonly data: Uint8Array;
    }
  | {
      /**
       * Data that the peer may have sent before a crash: to be taken for nothing but the answer to a question that
       * was asked since then. `judgeAnswer` takes what is one, or claims to be.
       */
      readonly kind: 'doubtful-data';
      readonly association: AssociationId;
      readonly address: PeerAddress;
      readonly data: Uint8Array;
      readonly sequenceNumber: number;
      /** Whether it is time to ask the peer: something unpredictable that only a living peer answers. */
      readonly ask: boolean;
      /** Whether no question has gone to where it came from. */
      readonly isFromNewAddress: boolean;
    }
  | {
      /** An association to be kept, with `keepAssociations`. Until it is stored it is like any other. */
      readonly kind: 'keep-association';
      readonly association: AssociationId;
      readonly address: PeerAddress;
      readonly identity: Uint8Array;
      readonly authentication: PeerAuthentication;
      /** For `importAssociation`. */
      readonly state: Uint8Array;
      /** First write sequence number that is not reserved. */
      readonly reserved: number;
      /** Right edge of the replay window; -1 when nothing was received. */
      readonly edge: number;
    }
  | KeepingOutput
  | {
      /** The peer has another address (RFC 9146 §6); whatever is sent to it goes there from now on. */
      readonly kind: 'address-changed';
      readonly association: AssociationId;
      readonly from: PeerAddress;
      readonly to: PeerAddress;
      /** Whether the peer is known to receive there; else only as much is sent as `confirmAddress` allows. */
      readonly validated: boolean;
    }
  | {
      /** A record waits, or went to the former address only, until the peer's new address is proved. */
      readonly kind: 'amplification-limit';
      readonly association: AssociationId;
      /** The address that is not proved. */
      readonly address: PeerAddress;
      /** Of the record. */
      readonly bytes: number;
    }
  | {
      /** Its keys are near the end of what they may protect (RFC 9325 §4.4): a new handshake is due. Told once. */
      readonly kind: 'renew-association';
      readonly association: AssociationId;
      readonly address: PeerAddress;
      readonly role: DtlsRole;
      readonly reason: 'sealed-records' | 'forged-records';
    }
  | {
      /** Nothing came from the peer for `keepAliveMs`: time to ask it for a sign of life. */
      readonly kind: 'keep-alive-due';
      readonly association: AssociationId;
      readonly address: PeerAddress;
    }
  | OutOfStep
  | {
      readonly kind: 'closed';
      readonly association: AssociationId;
      readonly address: PeerAddress;
      readonly reason: CloseReason;
      /** The description of the alert that ended it. */
      readonly alert?: number;
      /** What was known of it. */
      readonly was: Connected;
    }
  | {
      readonly kind: 'handshake-failed';
      readonly association: AssociationId;
      readonly address: PeerAddress;
      readonly role: DtlsRole;
      readonly failure: HandshakeFailure;
    }
  | { readonly kind: 'keylog' /** NSS key log format, CLIENT_RANDOM. */; readonly line: string }
  | HandshakeTrace
  | { readonly kind: 'discarded'; readonly address: PeerAddress; readonly reason: DtlsDiscardReason };
