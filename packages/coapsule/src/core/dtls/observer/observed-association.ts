/**
 * One association as somebody sees it who takes no part: its handshakes, its keys, and its records, opened where that is possible.
 *
 * Another handshake on the same addresses (RFC 6347 §4.2.8) does not end what was agreed before it: until its own keys are in use,
 * records may be under the old ones, and both are tried.
 *
 * @module
 */

import { ByteReader } from '../../foundation/byte-reader.ts';
import { equalBytes } from '../../foundation/bytes.ts';
import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import type { CipherSuite } from '../cipher-suites.ts';
import { isDecodeFault } from '../handshake/decode-fault.ts';
import { HandshakeType } from '../handshake/handshake-type.ts';
import { decodeMessageFragment, type MessageFragment } from '../handshake/message-header.ts';
import { decodeClientHelloStart } from '../handshake/messages/client-hello.ts';
import { copyRecord, fragmentOf, type RecordView, recordLength } from '../record/demultiplex.ts';
import { isOpenFault, openRecord } from '../record/open-record.ts';
import { ContentType, connectionIdRecordType, recordHeaderLength } from '../record/record-header.ts';
import { ObservedHandshake, type ObservedKeys } from './observed-handshake.ts';
import type {
  ObservedFragment,
  ObservedRecord,
  ObservedSide,
  ObserverSecrets,
  UnreadableReason,
} from './observed-record.ts';
import type { ObservedSessions } from './observed-sessions.ts';

/** Both directions of one association. */
export class ObservedAssociation {
  /** From 1 on. */
  readonly number: number;
  readonly #crypto: CryptoProvider;
  readonly #secrets: ObserverSecrets;
  readonly #sessions: ObservedSessions;
  #handshake: ObservedHandshake | undefined;
  /** Of the handshake before the last. */
  #earlierKeys: ObservedKeys | undefined;
  #suite: CipherSuite | undefined;
  #connectionIds: Readonly<Record<ObservedSide, Uint8Array>> | undefined;

  constructor(number: number, crypto: CryptoProvider, secrets: ObserverSecrets, sessions: ObservedSessions) {
    this.number = number;
    this.#crypto = crypto;
    this.#secrets = secrets;
    this.#sessions = sessions;
  }

  /** Of the last handshake that came as far as a ServerHello. */
  get suite(): CipherSuite | undefined {
    return this.#suite;
  }

  /** Those that records to each side carry; `undefined` without. */
  get connectionIds(): Readonly<Record<ObservedSide, Uint8Array>> | undefined {
    return this.#connectionIds;
  }

  /** Takes the records of a datagram, in their order. The datagram stays as it is. */
  observe(sender: ObservedSide | undefined, records: readonly RecordView[]): readonly ObservedRecord[] {
    return records.map((record) => this.#observe(sender, record));
  }

  #observe(sender: ObservedSide | undefined, record: RecordView): ObservedRecord {
    const { recordType, epoch, connectionId } = record;
    const opened = epoch === 0 ? inTheClear(record) : this.#open(sender, record);
    const { contentType, content } = opened;
    const pieces = contentType === ContentType.Handshake && content !== undefined ? fragmentsOf(content) : [];
    if (sender !== undefined) for (const { fragment } of pieces) this.#handle(sender, epoch, fragment);
    const headerLength = recordHeaderLength + connectionId.length;
    return {
      ...{ recordType, version: record.version, epoch, sequenceNumber: record.sequenceNumber, connectionId },
      ...{ offset: record.fragmentOffset - headerLength, headerLength, length: recordLength(record) },
      ...{ contentType, content },
      ...(opened.unreadable !== undefined && { unreadable: opened.unreadable }),
      fragments: pieces.map(({ observed }) => observed),
    };
  }

  #handle(sender: ObservedSide, epoch: number, fragment: MessageFragment): void {
    if (sender === 'client' && epoch === 0 && this.#beginsAnew(fragment)) {
      this.#earlierKeys = this.#handshake?.keys ?? this.#earlierKeys;
      this.#handshake = undefined;
    }
    this.#handshake ??= new ObservedHandshake(this.#crypto, this.#secrets, this.#sessions);
    const handshake = this.#handshake;
    handshake.handle(sender, epoch, fragment);
    this.#suite = handshake.suite ?? this.#suite;
    this.#connectionIds = handshake.connectionIds ?? this.#connectionIds;
  }

  /** A ClientHello of a handshake that is not the one that is going on: its random says so (RFC 6347 §4.2.1 keeps it with the cookie). */
  #beginsAnew({ type, fragmentOffset, fragment }: MessageFragment): boolean {
    if (type !== HandshakeType.ClientHello || fragmentOffset > 0) return false;
    const known = this.#handshake?.clientRandom;
    if (known === undefined) return false;
    const start = decodeClientHelloStart(fragment);
    return !isDecodeFault(start) && !equalBytes(start.random, known);
  }

  /** Tries what is known; who sent it may not be. */
  #open(sender: ObservedSide | undefined, record: RecordView): Opened {
    let reason: UnreadableReason = 'no-keys';
    this.#handshake?.useLateSecret();
    for (const keys of [this.#handshake?.keys, this.#earlierKeys]) {
      if (keys === undefined) continue;
      for (const side of sender === undefined ? (['client', 'server'] as const) : [sender]) {
        const result = openRecord(keys[side], copyRecord(record));
        if (!isOpenFault(result)) return { contentType: result.contentType, content: result.content };
        reason = result.reason;
      }
    }
    return {
      contentType: record.recordType === connectionIdRecordType ? undefined : record.recordType,
      content: undefined,
      unreadable: reason,
    };
  }
}

interface Opened {
  readonly contentType: ContentType | undefined;
  readonly content: Uint8Array | undefined;
  readonly unreadable?: UnreadableReason;
}

function inTheClear(record: RecordView): Opened {
  // Nobody sends a connection id before there are keys (RFC 9146 §4); the splitter takes none for a record.
  const contentType = record.recordType === connectionIdRecordType ? undefined : record.recordType;
  return { contentType, content: fragmentOf(record) };
}

interface Piece {
  readonly fragment: MessageFragment;
  readonly observed: ObservedFragment;
}

/** A record may hold several; what does not fit any more is left out. */
function fragmentsOf(content: Uint8Array): readonly Piece[] {
  const reader = new ByteReader(content);
  const pieces: Piece[] = [];
  while (reader.remaining > 0) {
    const at = reader.position;
    const fragment = decodeMessageFragment(reader);
    if (fragment === undefined) break;
    const { type, messageSeq, length, fragmentOffset } = fragment;
    const fragmentLength = fragment.fragment.length;
    pieces.push({
      fragment,
      observed: { type, messageSeq, length, fragmentOffset, fragmentLength, at },
    });
  }
  return pieces;
}
