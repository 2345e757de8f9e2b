/**
 * The IP packet in which a UDP datagram or a piece of a TCP stream travelled, made again from its addresses.
 *
 * IPv4 (RFC 791) and IPv6 (RFC 8200) headers without options, UDP (RFC 768), TCP (RFC 9293), right checksums (RFC 1071).
 * Time to live, identification, flow label and window are not those of the real packet, and a stream is not cut as it was:
 * nobody above the socket knows them.
 *
 * @module
 */

import { isIP } from 'node:net';

/** One datagram, or piece of a stream, with the addresses it went between. */
export interface IpDatagram {
  /** IP literals without brackets; an IPv6 zone (`%eth0`) is left out of the packet. */
  readonly source: { readonly host: string; readonly port: number };
  readonly destination: { readonly host: string; readonly port: number };
  /** 0 … 65,507 bytes; over TCP 65,475. */
  readonly payload: Uint8Array;
  /** Where it stands in a TCP stream: its first byte, and the next one of the other side; modulo 2^32. */
  readonly tcp?: { readonly sequence: number; readonly acknowledgement: number };
}

const TCP = 6;
const UDP = 17;
const HOP_LIMIT = 64;

/**
 * The packet: IPv6 when one of the two addresses is IPv6, IPv4 otherwise.
 *
 * A wildcard address (`::`, `0.0.0.0`) takes the family of the other; other IPv4 addresses become IPv4-mapped
 * in an IPv6 packet.
 *
 * @returns nothing when an address is not an IP literal.
 */
export function ipPacket({ source, destination, payload, tcp }: IpDatagram): Uint8Array | undefined {
  const protocol = tcp === undefined ? UDP : TCP;
  const headerLength = tcp === undefined ? 8 : 20;
  const from = addressBytes(source.host);
  const to = addressBytes(destination.host);
  if (from === undefined || to === undefined) return undefined;
  const isIpv4 =
    (from.length === 4 || isWildcard(from)) &&
    (to.length === 4 || isWildcard(to)) &&
    from.length + to.length < 32;
  return isIpv4
    ? ipv4Packet(from.length === 4 ? from : new Uint8Array(4), to.length === 4 ? to : new Uint8Array(4))
    : ipv6Packet(mapped(from), mapped(to));

  function ipv4Packet(sourceAddress: Uint8Array, destinationAddress: Uint8Array): Uint8Array {
    const packet = new Uint8Array(20 + headerLength + payload.length);
    const view = new DataView(packet.buffer);
    packet[0] = 0x45; // version 4, header of 5 words
    view.setUint16(2, packet.length);
    packet[6] = 0x40; // do not fragment
    packet[8] = HOP_LIMIT;
    packet[9] = protocol;
    packet.set(sourceAddress, 12);
    packet.set(destinationAddress, 16);
    view.setUint16(10, onesComplement(sum(packet, 0, 20)));
    fill(packet, 20, sum(packet, 12, 20));
    return packet;
  }

  function ipv6Packet(sourceAddress: Uint8Array, destinationAddress: Uint8Array): Uint8Array {
    const packet = new Uint8Array(40 + headerLength + payload.length);
    packet[0] = 0x60; // version 6
    new DataView(packet.buffer).setUint16(4, headerLength + payload.length);
    packet[6] = protocol;
    packet[7] = HOP_LIMIT;
    packet.set(sourceAddress, 8);
    packet.set(destinationAddress, 24);
    fill(packet, 40, sum(packet, 8, 40));
    return packet;
  }

  /** The checksum covers a pseudo header of addresses, protocol and length. */
  function fill(packet: Uint8Array, offset: number, addressSum: number): void {
    const view = new DataView(packet.buffer);
    const length = headerLength + payload.length;
    view.setUint16(offset, source.port);
    view.setUint16(offset + 2, destination.port);
    packet.set(payload, offset + headerLength);
    if (tcp === undefined) view.setUint16(offset + 4, length);
    else {
      view.setUint32(offset + 4, tcp.sequence);
      view.setUint32(offset + 8, tcp.acknowledgement);
      view.setUint16(offset + 12, 0x5018); // header of 5 words, PSH and ACK
      view.setUint16(offset + 14, 0xffff);
    }
    const checksum = onesComplement(addressSum + protocol + length + sum(packet, offset, packet.length));
    // RFC 768: 0 would mean that there is none.
    if (tcp === undefined) view.setUint16(offset + 6, checksum === 0 ? 0xffff : checksum);
    else view.setUint16(offset + 16, checksum);
  }
}

function isWildcard(address: Uint8Array): boolean {
  return address.every((byte) => byte === 0);
}

function mapped(address: Uint8Array): Uint8Array {
  if (address.length === 16) return address;
  const bytes = new Uint8Array(16);
  if (!isWildcard(address)) bytes.set([0xff, 0xff], 10);
  bytes.set(address, 12);
  return bytes;
}

/** The sum of 16-bit words (RFC 1071), not yet folded: 65,535 bytes cannot leave the safe integers. */
function sum(bytes: Uint8Array, start: number, end: number): number {
  let total = 0;
  for (let at = start; at < end; at += 2) total += (bytes[at]! << 8) | (at + 1 < end ? bytes[at + 1]! : 0);
  return total;
}

function onesComplement(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

/** 4 or 16 bytes of an IP literal. */
function addressBytes(host: string): Uint8Array | undefined {
  const literal = host.split('%', 1)[0]!;
  const family = isIP(literal);
  if (family === 0) return undefined;
  if (family === 4) return Uint8Array.from(literal.split('.'), Number);
  const [head = '', tail] = literal.split('::') as [string, string?];
  const front = words(head);
  const back = tail === undefined ? [] : words(tail);
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

/** The 16-bit words of one side of an IPv6 literal, whose last part may be in IPv4 form (RFC 4291 §2.2). */
function words(side: string): number[] {
  if (side === '') return [];
  return side.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
