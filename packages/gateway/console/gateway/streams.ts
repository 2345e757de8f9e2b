/**
 * Event streams of the gateway: Server-Sent Events, read with EventSource where the request is a GET, and by hand where it is a POST.
 *
 * @module
 */

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

/** Reads the events of a response to their end. */
export async function readEvents<Events>(response: Response, readers: StreamReaders<Events>): Promise<void> {
  const parser = new EventParser((name, data) => {
    const read = readers[name as keyof Events] as ((value: unknown) => void) | undefined;
    read?.(JSON.parse(data));
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  const stop = (): void => void reader.cancel();
  addEventListener('pagehide', stop);
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      parser.push(value);
    }
  } finally {
    removeEventListener('pagehide', stop);
  }
}
