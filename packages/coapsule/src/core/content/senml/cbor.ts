/**
 * SenML in CBOR: application/senml+cbor, content format 112.
 *
 * RFC 8428 §6. Arrays of indefinite length, as a stream has them (application/sensml+cbor), are read as well.
 *
 * @module
 */

import { decodeCbor } from '../../cbor/decode.ts';
import { encodeCbor } from '../../cbor/encode.ts';
import { type CborKey, CborTag, type CborValue, isCborArray, isCborMap } from '../../cbor/value.ts';
import { type DecodeFault, isDecodeFault } from '../../foundation/errors.ts';
import {
  putExtension,
  putField,
  type SenmlDraft,
  type SenmlRecord,
  senmlFault,
  senmlFields,
} from './record.ts';
import { expectSenml, fieldsOf, maxSenmlRecords } from './write.ts';

const fields = new Map(senmlFields.map((field) => [field.cborLabel, field]));
const textLabels: ReadonlySet<string> = new Set(senmlFields.map(({ label }) => label));

/** Tags of RFC 8949 §3.4: bignums and decimal fractions. */
const positiveBignum = 2;
const negativeBignum = 3;
const decimalFraction = 4;

/** Longest bignum of a mantissa in bytes; what a double cannot hold needs no more. */
const maxBignumBytes = 64;

/**
 * Decode a Pack in CBOR (RFC 8428 §6).
 *
 * @returns the Records as they stand there, or a fault: of layer `cbor` with the byte, of layer `senml` with the number
 *          of the Record; never throws.
 */
export function decodeSenmlCbor(payload: Uint8Array): SenmlRecord[] | DecodeFault {
  const decoded = decodeCbor(payload, { maxItems: 6 * maxSenmlRecords, maxDepth: 5 });
  if (isDecodeFault(decoded)) return decoded;
  if (!isCborArray(decoded.value)) return senmlFault(0, 'not an array of Records');
  if (decoded.value.length > maxSenmlRecords) {
    return senmlFault(maxSenmlRecords, 'more Records than are taken');
  }
  const records: SenmlRecord[] = [];
  for (const [index, item] of decoded.value.entries()) {
    const record = recordOf(item, index);
    if (isDecodeFault(record)) return record;
    records.push(record);
  }
  return records;
}

function recordOf(item: CborValue, index: number): SenmlRecord | DecodeFault {
  if (!isCborMap(item)) return senmlFault(index, 'a Record is not a map');
  const record: SenmlDraft = {};
  for (const [label, value] of item) {
    const reason = putItem(record, label, value);
    if (reason !== undefined) return senmlFault(index, reason);
  }
  return record;
}

function putItem(record: SenmlDraft, label: CborKey, value: CborValue): string | undefined {
  if (typeof label === 'string') {
    // §6: integers for the labels. To ignore these as unknown would lose what was meant.
    if (textLabels.has(label)) return `${label} is written as text, and not as its number`;
    return putExtension(record, label, numberOf(value) ?? value);
  }
  const field = typeof label === 'number' ? fields.get(label) : undefined;
  // §4.4: fields that are not known are ignored.
  if (field === undefined) return undefined;
  if (field.label === 'bver' && typeof value !== 'number') return 'bver is not an unsigned integer';
  return putField(record, field, numberOf(value) ?? value);
}

/** A number in any of its forms (RFC 8428 §6); `undefined` for what is none. */
function numberOf(value: CborValue): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (!(value instanceof CborTag) || value.tag !== decimalFraction || !isCborArray(value.value)) {
    return undefined;
  }
  const [exponent, mantissa, more] = value.value;
  const digits = integerOf(mantissa);
  if (typeof exponent !== 'number' || !Number.isInteger(exponent) || digits === undefined) return undefined;
  // JavaScript rounds decimal text to the nearest double, as the RFC wants it.
  return more === undefined ? Number(`${digits}e${exponent}`) : undefined;
}

function integerOf(value: CborValue): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : undefined;
  if (!(value instanceof CborTag) || !(value.value instanceof Uint8Array)) return undefined;
  if (value.value.length > maxBignumBytes) return undefined;
  let magnitude = 0n;
  for (const byte of value.value) magnitude = (magnitude << 8n) | BigInt(byte);
  if (value.tag === positiveBignum) return magnitude;
  return value.tag === negativeBignum ? -1n - magnitude : undefined;
}

/**
 * Encode a Pack in CBOR (RFC 8428 §6), deterministically: an array of definite length, numbers in their shortest form.
 *
 * Throws `ApiMisuseError` for Records that break a rule of RFC 8428 §4.
 */
export function encodeSenmlCbor(records: readonly SenmlRecord[]): Uint8Array {
  expectSenml(records);
  return encodeCbor(
    records.map((record) => new Map(fieldsOf(record).map(({ cborLabel, value }) => [cborLabel, value]))),
  );
}
