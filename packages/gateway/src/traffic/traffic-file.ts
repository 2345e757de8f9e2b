/**
 * The file of `serve --write`: a capture of all that passes, which grows to a limit and begins anew.
 *
 * There are two files at most: FILE, which is being written, and FILE.1, the one before; each has half of the limit. Both can be read
 * alone. A capture is a debugging aid: when the disk is full it ends, and the gateway goes on.
 *
 * Readers want the secrets of an association before what is encrypted with them, and a gateway has them only after the last flight of
 * the client: where secrets are wanted, what passes from there on waits for them, a moment and within bounds.
 *
 * @module
 */

import { closeSync, renameSync, writeSync } from 'node:fs';
import type { CapturedDatagram } from 'coapsule';
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

/** Packets that wait at most. */
const mostWaiting = 64;

/** Certificate or ClientKeyExchange, which begin the last flight of a client (RFC 6347 §4.2.4, Figure 1). */
function isLastFlight({ transport, datagram }: CapturedDatagram): boolean {
  return transport === undefined && datagram[0] === 22 && (datagram[13] === 11 || datagram[13] === 16);
}

/** An open capture. */
export class TrafficFile {
  readonly #parts: TrafficFileParts;
  #file: number | undefined;
  #blocks = new CapturedBlocks();
  #written = 0;
  /** What waits for a secret, and of which peer. */
  #waiting: Uint8Array[] = [];
  #waitingFor: string | undefined;

  /** @throws the error of the system when it cannot be opened. */
  constructor(parts: TrafficFileParts) {
    this.#parts = parts;
    this.#file = parts.open(parts.path);
    this.#put(pcapngHeader());
  }

  /** Appends one. */
  add(captured: CapturedDatagram): void {
    const { direction, remote } = captured;
    // It is answered, and there was no secret: the handshake failed.
    if (direction === 'sent' && remote.key === this.#waitingFor) this.#flush();
    if (this.#parts.hasSecrets && direction === 'received' && isLastFlight(captured))
      this.#waitingFor ??= remote.key;
    if (this.#waitingFor === undefined) {
      for (const block of this.#blocks.of(captured)) this.#append(block);
      return;
    }
    this.#waiting.push(...this.#blocks.of(captured));
    if (this.#waiting.length >= mostWaiting) this.#flush();
  }

  /** Appends a line of the key log: whoever reads the file can decrypt. */
  addSecret(line: string): void {
    this.#append(secretsBlock(`${line}\n`));
    this.#flush();
  }

  close(): void {
    this.#flush();
    this.#close();
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingFor = undefined;
    for (const block of waiting) this.#append(block);
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
