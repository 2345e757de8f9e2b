/**
 * SenML in JSON: application/senml+json, content format 110.
 *
 * RFC 8428 §5. A stream that was received as a whole (application/sensml+json) reads the same way.
 *
 * @module
 */

import { decodeBase64Url, encodeBase64Url } from '../../foundation/base64url.ts';
import { type DecodeFault, isDecodeFault } from '../../foundation/errors.ts';
import { decodeUtf8 } from '../../foundation/utf8.ts';
import {
  putExtension,
  putField,
  type SenmlDraft,
  type SenmlRecord,
  senmlFault,
  senmlFields,
} from './record.ts';
import { expectSenml, fieldsOf, maxSenmlRecords } from './write.ts';

const fields = new Map(senmlFields.map((field) => [field.label, field]));

/**
 * Decode a Pack in JSON (RFC 8428 §5).
 *
 * @param payload The text, or its bytes in UTF-8.
 * @returns the Records as they stand there, or a fault with the number of the Record; never throws.
 */
export function decodeSenmlJson(payload: Uint8Array | string): SenmlRecord[] | DecodeFault {
  const text = typeof payload === 'string' ? payload : decodeUtf8(payload);
  if (text === undefined) return senmlFault(0, 'the text is not UTF-8');
  let pack: unknown;
  try {
    pack = JSON.parse(text);
  } catch {
    return senmlFault(0, 'the text is not JSON');
  }
  if (!Array.isArray(pack)) return senmlFault(0, 'not an array of Records');
  if (pack.length > maxSenmlRecords) return senmlFault(maxSenmlRecords, 'more Records than are taken');
  const records: SenmlRecord[] = [];
  for (const [index, item] of pack.entries()) {
    const record = recordOf(item, index);
    if (isDecodeFault(record)) return record;
    records.push(record);
  }
  return records;
}

function recordOf(item: unknown, index: number): SenmlRecord | DecodeFault {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    return senmlFault(index, 'a Record is not an object');
  }
  const record: SenmlDraft = {};
  for (const [label, value] of Object.entries(item)) {
    const field = fields.get(label);
    const reason =
      field === undefined
        ? putExtension(record, label, value)
        : putField(record, field, label === 'vd' ? bytesOf(value) : value);
    if (reason !== undefined) return senmlFault(index, reason);
  }
  return record;
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? decodeBase64Url(value) : undefined;
}

/**
 * Encode a Pack in JSON (RFC 8428 §5), without white space.
 *
 * Throws `ApiMisuseError` for Records that break a rule of RFC 8428 §4.
 */
export function encodeSenmlJson(records: readonly SenmlRecord[]): string {
  expectSenml(records);
  const pack = records.map((record) =>
    Object.fromEntries(
      fieldsOf(record).map(({ label, value }) => [
        label,
        value instanceof Uint8Array ? encodeBase64Url(value) : value,
      ]),
    ),
  );
  return JSON.stringify(pack);
}
