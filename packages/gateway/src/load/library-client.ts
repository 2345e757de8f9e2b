/**
 * A client of the library as a client of a load: for OSCORE and for the transports that have no faster one.
 *
 * It costs the machine several times as much as `datagram-client.ts`, so that the generator may be the limit; the report
 * says when that is so. Repeating is the library's own business.
 *
 * @module
 */

import type { Client, RequestOptions } from 'coapsule';
import type { Method } from 'coapsule/message';
import type { LoadClient, LoadEvents } from './load-client.ts';

/** What is asked for. */
export interface LibraryRequest {
  readonly method: Method;
  readonly uri: string;
  readonly options: RequestOptions;
}

/** See the module comment. */
export class LibraryClient implements LoadClient {
  readonly isUsedUp = false;
  readonly handshakeMs: number | undefined;
  readonly #client: Pick<Client, 'request' | 'close'>;
  readonly #request: LibraryRequest;
  readonly #events: LoadEvents;
  #isClosed = false;

  constructor(
    client: Pick<Client, 'request' | 'close'>,
    request: LibraryRequest,
    events: LoadEvents,
    handshakeMs: number | undefined,
  ) {
    this.#client = client;
    this.#request = request;
    this.#events = events;
    this.handshakeMs = handshakeMs;
  }

  request(): void {
    const { method, uri, options } = this.#request;
    this.#client.request(method, uri, options).then(
      ({ code }) => this.#events.answered(code),
      (error: Error & { code?: unknown }) => {
        if (!this.#isClosed) this.#events.failed(String(error.code ?? error.message));
      },
    );
  }

  repeat(): void {
    // Done by the library.
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#client.close();
  }
}
