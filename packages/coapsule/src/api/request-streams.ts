/**
 * The bodies of requests that handlers read as they come, of one listener.
 *
 * @module
 */

import type { BodyOutput, IncomingRequest } from '../core/endpoint/outputs.ts';
import type { ExchangeId } from '../core/request-response/request-response-layer.ts';
import type { ReadableStream } from '../node/web-stream.ts';
import { IncomingBody, incompleteBody } from './incoming-body.ts';

/** See the module comment. */
export class RequestStreams {
  readonly #bodies = new Map<ExchangeId, IncomingBody>();
  readonly #taken: (exchange: ExchangeId) => void;

  /** `taken` is told when the handler of an Exchange has the last part it was given. */
  constructor(taken: (exchange: ExchangeId) => void) {
    this.#taken = taken;
  }

  /** The body of a request, if it is still to come. */
  of(
    exchange: ExchangeId,
    { bodyFollows, payload }: IncomingRequest,
  ): ReadableStream<Uint8Array> | undefined {
    if (bodyFollows !== true) return undefined;
    const body = new IncomingBody({
      taken: () => this.#taken(exchange),
      // The answer says what becomes of the rest.
      cancelled: () => this.#bodies.delete(exchange),
    });
    this.#bodies.set(exchange, body);
    body.push(payload, false);
    return body.stream;
  }

  /** The next part of a body. */
  part({ exchange, payload, last }: Extract<BodyOutput, { kind: 'request-body' }>): void {
    this.#bodies.get(exchange)?.push(payload, last);
    if (last) this.#bodies.delete(exchange);
  }

  /** Nothing more comes of an Exchange. */
  ended(exchange: ExchangeId): void {
    this.#bodies.get(exchange)?.fail(incompleteBody());
    this.#bodies.delete(exchange);
  }

  /** Nothing more comes at all. */
  close(): void {
    for (const exchange of [...this.#bodies.keys()]) this.ended(exchange);
  }
}
