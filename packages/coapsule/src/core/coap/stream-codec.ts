/**
 * CoAP messages over reliable transports: framing for a byte stream (TCP, TLS) and for WebSocket messages.
 *
 * RFC 8323 §3.2 and §4.2, extended tokens by RFC 8974 §2.1 and Appendix A. There is no type and no Message ID. What
 * signaling messages mean is in `signaling.ts` and `core/connection/`.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';
import { ApiMisuseError, type DecodeFault } from '../foundation/errors.ts';
import { Code, isRequestCode, isReservedCode } from './code.ts';
import { BodyWriter, scanBody } from './message-body.ts';
import type { MessageContent } from './message-view.ts';
import type { OptionReader } from './option-set.ts';
import { OptionView } from './option-view.ts';
import { isSignalingCode, maxExtendedTokenLength } from './signaling.ts';

/** How messages are told apart: by a length of their own, or one for each WebSocket message. */
export type StreamFraming = 'tcp' | 'websocket';

/** What a decoder lets pass. */
export interface StreamLimits {
  /** Longest message in bytes, header included. */
  readonly maxMessageSize: number;
  /** Longest token of a request in bytes, 8 … 65,804. */
  readonly maxTokenLength: number;
}

/** A received message: offsets into its bytes. Token, option values and payload are views of them. */
export class StreamMessage implements MessageContent {
  readonly code: Code;
  /** The whole message as it was received, in its framing. */
  readonly bytes: Uint8Array;
  readonly #tokenStart: number;
  readonly #optionsStart: number;
  readonly #optionsEnd: number;
  readonly #presence: number;
  readonly #payloadStart: number;
  #options: OptionReader | undefined;

  /** For the decoders, which have checked the bytes. Offsets are from the start of the bytes. */
  constructor(
    bytes: Uint8Array,
    code: Code,
    tokenStart: number,
    optionsStart: number,
    body: { readonly optionsEnd: number; readonly presence: number; readonly payloadStart: number },
  ) {
    this.bytes = bytes;
    this.code = code;
    this.#tokenStart = tokenStart;
    this.#optionsStart = optionsStart;
    this.#optionsEnd = body.optionsEnd;
    this.#presence = body.presence;
    this.#payloadStart = body.payloadStart;
  }

  get token(): Uint8Array {
    return this.bytes.subarray(this.#tokenStart, this.#optionsStart);
  }

  get options(): OptionReader {
    this.#options ??= new OptionView(this.bytes, this.#optionsStart, this.#optionsEnd, this.#presence);
    return this.#options;
  }

  get payload(): Uint8Array {
    return this.#payloadStart === this.bytes.length ? noBytes : this.bytes.subarray(this.#payloadStart);
  }
}

/** Bytes before the options of a message, as far as they are there. */
interface FrameHeader {
  /** Offset of the Code. */
  readonly codeAt: number;
  /** Bytes of the whole message; undefined in WebSocket framing, where its bytes say it. */
  readonly length: number | undefined;
}

/** Extended lengths are added to this, by the value of the nibble (RFC 8323 §3.2). */
const lengthBases = { 13: 13, 14: 269, 15: 65_805 } as const;

/**
 * Takes a byte stream apart, however it is cut into chunks (RFC 8323 §3.2).
 *
 * Memory is what was received of an unfinished message, twice at most: a length that is announced and never comes costs
 * nothing, and one above `maxMessageSize` is a fault as soon as it is read. After a fault the stream has no meaning any
 * more: `next` returns the same fault for ever.
 */
export class StreamDecoder {
  readonly #limits: StreamLimits;
  #buffer: Uint8Array = noBytes;
  #start = 0;
  #end = 0;
  /** Whether `#buffer` was made here, so that bytes behind `#end` are free to use. */
  #owned = false;
  #fault: DecodeFault | undefined;

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /** Bytes of a message that is not complete. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** Takes the next bytes, which belong to the decoder from here on. Drain `next` before the next call. */
  push(chunk: Uint8Array): void {
    if (this.#fault !== undefined || chunk.length === 0) return;
    const pending = this.pending;
    if (pending === 0) {
      this.#buffer = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#owned = false;
      return;
    }
    if (!this.#owned || this.#end + chunk.length > this.#buffer.length) {
      // Twice as much each time: a message that comes byte by byte is copied a few times, not once a byte.
      const grown = new Uint8Array(Math.max(2 * pending, pending + chunk.length));
      grown.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = grown;
      this.#start = 0;
      this.#end = pending;
      this.#owned = true;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The next whole message, the fault that ended the stream, or `undefined` when more bytes are needed. Never throws. */
  next(): StreamMessage | DecodeFault | undefined {
    if (this.#fault !== undefined) return this.#fault;
    const bytes = this.#buffer.subarray(this.#start, this.#end);
    const header = frameHeader(bytes, 'tcp');
    if (header === undefined) return this.#wait();
    const length = header.length as number;
    if (length > this.#limits.maxMessageSize) return this.#fail(tooLong(length, this.#limits));
    if (bytes.length < length) return this.#wait();
    const message = decodeFrame(bytes.subarray(0, length), header.codeAt, this.#limits);
    if ('kind' in message) return this.#fail(message);
    this.#start += length;
    if (this.#start === this.#end) this.#forget();
    return message;
  }

  /** The start of a message must not keep the chunk that it came in, with all the messages before it. */
  #wait(): undefined {
    if (!this.#owned && this.pending > 0) {
      this.#buffer = this.#buffer.slice(this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
      this.#owned = true;
    }
    return undefined;
  }

  #fail(fault: DecodeFault): DecodeFault {
    this.#fault = fault;
    this.#forget();
    return fault;
  }

  #forget(): void {
    this.#buffer = noBytes;
    this.#start = 0;
    this.#end = 0;
    this.#owned = false;
  }
}

/**
 * Decode the bytes of one message.
 *
 * @param bytes Exactly one message; kept by the result and not changed.
 * @returns the message, or a fault with the byte offset; never throws.
 */
export function decodeStreamMessage(
  bytes: Uint8Array,
  framing: StreamFraming,
  limits: StreamLimits = { maxMessageSize: Infinity, maxTokenLength: maxExtendedTokenLength },
): StreamMessage | DecodeFault {
  const header = frameHeader(bytes, framing);
  if (header === undefined) return fault(bytes.length, 'header is cut off');
  // RFC 8323 §4.2: the WebSocket frame has the length, and Len is zero.
  if (framing === 'websocket' && (bytes[0] as number) >> 4 !== 0) return fault(0, 'Len is not zero');
  const length = header.length ?? bytes.length;
  if (length > limits.maxMessageSize) return tooLong(length, limits);
  if (length !== bytes.length) return fault(bytes.length, `${length} bytes announced`);
  return decodeFrame(bytes, header.codeAt, limits);
}

/** Where the Code is, and how long the message; `undefined` when that cannot be seen yet. */
function frameHeader(bytes: Uint8Array, framing: StreamFraming): FrameHeader | undefined {
  if (bytes.length === 0) return undefined;
  const first = bytes[0] as number;
  const nibble = first >> 4;
  const extended = framing === 'tcp' && nibble > 12 ? 2 ** (nibble - 13) : 0;
  const codeAt = 1 + extended;
  if (bytes.length < codeAt) return undefined;
  if (framing === 'websocket') return bytes.length < 2 ? undefined : { codeAt, length: undefined };
  let body: number = nibble;
  if (extended > 0) {
    body = 0;
    for (let at = 1; at < codeAt; at++) body = body * 256 + (bytes[at] as number);
    body += lengthBases[nibble as keyof typeof lengthBases];
  }
  const { field, length } = tokenField(bytes, codeAt + 1, first & 15) ?? leastToken(first & 15);
  return { codeAt, length: codeAt + 1 + field + length + body };
}

/** The token's length, and how many bytes say so behind the Code; `undefined` when it is reserved or cut off. */
function tokenField(
  bytes: Uint8Array,
  at: number,
  nibble: number,
): { readonly field: number; readonly length: number } | undefined {
  if (nibble < 13) return { field: 0, length: nibble };
  if (nibble === 13) {
    return at < bytes.length ? { field: 1, length: 13 + (bytes[at] as number) } : undefined;
  }
  if (nibble === 15 || at + 2 > bytes.length) return undefined;
  return { field: 2, length: 269 + (((bytes[at] as number) << 8) | (bytes[at + 1] as number)) };
}

/** What counts until the length of a token is there: too much is too much already, and not enough has to wait. */
function leastToken(nibble: number): { readonly field: number; readonly length: number } {
  return nibble === 13 ? { field: 1, length: 13 } : nibble === 14 ? { field: 2, length: 269 } : noToken;
}

const noToken = { field: 0, length: 0 } as const;

/** `bytes` is one whole message. */
function decodeFrame(bytes: Uint8Array, codeAt: number, limits: StreamLimits): StreamMessage | DecodeFault {
  if (codeAt >= bytes.length) return fault(bytes.length, 'code is cut off');
  const nibble = (bytes[0] as number) & 15;
  if (nibble === 15) return fault(0, 'token length 15 is reserved');
  const token = tokenField(bytes, codeAt + 1, nibble);
  if (token === undefined) return fault(bytes.length, 'token length is cut off');
  const code = bytes[codeAt] as number;
  // RFC 8974 §2.2.1: a token above what was announced is a message-format error, in a request.
  if (token.length > limits.maxTokenLength && isRequestCode(code)) {
    return fault(0, `token of ${token.length} bytes, at most ${limits.maxTokenLength} are taken`);
  }
  if (isReservedCode(code) && !isSignalingCode(code)) {
    return fault(codeAt, `code class ${code >> 5} is reserved`);
  }
  const tokenStart = codeAt + 1 + token.field;
  const optionsStart = tokenStart + token.length;
  if (optionsStart > bytes.length) return fault(bytes.length, 'token is cut off');
  // RFC 7252 §4.1, which RFC 8323 §3.4 does not change: nothing follows the header of an Empty message.
  if (code === Code.Empty && bytes.length > codeAt + 1)
    return fault(codeAt + 1, 'Empty message with content');
  const body = scanBody(bytes, optionsStart);
  if (body.kind === 'body-fault') return fault(body.offset, body.reason);
  return new StreamMessage(bytes, code, tokenStart, optionsStart, body);
}

/**
 * Encode one message.
 *
 * Throws `ApiMisuseError` for a message that has no encoding: code out of range or reserved, token above 65,804 bytes,
 * an Empty message with content, options not in ascending order, 4 GiB and more.
 */
export function encodeStreamMessage(message: MessageContent, framing: StreamFraming): Uint8Array {
  const { code, token, payload } = message;
  if (!Number.isInteger(code) || code < 0 || code > 255 || (isReservedCode(code) && !isSignalingCode(code))) {
    throw new ApiMisuseError(`code is ${code}; expected 0 to 255 without the reserved classes 1 and 6`);
  }
  if (token.length > maxExtendedTokenLength) {
    throw new ApiMisuseError(
      `token has ${token.length} bytes; expected at most ${maxExtendedTokenLength} (RFC 8974 §2.1)`,
    );
  }
  const body = new BodyWriter(message.options.entries(), payload);
  if (code === Code.Empty && token.length + body.length > 0) {
    throw new ApiMisuseError(
      'an Empty message has a token, options or a payload; expected none (RFC 7252 §4.1)',
    );
  }
  const length = framing === 'websocket' ? { nibble: 0, bytes: noBytes } : extendedLength(body.length);
  const tokenLength =
    token.length < 13 ? { nibble: token.length, bytes: noBytes } : extendedLength(token.length);
  const codeAt = 1 + length.bytes.length;
  const tokenStart = codeAt + 1 + tokenLength.bytes.length;
  const bytes = new Uint8Array(tokenStart + token.length + body.length);
  bytes[0] = (length.nibble << 4) | tokenLength.nibble;
  bytes.set(length.bytes, 1);
  bytes[codeAt] = code;
  bytes.set(tokenLength.bytes, codeAt + 1);
  bytes.set(token, tokenStart);
  body.write(bytes, tokenStart + token.length);
  return bytes;
}

/** A length as its nibble and the bytes that extend it. */
function extendedLength(length: number): { readonly nibble: number; readonly bytes: Uint8Array } {
  if (length < 13) return { nibble: length, bytes: noBytes };
  const nibble = length < 269 ? 13 : length < 65_805 ? 14 : 15;
  const rest = length - lengthBases[nibble];
  if (rest >= 2 ** 32) throw new ApiMisuseError(`the message has ${length} bytes; expected less than 4 GiB`);
  const bytes = new Uint8Array(2 ** (nibble - 13));
  for (let at = bytes.length - 1, left = rest; at >= 0; at--, left = Math.floor(left / 256)) bytes[at] = left;
  return { nibble, bytes };
}

function tooLong(length: number, { maxMessageSize }: StreamLimits): DecodeFault {
  return fault(0, `message of ${length} bytes, at most ${maxMessageSize} are taken`);
}

function fault(offset: number, reason: string): DecodeFault {
  return { kind: 'decode-fault', layer: 'coap', offset, reason };
}
