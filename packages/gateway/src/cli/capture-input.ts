/**
 * The bytes of a capture: out of a file, standard input, or a gateway that runs.
 *
 * Bounded: a stream may be endless. What is no capture by its first bytes is not read on.
 *
 * @module
 */

import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { printable } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { hexText } from './option-values.ts';

/** What was read. */
export interface CaptureInput {
  readonly bytes: Uint8Array;
  /** There is more than is looked at. */
  readonly isCut: boolean;
}

/** Most bytes that are looked at. */
const mostBytes = 512 * 1024 * 1024;

/** Of a file at a time. */
const pieceBytes = 4 * 1024 * 1024;

/** Captures that are named where a folder was given. */
const mostNamed = 3;

/**
 * Reads a capture, `-` for standard input.
 *
 * @param most Bytes that are looked at.
 * @throws CommandFailure for a folder.
 */
export async function captureInput(
  file: string,
  environment: Pick<CommandEnvironment, 'standardInput'>,
  most: number = mostBytes,
): Promise<CaptureInput> {
  return await read(file, environment, new Pieces(most, true));
}

/** Any file, up to so many bytes, `-` for standard input. @throws CommandFailure for a folder. */
export async function fileInput(
  file: string,
  environment: Pick<CommandEnvironment, 'standardInput'>,
  most: number,
): Promise<CaptureInput> {
  return await read(file, environment, new Pieces(most, false));
}

async function read(
  file: string,
  environment: Pick<CommandEnvironment, 'standardInput'>,
  pieces: Pieces,
): Promise<CaptureInput> {
  if (file !== '-') expectNoFolder(file);
  for await (const piece of file === '-' ? environment.standardInput() : piecesOf(file))
    if (!pieces.add(piece)) break;
  return pieces.input;
}

/** Says of a folder what to do. @throws CommandFailure */
function expectNoFolder(path: string): void {
  if (statSync(path).isDirectory()) {
    const files = readdirSync(path);
    const captures = files.filter((name) => /\.p?cap(ng)?$/i.test(name)).sort();
    const isContext = files.includes('settings.json') || files.includes('secret.json');
    const named = captures.slice(0, mostNamed).map((name) => join(path, name));
    throw new CommandFailure(
      ExitCode.Usage,
      `${path} is a folder, and a capture is one file`,
      isContext
        ? `if it is an OSCORE context, give it with --oscore ${path}, and name a capture too`
        : named.length === 0
          ? 'name a file in pcap or pcapng form; there is none in this folder'
          : `name one of its files, such as ${named.join(' or ')}; mergecap of Wireshark makes one of several`,
    );
  }
}

function* piecesOf(path: string): Generator<Uint8Array> {
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const piece = new Uint8Array(pieceBytes);
      const length = readSync(file, piece);
      if (length === 0) return;
      yield piece.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

/** Magic numbers of pcap and pcapng, in both byte orders. */
const beginnings = ['0a0d0d0a', 'a1b2c3d4', 'd4c3b2a1', 'a1b23c4d', '4d3cb2a1'];

class Pieces {
  readonly #pieces: Uint8Array[] = [];
  readonly #most: number;
  readonly #isCapture: boolean;
  /** The first bytes, four at most. */
  #head = '';
  #length = 0;
  #isCut = false;

  constructor(most: number, isCapture: boolean) {
    this.#most = most;
    this.#isCapture = isCapture;
  }

  /** @returns whether more is wanted. */
  add(piece: Uint8Array): boolean {
    const kept = piece.subarray(0, this.#most - this.#length);
    this.#pieces.push(kept);
    this.#length += kept.length;
    if (kept.length < piece.length) this.#isCut = true;
    if (this.#isCut) return false;
    if (!this.#isCapture) return true;
    if (this.#head.length < 8) this.#head = (this.#head + hexText(piece.subarray(0, 4))).slice(0, 8);
    return beginnings.some((one) => one.startsWith(this.#head));
  }

  get input(): CaptureInput {
    return { bytes: Buffer.concat(this.#pieces, this.#length), isCut: this.#isCut };
  }
}

/** The line about what was not looked at. */
export function cutText(file: string, { bytes }: CaptureInput): string {
  const what = file === '-' ? 'standard input' : printable(file);
  return `coapsule: ${what} goes on: its first ${Math.floor(bytes.length / (1024 * 1024))} MiB were looked at; cut it with editcap of Wireshark\n`;
}
