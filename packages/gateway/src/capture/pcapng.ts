/**
 * Blocks of a pcapng capture file, for Wireshark and tshark.
 *
 * Values to bytes, no files: whoever captures writes `pcapngHeader()` once and then one block for each datagram
 * and each line of the key log. The format is draft-ietf-opsawg-pcapng; all numbers are little-endian. Datagrams
 * are seen above the sockets, so the IP and UDP headers around them are made here, with right checksums.
 *
 * Does not read captures, and does not fragment: a datagram of up to 65,507 bytes is one packet.
 *
 * @module
 */

import { type IpDatagram, ipPacket } from './ip-packet.ts';

/** Link-layer type "raw IP": each packet begins with its IPv4 or IPv6 header. */
const LINKTYPE_RAW = 101;
/** Type of the secrets in a decryption secrets block: a TLS key log ("TLSK"). */
const TLS_KEY_LOG = 0x544c534b;

const ENHANCED_PACKET = 0x00000006;
const DECRYPTION_SECRETS = 0x0000000a;
const INTERFACE_DESCRIPTION = 0x00000001;
const SECTION_HEADER = 0x0a0d0d0a;

/** The section header and the one interface (raw IP, microseconds, no length limit): the first bytes of a file. */
export function pcapngHeader(): Uint8Array {
  const section = new Uint8Array(16);
  const sectionView = new DataView(section.buffer);
  sectionView.setUint32(0, 0x1a2b3c4d, true); // byte-order magic
  sectionView.setUint16(4, 1, true); // version 1.0
  sectionView.setBigInt64(8, -1n, true); // section length: not given
  const description = new Uint8Array(8);
  new DataView(description.buffer).setUint16(0, LINKTYPE_RAW, true);
  return joined([block(SECTION_HEADER, section), block(INTERFACE_DESCRIPTION, description)]);
}

/**
 * One datagram as an enhanced packet block.
 *
 * @param wallTimeMs Milliseconds since 1970, also with a fraction; kept to the microsecond.
 * @returns nothing when an address is not an IP literal (a serial line has none).
 */
export function packetBlock(datagram: IpDatagram, wallTimeMs: number): Uint8Array | undefined {
  const packet = ipPacket(datagram);
  return packet && ipPacketBlock(packet, wallTimeMs);
}

/** An IP packet as it is, as an enhanced packet block. */
export function ipPacketBlock(packet: Uint8Array, wallTimeMs: number): Uint8Array {
  const microseconds = BigInt(Math.round(wallTimeMs * 1000));
  const body = new Uint8Array(20 + packet.length);
  const view = new DataView(body.buffer);
  view.setUint32(4, Number(microseconds >> 32n), true);
  view.setUint32(8, Number(microseconds & 0xffffffffn), true);
  view.setUint32(12, packet.length, true);
  view.setUint32(16, packet.length, true);
  body.set(packet, 20);
  return block(ENHANCED_PACKET, body);
}

/**
 * Secrets for decryption, as lines of a TLS key log, each ended by a line feed.
 *
 * Wireshark uses them for packets that come later in the file: write the block before those.
 */
export function secretsBlock(keyLogLines: string): Uint8Array {
  const secrets = new TextEncoder().encode(keyLogLines);
  const body = new Uint8Array(8 + secrets.length);
  const view = new DataView(body.buffer);
  view.setUint32(0, TLS_KEY_LOG, true);
  view.setUint32(4, secrets.length, true);
  body.set(secrets, 8);
  return block(DECRYPTION_SECRETS, body);
}

/** Type, total length, body padded to 32 bits, total length again. */
function block(type: number, body: Uint8Array): Uint8Array {
  const length = 12 + Math.ceil(body.length / 4) * 4;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  bytes.set(body, 8);
  view.setUint32(length - 4, length, true);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
