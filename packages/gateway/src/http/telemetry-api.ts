/**
 * Kept measurements over HTTP, at `/api/telemetry`: as JSON, CSV or lines of JSON, a page of the store at a time.
 *
 * Who asks sees the paths that it may read by its rules, and nothing of the others. A slow reader holds up its own answer alone:
 * the next page is read when it has taken the one before.
 */
import type { PeerInfo } from 'coapsule';
import type { Context } from 'hono';
import { systemTickTimer, type TickTimer } from '../resources/periodic-tick.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { StoreFault } from '../store/store-fault.ts';
import {
  bucketColumns,
  bucketRow,
  csvLine,
  measurementColumns,
  measurementRow,
  type TelemetryRow,
} from '../telemetry/measurement-rows.ts';
import { parseTelemetryQuery, type TelemetryQuery } from '../telemetry/telemetry-query.ts';
import {
  bucketPages,
  type MeasurementStore,
  measurementPages,
  mostSeries,
  type Page,
  selectedSeries,
  TooManySpans,
} from '../telemetry/telemetry-reader.ts';

/** What it works with. */
export interface TelemetryApiParts {
  readonly store: MeasurementStore;
  /** Which paths somebody may read; undefined for who may read none. */
  readonly readableBy: (peer: PeerInfo) => Promise<((segments: readonly string[]) => boolean) | undefined>;
  readonly clock: WallClock;
  /** Node's unless a test says otherwise. */
  readonly timer?: TickTimer;
}

const parameters = {
  names: [
    ...['path', 'identity', 'name', 'unit', 'from', 'to', 'order', 'limit', 'cursor', 'step', 'aggregate'],
    'format',
  ],
  usualLimit: 1000,
  mostLimit: 1_000_000,
} as const;

const formats = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8; header=present',
} as const;

type Format = keyof typeof formats;

/** Answers at a time: each holds a page. */
const mostAnswers = 32;

/** An answer of which nothing is taken for so long breaks off. */
const patienceMs = 60_000;

/** See the module comment. */
export class TelemetryApi {
  readonly #parts: TelemetryApiParts;
  #answers = 0;

  constructor(parts: TelemetryApiParts) {
    this.#parts = parts;
  }

  async answer(c: Context, peer: PeerInfo): Promise<Response> {
    try {
      return await this.#answer(c, peer);
    } catch (error) {
      if (error instanceof TooManySpans) {
        return c.text('that are too many steps: give from and to, or a longer step\n', 400);
      }
      if (!(error instanceof StoreFault)) throw error;
      return c.text('the store cannot be read now\n', 503, { 'retry-after': '30' });
    }
  }

  async #answer(c: Context, peer: PeerInfo): Promise<Response> {
    const { readableBy, clock } = this.#parts;
    const url = new URL(c.req.url);
    const format = formatOf(url.searchParams.get('format'), c.req.header('accept'));
    if (format === undefined) return c.text('there are json, ndjson and csv\n', 406);
    const query = parseTelemetryQuery(url.searchParams, clock(), parameters);
    if (typeof query === 'string') return c.text(`${query}\n`, 400);
    const mayRead = await readableBy(peer);
    if (mayRead === undefined) return c.text('give a token with rules such as GET:/sensors/*\n', 403);
    if (this.#answers >= mostAnswers) {
      return c.text('too many answers at a time\n', 503, { 'retry-after': '1' });
    }
    // From here on, and not from its first byte: pages are read for it already.
    this.#answers++;
    let isOver = false;
    const end = (): void => {
      if (!isOver) this.#answers--;
      isOver = true;
    };
    try {
      return await this.#read(c, query, format, mayRead, end);
    } catch (error) {
      end();
      throw error;
    }
  }

  /** @param end Is called when nothing more is read, however it ends; not before a rejection. */
  async #read(
    c: Context,
    query: TelemetryQuery,
    format: Format,
    mayRead: (segments: readonly string[]) => boolean,
    end: () => void,
  ): Promise<Response> {
    const { store } = this.#parts;
    const series = await selectedSeries(store, query, mayRead);
    if (series === undefined) {
      end();
      return c.text(
        `that is more than ${mostSeries} series: ask for fewer with path, identity, name or unit\n`,
        400,
      );
    }
    const pages = rowPages(store, series, query);
    // What is wrong with the question shows with the first page, while there is a status to say it.
    const first = (await pages.next()).value ?? undefined;
    const headers = {
      'content-type': formats[format],
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    };
    // Nobody would read what there is.
    if (c.req.method === 'HEAD') {
      end();
      return new Response(null, { headers });
    }
    const columns = query.step === undefined ? measurementColumns : bucketColumns(query.step.aggregates);
    const text = written(format, columns, first, pages);
    return new Response(this.#stream(text, end), { headers });
  }

  /** Pulled: a chunk is made when the one before is on its way. */
  #stream(text: AsyncGenerator<string>, onEnd: () => void): ReadableStream<Uint8Array> {
    const { timer = systemTickTimer } = this.#parts;
    const encoder = new TextEncoder();
    let cancelWait = (): void => {};
    const end = (): void => {
      cancelWait();
      onEnd();
    };
    return new ReadableStream(
      {
        pull: async (controller) => {
          cancelWait();
          try {
            const { value, done } = await text.next();
            if (done) {
              end();
              controller.close();
              return;
            }
            controller.enqueue(encoder.encode(value));
            // Who takes nothing for so long has its place for nothing.
            cancelWait = timer.after(patienceMs, () => {
              end();
              controller.error(new Error('nobody reads the answer'));
              void text.return(undefined);
            });
          } catch (error) {
            // The connection breaks off: an answer that stops in the middle must not look whole.
            end();
            controller.error(error);
          }
        },
        cancel: async () => {
          end();
          await text.return(undefined);
        },
      },
      { highWaterMark: 0 },
    );
  }
}

async function* rowPages(
  store: MeasurementStore,
  series: Parameters<typeof measurementPages>[1],
  query: TelemetryQuery,
): AsyncGenerator<Page<TelemetryRow>, undefined> {
  const { step } = query;
  if (step === undefined) {
    for await (const { rows, cursor } of measurementPages(store, series, query)) {
      yield { rows: rows.map(measurementRow), cursor };
    }
  } else {
    for await (const { rows, cursor } of bucketPages(store, series, { ...query, step })) {
      yield { rows: rows.map((row) => bucketRow(row, step.aggregates)), cursor };
    }
  }
  return undefined;
}

async function* written(
  format: Format,
  columns: readonly string[],
  first: Page<TelemetryRow> | undefined,
  more: AsyncGenerator<Page<TelemetryRow>, undefined>,
): AsyncGenerator<string> {
  let cursor: string | undefined;
  let isFirst = true;
  if (format === 'json') yield '{"measurements":[';
  if (format === 'csv') yield `${columns.join(',')}\r\n`;
  for (let page = first; page !== undefined; page = (await more.next()).value ?? undefined) {
    const { rows } = page;
    cursor = page.cursor;
    if (rows.length === 0) continue;
    switch (format) {
      case 'csv':
        yield rows.map((row) => csvLine(row, columns)).join('');
        break;
      case 'ndjson':
        yield rows.map((row) => `${JSON.stringify(row)}\n`).join('');
        break;
      case 'json':
        yield `${isFirst ? '\n' : ',\n'}${rows.map((row) => JSON.stringify(row)).join(',\n')}`;
        break;
    }
    isFirst = false;
  }
  if (format === 'json') yield `\n],"cursor":${JSON.stringify(cursor ?? null)}}\n`;
  if (format === 'ndjson' && cursor !== undefined) yield `${JSON.stringify({ cursor })}\n`;
}

/** By the parameter, or else by the first of Accept that there is. */
function formatOf(given: string | null, accept: string | undefined): Format | undefined {
  if (given !== null) return Object.hasOwn(formats, given) ? (given as Format) : undefined;
  if (accept === undefined) return 'json';
  for (const range of accept.split(',')) {
    const [type = ''] = range.split(';');
    switch (type.trim().toLowerCase()) {
      case 'application/json':
      case 'application/*':
      case '*/*':
        return 'json';
      case 'application/x-ndjson':
      case 'application/ndjson':
        return 'ndjson';
      case 'text/csv':
      case 'text/*':
        return 'csv';
    }
  }
  return undefined;
}
