/**
 * Trace lines for handshake messages: which flight, which part, sent again or out of order.
 *
 * @module
 */

import type { PeerAddress } from '../../foundation/peer-address.ts';
import type { AssociationId, DtlsRole, HandshakeTrace, TracedDatagram } from '../dtls-output.ts';
import type { SentContent } from './flight.ts';
import { HandshakeType, handshakeTypeName } from './handshake-type.ts';
import type { MessageFragment } from './message-header.ts';

/** Whose trace it is. */
export interface TracedHandshake {
  readonly association: AssociationId;
  readonly address: PeerAddress;
  readonly role: DtlsRole;
  /** Whether a session goes on; known from the ServerHello on. */
  isResumption?: boolean;
}

/** The flight of RFC 6347 Figures 1 and 2 that a received message belongs to. */
function flightOf(type: number, { role, isResumption }: TracedHandshake): number {
  const serversLast = isResumption ? 4 : 6;
  switch (type) {
    case HandshakeType.ClientHello:
      // A server with state has checked a cookie, so this is the second one.
      return 3;
    case HandshakeType.HelloVerifyRequest:
      return 2;
    case HandshakeType.ClientKeyExchange:
      return 5;
    case HandshakeType.Finished:
      return role === 'server' ? 5 : serversLast;
    case HandshakeType.NewSessionTicket:
      return serversLast;
    default:
      return 4;
  }
}

/** The trace of one received fragment. */
export function traceReceived(
  handshake: TracedHandshake,
  epoch: number,
  fragment: MessageFragment,
  datagram: TracedDatagram,
  how: { readonly retransmit: boolean; readonly reordered: boolean },
): HandshakeTrace {
  const { association, address, role } = handshake;
  const { length } = fragment.fragment;
  const trace: HandshakeTrace = {
    kind: 'handshake-trace',
    association,
    address,
    role,
    direction: 'received',
    name: handshakeTypeName(fragment.type),
    flight: flightOf(fragment.type, handshake),
    epoch,
    messageSeq: fragment.messageSeq,
    retransmit: how.retransmit,
    reordered: how.reordered,
    datagram,
  };
  if (length === fragment.length) return trace;
  return { ...trace, fragment: { offset: fragment.fragmentOffset, length, total: fragment.length } };
}

/** The trace of one record of a flight on its way out. */
export function traceSent(
  handshake: TracedHandshake,
  flight: number,
  sent: SentContent,
  datagram: TracedDatagram,
  retransmit: boolean,
): HandshakeTrace {
  const { association, address, role } = handshake;
  const { content, offset, length } = sent;
  if (content.kind === 'change-cipher-spec') {
    return {
      kind: 'handshake-trace',
      association,
      address,
      role,
      direction: 'sent',
      name: 'ChangeCipherSpec',
      flight,
      epoch: 0,
      retransmit,
      reordered: false,
      datagram,
    };
  }
  const { type, messageSeq, body } = content.message;
  const trace: HandshakeTrace = {
    kind: 'handshake-trace',
    association,
    address,
    role,
    direction: 'sent',
    name: handshakeTypeName(type),
    flight,
    epoch: content.epoch,
    messageSeq,
    retransmit,
    reordered: false,
    datagram,
  };
  return length === body.length ? trace : { ...trace, fragment: { offset, length, total: body.length } };
}

/** The trace of an alert. */
export function traceAlert(
  handshake: TracedHandshake,
  direction: 'sent' | 'received',
  name: string,
  epoch: 0 | 1,
  datagram?: TracedDatagram,
): HandshakeTrace {
  const { association, address, role } = handshake;
  return {
    kind: 'handshake-trace',
    association,
    address,
    role,
    direction,
    name: `alert ${name}`,
    epoch,
    retransmit: false,
    reordered: false,
    ...(datagram === undefined ? {} : { datagram }),
  };
}

/** The trace of the peer's ChangeCipherSpec. */
export function traceChangeCipherSpec(
  handshake: TracedHandshake,
  datagram: TracedDatagram,
  retransmit: boolean,
): HandshakeTrace {
  const { association, address, role } = handshake;
  return {
    kind: 'handshake-trace',
    association,
    address,
    role,
    direction: 'received',
    name: 'ChangeCipherSpec',
    flight: flightOf(HandshakeType.Finished, handshake),
    epoch: 0,
    retransmit,
    reordered: false,
    datagram,
  };
}
