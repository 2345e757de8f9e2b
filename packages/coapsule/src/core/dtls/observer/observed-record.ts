/**
 * What somebody who watches a DTLS 1.2 association sees of one record. Types only: `dtls-observer.ts` makes them.
 *
 * @module
 */

import type { DecodeFault } from '../../foundation/errors.ts';
import type { CipherSuite } from '../cipher-suites.ts';
import type { OpenFault } from '../record/open-record.ts';
import type { ContentType, RecordType } from '../record/record-header.ts';

/** Who sent something: the one that began with a ClientHello is the client. */
export type ObservedSide = 'client' | 'server';

/** A piece of a handshake message, as it stands in a record. */
export interface ObservedFragment {
  readonly type: number;
  readonly messageSeq: number;
  /** Of the whole body, in bytes. */
  readonly length: number;
  readonly fragmentOffset: number;
  readonly fragmentLength: number;
  /** Where its header begins in the content of the record. */
  readonly at: number;
}

/** Why the content of a record is not known. */
export type UnreadableReason =
  /** Its keys are not known: no secret for this association, or its handshake was not seen. */
  'no-keys' | OpenFault['reason'];

/** One record of a datagram. */
export interface ObservedRecord {
  /** As it stands in the header; `25` with a connection id. */
  readonly recordType: RecordType;
  readonly version: number;
  readonly epoch: number;
  readonly sequenceNumber: number;
  /** A view of the datagram; empty without one. */
  readonly connectionId: Uint8Array;
  /** Where the record begins in its datagram. */
  readonly offset: number;
  /** Bytes before the fragment. */
  readonly headerLength: number;
  /** Of the whole record. */
  readonly length: number;
  /** Of what it holds; with a connection id it is encrypted, and undefined where it could not be opened. */
  readonly contentType: ContentType | undefined;
  /** What it holds: a view of the datagram in the clear, else what was opened, in an array of its own. */
  readonly content: Uint8Array | undefined;
  /** Set where `content` is not. */
  readonly unreadable?: UnreadableReason;
  /** Of a handshake record that could be read; none of another. */
  readonly fragments: readonly ObservedFragment[];
}

/** What was seen in a datagram. */
export interface ObservedDatagram {
  /** Undefined while nobody knows who is the client. */
  readonly sender: ObservedSide | undefined;
  readonly records: readonly ObservedRecord[];
  /** Bytes that are no record. */
  readonly fault?: DecodeFault;
  /** Numbers the associations of an observer from 1 on; the same for both directions and after a change of address. */
  readonly association: number;
  /** Suite of the handshake, once there was a ServerHello; `undefined` also for one that this library does not have. */
  readonly suite: CipherSuite | undefined;
}

/** What opens records. Both may know nothing. */
export interface ObserverSecrets {
  /** 48 bytes, as a key log has it. */
  masterSecret(clientRandom: Uint8Array): Uint8Array | undefined;
  /** The key of an identity, for the suites with nothing but a pre-shared key. */
  presharedKey(identity: Uint8Array): Uint8Array | undefined;
}
