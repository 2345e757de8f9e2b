/**
 * Event streams of the gateway: Server-Sent Events, read with EventSource where the request is a GET, and by hand where it is a POST.
 *
 * @module
 */

import type { ApiProblem, ApiRoutes } from '../../src/console/api-types.ts';
import { lost, type RequestParts, send } from './api.ts';
import { EventParser } from './event-parser.ts';
import { noteAnswer, noteSilence } from './link.ts';

/** What a reader does with the events of a stream, by their names. */
export type StreamReaders<Events> = {
  readonly [Name in keyof Events]?: (data: Events[Name]) => void;
};

/**
 * Follows a stream until the returned function is called. The browser begins it anew when it breaks, but not after the event `end`: then
 * it was the gateway's wish.
 */
export function follow<Events>(address: string, readers: StreamReaders<Events>): () => void {
  const source = new EventSource(address);
  source.onopen = noteAnswer;
  source.onerror = () => {
    // While it connects again there is nothing but silence; when it was refused the browser gives up.
    if (source.readyState === EventSource.CONNECTING) noteSilence();
  };
  for (const [name, read] of Object.entries(readers) as [string, (data: unknown) => void][]) {
    source.addEventListener(name, (event) => {
      read(JSON.parse((event as MessageEvent<string>).data));
      if (name === 'end') source.close();
    });
  }
  const stop = (): void => {
    source.close();
    removeEventListener('pagehide', stop);
  };
  // A page that is kept for the back button would keep its connection too, of which a browser has six for a host.
  addEventListener('pagehide', stop);
  return stop;
}

type EventRoute = {
  [R in keyof ApiRoutes]: ApiRoutes[R] extends { readonly events: { readonly end: ApiProblem | null } }
    ? R
    : never;
}[keyof ApiRoutes];

type EventsOf<R extends EventRoute> = ApiRoutes[R] extends { readonly events: infer Events } ? Events : never;

/**
 * Asks for a stream, and reads its events to their end, or until the signal.
 *
 * @returns why there was none, or why it ended; undefined where all is as it should be.
 */
export async function askEvents<R extends EventRoute>(
  route: R,
  parts: RequestParts<ApiRoutes[R]['request']> & { readonly signal: AbortSignal },
  readers: StreamReaders<Omit<EventsOf<R>, 'end'>>,
): Promise<ApiProblem | undefined> {
  let problem: ApiProblem | undefined;
  try {
    const outcome = await send(route, parts);
    if (!outcome.isOk) return outcome.problem;
    await readEvents(outcome.value, {
      ...(readers as AnyReaders),
      end: (why) => {
        problem = (why as ApiProblem | null) ?? undefined;
      },
    });
  } catch (error) {
    if (parts.signal.aborted) return problem;
    // Only the connection breaks with it: what a reader throws is ours.
    if (!(error instanceof BrokenStream)) throw error;
    return lost(error, parts.signal).problem;
  }
  return problem;
}

type AnyReaders = StreamReaders<Record<string, unknown>>;

/** The connection of a stream broke before its end. */
class BrokenStream extends Error {}

async function readEvents(response: Response, readers: AnyReaders): Promise<void> {
  const parser = new EventParser((name, data) => {
    readers[name]?.(JSON.parse(data));
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  const stop = (): void => void reader.cancel();
  addEventListener('pagehide', stop);
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((error: unknown) => {
        throw new BrokenStream(String(error));
      });
      if (done) return;
      parser.push(value);
    }
  } finally {
    removeEventListener('pagehide', stop);
  }
}
