/**
 * Values of command-line options: text to what it means, or a sentence why not.
 *
 * @module
 */

import type { ResponseClass } from 'coapsule';
import { contentFormatOf } from 'coapsule/message';
import type { SenmlRecord } from 'coapsule/senml';
import { InvalidArgumentError } from 'commander';
import { senmlShorthand } from '../payload/senml-shorthand.ts';
import { parseSilence, silenceWanted } from '../telemetry/duration.ts';
import { parseRetention, type RetentionRule } from '../telemetry/retention-rules.ts';
import { parseSize } from '../text/byte-size.ts';
import { commandWords, isWordsFault } from '../text/command-words.ts';
import { hexBytes } from '../text/hex.ts';

export { hexBytes, hexText } from '../text/hex.ts';

/** An option of a CoAP message as given with `-O`. */
export interface MessageOption {
  readonly number: number;
  readonly value: Uint8Array | string;
}

/** A key: text, or hex with a leading `0x`; at least one byte. */
export function keyValue(text: string): Uint8Array {
  if (text.startsWith('0x')) {
    const bytes = hexBytes(text.slice(2));
    if (bytes === undefined || bytes.length === 0) {
      throw new InvalidArgumentError(
        'After 0x come pairs of hexadecimal digits. (A key in text cannot begin with 0x.)',
      );
    }
    return bytes;
  }
  if (text === '') throw new InvalidArgumentError('A key has at least one byte.');
  return new TextEncoder().encode(text);
}

/** The same; nothing when it is not that. */
export function keyBytes(text: string): Uint8Array | undefined {
  try {
    return keyValue(text);
  } catch {
    return undefined;
  }
}

/** A content format: its number (0 … 65,535), its registered name, or the last part of a common one, such as `json`. */
export function contentFormatValue(text: string): number | string {
  if (/^\d+$/.test(text)) return wholeNumber(text, 0, 65535);
  const names = [
    text,
    ...['application', 'text', 'image'].map((type) => `${type}/${text === 'text' ? 'plain' : text}`),
  ];
  const known = names.find((name) => contentFormatOf(name) !== undefined);
  if (known !== undefined) return known;
  throw new InvalidArgumentError(
    'Give a number or a registered name, such as text/plain (0), application/json (50) or application/cbor (60).',
  );
}

/** `NUM,VALUE`: option number, and text or hex with a leading `0x`; the value may be left out. */
export function messageOptionValue(text: string): MessageOption {
  const comma = text.indexOf(',');
  const number = wholeNumber(comma < 0 ? text : text.slice(0, comma), 1, 65535);
  const value = comma < 0 ? '' : text.slice(comma + 1);
  if (!value.startsWith('0x')) return { number, value };
  const bytes = hexBytes(value.slice(2));
  if (bytes === undefined) throw new InvalidArgumentError('After 0x come pairs of hexadecimal digits.');
  return { number, value: bytes };
}

/** `-O` can be repeated. */
export function repeatedMessageOption(
  text: string,
  before: readonly MessageOption[] = [],
): readonly MessageOption[] {
  return [...before, messageOptionValue(text)];
}

/** A token: 0 … 8 bytes in hexadecimal digits, with or without `0x` (RFC 7252 §3). */
export function tokenValue(text: string): Uint8Array {
  const bytes = hexBytes(text.startsWith('0x') ? text.slice(2) : text);
  if (bytes === undefined || bytes.length > 8)
    throw new InvalidArgumentError('A token is 0 to 8 bytes in hexadecimal digits.');
  return bytes;
}

/** `all`, or digits of response classes with commas between (RFC 7967 §2.1). */
export function responseClassesValue(text: string): 'all' | readonly ResponseClass[] {
  if (text === 'all') return 'all';
  if (!/^[245](,[245])*$/.test(text))
    throw new InvalidArgumentError('Give all, or classes such as 2 or 2,4,5.');
  return text.split(',').map((digit) => Number(digit) as ResponseClass);
}

/** A block size: a power of two from 16 to 1024 (RFC 7959 §2.2). */
export function blockSizeValue(text: string): number {
  const size = wholeNumber(text, 16, 1024);
  if ((size & (size - 1)) !== 0)
    throw new InvalidArgumentError('Block sizes are 16, 32, 64, 128, 256, 512 and 1024.');
  return size;
}

/** Bytes of a payload in hexadecimal digits, with or without `0x`, white space between them or not. */
export function payloadHexValue(text: string): Uint8Array {
  const bytes = hexBytes(text.replace(/\s+/g, '').replace(/^0x/, ''));
  if (bytes === undefined) throw new InvalidArgumentError('Give pairs of hexadecimal digits.');
  return bytes;
}

/** A reading, behind those before it. */
export function repeatedSenmlRecord(
  text: string,
  before: readonly SenmlRecord[] = [],
): readonly SenmlRecord[] {
  const record = senmlShorthand(text);
  if (typeof record === 'string') throw new InvalidArgumentError(`${record}.`);
  return [...before, record];
}

/** A program and its arguments; at least one word. */
export function commandWordsValue(text: string): readonly string[] {
  const words = commandWords(text);
  if (isWordsFault(words)) throw new InvalidArgumentError(`Character ${words.offset + 1}: ${words.reason}.`);
  if (words.length === 0 || words[0] === '') throw new InvalidArgumentError('It names no program.');
  return words;
}

/** Seconds, also with a fraction; more than 0. */
export function secondsValue(text: string): number {
  const seconds = Number(text);
  if (text.trim() === '' || !Number.isFinite(seconds) || seconds <= 0 || seconds > 2_147_483) {
    throw new InvalidArgumentError('Give seconds, more than 0.');
  }
  return seconds;
}

/** A percentage 0 … 100, with or without the sign, as a fraction 0 … 1. */
export function percentValue(text: string): number {
  const percent = Number(text.endsWith('%') ? text.slice(0, -1) : text);
  if (text.trim() === '' || !(percent >= 0 && percent <= 100))
    throw new InvalidArgumentError('Give a percentage, 0 to 100.');
  return percent / 100;
}

/** Decimal digits for a number within bounds. */
export function wholeNumber(text: string, smallest: number, largest: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < smallest || value > largest) {
    throw new InvalidArgumentError(`Give a whole number, ${smallest} to ${largest}.`);
  }
  return value;
}

/** The text of an option that can be given more than once. */
export function repeatedText(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** A whole number of an option that can be given more than once. */
export function repeatedNumber(
  smallest: number,
  largest: number,
): (text: string, before?: readonly number[]) => readonly number[] {
  return (text, before = []) => [...before, wholeNumber(text, smallest, largest)];
}

/** A size in bytes, at least 1: digits, with K, M or G for powers of 1,024. */
export function sizeValue(text: string): number {
  const size = parseSize(text);
  if (size === undefined) {
    throw new InvalidArgumentError('Give a size such as 1048576, 512K, 256M or 2G.');
  }
  return size;
}

/** The name of a file or folder; at least one character. */
export function pathValue(text: string): string {
  if (text === '') throw new InvalidArgumentError('The name is empty.');
  return text;
}

/** How long measurements of a path are kept, behind those before it. */
export function retentionValue(
  text: string,
  before: readonly RetentionRule[] = [],
): readonly RetentionRule[] {
  const rule = parseRetention(text);
  if (typeof rule === 'string') throw new InvalidArgumentError(rule);
  return [...before, rule];
}

/** How long a device may be silent, in ms. */
export function silenceValue(text: string): number {
  const ms = parseSilence(text);
  if (ms === undefined) throw new InvalidArgumentError(silenceWanted);
  return ms;
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time with its unit, such as 90s, 30m, 12h or 7d, in milliseconds. */
export function durationValue(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = unitMs[unit];
  if (ms === undefined)
    throw new InvalidArgumentError('give a whole number with its unit, such as 90s, 30m, 12h or 7d');
  return Number(count) * ms;
}
