/**
 * The CoAP messages of a packet, with what rules look at: who, to whom, when, how large, protected or not.
 *
 * @module
 */

import type { Message } from 'coapsule/message';
import type { ObservedMessage } from 'coapsule/oscore';
import type { DecodedPacket } from '../decode/capture-decoder.ts';

/** One message. */
export interface SeenMessage {
  readonly frame: number;
  readonly atMs: number;
  readonly source: string;
  readonly destination: string;
  /** The endpoints' exchange, whichever way; the same after a change of address of an association. */
  readonly conversation: string;
  /** Who sent it, as stable as the conversation. */
  readonly sender: string;
  /** Whom it goes to, alike: what the sender of an answer to it is. */
  readonly receiver: string;
  /** From whom to whom, as findings say it. */
  readonly where: string;
  /** Under OSCORE the one inside, if it could be opened. */
  readonly message: Message;
  /** Under OSCORE the one that everybody sees; else the same. */
  readonly outer: Message;
  /** What was seen of its protection by OSCORE; undefined without any, and without a context. */
  readonly oscore: ObservedMessage | undefined;
  /** It came over TCP, TLS or WebSocket: its type and Message ID stand for nothing. */
  readonly isReliable: boolean;
  /** The message itself, its bytes. */
  readonly bytes: Uint8Array;
  /** Of the datagram. */
  readonly datagramLength: number;
  readonly isSecured: boolean;
}

/** What the rules look at of one packet. */
export interface SeenPacket {
  readonly packet: DecodedPacket;
  readonly frame: number;
  readonly atMs: number;
  readonly messages: readonly SeenMessage[];
}

/** The messages of a packet. */
export function seenPacket(packet: DecodedPacket): SeenPacket {
  const { source = '', destination = '', datagram, payloadLength } = packet;
  const { frame, wallTimeMs: atMs } = packet.packet;
  const dtls = datagram?.dtls;
  const conversation =
    dtls === undefined ? [source, destination].sort().join(' and ') : `association ${dtls.association}`;
  const sender = dtls?.sender ?? source;
  const receiver = dtls === undefined ? destination : sender === 'client' ? 'server' : 'client';
  const where = `${source} → ${destination}`;
  const messages = packet.parts.flatMap(
    ({ message: outer, bytes, oscore, isReliable = false, isSecured = false }): readonly SeenMessage[] => {
      if (outer === undefined) return [];
      const message = oscore?.inner ?? outer;
      return [
        {
          ...{
            frame,
            atMs,
            source,
            destination,
            conversation,
            sender,
            receiver,
            where,
            message,
            outer,
            bytes,
          },
          ...{ datagramLength: payloadLength, oscore: oscore?.observed, isReliable },
          isSecured: dtls !== undefined || isSecured || oscore?.inner !== undefined,
        },
      ];
    },
  );
  return { packet, frame, atMs, messages };
}
