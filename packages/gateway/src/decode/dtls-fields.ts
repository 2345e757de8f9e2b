/**
 * DTLS 1.2 records and handshake messages, field by field (RFC 6347 §4.1, §4.2.2, RFC 5246 §7).
 *
 * Records are those that an observer saw (`DtlsObserver`); what it opened has fields of its own bytes.
 *
 * @module
 */

import { alertName, type ObservedRecord, suiteById } from 'coapsule/dtls';
import { hexText } from '../text/hex.ts';
import { printableUtf8 } from '../text/printable.ts';
import { certificateText } from './certificate-text.ts';
import { type DecodedField, FieldReader, moved, shortHex } from './decoded-field.ts';

/** Content types by number (RFC 5246 §6.2.1, RFC 9146 §4, RFC 9853 §4). */
const contentTypes: Readonly<Record<number, string>> = {
  20: 'ChangeCipherSpec',
  21: 'Alert',
  22: 'Handshake',
  23: 'ApplicationData',
  24: 'Heartbeat',
  25: 'tls12_cid',
  27: 'ReturnRoutabilityCheck',
};

const messageTypes: Readonly<Record<number, string>> = {
  0: 'HelloRequest',
  1: 'ClientHello',
  2: 'ServerHello',
  3: 'HelloVerifyRequest',
  4: 'NewSessionTicket',
  11: 'Certificate',
  12: 'ServerKeyExchange',
  13: 'CertificateRequest',
  14: 'ServerHelloDone',
  15: 'CertificateVerify',
  16: 'ClientKeyExchange',
  20: 'Finished',
  21: 'CertificateURL',
  22: 'CertificateStatus',
};

const extensionTypes: Readonly<Record<number, string>> = {
  0: 'server_name',
  1: 'max_fragment_length',
  5: 'status_request',
  10: 'supported_groups',
  11: 'ec_point_formats',
  13: 'signature_algorithms',
  14: 'use_srtp',
  16: 'application_layer_protocol_negotiation',
  19: 'client_certificate_type',
  20: 'server_certificate_type',
  22: 'encrypt_then_mac',
  23: 'extended_master_secret',
  28: 'record_size_limit',
  35: 'session_ticket',
  41: 'pre_shared_key',
  42: 'early_data',
  43: 'supported_versions',
  44: 'cookie',
  45: 'psk_key_exchange_modes',
  50: 'signature_algorithms_cert',
  51: 'key_share',
  54: 'connection_id',
  61: 'rrc',
  65281: 'renegotiation_info',
};

const groups: Readonly<Record<number, string>> = {
  23: 'secp256r1',
  24: 'secp384r1',
  25: 'secp521r1',
  29: 'x25519',
  30: 'x448',
};

/** Of a content, for a line: `ClientHello`, `Alert fatal decrypt_error`, `ApplicationData 34 bytes`. */
export function recordSummary(record: ObservedRecord): string {
  const { contentType, content, fragments, length, headerLength, epoch } = record;
  const name = contentType === undefined ? 'tls12_cid' : contentTypeName(contentType);
  if (content === undefined) return `${name} (encrypted, epoch ${epoch}, ${length - headerLength} bytes)`;
  if (contentType === 22) return fragments.map(fragmentText).join(', ') || 'Handshake (malformed)';
  if (contentType === 21 && content.length >= 2) {
    return `Alert ${content[0] === 2 ? 'fatal' : 'warning'} ${alertName(content[1]!)}`;
  }
  return contentType === 23 ? `ApplicationData ${content.length} bytes` : name;
}

function fragmentText({
  type,
  length,
  fragmentOffset,
  fragmentLength,
}: ObservedRecord['fragments'][number]): string {
  const name = messageTypes[type] ?? `handshake type ${type}`;
  return fragmentLength === length
    ? name
    : `${name} [${fragmentOffset}–${fragmentOffset + fragmentLength} of ${length}]`;
}

/** The fields of a record in its datagram. What was in the clear stands below `Fragment`. */
export function recordFields(record: ObservedRecord, datagram: Uint8Array): readonly DecodedField[] {
  const end = record.offset + record.length;
  const reader = new FieldReader(datagram, record.offset, end);
  reader.uint('Content Type', 1, contentTypeName);
  reader.uint('Version', 2, versionName);
  reader.uint('Epoch', 2);
  reader.uint('Sequence Number', 6);
  if (record.connectionId.length > 0) reader.take('Connection ID', record.connectionId.length);
  reader.uint('Length', 2);
  const start = reader.position;
  const isClear = record.epoch === 0 && record.content !== undefined;
  const fields = isClear ? contentFields(record, datagram.subarray(start, end)) : undefined;
  reader.position = end;
  reader.fields.push({
    ...{ name: isClear ? 'Fragment' : 'Encrypted Fragment', start, end },
    value: isClear ? recordSummary(record) : `${end - start} bytes${unreadableText(record)}`,
    ...(fields !== undefined && { fields: moved(fields, start) }),
  });
  return reader.fields;
}

function unreadableText({ unreadable }: ObservedRecord): string {
  switch (unreadable) {
    case undefined:
      return '';
    case 'no-keys':
      return ', no key is known for it';
    case 'not-authentic':
      return ', not authentic under the keys of this association';
    default:
      return `, ${unreadable}`;
  }
}

/** The fields of what a record held, of its own bytes; application data has none here. */
export function contentFields(record: ObservedRecord, content: Uint8Array): readonly DecodedField[] {
  const reader = new FieldReader(content);
  switch (record.contentType) {
    case 20:
      reader.uint('Type', 1, (type) => (type === 1 ? 'change_cipher_spec' : String(type)));
      break;
    case 21:
      reader.uint('Level', 1, (level) => (level === 1 ? 'warning' : level === 2 ? 'fatal' : String(level)));
      reader.uint('Description', 1, (description) => `${description} (${alertName(description)})`);
      break;
    case 22:
      while (reader.remaining > 0) handshakeFragment(reader);
      break;
    default:
      reader.take('Data', content.length);
  }
  reader.rest();
  return reader.fields;
}

function handshakeFragment(reader: FieldReader): void {
  const start = reader.position;
  const type = reader.bytes[start]!;
  const name = messageTypes[type] ?? `handshake type ${type}`;
  const inner = new FieldReader(reader.bytes, start, reader.end);
  inner.uint('Message Type', 1, () => `${type} (${name})`);
  const length = inner.uint('Message Length', 3);
  inner.uint('Message Sequence', 2);
  const offset = inner.uint('Fragment Offset', 3);
  const fragmentLength = inner.uint('Fragment Length', 3);
  if (!inner.failed) {
    if (offset === 0 && fragmentLength === length) {
      const body = new FieldReader(inner.bytes, inner.position, Math.min(inner.position + length, inner.end));
      if (inner.position + length > inner.end) inner.take('Body', length);
      else {
        messageBody(type, body);
        body.rest();
        inner.fields.push(...body.fields);
        inner.position = body.end;
      }
    } else inner.take('Fragment', fragmentLength);
  }
  reader.position = inner.position;
  reader.failed = inner.failed;
  reader.fields.push({ name, value: '', start, end: inner.position, fields: inner.fields });
}

function messageBody(type: number, reader: FieldReader): void {
  switch (type) {
    case 1:
      reader.uint('Version', 2, versionName);
      reader.take('Random', 32);
      reader.vector('Session ID', 1);
      reader.vector('Cookie', 1);
      list(reader, 'Cipher Suites', 2, 2, suiteText);
      list(reader, 'Compression Methods', 1, 1, compressionText);
      extensions(reader);
      return;
    case 2:
      reader.uint('Version', 2, versionName);
      reader.take('Random', 32);
      reader.vector('Session ID', 1);
      reader.uint('Cipher Suite', 2, suiteText);
      reader.uint('Compression Method', 1, compressionText);
      extensions(reader);
      return;
    case 3:
      reader.uint('Version', 2, versionName);
      reader.vector('Cookie', 1);
      return;
    case 4:
      reader.uint('Lifetime Hint', 4, (seconds) => `${seconds} s`);
      reader.vector('Ticket', 2);
      return;
    case 11:
      certificates(reader);
      return;
    case 16:
      // RFC 4279 §2: with a pre-shared key it begins with the identity. What the suite is, the ServerHello says.
      clientKeyExchange(reader);
      return;
    case 15:
      reader.uint('Signature Algorithm', 2, hex16);
      reader.vector('Signature', 2);
      return;
    case 20:
      reader.take('Verify Data', reader.remaining);
      return;
    default:
      if (reader.remaining > 0) reader.take('Body', reader.remaining);
  }
}

function clientKeyExchange(reader: FieldReader): void {
  const { bytes, position, remaining } = reader;
  const identityLength = ((bytes[position] ?? 0) << 8) | (bytes[position + 1] ?? 0);
  if (remaining >= 2 && identityLength <= remaining - 2) {
    reader.vector('PSK Identity', 2, (identity) => printableUtf8(identity) ?? shortHex(identity));
    if (reader.remaining > 0) reader.vector('Public Key', 1);
  } else reader.vector('Public Key', 1);
}

function certificates(reader: FieldReader): void {
  const total = reader.uint('Certificates Length', 3);
  if (total !== reader.remaining) {
    if (reader.remaining > 0) reader.take('Certificates', reader.remaining);
    return;
  }
  while (reader.remaining > 0) reader.vector('Certificate', 3, certificateText);
}

function extensions(reader: FieldReader): void {
  if (reader.remaining === 0) return;
  const total = reader.length('Extensions', 2);
  if (total !== reader.remaining) return;
  while (reader.remaining > 0 && !reader.failed) {
    const start = reader.position;
    const inner = new FieldReader(reader.bytes, start, reader.end);
    const type = inner.uint('Type', 2, (value) => `${value} (${extensionTypes[value] ?? 'unknown'})`);
    const length = inner.length('Data', 2);
    let value = '';
    if (length > inner.remaining) inner.take('Data', length);
    else {
      const data = inner.bytes.subarray(inner.position, inner.position + length);
      value = extensionText(type, data);
      if (length > 0) inner.take('Data', length, () => value);
    }
    reader.position = inner.position;
    reader.failed = inner.failed;
    const name = extensionTypes[type] ?? `extension ${type}`;
    reader.fields.push({ name, value, start, end: inner.position, fields: inner.fields });
  }
}

function extensionText(type: number, data: Uint8Array): string {
  const words = (from: number): readonly number[] =>
    Array.from({ length: Math.max(0, (data.length - from) >> 1) }, (_, index) => {
      const at = from + 2 * index;
      return (data[at]! << 8) | data[at + 1]!;
    });
  switch (type) {
    case 0:
      return data.length > 5 ? (printableUtf8(data.subarray(5)) ?? shortHex(data)) : 'empty';
    case 10:
      return words(2)
        .map((group) => groups[group] ?? hex16(group))
        .join(', ');
    case 13:
      return words(2).map(hex16).join(', ');
    case 28:
      return words(0).join();
    case 54:
      return data.length < 1 ? shortHex(data) : shortHex(data.subarray(1));
    default:
      return data.length === 0 ? '' : shortHex(data);
  }
}

function list(
  reader: FieldReader,
  name: string,
  lengthBytes: number,
  width: number,
  text: (value: number) => string,
): void {
  const length = reader.length(name, lengthBytes);
  reader.group(name, length, (inner) => {
    const values: string[] = [];
    while (inner.remaining >= width) values.push(text(inner.uint('entry', width, text)));
    return values.join(', ');
  });
}

function contentTypeName(type: number): string {
  return contentTypes[type] ?? `content type ${type}`;
}

function suiteText(id: number): string {
  if (id === 0xff) return 'TLS_EMPTY_RENEGOTIATION_INFO_SCSV';
  return suiteById(id)?.name ?? hex16(id);
}

function compressionText(method: number): string {
  return method === 0 ? 'null' : String(method);
}

function versionName(version: number): string {
  switch (version) {
    case 0xfefd:
      return 'DTLS 1.2';
    case 0xfeff:
      return 'DTLS 1.0';
    case 0xfefc:
      return 'DTLS 1.3';
    default:
      return hex16(version);
  }
}

function hex16(value: number): string {
  return `0x${hexText(Uint8Array.of(value >> 8, value & 0xff))}`;
}
