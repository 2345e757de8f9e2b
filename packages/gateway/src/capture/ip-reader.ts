/**
 * UDP datagrams and TCP segments out of IP packets, fragments put together.
 *
 * IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200), UDP (RFC 768), TCP (RFC 9293). Checksums are not verified: a capture
 * on the sending machine often has none. Never throws for what a packet holds. Fragments wait within bounds.
 *
 * @module
 */

import { BoundedMap } from '../memory/bounded-map.ts';

/** What an IP packet carried. */
export interface TransportUnit {
  readonly protocol: 'udp' | 'tcp';
  /** IP literal without brackets. */
  readonly source: { readonly host: string; readonly port: number };
  readonly destination: { readonly host: string; readonly port: number };
  readonly payload: Uint8Array;
  /** In how many IP packets it came; 1 for one that was not cut. */
  readonly ipFragments: number;
  /** Of a TCP segment. */
  readonly tcp?: { readonly sequence: number; readonly isFirst: boolean; readonly isLast: boolean };
}

/** What became of a packet. */
export type IpReading =
  | { readonly kind: 'unit'; readonly unit: TransportUnit }
  /** One fragment of several; `isFirst` has the ports, if it has them at all. */
  | { readonly kind: 'fragment'; readonly source: string; readonly destination: string }
  /** Another protocol than UDP and TCP, such as ICMP (1, 58). */
  | { readonly kind: 'other'; readonly protocol: number }
  | { readonly kind: 'damaged'; readonly reason: string };

const tcp = 6;
const udp = 17;

/** Datagrams whose fragments wait; the oldest goes when there are more. */
const mostWaiting = 256;

interface Waiting {
  /** By their place. */
  readonly pieces: Map<number, Uint8Array>;
  /** Which units are there, 1 for each that is. */
  readonly units: Uint8Array;
  /** How many of them. */
  there: number;
  length: number | undefined;
}

/** Places are given in units of 8 bytes (RFC 791 §3.1, RFC 8200 §4.5); a datagram has 8192 at most. */
const unit = 8;
const mostUnits = 8192;

interface Fragment {
  readonly key: string;
  readonly offset: number;
  readonly isLast: boolean;
}

/** Reads the packets of one capture, in their order. */
export class IpReader {
  readonly #waiting = new BoundedMap<string, Waiting>(mostWaiting);

  /** @param packet from its IP header on; what is behind it, as padding of the link, is ignored. */
  read(packet: Uint8Array): IpReading {
    const version = packet.length === 0 ? 0 : packet[0]! >> 4;
    if (version === 4) return this.#ipv4(packet);
    if (version === 6) return this.#ipv6(packet);
    return { kind: 'damaged', reason: `IP version ${version}` };
  }

  #ipv4(packet: Uint8Array): IpReading {
    const headerLength = (packet[0]! & 15) * 4;
    if (headerLength < 20 || packet.length < headerLength) return damaged('an IPv4 header that is cut');
    const totalLength = u16(packet, 2);
    // A capture above segmentation offload has 0 here.
    const end = totalLength === 0 ? packet.length : totalLength;
    if (end < headerLength) return damaged('an IPv4 packet that is shorter than its header');
    const flags = u16(packet, 6);
    const [source, destination] = [ipv4Text(packet, 12), ipv4Text(packet, 16)];
    const protocol = packet[9]!;
    const offset = (flags & 0x1fff) * 8;
    const isLast = (flags & 0x2000) === 0;
    const body = packet.subarray(headerLength, end);
    const fragment =
      offset === 0 && isLast
        ? undefined
        : { key: `4 ${source} ${destination} ${protocol} ${u16(packet, 4)}`, offset, isLast };
    return this.#transport(protocol, source, destination, body, fragment);
  }

  #ipv6(packet: Uint8Array): IpReading {
    if (packet.length < 40) return damaged('an IPv6 header that is cut');
    const [source, destination] = [ipv6Text(packet, 8), ipv6Text(packet, 24)];
    const payloadLength = u16(packet, 4);
    const end = payloadLength === 0 ? packet.length : Math.min(packet.length, 40 + payloadLength);
    let next = packet[6]!;
    let offset = 40;
    let fragment: Fragment | undefined;
    // RFC 8200 §4: hop-by-hop, routing, destination options, fragment, authentication; mobility and the like alike.
    for (let headers = 0; headers < 10; headers++) {
      if (next !== 0 && next !== 43 && next !== 60 && next !== 44 && next !== 51) break;
      if (offset + 8 > end) return damaged('an IPv6 extension header that is cut');
      if (next === 44) {
        const word = u16(packet, offset + 2);
        const id = `${u16(packet, offset + 4)}.${u16(packet, offset + 6)}`;
        const isLast = (word & 1) === 0;
        fragment = { key: `6 ${source} ${destination} ${id}`, offset: word & 0xfff8, isLast };
        if (fragment.offset === 0 && isLast) fragment = undefined;
      }
      const length =
        next === 44 ? 8 : next === 51 ? (packet[offset + 1]! + 2) * 4 : (packet[offset + 1]! + 1) * 8;
      next = packet[offset]!;
      offset += length;
    }
    if (offset > end) return damaged('an IPv6 extension header that is cut');
    return this.#transport(next, source, destination, packet.subarray(offset, end), fragment);
  }

  #transport(
    protocol: number,
    source: string,
    destination: string,
    body: Uint8Array,
    fragment: Fragment | undefined,
  ): IpReading {
    if (fragment === undefined) return unitOf(protocol, source, destination, body, 1);
    const whole = this.#putTogether(fragment, body);
    return whole === undefined
      ? { kind: 'fragment', source, destination }
      : unitOf(protocol, source, destination, whole.bytes, whole.pieces);
  }

  #putTogether({ key, offset, isLast }: Fragment, bytes: Uint8Array) {
    const waiting = this.#waiting.ensure(key, () => ({
      pieces: new Map(),
      units: new Uint8Array(mostUnits),
      there: 0,
      length: undefined,
    }));
    if (!waiting.pieces.has(offset)) {
      waiting.pieces.set(offset, bytes);
      // The last one alone may end within a unit.
      const end = Math.min(mostUnits, (isLast ? Math.ceil : Math.floor)((offset + bytes.length) / unit));
      for (let at = offset / unit; at < end; at++) {
        waiting.there += 1 - waiting.units[at]!;
        waiting.units[at] = 1;
      }
    }
    if (isLast) waiting.length = offset + bytes.length;
    const { length, pieces, units, there } = waiting;
    if (length === undefined || length > 65_535) return undefined;
    // Thousands of fragments are not brought in order for each that comes.
    const wanted = Math.ceil(length / unit);
    if (there < wanted || units.subarray(0, wanted).includes(0)) return undefined;
    this.#waiting.delete(key);
    const whole = new Uint8Array(length);
    const ordered = [...pieces].sort(([one], [other]) => one - other);
    for (const [start, piece] of ordered)
      if (start < length) whole.set(piece.subarray(0, length - start), start);
    return { bytes: whole, pieces: pieces.size };
  }
}

function unitOf(
  protocol: number,
  source: string,
  destination: string,
  body: Uint8Array,
  ipFragments: number,
): IpReading {
  if (protocol !== udp && protocol !== tcp) return { kind: 'other', protocol };
  if (body.length < (protocol === udp ? 8 : 20)) return damaged('a transport header that is cut');
  const ends = {
    source: { host: source, port: u16(body, 0) },
    destination: { host: destination, port: u16(body, 2) },
  };
  if (protocol === udp) {
    const length = u16(body, 4);
    // RFC 2675 §4: a jumbogram has 0.
    const payload = body.subarray(8, length < 8 ? body.length : length);
    return { kind: 'unit', unit: { protocol: 'udp', ...ends, payload, ipFragments } };
  }
  const headerLength = (body[12]! >> 4) * 4;
  if (headerLength < 20 || headerLength > body.length) return damaged('a TCP header that is cut');
  const flags = body[13]!;
  const sequence = u16(body, 4) * 0x1_0000 + u16(body, 6);
  const segment = { sequence, isFirst: (flags & 2) !== 0, isLast: (flags & 5) !== 0 };
  const payload = body.subarray(headerLength);
  return { kind: 'unit', unit: { protocol: 'tcp', ...ends, payload, ipFragments, tcp: segment } };
}

function damaged(reason: string): IpReading {
  return { kind: 'damaged', reason };
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

function ipv4Text(bytes: Uint8Array, offset: number): string {
  return bytes.subarray(offset, offset + 4).join('.');
}

/** RFC 5952: the longest run of zero words, if of two or more and the first of equals, is `::`. */
function ipv6Text(bytes: Uint8Array, offset: number): string {
  const words = Array.from({ length: 8 }, (_, index) => u16(bytes, offset + 2 * index));
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return `::ffff:${ipv4Text(bytes, offset + 12)}`;
  }
  let [start, length] = [-1, 1];
  for (let at = 0; at < 8; at++) {
    let run = 0;
    while (at + run < 8 && words[at + run] === 0) run++;
    if (run > length) [start, length] = [at, run];
  }
  const text = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':');
  return start < 0 ? text(words) : `${text(words.slice(0, start))}::${text(words.slice(start + length))}`;
}
