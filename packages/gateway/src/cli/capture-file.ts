/**
 * The file that `-w` writes: each datagram, or piece of a TCP stream, as soon as it passes, and secrets before what they open.
 *
 * @module
 */

import { closeSync, writeSync } from 'node:fs';
import type { CapturedDatagram } from 'coapsule';
import { CapturedBlocks } from '../capture/captured-blocks.ts';
import { pcapngHeader, secretsBlock } from '../capture/pcapng.ts';
import { openSecretFile } from './secret-file.ts';

/** An open capture file. It holds secrets, so that only its owner can read it. */
export class CaptureFile {
  readonly #file: number;
  readonly #blocks = new CapturedBlocks();

  /** Creates the file, or empties it. */
  constructor(path: string) {
    this.#file = openSecretFile(path, 'w');
    writeSync(this.#file, pcapngHeader());
  }

  /** Appends a datagram; one of a serial line as if it had travelled over UDP (captured-blocks.ts). */
  datagram(captured: CapturedDatagram): void {
    for (const block of this.#blocks.of(captured)) writeSync(this.#file, block);
  }

  /** Appends a line of the key log, given without line feed. */
  secrets(line: string): void {
    writeSync(this.#file, secretsBlock(`${line}\n`));
  }

  close(): void {
    closeSync(this.#file);
  }
}
