/**
 * A CoAP message, field by field: over UDP (RFC 7252 §3), over TCP and WebSocket (RFC 8323 §3.2, §4.2), and inside of OSCORE
 * (RFC 8613 §5.3); its payload by its Content-Format.
 *
 * @module
 */

import {
  bertSzx,
  blockSize,
  decodeBlock,
  decodeMessage,
  decodeUint,
  isCritical,
  isDecodeFault,
  isLegalOptionValue,
  isRequestCode,
  type Message,
  type MessageContent,
  OptionNumber,
  optionDefinition,
} from 'coapsule/message';
import { codeLabel, optionName, optionText, pathText } from '../cli/message-text.ts';
import { hexText } from '../text/hex.ts';
import { printableUtf8 } from '../text/printable.ts';
import { type DecodedField, FieldReader, moved, shortHex } from './decoded-field.ts';
import { payloadFields } from './payload-fields.ts';

/** A message and its fields. */
export interface DecodedCoap {
  /** `undefined` where it is none. */
  readonly message: Message | undefined;
  readonly fields: readonly DecodedField[];
  /** One line about it. */
  readonly summary: string;
  /** Why it is none. */
  readonly problem?: string;
}

/** Options that have fields of their own: a datagram can have 60,000, each of a byte, and its fields would take half a second. */
const mostOptions = 256;

const typeNames = ['CON', 'NON', 'ACK', 'RST'] as const;

/** The fields of a message. What is wrong with it is named at the field where it is. */
export function coapFields(bytes: Uint8Array): DecodedCoap {
  const decoded = decodeMessage(bytes);
  const reader = new FieldReader(bytes);
  readMessage(reader);
  const { fields } = reader;
  if (isDecodeFault(decoded)) {
    const problem = `${decoded.reason} (byte ${decoded.offset})`;
    return { message: undefined, fields, summary: `malformed: ${problem}`, problem };
  }
  return { message: decoded, fields, summary: coapSummary(decoded) };
}

/**
 * The fields of a message in a stream, or in a WebSocket message.
 *
 * @returns as its message one that has the type NON and the Message ID 0, which it has not: what looks at those must not look at it.
 */
export function streamCoapFields(bytes: Uint8Array, framing: 'tcp' | 'websocket'): DecodedCoap {
  const reader = new FieldReader(bytes);
  const headLength = readStreamMessage(reader, framing);
  const { fields } = reader;
  if (headLength === undefined) {
    const problem = 'its header is cut, or has a reserved length';
    return { message: undefined, fields, summary: `malformed: ${problem}`, problem };
  }
  // As a datagram it has the same code, token, options and payload, and a header of four bytes.
  const datagram = new Uint8Array(4 + bytes.length - headLength);
  const code = bytes[headLength - 1]!;
  // In a datagram the codes of signaling are reserved (RFC 8323 §5.1).
  const isSignaling = code >> 5 === 7;
  datagram.set([0x50 | (bytes[0]! & 15), isSignaling ? 0x45 : code, 0, 0]);
  datagram.set(bytes.subarray(headLength), 4);
  const decoded = decodeMessage(datagram);
  if (isDecodeFault(decoded)) {
    const at = decoded.offset - 4 + headLength;
    const problem = `${decoded.reason} (byte ${Math.max(at, 0)})`;
    return { message: undefined, fields, summary: `malformed: ${problem}`, problem };
  }
  const { type, messageId, token, options, payload: content } = decoded;
  const message = isSignaling ? { type, messageId, code, token, options, payload: content } : decoded;
  return { message, fields, summary: contentSummary([], message) };
}

/** The fields of what was encrypted by OSCORE: a code, options and a payload (RFC 8613 §5.3). */
export function oscorePlaintextFields(plaintext: Uint8Array): readonly DecodedField[] {
  const reader = new FieldReader(plaintext);
  readOptions(reader, reader.uint('Code', 1, codeText));
  return reader.fields;
}

/** Type, code, path, observation and blocks, and how much payload. */
function coapSummary(message: Message): string {
  const { type, messageId } = message;
  return contentSummary([type], message, `id ${messageId.toString(16).padStart(4, '0')}`);
}

/** Of what has no type and no Message ID, too. */
export function contentSummary(before: readonly string[], message: MessageContent, id?: string): string {
  const { code, token, options, payload } = message;
  const parts: string[] = [...before, codeText(code), ...(id === undefined ? [] : [id])];
  if (token.length > 0) parts.push(`token ${hexText(token)}`);
  if (isRequestCode(code)) parts.push(pathText(options));
  const observe = options.uint(OptionNumber.Observe);
  if (observe !== undefined) parts.push(`Observe ${observe}`);
  for (const number of [OptionNumber.Block1, OptionNumber.Block2] as const) {
    const value = options.first(number);
    if (value !== undefined) parts.push(`${optionName(number)} ${optionText({ number, value })}`);
  }
  if (options.has(OptionNumber.Oscore)) parts.push('OSCORE');
  if (payload.length > 0) parts.push(`${payload.length} bytes`);
  return parts.join(' ');
}

function readMessage(reader: FieldReader): void {
  const { bytes } = reader;
  const first = bytes[0];
  if (first === undefined) return;
  reader.position = 1;
  const tokenLength = first & 15;
  const version = first >> 6;
  reader.note('Version', String(version), 0, version === 1 ? undefined : 'only version 1 is CoAP');
  reader.note('Type', typeNames[(first >> 4) & 3]!, 0);
  reader.note('Token Length', String(tokenLength), 0, tokenLength === 15 ? '15 is reserved' : undefined);
  reader.uint('Code', 1, codeText);
  reader.uint('Message ID', 2, (id) => id.toString(16).padStart(4, '0'));
  const length = extended(reader, 'Token Length', tokenLength);
  if (length === undefined) return;
  if (length > 0) reader.take('Token', length);
  readOptions(reader, reader.bytes[1] ?? 0);
}

/** @returns how many bytes there are up to the code and with it. */
function readStreamMessage(reader: FieldReader, framing: 'tcp' | 'websocket'): number | undefined {
  const first = reader.bytes[0];
  if (first === undefined) return undefined;
  reader.position = 1;
  const [length, tokenLength] = [first >> 4, first & 15];
  const isReserved = framing === 'websocket' && length !== 0;
  reader.note('Len', String(length), 0, isReserved ? 'over WebSocket it is 0 (RFC 8323 §4.2)' : undefined);
  reader.note('Token Length', String(tokenLength), 0, tokenLength === 15 ? '15 is reserved' : undefined);
  // RFC 8323 §3.2: 13, 14 and 15 mean one, two and four bytes more.
  if (framing === 'tcp' && length >= 13) {
    const [bytes, base] = length === 13 ? [1, 13] : length === 14 ? [2, 269] : [4, 65_805];
    reader.uint('Extended Length', bytes, (value) => String(value + base));
  }
  const code = reader.uint('Code', 1, codeText);
  if (reader.failed) return undefined;
  const headLength = reader.position;
  const token = extended(reader, 'Token Length', tokenLength);
  if (token === undefined) return undefined;
  if (token > 0) reader.take('Token', token);
  readOptions(reader, code);
  return headLength;
}

function readOptions(reader: FieldReader, code: number): void {
  let number = 0;
  let contentFormat: number | undefined;
  let count = 0;
  while (reader.remaining > 0) {
    if (count++ === mostOptions) passOptions(reader);
    if (reader.remaining === 0) return;
    const start = reader.position;
    const first = reader.bytes[start]!;
    if (first === 0xff) {
      reader.position += 1;
      reader.note(
        'Payload Marker',
        'ff',
        start,
        reader.remaining === 0 ? 'no payload comes after it' : undefined,
      );
      payload(reader, contentFormat, code);
      return;
    }
    const inner = new FieldReader(reader.bytes, start + 1, reader.end);
    inner.note('Option Delta', String(first >> 4), start);
    inner.note('Option Length', String(first & 15), start);
    const delta = extended(inner, 'Option Delta', first >> 4);
    const length = extended(inner, 'Option Length', first & 15);
    if (delta === undefined || length === undefined) {
      reader.fields.push({ name: 'Option', value: '', start, end: inner.position, fields: inner.fields });
      reader.position = inner.position;
      reader.rest('what comes after a broken option cannot be read');
      return;
    }
    number += delta;
    const value = inner.take('Option Value', length);
    reader.position = inner.position;
    if (number === OptionNumber.ContentFormat && !inner.failed) contentFormat = decodeUint(value);
    const signaling = code >> 5 === 7 ? (signalingOptions[code]?.[number] ?? '') : undefined;
    const problem =
      inner.failed || signaling !== undefined
        ? signalingProblem(signaling, number)
        : optionProblem(number, value);
    reader.fields.push({
      name: signaling === undefined ? optionName(number) : signaling || `Option ${number}`,
      value:
        inner.failed || signaling !== undefined
          ? signalingValue(signaling, value)
          : optionValue(number, value),
      start,
      end: inner.position,
      ...(problem !== undefined && { problem }),
      fields: inner.fields,
    });
    if (inner.failed) {
      reader.failed = true;
      return;
    }
  }
}

/** What is left of the options, as one field, up to the payload marker or to one that is broken. */
function passOptions(reader: FieldReader): void {
  const { bytes, position: start, end } = reader;
  let passed = 0;
  let at = start;
  while (at < end && bytes[at] !== 0xff) {
    const [delta, length] = [bytes[at]! >> 4, bytes[at]! & 15];
    const deltaBytes = delta < 13 ? 0 : delta - 12;
    const lengthBytes = length < 13 ? 0 : length - 12;
    const header = 1 + deltaBytes + lengthBytes;
    if (delta === 15 || length === 15 || at + header > end) break;
    let value = length;
    if (lengthBytes === 1) value = 13 + bytes[at + header - 1]!;
    if (lengthBytes === 2) value = 269 + ((bytes[at + header - 2]! << 8) | bytes[at + header - 1]!);
    if (at + header + value > end) break;
    at += header + value;
    passed++;
  }
  if (passed === 0) return;
  reader.position = at;
  reader.fields.push({ name: 'Options', value: `${passed} more, which are not listed`, start, end: at });
}

/** RFC 8323 §5. */
const signalingCodes: Readonly<Record<number, string>> = {
  225: '7.01 CSM',
  226: '7.02 Ping',
  227: '7.03 Pong',
  228: '7.04 Release',
  229: '7.05 Abort',
};

function codeText(code: number): string {
  return signalingCodes[code] ?? codeLabel(code);
}

/** RFC 8323 §5, RFC 8974 §2.2.2: options of signaling messages have numbers of their own, by the code. */
const signalingOptions: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  225: { 2: 'Max-Message-Size', 4: 'Block-Wise-Transfer', 6: 'Extended-Token-Length' },
  226: { 2: 'Custody' },
  227: { 2: 'Custody' },
  228: { 2: 'Alternative-Address', 4: 'Hold-Off' },
  229: { 2: 'Bad-CSM-Option' },
};

function signalingProblem(name: string | undefined, number: number): string | undefined {
  return name === '' && isCritical(number) ? 'critical, and unknown: the connection is aborted' : undefined;
}

function signalingValue(name: string | undefined, value: Uint8Array): string {
  const isNumber = name?.endsWith('Size') || name?.endsWith('Length') || name === 'Hold-Off';
  return (isNumber || name === 'Bad-CSM-Option') && value.length <= 4
    ? String(decodeUint(value))
    : name === 'Alternative-Address'
      ? (printableUtf8(value) ?? shortHex(value))
      : value.length === 0
        ? ''
        : shortHex(value);
}

function payload(reader: FieldReader, contentFormat: number | undefined, code: number): void {
  if (reader.remaining === 0) return;
  const start = reader.position;
  const bytes = reader.bytes.subarray(start, reader.end);
  reader.position = reader.end;
  // RFC 7252 §5.5.2: without a format, the payload of an error is a diagnostic message.
  const format = contentFormat ?? (code >= 0x80 && code < 0xc0 ? 0 : undefined);
  const { value, fields, problem } = payloadFields(bytes, format);
  reader.fields.push({
    ...{ name: 'Payload', value, start, end: reader.end },
    ...(fields !== undefined && { fields: moved(fields, start) }),
    ...(problem !== undefined && { problem }),
  });
}

/** RFC 7252 §3.1, RFC 8974 §2.1: 13 and 14 mean one and two bytes more; 15 is reserved. */
function extended(reader: FieldReader, name: string, nibble: number): number | undefined {
  if (nibble < 13) return nibble;
  if (nibble === 15) {
    reader.note(name, '15', reader.position, '15 is reserved');
    reader.failed = true;
    return undefined;
  }
  const value = reader.uint(`${name} (extended)`, nibble - 12);
  return reader.failed ? undefined : value + (nibble === 13 ? 13 : 269);
}

function optionProblem(number: number, value: Uint8Array): string | undefined {
  const definition = optionDefinition(number);
  if (definition === undefined)
    return isCritical(number) ? 'critical, and unknown: it is answered 4.02' : undefined;
  if (isLegalOptionValue(definition, value)) return undefined;
  const what = isCritical(number) ? 'it is answered 4.02' : 'it is ignored';
  return `${value.length} bytes are no value of this option: ${what}`;
}

function optionValue(number: number, value: Uint8Array): string {
  if (number === OptionNumber.Oscore) return oscoreText(value);
  if (number === OptionNumber.Block1 || number === OptionNumber.Block2) {
    const block = decodeBlock(value);
    if (block !== undefined && block.szx !== bertSzx) {
      const size = blockSize(block.szx);
      return `block ${block.num}, ${block.more ? 'more follow' : 'the last'}, ${size} bytes (from byte ${block.num * size})`;
    }
  }
  if (number === OptionNumber.Observe) {
    const observe = decodeUint(value);
    if (observe === 0) return '0 (register, or the first notification)';
    if (observe === 1) return '1 (deregister, or a notification)';
  }
  return optionText({ number, value });
}

/** RFC 8613 §6.1: flags, Partial IV, kid context, kid. */
function oscoreText(value: Uint8Array): string {
  if (value.length === 0) return 'empty (a response with the request’s own nonce)';
  const flags = value[0]!;
  const ivLength = flags & 7;
  const parts: string[] = [];
  let at = 1;
  if (ivLength > 0) parts.push(`Partial IV ${hexText(value.subarray(at, at + ivLength))}`);
  at += ivLength;
  if ((flags & 0x10) !== 0) {
    const length = value[at] ?? 0;
    parts.push(`kid context ${shortHex(value.subarray(at + 1, at + 1 + length))}`);
    at += 1 + length;
  }
  if ((flags & 8) !== 0) parts.push(`kid ${shortHex(value.subarray(at))}`);
  if ((flags & 0xe0) !== 0 || ivLength > 5) parts.push('reserved flags');
  return parts.join(', ');
}
