/**
 * Measurements, and spans of time, as rows of JSON and CSV.
 */
import type { StoredMeasurement } from './measurement.ts';
import type { AggregateName } from './telemetry-query.ts';
import type { BucketRow } from './telemetry-reader.ts';

/** One row: its cells by the names of their columns. Bytes are base64, under `data`. */
export type TelemetryRow = Readonly<Record<string, string | number | boolean | null>>;

/** The columns of measurements, in their order. */
export const measurementColumns: readonly string[] = [
  ...['path', 'name', 'identity', 'unit', 'value', 'data', 'sum', 'at', 'deviceAt', 'receivedAt'],
];

/** A measurement as a row. */
export function measurementRow({ value, ...of }: StoredMeasurement): TelemetryRow {
  return {
    ...{ path: of.path, name: of.name, identity: of.identity === '' ? null : of.identity, unit: of.unit },
    ...(value instanceof Uint8Array
      ? { data: Buffer.from(value).toString('base64') }
      : { value: value ?? null }),
    ...(of.sum === undefined ? {} : { sum: of.sum }),
    at: timeText(of.atMs),
    ...(of.deviceAtMs === undefined ? {} : { deviceAt: timeText(of.deviceAtMs) }),
    receivedAt: timeText(of.receivedAtMs),
  };
}

/** The columns of spans of time, in their order. */
export function bucketColumns(aggregates: readonly AggregateName[]): readonly string[] {
  return ['path', 'name', 'identity', 'unit', 'at', ...aggregates];
}

/** A span of time as a row. */
export function bucketRow(bucket: BucketRow, aggregates: readonly AggregateName[]): TelemetryRow {
  const { series, min, max, sum, count, last } = bucket;
  const known = { min, max, sum, count, last, mean: sum / count };
  return {
    ...{ path: series.path, name: series.name, unit: series.unit },
    identity: series.identity === '' ? null : series.identity,
    at: timeText(bucket.atMs),
    ...Object.fromEntries(aggregates.map((name) => [name, known[name]])),
  };
}

/** A row of CSV with its line end (RFC 4180). */
export function csvLine(row: TelemetryRow, columns: readonly string[]): string {
  return `${columns.map((column) => csvCell(row[column])).join(',')}\r\n`;
}

/** What begins like a formula is one to a spreadsheet, and what devices send must be none there. */
function csvCell(value: TelemetryRow[string] | undefined): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
