/**
 * A capture, packet by packet: addresses, and what UDP datagrams and TCP streams hold.
 *
 * @module
 */

import type { CapturedPacket } from '../capture/capture-reader.ts';
import { IpReader } from '../capture/ip-reader.ts';
import { ipPacketIn } from '../capture/link-layer.ts';
import { DatagramDecoder, type DecodedDatagram } from './datagram-decoder.ts';
import type { DecodedPart } from './decoded-part.ts';
import type { OscoreMessages } from './oscore-messages.ts';
import type { KnownSecrets } from './secrets.ts';
import { StreamDecoder } from './stream-decoder.ts';

/** One packet of a capture. */
export interface DecodedPacket {
  readonly packet: CapturedPacket;
  /** `host:port`, IPv6 in brackets; without a port for what is neither UDP nor TCP. */
  readonly source?: string;
  readonly destination?: string;
  readonly protocol: 'udp' | 'tcp' | 'other';
  /** More than 1 where IP had to cut it. */
  readonly ipFragments: number;
  /** Of the datagram, in bytes. */
  readonly payloadLength: number;
  readonly parts: readonly DecodedPart[];
  /** One line. */
  readonly summary: string;
  readonly datagram?: DecodedDatagram;
}

/** Decodes the packets of one capture, in their order. */
export class CaptureDecoder {
  readonly #ip = new IpReader();
  readonly #datagrams: DatagramDecoder;
  readonly #streams: StreamDecoder;

  constructor(secrets: KnownSecrets, ports: readonly number[] = [], oscore?: OscoreMessages) {
    this.#datagrams = new DatagramDecoder(secrets, ports, oscore);
    this.#streams = new StreamDecoder(secrets, ports, oscore);
  }

  /** One packet. */
  decode(packet: CapturedPacket): DecodedPacket {
    const other = (summary: string, addresses: Partial<DecodedPacket> = {}): DecodedPacket => ({
      ...{ packet, protocol: 'other', ipFragments: 1, payloadLength: 0, parts: [], summary },
      ...addresses,
    });
    const ip = ipPacketIn(packet.linkType, packet.bytes);
    if (ip === undefined) return other('not IP');
    const reading = this.#ip.read(ip);
    switch (reading.kind) {
      case 'damaged':
        return other(`damaged: ${reading.reason}`);
      case 'other':
        return other(protocolName(reading.protocol));
      case 'fragment':
        return other('IP fragment, the rest is missing so far', {
          source: reading.source,
          destination: reading.destination,
        });
      case 'unit': {
        const { unit } = reading;
        const source = endpointText(unit.source);
        const destination = endpointText(unit.destination);
        const { protocol, ipFragments, payload } = unit;
        const about = { packet, source, destination, protocol, ipFragments, payloadLength: payload.length };
        const cut = packet.originalLength > packet.bytes.length ? 'cut by the capture: ' : '';
        if (protocol === 'tcp') {
          const { parts, summary } = this.#streams.decode(unit, source, destination);
          return { ...about, parts, summary: `${cut}${summary}` };
        }
        const datagram = this.#datagrams.decode(source, destination, payload);
        return { ...about, parts: datagram.parts, summary: `${cut}${datagram.summary}`, datagram };
      }
    }
  }
}

function endpointText({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function protocolName(protocol: number): string {
  return { 1: 'ICMP', 2: 'IGMP', 58: 'ICMPv6' }[protocol] ?? `IP protocol ${protocol}`;
}
