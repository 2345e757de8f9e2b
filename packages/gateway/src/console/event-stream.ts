/**
 * Server-Sent Events of the console: one event at a time is on its way, so that a reader who does not read holds nothing up and keeps
 * nothing in memory but what its source keeps for it, which is bounded.
 */
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import { ApiFailure } from './api-failure.ts';
import type { ApiProblem } from './api-types.ts';
import type { Session } from './sessions.ts';

/** What a stream shows: who has something new wakes it, and it takes what there is when the event before has gone. */
export interface EventSource<Name extends string> {
  /** What is to be sent next; undefined: nothing yet. The source forgets it. */
  take(): { readonly event: Name; readonly data: unknown } | undefined;
  /** True when nothing more will come; what `take` still gives is sent. */
  readonly isOver: boolean;
  /** Why it is over; null when that is as it should be. */
  readonly problem: ApiProblem | null;
  /** Is called when there may be something to take. */
  onChange: () => void;
  /** Nobody reads any more. */
  close(): void;
}

/** A comment goes to a stream after so long without an event: servers in between would end it. */
const keepAliveMs = 15_000;

/** Streams at a time. */
const most = { all: 200, perSession: 20 } as const;

/** All streams of the console. */
export class EventStreams {
  readonly #ofSession = new Map<Session, number>();
  #all = 0;

  /** How many there are. */
  get size(): number {
    return this.#all;
  }

  /**
   * The answer with the events of a source.
   *
   * @param open Is called when there is room for it.
   * @throws ApiFailure `busy`, and what `open` throws.
   */
  answer<Name extends string>(c: Context, session: Session, open: () => EventSource<Name>): Response {
    const own = this.#ofSession.get(session) ?? 0;
    if (this.#all >= most.all || own >= most.perSession)
      throw new ApiFailure('busy', 'too many streams are open', 'close another page of the console', 10);
    const source = open();
    this.#count(session, 1);
    return streamSSE(c, async (stream) => {
      let wake = (): void => {};
      const stop = (): void => wake();
      source.onChange = stop;
      stream.onAbort(stop);
      session.ended.addEventListener('abort', stop);
      const isOver = (): boolean => stream.aborted || session.ended.aborted;
      try {
        while (!isOver()) {
          const next = source.take();
          if (next !== undefined) {
            await stream.writeSSE({ event: next.event, data: JSON.stringify(next.data) });
            continue;
          }
          if (source.isOver) {
            await stream.writeSSE({ event: 'end', data: JSON.stringify(source.problem) });
            return;
          }
          const isWoken = await new Promise<boolean>((resolve) => {
            const timer = setTimeout(() => resolve(false), keepAliveMs);
            wake = () => {
              clearTimeout(timer);
              resolve(true);
            };
          });
          wake = () => {};
          if (!isWoken && !isOver()) await stream.write(': still there\n\n');
        }
      } finally {
        session.ended.removeEventListener('abort', stop);
        source.close();
        this.#count(session, -1);
      }
    });
  }

  #count(session: Session, change: 1 | -1): void {
    this.#all += change;
    const own = (this.#ofSession.get(session) ?? 0) + change;
    if (own === 0) this.#ofSession.delete(session);
    else this.#ofSession.set(session, own);
  }
}
