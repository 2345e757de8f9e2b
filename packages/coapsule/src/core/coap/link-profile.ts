/**
 * What usual links carry, and the largest block that fits a message on them.
 *
 * RFC 7252 §4.6, RFC 7959 §2.2, RFC 4944 §4. What the links do to datagrams on their way is no matter of this file.
 *
 * | profile | datagram | what a block has to fit | block | block under DTLS | payloads to warn of |
 * |---|---|---|---|---|---|
 * | `wifi`, `ethernet`, `nb-iot` | 1232 | the datagram | 1024 | 1024 | – |
 * | `6lowpan` | 256 | 80 bytes of one frame | 64 | 32 | over 128 |
 * | `serial-9600`, `serial-115200` | 1024 | the datagram | 512 | 512 | – |
 *
 * 1232 bytes are IPv6's minimum MTU of 1280 less the headers of IPv6 and UDP. Of the 127 bytes of an 802.15.4 frame the
 * headers leave about 80; a lost fragment loses its datagram, so a block should need one frame alone, and a handshake goes
 * in datagrams of few frames.
 *
 * @module
 */

import { blockSize, maxSzx } from './block-option.ts';

/** The links with a profile. */
export const linkProfileNames = [
  'wifi',
  'ethernet',
  '6lowpan',
  'serial-9600',
  'serial-115200',
  'nb-iot',
] as const;

/** The name of a link with a profile. */
export type LinkProfileName = (typeof linkProfileNames)[number];

/** What a link carries. */
export interface LinkProfile {
  /** Largest datagram to send, in bytes of UDP payload or of a frame on a serial line. */
  readonly mtu: number;
  /** Bytes that a message with a block has to fit in, without what secures it. */
  readonly blockRoomBytes: number;
  /** Bytes of those that header, token and options need. */
  readonly messageOverheadBytes: number;
  /** What a DTLS record adds: 29 with an 8-byte tag, 37 at most. */
  readonly recordOverheadBytes: number;
  /** Larger payloads are worth a warning: they should have been made smaller. */
  readonly advisedPayloadBytes: number;
}

const packet: LinkProfile = {
  mtu: 1232,
  blockRoomBytes: 1232,
  messageOverheadBytes: 80,
  recordOverheadBytes: 37,
  advisedPayloadBytes: Infinity,
};
const serial: LinkProfile = { ...packet, mtu: 1024, blockRoomBytes: 1024 };

/** The profiles; see the table in the module comment. */
export const linkProfiles: Readonly<Record<LinkProfileName, LinkProfile>> = {
  wifi: packet,
  ethernet: packet,
  'nb-iot': packet,
  '6lowpan': {
    mtu: 256,
    blockRoomBytes: 80,
    messageOverheadBytes: 16,
    recordOverheadBytes: 29,
    advisedPayloadBytes: 128,
  },
  'serial-9600': serial,
  'serial-115200': serial,
};

/** The largest block for a link, 16 … 1024 bytes. A payload of that size goes in one message, a larger one in blocks. */
export function blockSizeForLink(link: LinkProfile, security: 'none' | 'dtls'): number {
  const { blockRoomBytes, messageOverheadBytes, recordOverheadBytes } = link;
  const room = blockRoomBytes - messageOverheadBytes - (security === 'dtls' ? recordOverheadBytes : 0);
  let szx = maxSzx;
  while (szx > 0 && blockSize(szx) > room) szx--;
  return blockSize(szx);
}
