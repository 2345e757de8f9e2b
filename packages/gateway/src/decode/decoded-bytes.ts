/**
 * Bytes that somebody gives, and says what they are: a datagram, a message of a stream, an OSCORE option, a payload.
 *
 * @module
 */

import { contentFormatName, contentFormatOf } from 'coapsule/message';
import { decodeOscoreOption } from 'coapsule/oscore';
import { streamCoapFields } from './coap-fields.ts';
import type { DatagramDecoder } from './datagram-decoder.ts';
import { type DecodedField, FieldReader, problemsOf, shortHex } from './decoded-field.ts';
import { partOf, type SummedParts } from './decoded-part.ts';
import { payloadFields } from './payload-fields.ts';

/** What bytes are; a number, or another name: a payload of this Content-Format. */
export type BytesForm = 'datagram' | 'tcp' | 'websocket' | 'oscore-option' | number | string;

/** Decodes them. */
export function decodedBytes(bytes: Uint8Array, form: BytesForm, datagrams: DatagramDecoder): SummedParts {
  switch (form) {
    case 'datagram':
      // As if it were at a port of CoAP: whoever gives bytes says what they are.
      return datagrams.decode('hex:5683', 'hex:5683', bytes);
    case 'tcp':
    case 'websocket': {
      const { fields, summary } = streamCoapFields(bytes, form);
      return { parts: [partOf('CoAP message', bytes, fields)], summary };
    }
    case 'oscore-option': {
      const fields = oscoreOptionFields(bytes);
      return {
        parts: [partOf('OSCORE option', bytes, fields)],
        summary: `OSCORE option, ${bytes.length} bytes`,
      };
    }
    default: {
      const format = typeof form === 'number' ? form : contentFormatOf(form);
      const { value, fields, problem } = payloadFields(bytes, format);
      const payload: DecodedField = {
        ...{ name: 'Payload', value, start: 0, end: bytes.length },
        ...(fields !== undefined && { fields }),
        ...(problem !== undefined && { problem }),
      };
      const name =
        format === undefined ? 'payload' : (contentFormatName(format) ?? `content format ${format}`);
      return { parts: [partOf('payload', bytes, [payload])], summary: `${name}, ${bytes.length} bytes` };
    }
  }
}

/** RFC 8613 §6.1, byte by byte. */
function oscoreOptionFields(bytes: Uint8Array): readonly DecodedField[] {
  const reader = new FieldReader(bytes);
  if (bytes.length === 0) return [];
  const flags = bytes[0]!;
  reader.position = 1;
  reader.note('Reserved', String(flags >> 5), 0, flags >> 5 === 0 ? undefined : 'these bits are 0');
  reader.note('h (kid context)', String((flags >> 4) & 1), 0);
  reader.note('k (kid)', String((flags >> 3) & 1), 0);
  const length = flags & 7;
  reader.note('n (length of Partial IV)', String(length), 0, length > 5 ? '6 and 7 are reserved' : undefined);
  if (length > 0) reader.take('Partial IV', length, (value) => `${shortHex(value)}${numberText(value)}`);
  if ((flags & 0x10) !== 0) reader.vector('kid context', 1);
  if ((flags & 8) !== 0 && !reader.failed) reader.take('kid', reader.remaining);
  reader.rest('bytes that no flag tells of');
  const option = decodeOscoreOption(bytes);
  if ('kind' in option && problemsOf(reader.fields).length === 0)
    reader.fields.push({ name: 'value', value: '', start: 0, end: bytes.length, problem: option.reason });
  return reader.fields;
}

function numberText(partialIv: Uint8Array): string {
  return ` (${partialIv.reduce((value, byte) => value * 256 + byte, 0)})`;
}
