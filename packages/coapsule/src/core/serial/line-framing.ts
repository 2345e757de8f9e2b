/**
 * The three ways to put packets on a line, behind one contract: `slipmux` (the default), `slip` for peers that have no
 * slipmux, and `raw`, one read is one packet, which only works where reads are never split or merged.
 *
 * A packet is a CoAP message or a datagram of DTLS records; its first byte tells which. Pure: bytes in, values out.
 *
 * @module
 */

import type { BrokenFrame } from './slip.ts';

/** How packets are put on a line. */
export type LineFramingName = 'slipmux' | 'slip' | 'raw';

/**
 * Why something on the line became no packet: a broken frame; `crc`, changed on its way; `noise`, no frame of a kind that
 * we know and no text either; `ip-packet`, which slipmux may carry and we do not; `not-a-packet`, neither CoAP nor DTLS.
 */
export type LineLoss = BrokenFrame | 'crc' | 'noise' | 'ip-packet' | 'not-a-packet';

/** What came from a line. */
export type LineEvent =
  /** A packet that passed all checks of its framing; the bytes are the receiver's own. */
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  /** One line of what the device prints: a diagnostic frame, or plain console output. Without its line end. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'lost'; readonly reason: LineLoss; readonly length: number };

/** Reads one direction of a line. */
export interface LineDecoder {
  /** The events of a chunk, split and merged in any way. The chunk is not kept. */
  receive(chunk: Uint8Array): LineEvent[];
  /** Forgets what has begun and was not ended, such as after the line was unplugged. */
  reset(): void;
  /** Most bytes that the buffer held so far. */
  readonly peak: number;
}

/** One way to put packets on a line. */
export interface LineFraming {
  readonly name: LineFramingName;
  /** A packet as it goes on the line. */
  encode(packet: Uint8Array): Uint8Array;
  /** Length of `encode(packet)`, without making it. */
  encodedLength(packet: Uint8Array): number;
  /** Longest frame that a packet of this length can become. */
  worstCaseLength(packetLength: number): number;
  /** Bytes of the decoder's buffer that a packet of this length needs. */
  bufferNeeded(packetLength: number): number;
  /** @param bufferBytes Memory of the decoder. */
  decoder(bufferBytes: number): LineDecoder;
}

/** What a packet on a line is, by its first byte (RFC 7983's idea): 20 … 63 a DTLS record, 64 … 127 CoAP version 1. */
export function packetKind(packet: Uint8Array): 'dtls' | 'coap' | undefined {
  const first = packet[0];
  if (first === undefined || first < 20 || first > 127) return undefined;
  return first < 64 ? 'dtls' : 'coap';
}
