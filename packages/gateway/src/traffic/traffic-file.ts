/**
 * The file of `serve --write`: a capture of all that passes, which grows to a limit and begins anew.
 *
 * There are two files at most: FILE, which is being written, and FILE.1, the one before; each has half of the limit. Both can be read
 * alone. A capture is a debugging aid: when the disk is full it ends, and the gateway goes on.
 *
 * Readers want the secrets of an association before what is encrypted with them, and a gateway has them only after the last flight of
 * the client: where secrets are wanted, what passes from there on waits for them (capture/behind-secrets.ts).
 *
 * @module
 */

import { closeSync, renameSync, writeSync } from 'node:fs';
import type { CapturedDatagram } from 'coapsule';
import { BehindSecrets } from '../capture/behind-secrets.ts';
import { CapturedBlocks } from '../capture/captured-blocks.ts';
import { pcapngHeader, secretsBlock } from '../capture/pcapng.ts';

/** What it needs of its surroundings. */
export interface TrafficFileParts {
  readonly path: string;
  /** Of both files, in bytes. */
  readonly limit: number;
  /** Opens a file to write anew, for its owner only. */
  readonly open: (path: string) => number;
  /** Lines of the key log will come. */
  readonly hasSecrets: boolean;
  /** The capture ends here, by this cause; the gateway goes on. */
  readonly onFailed: (cause: string) => void;
}

/** An open capture. */
export class TrafficFile {
  readonly #parts: TrafficFileParts;
  readonly #behindSecrets = new BehindSecrets<Uint8Array>((block) => this.#append(block));
  #file: number | undefined;
  #blocks = new CapturedBlocks();
  #written = 0;

  /** @throws the error of the system when it cannot be opened. */
  constructor(parts: TrafficFileParts) {
    this.#parts = parts;
    this.#file = parts.open(parts.path);
    this.#put(pcapngHeader());
  }

  /** Appends one. */
  add(captured: CapturedDatagram): void {
    const blocks = (): readonly Uint8Array[] => this.#blocks.of(captured);
    if (this.#parts.hasSecrets) this.#behindSecrets.pass(captured, blocks);
    else for (const block of blocks()) this.#append(block);
  }

  /** Appends a line of the key log: whoever reads the file can decrypt. */
  addSecret(line: string): void {
    this.#append(secretsBlock(`${line}\n`));
    this.#behindSecrets.flush();
  }

  close(): void {
    this.#behindSecrets.flush();
    this.#close();
  }

  #close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
  }

  #append(block: Uint8Array): void {
    if (this.#file === undefined) return;
    try {
      if (this.#written + block.length > this.#parts.limit / 2) this.#beginAnew();
      this.#put(block);
    } catch (error) {
      this.#close();
      this.#parts.onFailed((error as Error).message);
    }
  }

  #beginAnew(): void {
    const { path, open } = this.#parts;
    this.#close();
    renameSync(path, `${path}.1`);
    this.#file = open(path);
    this.#blocks = new CapturedBlocks();
    this.#written = 0;
    this.#put(pcapngHeader());
  }

  #put(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(writeSync(this.#file!, rest));
    this.#written += bytes.length;
  }
}
