/**
 * Resources as Server-Sent Events: each state is an event, its data the payload as text. RFC 8075 leaves observing open (§8.2).
 *
 * A slow reader gets the latest state and misses those between, as an observer does (RFC 7641 §3.3): one event at a time is on its
 * way, and the next one is read when that has gone.
 */
import {
  ApiMisuseError,
  type Response as CoapResponse,
  type LocalObserver,
  OptionNumber,
  type Server,
} from 'coapsule';
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import { Places } from './places.ts';
import { ResourceChanges } from './resource-changes.ts';

/** Event streams at a time, and of them those of nobody. */
const mostStreams = { all: 1000, ofNobody: 50 } as const;

/** A comment goes to an event stream after so long without a change: proxies in between would end it. */
const keepAliveMs = 15_000;

/** What a stream shows. */
export interface StreamedResource {
  /** As `Server.watch` calls it; undefined for one of another server. */
  readonly name: string | undefined;
  /** Reads it as an observer. */
  readonly read: (observer: LocalObserver) => Promise<CoapResponse>;
  readonly isNobody: boolean;
}

/** See the file comment. */
export class EventStreams {
  readonly #server: Pick<Server, 'watch'>;
  readonly #refused: (response: CoapResponse) => Response;
  #ending = new AbortController();
  readonly #places = new Places(mostStreams);

  /** @param refused makes a response of one that is no success. */
  constructor(server: Pick<Server, 'watch'>, refused: (response: CoapResponse) => Response) {
    this.#server = server;
    this.#refused = refused;
  }

  /** How many there are. */
  get size(): number {
    return this.#places.taken;
  }

  /** Ends those that there are; a client begins them anew. */
  end(): void {
    this.#ending.abort();
    this.#ending = new AbortController();
  }

  async open(c: Context, { name, read, isNobody }: StreamedResource): Promise<Response> {
    if (!this.#places.take(isNobody)) return c.text('too many event streams\n', 503, { 'retry-after': '10' });
    const changes = new ResourceChanges(this.#server, name);
    const observer = changes.observer(name !== undefined);
    // Before the first is read: what ends meanwhile counts for this one too.
    const ending = this.#ending.signal;
    const end = (): void => {
      changes.end();
      this.#places.giveBack(isNobody);
    };
    let first: CoapResponse;
    try {
      first = await read(observer);
    } catch (error) {
      end();
      if (!(error instanceof ApiMisuseError)) throw error;
      return c.text(`${error.message}\n`, 400);
    }
    if (!first.ok) {
      end();
      return this.#refused(first);
    }
    return streamSSE(c, async (stream) => {
      const stop = (): void => changes.wake();
      stream.onAbort(stop);
      ending.addEventListener('abort', stop);
      let id = 0;
      const send = (response: CoapResponse): Promise<void> =>
        stream.writeSSE({
          id: String(id++),
          event: response.ok ? 'message' : 'gone',
          data: response.text(),
          // A server that cannot be observed is asked again when its answer is too old: the client comes back then.
          ...(changes.isOver && {
            retry: 1000 * Math.max(5, response.options.uint(OptionNumber.MaxAge) ?? 60),
          }),
        });
      try {
        if (ending.aborted) return;
        await send(first);
        for (;;) {
          // What came while it was written woke nobody.
          if (stream.aborted || ending.aborted) return;
          const isChanged = await changes.next(keepAliveMs);
          if (stream.aborted || ending.aborted) return;
          if (isChanged) await send(await read(observer));
          else if (changes.isOver) return;
          else await stream.write(': still there\n\n');
        }
      } finally {
        ending.removeEventListener('abort', stop);
        end();
      }
    });
  }
}
