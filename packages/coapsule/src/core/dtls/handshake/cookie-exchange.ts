/**
 * What a server does with a ClientHello before it keeps anything about the client (RFC 6347 §4.2.1).
 *
 * Answers from the record alone, once, with no more bytes than the record had; a fragmented ClientHello is
 * answered from its first fragment. Handshakes begin elsewhere.
 *
 * @module
 */

import { ByteReader } from '../../foundation/byte-reader.ts';
import type { Instant } from '../../foundation/instant.ts';
import type { PeerAddress } from '../../foundation/peer-address.ts';
import { AlertDescription, encodeAlert } from '../alert.ts';
import { fragmentOf, type RecordView } from '../record/demultiplex.ts';
import { encodePlaintextRecord } from '../record/plaintext-record.ts';
import {
  ContentType,
  maxSequenceNumber,
  ProtocolVersion,
  recordHeaderLength,
} from '../record/record-header.ts';
import type { CookieSource, ReceivedClientHello } from './cookie.ts';
import { isDecodeFault } from './decode-fault.ts';
import { HandshakeType } from './handshake-type.ts';
import { decodeMessageFragment, encodeMessageFragment, type MessageFragment } from './message-header.ts';
import { decodeClientHello, decodeClientHelloStart } from './messages/client-hello.ts';
import { encodeHelloVerifyRequest } from './messages/hello-verify-request.ts';

/** No client needs more ClientHellos, and no handshake more records. */
const highestFirstNumber = 0x7fff;

/** The first fragment of a ClientHello, or a whole one. */
export interface ReceivedFirstFragment extends ReceivedClientHello {
  readonly messageSeq: number;
}

/** Whether a handshake record of epoch 0 begins with (a fragment of) a ClientHello. */
export function holdsClientHello(record: RecordView): boolean {
  return record.fragmentLength > 0 && record.datagram[record.fragmentOffset] === HandshakeType.ClientHello;
}

/**
 * Reads the ClientHello of a record.
 *
 * @returns the hello when the record has its beginning; `later-fragment` for the others; or why it is ignored.
 */
export function readClientHello(
  record: RecordView,
): ReceivedFirstFragment | 'later-fragment' | 'malformed' | 'incomplete' {
  const reader = new ByteReader(fragmentOf(record));
  const fragment = decodeMessageFragment(reader);
  // A ClientHello is the only message of its flight, so nothing may follow it. Our numbers go on from those of
  // the client and must not run over.
  if (fragment === undefined || !reader.finished) return 'malformed';
  if (fragment.messageSeq > highestFirstNumber) return 'malformed';
  if (record.sequenceNumber > maxSequenceNumber - highestFirstNumber) return 'malformed';
  if (fragment.fragmentOffset > 0) return 'later-fragment';
  const isWhole = isWholeMessage(fragment);
  const start = decodeClientHelloStart(fragment.fragment);
  if (isDecodeFault(start)) return isWhole ? 'malformed' : 'incomplete';
  // Only version and cookie count in a version that is too old, so the rest is not looked at then.
  if (isWhole && !isTooOld(start.version) && isDecodeFault(decodeClientHello(fragment.fragment))) {
    return 'malformed';
  }
  return { start, body: fragment.fragment, isWhole, messageSeq: fragment.messageSeq };
}

/** What to do with a ClientHello from a client nothing is known about. */
export type CookieDecision =
  | { readonly kind: 'begin' }
  | {
      readonly kind: 'answer';
      readonly datagram: Uint8Array;
      readonly is: 'HelloVerifyRequest' | 'protocol_version';
    }
  | { readonly kind: 'ignore' };

/** Decides; keeps nothing. The datagram to answer with is never longer than the record. */
export function decideCookie(
  cookies: CookieSource,
  address: PeerAddress,
  record: RecordView,
  hello: ReceivedFirstFragment,
  now: Instant,
): CookieDecision {
  const answer = (contentType: ContentType, content: Uint8Array): Uint8Array =>
    // RFC 6347 §4.2.1: the sequence number is that of the ClientHello, since none are counted yet.
    encodePlaintextRecord(contentType, ProtocolVersion.Dtls10, 0, record.sequenceNumber, content);
  if (isTooOld(hello.start.version)) {
    const alert = encodeAlert('fatal', AlertDescription.ProtocolVersion);
    return { kind: 'answer', datagram: answer(ContentType.Alert, alert), is: 'protocol_version' };
  }
  if (cookies.isValid(address, hello, now)) return { kind: 'begin' };
  // RFC 6347 §4.2.1: a bad cookie is treated like none. The version is that of DTLS 1.0, which it recommends.
  const message = {
    type: HandshakeType.HelloVerifyRequest,
    // As the client numbers its own: 0 for the first, and a second one is not taken for a repetition.
    messageSeq: hello.messageSeq,
    body: encodeHelloVerifyRequest({
      version: ProtocolVersion.Dtls10,
      cookie: cookies.cookie(address, hello, now),
    }),
  };
  const datagram = answer(ContentType.Handshake, encodeMessageFragment(message, 0, message.body.length));
  if (datagram.length > recordHeaderLength + record.fragmentLength) return { kind: 'ignore' };
  return { kind: 'answer', datagram, is: 'HelloVerifyRequest' };
}

/** DTLS versions count down: 1.0 is 0xfeff, 1.2 is 0xfefd, and 0x0100 is older than both. */
function isTooOld(version: number): boolean {
  return version >>> 8 !== 0xfe || version > ProtocolVersion.Dtls12;
}

function isWholeMessage(fragment: MessageFragment): boolean {
  return fragment.fragment.length === fragment.length;
}
