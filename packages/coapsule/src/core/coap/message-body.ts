/**
 * What follows the token in every framing of CoAP: options, payload marker, payload.
 *
 * RFC 7252 §3 and §3.1. The bytes before it are in `message-codec.ts` (UDP) and `stream-codec.ts` (TCP, WebSocket).
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import { maxOptionLength, maxOptionNumber } from './option-registry.ts';
import type { OptionEntry } from './option-set.ts';

/** Where the parts of a body are; offsets are from the start of the bytes. */
export interface BodyLayout {
  readonly kind: 'body';
  /** One past the last option; where the payload marker is, if there is one. */
  readonly optionsEnd: number;
  /** Bit (number modulo 32) set for every option that is there. */
  readonly presence: number;
  /** The first byte of the payload; the end of the body when there is none. */
  readonly payloadStart: number;
}

/** Bytes that are no options and payload. */
export interface BodyFault {
  readonly kind: 'body-fault';
  readonly offset: number;
  readonly reason: string;
}

const payloadMarker = 0xff;

/** Finds options and payload from `start` to `length`, the end of `bytes` by default. Never throws. */
export function scanBody(
  bytes: Uint8Array,
  start: number,
  length: number = bytes.length,
): BodyLayout | BodyFault {
  let offset = start;
  let number = 0;
  let presence = 0;
  while (offset < length) {
    const head = bytes[offset] as number;
    if (head === payloadMarker) break;
    let cursor = offset + 1;

    let delta = head >> 4;
    if (delta === 13) {
      if (cursor >= length) return fault(length, 'option delta is cut off');
      delta = 13 + (bytes[cursor++] as number);
    } else if (delta === 14) {
      if (cursor + 2 > length) return fault(length, 'option delta is cut off');
      delta = 269 + (((bytes[cursor] as number) << 8) | (bytes[cursor + 1] as number));
      cursor += 2;
    } else if (delta === 15) {
      return fault(offset, 'option delta 15 is reserved');
    }

    let valueLength = head & 15;
    if (valueLength === 13) {
      if (cursor >= length) return fault(length, 'option length is cut off');
      valueLength = 13 + (bytes[cursor++] as number);
    } else if (valueLength === 14) {
      if (cursor + 2 > length) return fault(length, 'option length is cut off');
      valueLength = 269 + (((bytes[cursor] as number) << 8) | (bytes[cursor + 1] as number));
      cursor += 2;
    } else if (valueLength === 15) {
      return fault(offset, 'option length 15 is reserved');
    }

    number += delta;
    if (number > maxOptionNumber) return fault(offset, `option number ${number} is above 65535`);
    if (valueLength > length - cursor) return fault(length, `value of option ${number} is cut off`);
    presence |= 1 << (number & 31);
    offset = cursor + valueLength;
  }
  if (offset === length) return { kind: 'body', optionsEnd: offset, presence, payloadStart: offset };
  if (offset + 1 === length) return fault(offset, 'payload marker without a payload');
  return { kind: 'body', optionsEnd: offset, presence, payloadStart: offset + 1 };
}

/** Options and payload that are ready to be written: how many bytes they take, and how. */
export class BodyWriter {
  readonly #options: readonly OptionEntry[];
  readonly #payload: Uint8Array;
  /** Bytes that `write` writes. */
  readonly length: number;

  /** Throws `ApiMisuseError` for options that are not in ascending order, or too long. */
  constructor(entries: Iterable<OptionEntry>, payload: Uint8Array) {
    // They are walked twice, which an iterator would not survive.
    this.#options = Array.isArray(entries) ? entries : [...entries];
    this.#payload = payload;
    this.length = bodyLength(this.#options, payload);
  }

  /** Writes into `bytes` at `start`. */
  write(bytes: Uint8Array, start: number): void {
    const offset = writeOptions(this.#options, bytes, start);
    if (this.#payload.length === 0) return;
    bytes[offset] = payloadMarker;
    bytes.set(this.#payload, offset + 1);
  }
}

/**
 * Bytes that these options and this payload take.
 * Throws `ApiMisuseError` for options that are not in ascending order, or too long.
 */
export function bodyLength(options: Iterable<OptionEntry>, payload: Uint8Array): number {
  let length = payload.length === 0 ? 0 : 1 + payload.length;
  let previous = 0;
  for (const { number, value } of options) {
    if (!(number >= previous && number <= maxOptionNumber)) {
      throw new ApiMisuseError(
        `option ${number} follows option ${previous}; expected ascending numbers up to 65535`,
      );
    }
    if (value.length > maxOptionLength) {
      throw new ApiMisuseError(
        `option ${number} has ${value.length} bytes; expected at most ${maxOptionLength}`,
      );
    }
    length += 1 + extensionLength(number - previous) + extensionLength(value.length) + value.length;
    previous = number;
  }
  return length;
}

/** Writes the options at `start` and returns the offset behind them. */
function writeOptions(options: readonly OptionEntry[], bytes: Uint8Array, start: number): number {
  let offset = start;
  let previous = 0;
  for (const { number, value } of options) {
    const delta = number - previous;
    bytes[offset] = (nibble(delta) << 4) | nibble(value.length);
    offset = writeExtension(bytes, offset + 1, delta);
    offset = writeExtension(bytes, offset, value.length);
    // A loop is quicker than TypedArray.set for the short values that options have.
    for (let i = 0; i < value.length; i++) bytes[offset + i] = value[i] as number;
    offset += value.length;
    previous = number;
  }
  return offset;
}

function nibble(value: number): number {
  return value < 13 ? value : value < 269 ? 13 : 14;
}

function extensionLength(value: number): number {
  return value < 13 ? 0 : value < 269 ? 1 : 2;
}

function writeExtension(bytes: Uint8Array, offset: number, value: number): number {
  if (value < 13) return offset;
  if (value < 269) {
    bytes[offset] = value - 13;
    return offset + 1;
  }
  bytes[offset] = (value - 269) >> 8;
  bytes[offset + 1] = (value - 269) & 255;
  return offset + 2;
}

function fault(offset: number, reason: string): BodyFault {
  return { kind: 'body-fault', offset, reason };
}
