/**
 * One SenML Record as a typed object, and the labels of its fields in JSON and CBOR.
 *
 * RFC 8428 §4. What base fields mean for later Records is in `resolve.ts`.
 *
 * @module
 */

import type { DecodeFault } from '../../foundation/errors.ts';

/** A value: `v` for numbers, `vs` for text, `vb` for booleans, `vd` for bytes (RFC 8428 §4.2). */
export type SenmlValue = number | string | boolean | Uint8Array;

/** A field that is not known here. */
export type SenmlExtension = number | string | boolean;

/** A Record as it stands in a Pack. All members are optional, as long as it has a value, a sum or base fields. */
export interface SenmlRecord {
  /** Goes before the names of this Record and those after it. */
  readonly baseName?: string;
  /** Seconds, added to times. */
  readonly baseTime?: number;
  /** For Records without a unit. */
  readonly baseUnit?: string;
  /** Added to numbers. */
  readonly baseValue?: number;
  /** Added to sums. */
  readonly baseSum?: number;
  /** Of the format; 10 when absent. */
  readonly baseVersion?: number;
  readonly name?: string;
  /** A symbol of the registry (`units.ts`). */
  readonly unit?: string;
  readonly value?: SenmlValue;
  /** The value integrated over time, in its unit times seconds. */
  readonly sum?: number;
  /** Seconds since 1970, or, below 2^28, relative to now (§4.5.3). */
  readonly time?: number;
  /** Seconds within which the sensor will report again. */
  readonly updateTime?: number;
  /** Fields by their label that are not known here; they may be ignored (§4.4). */
  readonly extensions?: ReadonlyMap<string, SenmlExtension>;
}

/** A Record that is being put together. */
export type SenmlDraft = { -readonly [Name in keyof SenmlRecord]: SenmlRecord[Name] };

type NumberMember = 'baseTime' | 'baseValue' | 'baseSum' | 'baseVersion' | 'sum' | 'time' | 'updateTime';
type TextMember = 'baseName' | 'baseUnit' | 'name' | 'unit';

/** A field with its labels (RFC 8428 §4.3, Table 1). */
export type SenmlField = { readonly label: string; readonly cborLabel: number } & (
  | { readonly type: 'number'; readonly member: NumberMember }
  | { readonly type: 'text'; readonly member: TextMember }
  | { readonly type: 'value'; readonly holds: 'number' | 'string' | 'boolean' | 'bytes' }
);

/** All fields, in the order in which they are written. */
export const senmlFields: readonly SenmlField[] = [
  { label: 'bn', cborLabel: -2, type: 'text', member: 'baseName' },
  { label: 'bt', cborLabel: -3, type: 'number', member: 'baseTime' },
  { label: 'bu', cborLabel: -4, type: 'text', member: 'baseUnit' },
  { label: 'bv', cborLabel: -5, type: 'number', member: 'baseValue' },
  { label: 'bs', cborLabel: -6, type: 'number', member: 'baseSum' },
  { label: 'bver', cborLabel: -1, type: 'number', member: 'baseVersion' },
  { label: 'n', cborLabel: 0, type: 'text', member: 'name' },
  { label: 'u', cborLabel: 1, type: 'text', member: 'unit' },
  { label: 'v', cborLabel: 2, type: 'value', holds: 'number' },
  { label: 'vs', cborLabel: 3, type: 'value', holds: 'string' },
  { label: 'vb', cborLabel: 4, type: 'value', holds: 'boolean' },
  { label: 'vd', cborLabel: 8, type: 'value', holds: 'bytes' },
  { label: 's', cborLabel: 5, type: 'number', member: 'sum' },
  { label: 't', cborLabel: 6, type: 'number', member: 'time' },
  { label: 'ut', cborLabel: 7, type: 'number', member: 'updateTime' },
];

/** Which kind of value a Record has. */
export function kindOfValue(value: SenmlValue): 'number' | 'string' | 'boolean' | 'bytes' {
  return value instanceof Uint8Array ? 'bytes' : (typeof value as 'number' | 'string' | 'boolean');
}

/** Something that breaks a rule of SenML; `record` counts from 0. */
export function senmlFault(record: number, reason: string): DecodeFault {
  return { kind: 'decode-fault', layer: 'senml', offset: record, reason };
}

/**
 * Puts a field into a Record; `value` is what the format says for it, bytes already decoded.
 *
 * @returns why it cannot be, or `undefined`.
 */
export function putField(record: SenmlDraft, field: SenmlField, value: unknown): string | undefined {
  const wrong = `${field.label} has a value of the wrong type`;
  switch (field.type) {
    case 'text':
      if (typeof value !== 'string') return wrong;
      record[field.member] = value;
      return undefined;
    case 'number':
      if (typeof value !== 'number' || !Number.isFinite(value)) return wrong;
      record[field.member] = value;
      return undefined;
    case 'value':
      if (!isValue(value) || kindOfValue(value) !== field.holds) return wrong;
      // §4.2: exactly one Value field.
      if (record.value !== undefined) return `${field.label} is a second value`;
      record.value = value;
      return undefined;
  }
}

/**
 * Keeps a field that is not known.
 *
 * @returns why it cannot be ignored, or `undefined` (RFC 8428 §4.4).
 */
export function putExtension(record: SenmlDraft, label: string, value: unknown): string | undefined {
  if (label.endsWith('_')) return `${label} must be understood, and is not`;
  if (typeof value !== 'string' && typeof value !== 'boolean' && typeof value !== 'number') return undefined;
  const kept = record.extensions instanceof Map ? record.extensions : new Map<string, SenmlExtension>();
  record.extensions = kept.set(label, value);
  return undefined;
}

function isValue(value: unknown): value is SenmlValue {
  return (
    value instanceof Uint8Array || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)
  );
}
