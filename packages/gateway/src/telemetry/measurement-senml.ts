/**
 * Measurements as SenML (RFC 8428), in JSON and CBOR.
 */
import { encodeSenmlCbor, encodeSenmlJson, type SenmlRecord } from 'coapsule/senml';
import type { TimedMeasurement } from './timed-measurement.ts';

/** Records of some measurements; what all have in common stands in the first one alone (RFC 8428 §4.1). */
function senmlRecords(measurements: readonly TimedMeasurement[]): readonly SenmlRecord[] {
  const [first] = measurements;
  if (first === undefined) return [];
  const names = measurements.map(senmlName);
  const isOne = names.every((name) => name === names[0]);
  const isUnit = first.unit !== '' && measurements.every(({ unit }) => unit === first.unit);
  const baseTime = Math.floor(first.atMs / 1000);
  return measurements.map(({ unit, value, sum, atMs }, index) => {
    // In ms and not by subtracting seconds: 0.123 shall be 0.123.
    const time = (atMs - baseTime * 1000) / 1000;
    return {
      ...(index === 0 ? { baseTime, ...(isOne && { baseName: names[0] as string }) } : {}),
      ...(index === 0 && isUnit ? { baseUnit: unit } : {}),
      ...(isOne ? {} : { name: names[index] as string }),
      ...(isUnit || unit === '' ? {} : { unit }),
      ...(value === undefined ? {} : { value }),
      ...(sum === undefined ? {} : { sum }),
      ...(time === 0 ? {} : { time }),
    };
  });
}

/** A Pack in the content format 110 or 112. */
export function senmlPack(measurements: readonly TimedMeasurement[], format: 110 | 112): string | Uint8Array {
  const records = senmlRecords(measurements);
  return format === 110 ? encodeSenmlJson(records) : encodeSenmlCbor(records);
}

/** RFC 8428 §4.5.1: these characters and no others, and the first of them a letter or digit. */
function senmlName({ name, path }: TimedMeasurement): string {
  const text = (name === '' ? path.slice(1) : name).replace(/[^A-Za-z0-9\-:./_]/g, '_');
  return /^[A-Za-z0-9]/.test(text) ? text : `x${text}`;
}
