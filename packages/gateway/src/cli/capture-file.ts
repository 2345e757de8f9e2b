/**
 * The file that `-w` writes: each datagram, or piece of a TCP stream, as soon as it passes, and secrets before what they open.
 *
 * @module
 */

import { closeSync, writeSync } from 'node:fs';
import type { CapturedDatagram } from 'coapsule';
import type { IpDatagram } from '../capture/ip-packet.ts';
import { packetBlock, pcapngHeader, secretsBlock } from '../capture/pcapng.ts';
import { openSecretFile } from './secret-file.ts';

/** Bytes of a stream in one packet. */
const longestSegment = 32 * 1024;

/** An open capture file. It holds secrets, so that only its owner can read it. */
export class CaptureFile {
  readonly #file: number;
  /** Bytes of each TCP connection so far. */
  readonly #streams = new Map<string, { sent: number; received: number }>();

  /** Creates the file, or empties it. */
  constructor(path: string) {
    this.#file = openSecretFile(path, 'w');
    writeSync(this.#file, pcapngHeader());
  }

  /** Appends a datagram; one of a serial line as if it had travelled over UDP. */
  datagram({ direction, transport, local, remote, datagram, wallTimeMs }: CapturedDatagram): void {
    const isLine = remote.host.startsWith('serial:');
    const near = isLine ? { host: '0.0.0.0', port: 0 } : local;
    const far = isLine ? { host: '0.0.0.0', port: usualPort(datagram) } : remote;
    const [source, destination] = direction === 'sent' ? [near, far] : [far, near];
    if (transport === undefined) {
      this.#packet({ source, destination, payload: datagram }, wallTimeMs);
      return;
    }
    const name = `${local.key} ${remote.key}`;
    const stream = this.#streams.get(name) ?? { sent: 0, received: 0 };
    this.#streams.set(name, stream);
    for (let at = 0; at < datagram.length; at += longestSegment) {
      const payload = datagram.subarray(at, at + longestSegment);
      const tcp = {
        sequence: stream[direction] >>> 0,
        acknowledgement: stream[direction === 'sent' ? 'received' : 'sent'] >>> 0,
      };
      this.#packet({ source, destination, payload, tcp }, wallTimeMs);
      stream[direction] += payload.length;
    }
  }

  #packet(datagram: IpDatagram, wallTimeMs: number): void {
    const block = packetBlock(datagram, wallTimeMs);
    if (block !== undefined) writeSync(this.#file, block);
  }

  /** Appends a line of the key log, given without line feed. */
  secrets(line: string): void {
    writeSync(this.#file, secretsBlock(`${line}\n`));
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The port by which readers of the file know what is inside. RFC 7983 §7: the first byte of DTLS is 20 … 63. */
function usualPort([first = 0]: Uint8Array): number {
  return first >= 20 && first <= 63 ? 5684 : 5683;
}
