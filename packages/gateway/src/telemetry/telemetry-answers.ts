/**
 * What GET of a path with readings answers: the newest in the format that is asked for, or with a query those before it, as SenML.
 */
import {
  Code,
  content,
  contentFormatName,
  failure,
  type Request,
  RequestFailure,
  type ServerResponse,
} from 'coapsule';
import { ContentFormat } from '../resources/negotiation.ts';
import type { Reading } from '../store/reading-table.ts';
import { senmlPack } from './measurement-senml.ts';
import { parseTelemetryQuery } from './telemetry-query.ts';
import { type MeasurementStore, measurementPages, mostSeries, selectedSeries } from './telemetry-reader.ts';
import { measurementMembers, type TimedMeasurement, timedMeasurements } from './timed-measurement.ts';

const parameters = {
  names: ['from', 'to', 'order', 'limit', 'name', 'unit', 'identity'],
  usualLimit: 100,
  mostLimit: 1000,
} as const;

/** Whether a request asks for more than the newest reading. */
export function asksForHistory({ query }: Request): boolean {
  return query.some((one) => parameters.names.includes(one.split('=')[0] as never));
}

/** Measurements of one path, in SenML: the newest first unless the query says `order=oldest`. */
export async function history(
  store: MeasurementStore,
  request: Request,
  nowMs: number,
): Promise<ServerResponse> {
  const format = request.accept ?? ContentFormat.senmlJson;
  if (format !== ContentFormat.senmlJson && format !== ContentFormat.senmlCbor) {
    throw notAcceptable([ContentFormat.senmlJson, ContentFormat.senmlCbor]);
  }
  const given = request.query.map((one): [string, string] => {
    const equals = one.indexOf('=');
    return equals < 0 ? [one, ''] : [one.slice(0, equals), one.slice(equals + 1)];
  });
  const usual: [string, string][] = given.some(([name]) => name === 'order') ? [] : [['order', 'newest']];
  const parsed = parseTelemetryQuery([...given, ...usual], nowMs, parameters);
  if (typeof parsed === 'string') return failure(Code.BadRequest, parsed);
  // The path is asked for, and no other: the rules have let this one pass.
  const query = { ...parsed, path: { text: request.path, below: false } };
  const series = await selectedSeries(store, query, () => true);
  if (series === undefined) {
    return failure(
      Code.BadRequest,
      `more than ${mostSeries} series: ask for fewer with name, unit or identity`,
    );
  }
  const found: TimedMeasurement[] = [];
  for await (const { rows } of measurementPages(store, series, query)) found.push(...rows);
  return content(senmlPack(found, format), { contentFormat: format });
}

/** The newest reading as it came, or its values in another format that is asked for. */
export function newestReading(request: Request, reading: Reading): ServerResponse {
  const { accept } = request;
  const { value, contentFormat } = reading;
  if (accept === undefined || accept === contentFormat) {
    return content(value, contentFormat === undefined ? {} : { contentFormat });
  }
  const values = timedMeasurements(reading);
  const text = values.length === 1 ? textOf(values[0]) : undefined;
  if (accept === ContentFormat.text && text !== undefined) return content(text, { contentFormat: accept });
  if (values.length > 0) {
    if (accept === ContentFormat.json) return content(jsonOf(values), { contentFormat: accept });
    if (accept === ContentFormat.senmlJson || accept === ContentFormat.senmlCbor) {
      return content(senmlPack(values, accept), { contentFormat: accept });
    }
  }
  // What it is nobody has said: it may be what is asked for.
  if (contentFormat === undefined) return content(value);
  throw notAcceptable([
    contentFormat,
    ...(values.length === 0 ? [] : [ContentFormat.senmlJson, ContentFormat.senmlCbor, ContentFormat.json]),
    ...(text === undefined ? [] : [ContentFormat.text]),
  ]);
}

function textOf(measurement: TimedMeasurement | undefined): string | undefined {
  const { value } = measurement ?? {};
  return value === undefined || value instanceof Uint8Array ? undefined : String(value);
}

/** An object for one value, a list of them for more. */
function jsonOf(measurements: readonly TimedMeasurement[]): string {
  const objects = measurements.map((one) => ({
    ...measurementMembers(one),
    time: new Date(one.atMs).toISOString(),
  }));
  return JSON.stringify(objects.length === 1 ? objects[0] : objects);
}

function notAcceptable(offered: readonly number[]): RequestFailure {
  const names = [...new Set(offered)].map((format) => contentFormatName(format) ?? `${format}`);
  return new RequestFailure(Code.NotAcceptable, `available: ${names.join(', ')}`);
}
