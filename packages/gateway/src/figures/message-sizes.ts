/**
 * How many bytes a message is, plain and protected, and how large a block fits a link.
 *
 * The message is what the library's own encoder makes of it; protection is counted. RFC 7252 §3, RFC 6347 §4.1, RFC 7959 §2.2.
 *
 * @module
 */

import { type CipherSuiteName, recordOverhead } from 'coapsule/dtls';
import { encodeMessage, type Message } from 'coapsule/message';

/** Of a UDP header (RFC 768). */
const udpHeaderBytes = 8;

/** Bytes of a message, layer by layer. */
export interface MessageSize {
  /** Header, token, options, marker and payload. */
  readonly coapBytes: number;
  /** What the record adds; 0 for a plain message. */
  readonly recordBytes: number;
  readonly udpBytes: number;
  readonly totalBytes: number;
}

/** The size of a message as a UDP datagram, without the IP header. */
export function messageSize(message: Message, suite?: CipherSuiteName): MessageSize {
  const coapBytes = encodeMessage(message).length;
  const recordBytes = suite === undefined ? 0 : recordOverhead(suite);
  return {
    ...{ coapBytes, recordBytes, udpBytes: udpHeaderBytes },
    totalBytes: coapBytes + recordBytes + udpHeaderBytes,
  };
}

/** Sizes of a block by SZX, 0 … 6 (RFC 7959 §2.2). */
export const blockSizes: readonly number[] = [16, 32, 64, 128, 256, 512, 1024];

/** What a block has to fit in. */
export interface BlockRoom {
  /** Bytes of a frame that are there for CoAP and what protects it. */
  readonly usableBytes: number;
  /** Header, token, options and marker of the message. */
  readonly messageBytes: number;
  /** What protection adds: 29 for DTLS with an 8-byte tag, 37 with a 16-byte tag. */
  readonly protectionBytes: number;
}

/** The largest block that leaves room for the rest; `undefined` where not even one of 16 bytes does. */
export function largestBlock({ usableBytes, messageBytes, protectionBytes }: BlockRoom): number | undefined {
  const room = usableBytes - messageBytes - protectionBytes;
  return blockSizes.findLast((size) => size <= room);
}

/** How many blocks a body is. */
export function blockCount(bodyBytes: number, blockBytes: number): number {
  return Math.max(1, Math.ceil(bodyBytes / blockBytes));
}

/** A datagram that is cut: it is lost when any fragment is. */
export interface FragmentLoss {
  readonly fragments: number;
  /** 0 … 1. */
  readonly lost: number;
}

/**
 * How likely a datagram is lost that a link cuts into frames.
 *
 * @param frameLoss Share of frames that are lost, 0 … 1. None of them is sent again.
 */
export function fragmentLoss(datagramBytes: number, frameBytes: number, frameLoss: number): FragmentLoss {
  const fragments = Math.max(1, Math.ceil(datagramBytes / frameBytes));
  return { fragments, lost: 1 - (1 - frameLoss) ** fragments };
}

/** How long bytes take on a serial line with a start and a stop bit (8N1), in milliseconds. */
export function serialTimeMs(bytes: number, baud: number): number {
  return (bytes * 10_000) / baud;
}
