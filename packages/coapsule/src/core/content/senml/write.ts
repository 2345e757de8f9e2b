/**
 * Records on their way out: checked, and as fields with their labels.
 *
 * RFC 8428 §4. The formats themselves are in `json.ts` and `cbor.ts`.
 *
 * @module
 */

import { ApiMisuseError, isDecodeFault } from '../../foundation/errors.ts';
import {
  kindOfValue,
  putExtension,
  putField,
  type SenmlDraft,
  type SenmlRecord,
  type SenmlValue,
  senmlFields,
} from './record.ts';
import { resolveSenml } from './resolve.ts';

/** Records of one Pack that are read or written: 1 MiB of the shortest ones. */
export const maxSenmlRecords = 65_536;

/** A field as it is written. */
export interface WrittenField {
  readonly label: string;
  /** The label in CBOR: a number for the fields of RFC 8428, else the same text. */
  readonly cborLabel: number | string;
  readonly value: SenmlValue;
}

/** The fields of a Record that are there, in the order of RFC 8428. */
export function fieldsOf(record: SenmlRecord): WrittenField[] {
  const written: WrittenField[] = [];
  for (const field of senmlFields) {
    const value = field.type === 'value' ? record.value : record[field.member];
    if (value === undefined || (field.type === 'value' && kindOfValue(value) !== field.holds)) continue;
    written.push({ label: field.label, cborLabel: field.cborLabel, value });
  }
  for (const [label, value] of record.extensions ?? []) written.push({ label, cborLabel: label, value });
  return written;
}

/** @throws ApiMisuseError for Records that no Pack may hold; the text says which and why. */
export function expectSenml(records: readonly SenmlRecord[]): void {
  for (const [index, record] of records.entries()) {
    const refuse = (reason: string | undefined): void => {
      if (reason !== undefined) throw new ApiMisuseError(`SenML Record ${index}: ${reason}`);
    };
    const again: SenmlDraft = {};
    for (const field of senmlFields) {
      const value = field.type === 'value' ? record.value : record[field.member];
      if (value === undefined || (field.type === 'value' && kindOfValue(value) !== field.holds)) continue;
      refuse(putField(again, field, value));
    }
    if (record.value !== undefined && again.value === undefined) refuse('the value is of no type of SenML');
    for (const [label, value] of record.extensions ?? []) {
      if (senmlFields.some((field) => field.label === label)) refuse(`${label} is no extension`);
      refuse(putExtension(again, label, value));
    }
  }
  const resolved = resolveSenml(records);
  if (isDecodeFault(resolved)) {
    throw new ApiMisuseError(`SenML Record ${resolved.offset}: ${resolved.reason}`);
  }
}
