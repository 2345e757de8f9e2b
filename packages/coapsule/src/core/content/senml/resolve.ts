/**
 * Resolving a Pack: base fields applied, names and versions checked, Records in order of time.
 *
 * RFC 8428 §4.4 to §4.6.
 *
 * @module
 */

import type { DecodeFault } from '../../foundation/errors.ts';
import { type SenmlExtension, type SenmlRecord, type SenmlValue, senmlFault } from './record.ts';
import { senmlUnit } from './units.ts';

/** A Record that stands for itself (RFC 8428 §4.6). It is a `SenmlRecord` without base fields, and can be encoded as one. */
export interface ResolvedRecord {
  /** Globally unique. */
  readonly name: string;
  readonly unit?: string;
  /** Absent only where there is a sum. */
  readonly value?: SenmlValue;
  readonly sum?: number;
  /** Seconds since 1970; relative to now when below 2^28 and nobody told what "now" is. */
  readonly time: number;
  readonly updateTime?: number;
  /** Only when it is not 10. */
  readonly baseVersion?: number;
  readonly extensions?: ReadonlyMap<string, SenmlExtension>;
}

/** How to resolve. */
export interface ResolveOptions {
  /** Seconds since 1970: what times relative to now are relative to (§4.5.3). Without it they stay as they are. */
  readonly now?: number;
  /** Whether units that are not in the registry, or secondary there (RFC 8798 §3), are refused. `any` by default. */
  readonly units?: 'any' | 'registered';
}

/** The version that this understands, and the one that is meant when none is given (RFC 8428 §4.1). */
const ownVersion = 10;

/** Times below are relative to now (RFC 8428 §4.5.3). */
const firstAbsoluteTime = 2 ** 28;

/**
 * What base names and base units may add to names and units, in characters: so much, and so much more for each Record. A short
 * Pack would become a long one otherwise: one base name stands in front of thousands of names.
 */
const baseText = { atAll: 256 * 1024, ofEach: 128 } as const;

/** Of a name that is told of as wrong. */
const longestTold = 100;

/** RFC 8428 §4.5.1. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/;

/**
 * Resolves a Pack (RFC 8428 §4.6).
 *
 * @returns Records of their own in order of time, or a fault with the number of the Record; never throws. Records that
 *          only set base fields vanish. Base fields that are not known are not applied. A Pack whose base names and base
 *          units would make it much longer than it is is refused as a whole, as one that is not valid is (§4.4).
 */
export function resolveSenml(
  records: readonly SenmlRecord[],
  options: ResolveOptions = {},
): ResolvedRecord[] | DecodeFault {
  const resolved: ResolvedRecord[] = [];
  let base: SenmlRecord = {};
  let version: number | undefined;
  const most = baseText.atAll + baseText.ofEach * records.length;
  let added = 0;
  for (const [index, record] of records.entries()) {
    base = { ...base, ...baseFields(record) };
    const { baseVersion } = record;
    if (baseVersion !== undefined) {
      if (!Number.isInteger(baseVersion) || baseVersion < 1) {
        return senmlFault(index, 'bver is not a positive integer');
      }
      // §4.4: a newer version may mean something else by the same fields.
      if (baseVersion > ownVersion) return senmlFault(index, `version ${baseVersion} is not understood`);
      if (baseVersion !== (version ?? baseVersion))
        return senmlFault(index, 'Records have different versions');
    }
    version ??= base.baseVersion ?? ownVersion;
    if (isBaseOnly(record)) continue;
    added += (base.baseName ?? '').length + (record.unit === undefined ? (base.baseUnit ?? '').length : 0);
    if (added > most) {
      return senmlFault(
        index,
        `base names and base units make more than ${most} characters of names and units`,
      );
    }
    const reason = faultOf(record, base, options);
    if (reason !== undefined) return senmlFault(index, reason);
    const whole = resolvedRecord(record, base, version, options.now);
    if (![whole.time, whole.sum ?? 0, numberIn(whole.value)].every(Number.isFinite)) {
      return senmlFault(index, 'with its base it is no number that a double can hold');
    }
    resolved.push(whole);
  }
  // A sort that is stable keeps the order of Records of the same time.
  return resolved.sort((a, b) => a.time - b.time);
}

function numberIn(value: SenmlValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}

function baseFields(record: SenmlRecord): SenmlRecord {
  const { baseName, baseTime, baseUnit, baseValue, baseSum, baseVersion } = record;
  return {
    ...(baseName === undefined ? {} : { baseName }),
    ...(baseTime === undefined ? {} : { baseTime }),
    ...(baseUnit === undefined ? {} : { baseUnit }),
    ...(baseValue === undefined ? {} : { baseValue }),
    ...(baseSum === undefined ? {} : { baseSum }),
    ...(baseVersion === undefined ? {} : { baseVersion }),
  };
}

/** A Record that measures nothing and only sets base fields, as the first one of RFC 8428 §5.1.7. */
function isBaseOnly(record: SenmlRecord): boolean {
  const { name, unit, value, sum, time, updateTime } = record;
  const isRegular = [name, unit, value, sum, time, updateTime].some((field) => field !== undefined);
  return !isRegular && Object.keys(baseFields(record)).length > 0;
}

function faultOf(record: SenmlRecord, base: SenmlRecord, { units }: ResolveOptions): string | undefined {
  // §4.2: exactly one value, unless there is a sum. That there are not two the decoder saw.
  if (record.value === undefined && record.sum === undefined) return 'there is neither a value nor a sum';
  const name = `${base.baseName ?? ''}${record.name ?? ''}`;
  if (!namePattern.test(name))
    return `the name ${JSON.stringify(name.slice(0, longestTold))} has other characters than it may`;
  const unit = record.unit ?? base.baseUnit;
  if (unit === undefined || units !== 'registered') return undefined;
  const known = senmlUnit(unit);
  if (known === undefined) return `the unit ${JSON.stringify(unit.slice(0, longestTold))} is not registered`;
  return known.primary === undefined
    ? undefined
    : `the unit ${unit} is a secondary one; give ${known.primary.unit}`;
}

function resolvedRecord(
  record: SenmlRecord,
  base: SenmlRecord,
  version: number,
  now: number | undefined,
): ResolvedRecord {
  const unit = record.unit ?? base.baseUnit;
  const value = resolvedValue(record, base);
  const { updateTime, extensions } = record;
  const hasSum = record.sum !== undefined || base.baseSum !== undefined;
  const time = (base.baseTime ?? 0) + (record.time ?? 0);
  return {
    name: `${base.baseName ?? ''}${record.name ?? ''}`,
    ...(unit === undefined ? {} : { unit }),
    ...(value === undefined ? {} : { value }),
    ...(hasSum ? { sum: (base.baseSum ?? 0) + (record.sum ?? 0) } : {}),
    time: time < firstAbsoluteTime && now !== undefined ? now + time : time,
    ...(updateTime === undefined ? {} : { updateTime }),
    ...(version === ownVersion ? {} : { baseVersion: version }),
    ...(extensions === undefined ? {} : { extensions }),
  };
}

/** §4.5.4: a missing part of a number counts as zero; texts, booleans and bytes have no base. */
function resolvedValue({ value }: SenmlRecord, { baseValue }: SenmlRecord): SenmlValue | undefined {
  if (value === undefined) return baseValue;
  return typeof value === 'number' ? (baseValue ?? 0) + value : value;
}
