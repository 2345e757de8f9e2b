/**
 * The store of a gateway that shares, as its telemetry resources see it: the newest reading of a path is that of all gateways, all else
 * is what was stored here.
 */
import type { ReadingKeeping } from '../keeping/readings.ts';
import type { MeasurementStore } from '../telemetry/telemetry-reader.ts';

/** See the module comment. */
export function sharedStore(
  store: ReadingKeeping & MeasurementStore,
  readings: Pick<ReadingKeeping, 'latest'>,
): ReadingKeeping & MeasurementStore {
  return {
    record: (...reading) => store.record(...reading),
    latest: (path) => readings.latest(path),
    pathsBelow: (...below) => store.pathsBelow(...below),
    series: (question) => store.series(question),
    measurements: (question) => store.measurements(question),
    buckets: (question) => store.buckets(question),
    extent: (series) => store.extent(series),
  };
}
