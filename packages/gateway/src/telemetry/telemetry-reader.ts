/**
 * Reads kept measurements in pages: a page is asked for when the one before is wanted no more, and none keeps the store long.
 */
import type { BucketPage, BucketQuestion } from '../store/aggregate-table.ts';
import { addToBuckets, type Bucket } from '../store/aggregate-table.ts';
import type {
  MeasurementPage,
  MeasurementQuestion,
  Series,
  SeriesQuestion,
} from '../store/measurement-table.ts';
import { pathSegments } from '../text/resource-path.ts';
import type { StoredMeasurement } from './measurement.ts';
import { cursorText, type TelemetryQuery } from './telemetry-query.ts';

/** Where measurements are kept. */
export interface MeasurementStore {
  series(question: SeriesQuestion): Promise<readonly Series[]>;
  measurements(question: MeasurementQuestion): Promise<MeasurementPage>;
  buckets(question: BucketQuestion): Promise<BucketPage>;
  extent(series: number): Promise<{ readonly firstMs: number; readonly lastMs: number } | undefined>;
}

/** A page of an answer. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Where to go on; undefined at the end. */
  readonly cursor: string | undefined;
}

/** What is known of a span of time in one series. */
export interface BucketRow extends Bucket {
  readonly series: Series;
}

/** Series in one answer: they are read side by side. */
export const mostSeries = 1000;

/** Series that are looked at for it, whoever may read them. */
const mostLooked = 100_000;

/** Rows that the store reads at a time. */
const pageRows = 500;
const bucketRows = 2000;

/** Spans of one series at a time. */
const mostBuckets = 1000;

/** Spans that one series is looked through for: an empty one costs a look too. */
const mostSpans = 500_000;

/**
 * The series that a query is about and that may be read.
 *
 * @returns undefined when they are too many for one answer.
 */
export async function selectedSeries(
  store: Pick<MeasurementStore, 'series'>,
  { path, identity, name, unit }: TelemetryQuery,
  mayRead: (segments: readonly string[]) => boolean,
): Promise<readonly Series[] | undefined> {
  const found: Series[] = [];
  let looked = 0;
  for (let after = 0; ; ) {
    const some = await store.series({ path, identity, name, unit, after, limit: mostSeries });
    found.push(...some.filter((series) => mayRead(pathSegments(series.path))));
    looked += some.length;
    if (found.length > mostSeries || looked > mostLooked) return undefined;
    if (some.length < mostSeries) return found;
    after = some.at(-1)?.id ?? after;
  }
}

/** Measurements of all series together, in the order of their time. */
export async function* measurementPages(
  store: Pick<MeasurementStore, 'measurements'>,
  series: readonly Series[],
  { fromMs, toMs, newestFirst, limit, cursor }: TelemetryQuery,
): AsyncGenerator<Page<StoredMeasurement>> {
  const ids = series.map(({ id }) => id);
  const [atMs = 0, of = 0, reading = 0, position = 0] = cursor ?? [];
  let after = cursor === undefined ? undefined : { atMs, series: of, reading, position };
  for (let left = limit; left > 0 && ids.length > 0; ) {
    const question = { series: ids, fromMs, toMs, newestFirst, after, limit: Math.min(left, pageRows) };
    const { measurements: rows, next } = await store.measurements(question);
    left -= rows.length;
    after = next;
    yield {
      rows,
      cursor: next && cursorText([next.atMs, next.series, next.reading, next.position]),
    };
    if (next === undefined) return;
  }
}

/** Why spans of time cannot be given. */
export class TooManySpans extends Error {
  override readonly name = 'TooManySpans';
}

/**
 * Spans of time with what is known of them, one series after the other.
 *
 * @throws TooManySpans when there are too many between the begin and the end.
 */
export async function* bucketPages(
  store: Pick<MeasurementStore, 'buckets' | 'extent'>,
  series: readonly Series[],
  query: TelemetryQuery & { readonly step: { readonly ms: number } },
): AsyncGenerator<Page<BucketRow>> {
  const { newestFirst, cursor, limit, step } = query;
  const [startId, startMs] = cursor ?? [];
  let left = limit;
  for (const [index, one] of series.entries()) {
    if (startId !== undefined && one.id < startId) continue;
    const extent = await store.extent(one.id);
    if (extent === undefined) continue;
    const fromMs = Math.max(query.fromMs, extent.firstMs);
    const toMs = Math.min(query.toMs, extent.lastMs + 1);
    const spans = new Spans(step.ms, fromMs, toMs, newestFirst);
    if (spans.count > mostSpans) throw new TooManySpans();
    if (one.id === startId && startMs !== undefined) spans.skipTo(startMs);
    for (let window = spans.next(); window !== undefined; window = spans.next()) {
      const buckets = await bucketsIn(store, one.id, step.ms, window);
      const sorted = [...buckets.values()].sort((a, b) => (newestFirst ? b.atMs - a.atMs : a.atMs - b.atMs));
      if (sorted.length === 0) continue;
      const rows = sorted.slice(0, left).map((bucket) => ({ ...bucket, series: one }));
      left -= rows.length;
      const isCut = rows.length < sorted.length;
      const isLast = !isCut && !spans.hasMore && index === series.length - 1;
      const lastMs = rows.at(-1)?.atMs ?? 0;
      yield { rows, cursor: isLast ? undefined : cursorText([one.id, lastMs]) };
      if (left === 0) return;
    }
  }
}

async function bucketsIn(
  store: Pick<MeasurementStore, 'buckets'>,
  series: number,
  stepMs: number,
  window: { readonly fromMs: number; readonly toMs: number },
): Promise<ReadonlyMap<number, Bucket>> {
  const buckets = new Map<number, Bucket>();
  let after: BucketQuestion['after'];
  do {
    const page = await store.buckets({ series, stepMs, ...window, after, limit: bucketRows });
    for (const bucket of page.buckets) addToBuckets(buckets, stepMs, bucket);
    after = page.next;
  } while (after !== undefined);
  return buckets;
}

/** The windows in which a range is read, each of a bounded number of spans. */
class Spans {
  readonly #stepMs: number;
  readonly #newestFirst: boolean;
  #fromMs: number;
  #toMs: number;

  constructor(stepMs: number, fromMs: number, toMs: number, newestFirst: boolean) {
    this.#stepMs = stepMs;
    this.#fromMs = fromMs;
    this.#toMs = toMs;
    this.#newestFirst = newestFirst;
  }

  get count(): number {
    return (this.#toMs - this.#fromMs) / this.#stepMs;
  }

  get hasMore(): boolean {
    return this.#fromMs < this.#toMs;
  }

  /** Behind the span that begins there. */
  skipTo(atMs: number): void {
    if (this.#newestFirst) this.#toMs = Math.min(this.#toMs, atMs);
    else this.#fromMs = Math.max(this.#fromMs, atMs + this.#stepMs);
  }

  next(): { readonly fromMs: number; readonly toMs: number } | undefined {
    if (!this.hasMore) return undefined;
    const width = mostBuckets * this.#stepMs;
    const align = (ms: number): number => Math.floor(ms / this.#stepMs) * this.#stepMs;
    const [fromMs, toMs] = this.#newestFirst
      ? [Math.max(this.#fromMs, align(this.#toMs - 1) - width + this.#stepMs), this.#toMs]
      : [this.#fromMs, Math.min(this.#toMs, align(this.#fromMs) + width)];
    if (this.#newestFirst) this.#toMs = fromMs;
    else this.#fromMs = toMs;
    return { fromMs, toMs };
  }
}
