/**
 * The values of a kept reading with their times, for whoever tells of them: as SenML (measurement-senml.ts) or in JSON.
 */
import type { Reading } from '../store/reading-table.ts';
import { measuredValues } from './measured-values.ts';
import type { Measurement } from './measurement.ts';

/** What is told of a measurement. */
export type TimedMeasurement = Pick<Measurement, 'name' | 'unit' | 'value' | 'sum'> & {
  readonly path: string;
  readonly atMs: number;
};

/** The values of a reading, each with its time; none where they are not known. */
export function timedMeasurements({
  path,
  value,
  contentFormat,
  receivedAtMs,
}: Pick<Reading, 'path' | 'value' | 'contentFormat' | 'receivedAtMs'>): readonly TimedMeasurement[] {
  const measured = measuredValues(value, contentFormat, receivedAtMs);
  if ('fault' in measured) return [];
  return measured.map((one) => ({ ...one, path, atMs: one.deviceAtMs ?? receivedAtMs }));
}

/** What was measured as members of a JSON object; how its time is called there is for the caller. Bytes are base64, under `data`. */
export function measurementMembers({ name, value, unit, sum }: TimedMeasurement): object {
  return {
    ...(name === '' ? {} : { name }),
    ...(value instanceof Uint8Array ? { data: Buffer.from(value).toString('base64') } : { value }),
    ...(unit === '' ? {} : { unit }),
    ...(sum === undefined ? {} : { sum }),
  };
}
