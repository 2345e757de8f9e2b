/**
 * The file that `-w` writes: each datagram as soon as it passes, and secrets before what they open.
 *
 * @module
 */

import { closeSync, writeSync } from 'node:fs';
import type { CapturedDatagram } from 'coapsule';
import { packetBlock, pcapngHeader, secretsBlock } from '../capture/pcapng.ts';
import { openSecretFile } from './secret-file.ts';

/** An open capture file. It holds secrets, so that only its owner can read it. */
export class CaptureFile {
  readonly #file: number;

  /** Creates the file, or empties it. */
  constructor(path: string) {
    this.#file = openSecretFile(path, 'w');
    writeSync(this.#file, pcapngHeader());
  }

  /** Appends a datagram; one that did not travel over IP is left out. */
  datagram({ direction, local, remote, datagram, wallTimeMs }: CapturedDatagram): void {
    const [source, destination] = direction === 'sent' ? [local, remote] : [remote, local];
    const block = packetBlock({ source, destination, payload: datagram }, wallTimeMs);
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
