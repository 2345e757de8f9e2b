/**
 * The routes of the traffic view: messages as they pass and those that are kept, one with its bytes, what is wrong in them, and all of
 * it as a file. Secrets are in the file only for an admin who asks for them, of a gateway that keeps them.
 */

import type { GatewayOperations } from '../operations/gateway-operations.ts';
import type { TickTimer } from '../resources/periodic-tick.ts';
import { trafficDownload } from '../traffic/traffic-capture.ts';
import type { TrafficRing } from '../traffic/traffic-ring.ts';
import { ApiFailure } from './api-failure.ts';
import type { HandshakesView, TrafficEvents, TrafficMessage } from './api-types.ts';
import type { Handlers } from './console-api.ts';
import type { ConsoleAudit } from './console-audit.ts';
import type { EventSource, EventStreams } from './event-stream.ts';
import { pageLimit } from './page.ts';
import { type TrafficFilter, trafficFilter } from './traffic-filter.ts';
import { layersOf } from './traffic-messages.ts';
import { exchangeOf, type TrafficReader } from './traffic-reader.ts';

/** What they work with. */
export interface TrafficHandlersParts {
  readonly ring: TrafficRing;
  readonly reader: TrafficReader;
  readonly streams: EventStreams;
  readonly audit: ConsoleAudit;
  readonly timer: TickTimer;
  readonly onError: (error: unknown) => void;
}

/** How often a stream gets something, at most; and messages that wait for a reader, or that it begins with. */
const flushMs = 250;
const most = { waiting: 1000, first: 200 } as const;

/** The handlers. */
export function trafficHandlers(
  parts: TrafficHandlersParts,
): Pick<
  Handlers,
  | 'GET /api/traffic/live'
  | 'GET /api/traffic/messages'
  | 'GET /api/traffic/messages/{number}'
  | 'GET /api/traffic/findings'
  | 'POST /api/traffic/export'
> {
  const { ring, reader, streams, audit } = parts;
  return {
    'GET /api/traffic/live': ({ context, session, query }) => {
      const filter = trafficFilter(query['filter']);
      return streams.answer(context, session, () => new TrafficStream(parts, filter));
    },
    'GET /api/traffic/messages': async ({ query }) => {
      const limit = pageLimit(query);
      const before = query['before'] === undefined ? Number.POSITIVE_INFINITY : Number(query['before']);
      if (Number.isNaN(before)) throw new ApiFailure('invalid', 'before is a number of a message');
      const filter = trafficFilter(query['filter']);
      const { entries } = await reader.read();
      const wanted = entries.filter((entry) => entry.message.number < before && filter(entry));
      const messages = wanted.slice(-limit).map(({ message }) => message);
      return {
        messages: messages.toReversed(),
        next: wanted.length > limit ? (messages[0]?.number ?? null) : null,
        kept: entries.length,
      };
    },
    'GET /api/traffic/messages/{number}': async ({ parameters: { number } }) => {
      const { entries } = await reader.read();
      const entry = entries.find(({ message }) => String(message.number) === number);
      if (entry === undefined) throw new ApiFailure('not-found', 'this message is not kept any more');
      return {
        message: entry.message,
        layers: layersOf(entry.packet),
        exchange: exchangeOf(entries, entry),
      };
    },
    'GET /api/traffic/findings': async () => ({
      findings: (await reader.findings()).map(({ frames, ...finding }) => ({ ...finding, messages: frames })),
    }),
    'POST /api/traffic/export': async ({ body: { filter: text, withSecrets = false }, user }) => {
      if (withSecrets && user.role !== 'admin')
        throw new ApiFailure('forbidden', 'a file with secrets is for the role admin');
      if (withSecrets && !ring.keepsSecrets) {
        throw new ApiFailure(
          'unavailable',
          'this gateway keeps no secrets of DTLS',
          'start it with --dangerously-traffic-keys, or export without them',
        );
      }
      const filter = trafficFilter(text);
      const isAll = text === undefined || text.trim() === '';
      const { entries } = await reader.read();
      const items = isAll ? ring.items() : [...new Set(entries.filter(filter).map(({ item }) => item))];
      const exported = { withSecrets, datagrams: items.length };
      // Who may not have the secrets pushes nothing out of the file of changes either.
      if (withSecrets) audit.add('traffic-exported', user, exported);
      else audit.used('traffic-exported', user, exported);
      return trafficDownload(items, withSecrets ? ring.secrets : []);
    },
  };
}

/** The handshakes, which are known without a ring too. */
export function handshakeHandlers(
  operations: Pick<GatewayOperations, 'handshakes'>,
): Pick<Handlers, 'GET /api/traffic/handshakes'> {
  return {
    'GET /api/traffic/handshakes': async (): Promise<HandshakesView> => ({
      handshakes: await operations.handshakes(),
    }),
  };
}

/** One who looks at messages as they pass. */
class TrafficStream implements EventSource<keyof TrafficEvents> {
  readonly #parts: TrafficHandlersParts;
  readonly #filter: TrafficFilter;
  readonly #unwatch: () => void;
  #waiting: TrafficMessage[] = [];
  #skipped = 0;
  #until = 0;
  #leftOut: number | undefined;
  #cancel: (() => void) | undefined;
  #isClosed = false;
  isOver = false;
  problem: TrafficEvents['end'] = null;
  onChange: () => void = () => {};

  constructor(parts: TrafficHandlersParts, filter: TrafficFilter) {
    this.#parts = parts;
    this.#filter = filter;
    this.#unwatch = parts.reader.watch(() => this.#readLater());
    this.#read();
  }

  take(): { readonly event: 'messages'; readonly data: TrafficEvents['messages'] } | undefined {
    if (this.#waiting.length === 0) return undefined;
    const data = { messages: this.#waiting, skipped: this.#skipped };
    this.#waiting = [];
    this.#skipped = 0;
    return { event: 'messages', data };
  }

  close(): void {
    this.#isClosed = true;
    this.#unwatch();
    this.#cancel?.();
  }

  #readLater(): void {
    this.#cancel ??= this.#parts.timer.after(flushMs, () => this.#read());
  }

  #read(): void {
    this.#parts.reader
      .read()
      .then(({ entries, leftOut }) => {
        const isFirst = this.#leftOut === undefined;
        this.#skipped += leftOut - (this.#leftOut ?? leftOut);
        this.#leftOut = leftOut;
        const fresh = entries.filter((entry) => entry.message.number > this.#until && this.#filter(entry));
        this.#until = entries.at(-1)?.message.number ?? this.#until;
        this.#waiting.push(...(isFirst ? fresh.slice(-most.first) : fresh).map(({ message }) => message));
        const over = this.#waiting.length - most.waiting;
        if (over > 0) {
          this.#waiting = this.#waiting.slice(over);
          this.#skipped += over;
        }
        if (this.#waiting.length > 0) this.onChange();
      })
      .catch((error: unknown) => {
        this.#parts.onError(error);
        this.isOver = true;
        this.problem = { code: 'failed', message: 'the traffic cannot be read' };
        this.onChange();
      })
      .finally(() => {
        this.#cancel = undefined;
        // What came while it was read has told nobody.
        if (!this.#isClosed && this.#parts.ring.counts.passed > this.#until) this.#readLater();
      });
  }
}
