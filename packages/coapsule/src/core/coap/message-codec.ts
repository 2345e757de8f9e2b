/**
 * CoAP messages over UDP and DTLS: bytes to message and back.
 *
 * RFC 7252 §3, with the rejections of §4.2 that need no context. Not here: which codes a message type may
 * carry (§4.3, the message layer), options and payload (`message-body.ts`), what an option means (§5.4), other
 * framings (RFC 8323, `stream-codec.ts`).
 *
 * @module
 */

import { ApiMisuseError, type DecodeFault } from '../foundation/errors.ts';
import { Code, isReservedCode } from './code.ts';
import { BodyWriter, bodyLength, scanBody } from './message-body.ts';
import { type Message, type MessageType, MessageView } from './message-view.ts';
import { maxExtendedTokenLength } from './signaling.ts';
import { baseTokenLength, placeOfToken, tokenBytes, tokenLengthField, writeToken } from './token-length.ts';

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

/**
 * Decode one CoAP message from a UDP datagram (RFC 7252 §3).
 *
 * @param datagram Any bytes; kept by the returned view and not changed.
 * @param maxTokenLength Above 8: extended tokens are read (RFC 8974 §2.1), also longer ones than this, which get an
 *        answer (§2.2.2). At 8, the default, they are format errors (RFC 7252 §3).
 * @returns the message, or a fault with the byte offset; never throws.
 */
export function decodeMessage(
  datagram: Uint8Array,
  maxTokenLength: number = baseTokenLength,
): MessageView | MessageDecodeFault {
  const length = datagram.length;
  if (length < headerLength) return fault(length, 'shorter than the header of 4 bytes');
  const first = datagram[0] as number;
  // §3: messages with unknown version numbers are silently ignored, so the rest is not interpreted.
  if (first >> 6 !== 1) return fault(0, `version ${first >> 6}, expected 1`);

  const tokenLength = first & 15;
  if (tokenLength === 15 || (tokenLength > baseTokenLength && maxTokenLength <= baseTokenLength)) {
    return headerFault(datagram, 0, `token length ${tokenLength} is reserved`);
  }
  const code = datagram[1] as number;
  if (isReservedCode(code)) return headerFault(datagram, 1, `code class ${code >> 5} is reserved`);
  if (code === Code.Empty) {
    // §4.1: the Token Length is 0 and nothing follows the Message ID.
    if (tokenLength !== 0) return headerFault(datagram, 0, 'Empty message with a token length');
    if (length > headerLength)
      return headerFault(datagram, headerLength, 'Empty message with bytes behind its header');
  }
  const token = placeOfToken(datagram, tokenLength, headerLength);
  if (token === undefined || token.end > length) return headerFault(datagram, length, 'token is cut off');
  const optionsStart = token.end;

  const body = scanBody(datagram, optionsStart);
  if (body.kind === 'body-fault') return headerFault(datagram, body.offset, body.reason);
  return new MessageView(
    datagram,
    types[(first >> 4) & 3] as MessageType,
    token.start,
    optionsStart,
    body.optionsEnd,
    body.presence,
    body.payloadStart,
  );
}

/**
 * Encode one CoAP message for a UDP datagram (RFC 7252 §3). Option lengths of 13 and more, and payload
 * marker, as the format needs them; tokens above 8 bytes (RFC 8974) where `maxTokenLength` allows them.
 *
 * Throws `ApiMisuseError` for a message that has no encoding: Message ID or code out of range or reserved,
 * token above `maxTokenLength` bytes, an Empty message with content, options not in ascending order.
 */
export function encodeMessage(message: Message, maxTokenLength: number = baseTokenLength): Uint8Array {
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
  const longest = Math.min(maxTokenLength, maxExtendedTokenLength);
  if (token.length > longest) {
    throw new ApiMisuseError(`token has ${token.length} bytes; expected at most ${longest}`);
  }

  const body = new BodyWriter(message.options.entries(), payload);
  if (code === Code.Empty && token.length + body.length > 0) {
    throw new ApiMisuseError(
      'an Empty message has a token, options or a payload; expected none (RFC 7252 §4.1)',
    );
  }

  const datagram = new Uint8Array(headerLength + tokenBytes(token.length) + body.length);
  datagram[0] = 0x40 | (type << 4) | tokenLengthField(token.length);
  datagram[1] = code;
  datagram[2] = messageId >> 8;
  datagram[3] = messageId & 255;
  writeToken(token, datagram, headerLength);
  body.write(datagram, headerLength + tokenBytes(token.length));
  return datagram;
}

/** Bytes that `encodeMessage` makes of a message with this token, these options and this payload. */
export function encodedLength({
  token,
  options,
  payload,
}: Pick<Message, 'token' | 'options' | 'payload'>): number {
  return headerLength + tokenBytes(token.length) + bodyLength(options.entries(), payload);
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
