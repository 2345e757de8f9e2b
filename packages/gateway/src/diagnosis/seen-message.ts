/**
 * The CoAP messages of a packet, with what rules look at: who, to whom, when, how large, protected or not.
 *
 * @module
 */

import type { Message } from 'coapsule/message';
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
  readonly message: Message;
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
  const messages = packet.parts.flatMap(({ message, bytes }): readonly SeenMessage[] =>
    message === undefined
      ? []
      : [
          {
            ...{ frame, atMs, source, destination, conversation, sender, receiver, where, message, bytes },
            ...{ datagramLength: payloadLength, isSecured: dtls !== undefined },
          },
        ],
  );
  return { packet, frame, atMs, messages };
}
