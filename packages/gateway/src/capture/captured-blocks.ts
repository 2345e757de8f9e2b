/**
 * What was captured above sockets and lines, as packets of a pcapng file.
 *
 * A piece of a TCP stream has the place in its stream that follows from the pieces before it; the stream begins at 0, without a
 * handshake. What has no IP address gets one that is made up, out of the networks for documentation (RFC 5737): this end of all
 * serial lines is 192.0.2.1, the other end of the n-th line 198.51.100.n; ports are those of CoAP (5683) and DTLS (5684), by what
 * the datagram is.
 *
 * @module
 */

import { isIP } from 'node:net';
import type { CapturedDatagram } from 'coapsule';
import { BoundedMap } from '../memory/bounded-map.ts';
import type { IpDatagram } from './ip-packet.ts';
import { packetBlock } from './pcapng.ts';

/** Bytes of a stream in one packet. */
const longestSegment = 32 * 1024;

/** Streams whose place is known; the oldest go. */
const mostStreams = 10_000;

/** Blocks of one file, in the order in which things were captured. */
export class CapturedBlocks {
  /** Bytes of each TCP connection so far. */
  readonly #streams = new BoundedMap<string, { sent: number; received: number }>(mostStreams);
  /** The numbers of lines, by their names. */
  readonly #lines = new Map<string, number>();

  /** One block; several for a long piece of a stream. */
  of(captured: CapturedDatagram): readonly Uint8Array[] {
    const { direction, transport, local, remote, datagram, wallTimeMs } = captured;
    const isAddress = isIP(remote.host.split('%', 1)[0]!) !== 0;
    const near = isAddress ? local : { host: '192.0.2.1', port: usualPort(datagram) };
    const far = isAddress
      ? remote
      : { host: `198.51.100.${this.#lineNumber(remote.host)}`, port: usualPort(datagram) };
    const [source, destination] = direction === 'sent' ? [near, far] : [far, near];
    const blocks: Uint8Array[] = [];
    const add = (packet: IpDatagram): void => {
      const block = packetBlock(packet, wallTimeMs);
      if (block !== undefined) blocks.push(block);
    };
    if (transport === undefined) {
      add({ source, destination, payload: datagram });
      return blocks;
    }
    const stream = this.#streams.ensure(`${local.key} ${remote.key}`, () => ({ sent: 0, received: 0 }));
    for (let at = 0; at < datagram.length; at += longestSegment) {
      const payload = datagram.subarray(at, at + longestSegment);
      const tcp = {
        sequence: stream[direction] >>> 0,
        acknowledgement: stream[direction === 'sent' ? 'received' : 'sent'] >>> 0,
      };
      add({ source, destination, payload, tcp });
      stream[direction] += payload.length;
    }
    return blocks;
  }

  /** 1 … 254; more lines than that share numbers. */
  #lineNumber(name: string): number {
    const known = this.#lines.get(name);
    if (known !== undefined) return known;
    const number = (this.#lines.size % 254) + 1;
    this.#lines.set(name, number);
    return number;
  }
}

/** The port by which readers of the file know what is inside. RFC 7983 §7: the first byte of DTLS is 20 … 63. */
function usualPort([first = 0]: Uint8Array): number {
  return first >= 20 && first <= 63 ? 5684 : 5683;
}
