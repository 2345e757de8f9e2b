/**
 * Identity files: pre-shared keys as lines `identity:key`, so that no key stands on a command line.
 *
 * A line is split at its first `:`. The identity is percent-encoded where it has to be: `%3A` for a colon, `%25`
 * for a percent sign, `%23` for a leading `#`, and any other byte as `%XX`; other UTF-8 text stands as it is. The
 * key is text, or hex with a leading `0x`. Empty lines and lines that begin with `#` are left out.
 *
 * @module
 */

import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { percentDecoded } from '../text/percent-encoding.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { hexText, keyBytes } from './option-values.ts';

/** One line of an identity file. */
export interface PskLine {
  /** The bytes that go over the wire (RFC 4279 §5.1: UTF-8 text, but any bytes are possible). */
  readonly identity: Uint8Array;
  readonly key: Uint8Array;
}

/**
 * Reads the text of an identity file.
 *
 * @param name How the file is called in messages; they never contain a key.
 */
export function parsePskFile(text: string, name: string): PskLine[] {
  const entries: PskLine[] = [];
  const known = new Set<string>();
  // Some editors begin a file with a byte order mark.
  for (const [index, rawLine] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = rawLine.endsWith('\r') ? rawLine.slice(0, -1) : rawLine;
    if (line.trim() === '' || line.startsWith('#')) continue;
    const refuse = (cause: string): never => {
      throw new CommandFailure(
        ExitCode.Usage,
        `${name}, line ${index + 1}: ${cause}`,
        'a line is IDENTITY:KEY, the key in text or as 0x and hexadecimal digits',
      );
    };
    const colon = line.indexOf(':');
    if (colon < 0) return refuse('there is no ":" between identity and key');
    const identity = percentDecoded(line.slice(0, colon));
    if (identity === undefined)
      return refuse(
        '"%" in an identity must be followed by two hexadecimal digits (a percent sign itself is %25)',
      );
    const digits = hexText(identity);
    if (known.has(digits)) return refuse('this identity stands twice in the file');
    known.add(digits);
    entries.push({
      identity,
      key: keyBytes(line.slice(colon + 1)) ?? refuse('the key is empty, or not hexadecimal digits after 0x'),
    });
  }
  return entries;
}

/**
 * One line, without line feed, that `parsePskFile` reads as this entry.
 *
 * @param asText The key is text that does not begin with `0x`; else it is written in hex.
 */
export function formatPskLine({ identity, key }: PskLine, asText: boolean = false): string {
  return `${encodeIdentity(identity)}:${asText ? new TextDecoder().decode(key) : `0x${hexText(key)}`}`;
}

/** Reads an identity file; `warn` is called when others than its owner can read it. */
export function readPskFile(path: string, warn: (text: string) => void): PskLine[] {
  const text = readFileSync(path, 'utf8');
  if (isOpenToOthers(statSync(path).mode)) warn(`${path} can be read by others: chmod 600 ${path}`);
  return parsePskFile(text, path);
}

/**
 * Adds an entry to an identity file; a new file gets mode 0600.
 *
 * Refuses a file that others can read or write, and an identity that is in it already.
 */
export function appendPskLine(path: string, entry: PskLine): void {
  const isNew = !existsSync(path);
  const file = openSync(path, 'a+', 0o600);
  try {
    if (isNew) fchmodSync(file, 0o600);
    if (isOpenToOthers(fstatSync(file).mode)) {
      throw new CommandFailure(
        ExitCode.Failure,
        `${path} can be read by others, so no key is written to it`,
        `chmod 600 ${path}`,
      );
    }
    const text = readFileSync(path, 'utf8');
    if (parsePskFile(text, path).some((other) => hexText(other.identity) === hexText(entry.identity))) {
      throw new CommandFailure(
        ExitCode.Failure,
        `${path} has this identity already`,
        'choose another identity, or remove its line first',
      );
    }
    writeSync(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}${formatPskLine(entry)}\n`);
  } finally {
    closeSync(file);
  }
}

function isOpenToOthers(mode: number): boolean {
  // Windows has no such bits: all files look open there.
  return process.platform !== 'win32' && (mode & 0o077) !== 0;
}

function encodeIdentity(identity: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(identity);
  } catch {
    return Array.from(identity, percentEncoded).join('');
  }
  // Control characters include line feed and carriage return; a leading "#" would make the line a comment.
  return text.replace(/[\p{Cc}%:]|^#|^\s+|\s+$/gu, (characters) =>
    Array.from(new TextEncoder().encode(characters), percentEncoded).join(''),
  );
}

function percentEncoded(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
