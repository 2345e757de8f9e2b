/**
 * CoAP messages over UDP and DTLS: bytes to message and back.
 *
 * RFC 7252 §3, with the rejections of §4.2 that need no context. Not here: which codes a message type may
 * carry (§4.3, the message layer), what an option means (§5.4), other framings (RFC 8323).
 *
 * @module
 */

import { ApiMisuseError, type DecodeFault } from '../foundation/errors.ts';
import { Code, isReservedCode } from './code.ts';
import { type Message, type MessageType, MessageView } from './message-view.ts';
import { maxOptionLength, maxOptionNumber } from './option-registry.ts';
import type { OptionEntry } from './option-set.ts';

export { isDecodeFault } from '../foundation/errors.ts';

/** A datagram that is no CoAP message. */
export interface MessageDecodeFault extends DecodeFault {
  /**
   * Together with `messageId`: set whenever the first 4 bytes are the header of a message of version 1,
   * so that a Confirmable one can be answered with a Reset (RFC 7252 §4.2). Not set for another version,
   * which is silently ignored (§3).
   */
  readonly type?: MessageType;
  readonly messageId?: number;
}

const types: readonly MessageType[] = ['CON', 'NON', 'ACK', 'RST'];

/** Bytes before the Token. */
const headerLength = 4;
const payloadMarker = 0xff;

/**
 * Decode one CoAP message from a UDP datagram (RFC 7252 §3).
 *
 * @param datagram Any bytes; kept by the returned view and not changed.
 * @returns the message, or a fault with the byte offset; never throws.
 */
export function decodeMessage(datagram: Uint8Array): MessageView | MessageDecodeFault {
  const length = datagram.length;
  if (length < headerLength) return fault(length, 'shorter than the header of 4 bytes');
  const first = datagram[0] as number;
  // §3: messages with unknown version numbers are silently ignored, so the rest is not interpreted.
  if (first >> 6 !== 1) return fault(0, `version ${first >> 6}, expected 1`);

  const tokenLength = first & 15;
  if (tokenLength > 8) return headerFault(datagram, 0, `token length ${tokenLength} is reserved`);
  const code = datagram[1] as number;
  if (isReservedCode(code)) return headerFault(datagram, 1, `code class ${code >> 5} is reserved`);
  if (code === Code.Empty) {
    // §4.1: the Token Length is 0 and nothing follows the Message ID.
    if (tokenLength !== 0) return headerFault(datagram, 0, 'Empty message with a token length');
    if (length > headerLength)
      return headerFault(datagram, headerLength, 'Empty message with bytes behind its header');
  }
  const optionsStart = headerLength + tokenLength;
  if (optionsStart > length) return headerFault(datagram, length, 'token is cut off');

  let offset = optionsStart;
  let number = 0;
  let presence = 0;
  while (offset < length) {
    const head = datagram[offset] as number;
    if (head === payloadMarker) break;
    let cursor = offset + 1;

    let delta = head >> 4;
    if (delta === 13) {
      if (cursor >= length) return headerFault(datagram, length, 'option delta is cut off');
      delta = 13 + (datagram[cursor++] as number);
    } else if (delta === 14) {
      if (cursor + 2 > length) return headerFault(datagram, length, 'option delta is cut off');
      delta = 269 + (((datagram[cursor] as number) << 8) | (datagram[cursor + 1] as number));
      cursor += 2;
    } else if (delta === 15) {
      return headerFault(datagram, offset, 'option delta 15 is reserved');
    }

    let valueLength = head & 15;
    if (valueLength === 13) {
      if (cursor >= length) return headerFault(datagram, length, 'option length is cut off');
      valueLength = 13 + (datagram[cursor++] as number);
    } else if (valueLength === 14) {
      if (cursor + 2 > length) return headerFault(datagram, length, 'option length is cut off');
      valueLength = 269 + (((datagram[cursor] as number) << 8) | (datagram[cursor + 1] as number));
      cursor += 2;
    } else if (valueLength === 15) {
      return headerFault(datagram, offset, 'option length 15 is reserved');
    }

    number += delta;
    if (number > maxOptionNumber)
      return headerFault(datagram, offset, `option number ${number} is above 65535`);
    if (valueLength > length - cursor)
      return headerFault(datagram, length, `value of option ${number} is cut off`);
    presence |= 1 << (number & 31);
    offset = cursor + valueLength;
  }

  let payloadStart = offset;
  if (offset < length) {
    payloadStart = offset + 1;
    if (payloadStart === length) return headerFault(datagram, offset, 'payload marker without a payload');
  }
  return new MessageView(
    datagram,
    types[(first >> 4) & 3] as MessageType,
    optionsStart,
    offset,
    presence,
    payloadStart,
  );
}

/**
 * Encode one CoAP message for a UDP datagram (RFC 7252 §3). Option lengths of 13 and more, and payload
 * marker, as the format needs them.
 *
 * Throws `ApiMisuseError` for a message that has no encoding: Message ID or code out of range or reserved,
 * token above 8 bytes, an Empty message with content, options not in ascending order.
 */
export function encodeMessage(message: Message): Uint8Array {
  const { code, messageId, token, payload } = message;
  const type = types.indexOf(message.type);
  if (type < 0)
    throw new ApiMisuseError(`message type is "${message.type}"; expected one of ${types.join(', ')}`);
  if (!Number.isInteger(code) || code < 0 || code > 255 || isReservedCode(code)) {
    throw new ApiMisuseError(`code is ${code}; expected 0 to 255 without the reserved classes 1, 6 and 7`);
  }
  if (!Number.isInteger(messageId) || messageId < 0 || messageId > 0xffff) {
    throw new ApiMisuseError(`messageId is ${messageId}; expected 0 to 65535`);
  }
  if (token.length > 8) throw new ApiMisuseError(`token has ${token.length} bytes; expected at most 8`);

  const entries = message.options.entries();
  // They are walked twice, which an iterator would not survive.
  const options: readonly OptionEntry[] = Array.isArray(entries) ? entries : [...entries];
  const optionsLength = encodedOptionsLength(options);
  if (code === Code.Empty && token.length + optionsLength + payload.length > 0) {
    throw new ApiMisuseError(
      'an Empty message has a token, options or a payload; expected none (RFC 7252 §4.1)',
    );
  }

  const payloadLength = payload.length === 0 ? 0 : 1 + payload.length;
  const datagram = new Uint8Array(headerLength + token.length + optionsLength + payloadLength);
  datagram[0] = 0x40 | (type << 4) | token.length;
  datagram[1] = code;
  datagram[2] = messageId >> 8;
  datagram[3] = messageId & 255;
  datagram.set(token, headerLength);
  const offset = writeOptions(options, datagram, headerLength + token.length);
  if (payloadLength > 0) {
    datagram[offset] = payloadMarker;
    datagram.set(payload, offset + 1);
  }
  return datagram;
}

function encodedOptionsLength(options: readonly OptionEntry[]): number {
  let length = 0;
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

/** Writes the options at `offset` and returns the offset behind them. */
function writeOptions(options: readonly OptionEntry[], datagram: Uint8Array, start: number): number {
  let offset = start;
  let previous = 0;
  for (const { number, value } of options) {
    const delta = number - previous;
    datagram[offset] = (nibble(delta) << 4) | nibble(value.length);
    offset = writeExtension(datagram, offset + 1, delta);
    offset = writeExtension(datagram, offset, value.length);
    // A loop is quicker than TypedArray.set for the short values that options have.
    for (let i = 0; i < value.length; i++) datagram[offset + i] = value[i] as number;
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

function writeExtension(datagram: Uint8Array, offset: number, value: number): number {
  if (value < 13) return offset;
  if (value < 269) {
    datagram[offset] = value - 13;
    return offset + 1;
  }
  datagram[offset] = (value - 269) >> 8;
  datagram[offset + 1] = (value - 269) & 255;
  return offset + 2;
}

function fault(offset: number, reason: string): MessageDecodeFault {
  return { kind: 'decode-fault', layer: 'coap', offset, reason };
}

function headerFault(datagram: Uint8Array, offset: number, reason: string): MessageDecodeFault {
  return {
    kind: 'decode-fault',
    layer: 'coap',
    offset,
    reason,
    type: types[((datagram[0] as number) >> 4) & 3] as MessageType,
    messageId: ((datagram[2] as number) << 8) | (datagram[3] as number),
  };
}
