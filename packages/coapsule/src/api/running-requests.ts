/**
 * The requests that a listener's handlers are at work on, whatever the transport: their bodies, their observers, and the
 * signal that nobody waits any more.
 *
 * @module
 */

import type { IncomingRequest } from '../core/endpoint/outputs.ts';
import type { Instant } from '../core/foundation/instant.ts';
import type { ExchangeId } from '../core/request-response/request-response-layer.ts';
import type { PeerInfo } from './peer-info.ts';
import { Request } from './request.ts';
import { RequestStreams } from './request-streams.ts';
import { ResourceObservers } from './resource-observers.ts';

/** What an endpoint of any transport does for a request that is served. */
interface ServingCommands {
  continueRequestBody(exchange: ExchangeId, now: Instant): void;
  notifyObserver(exchange: ExchangeId, now: Instant): void;
}

/** What runs the endpoint. */
interface CommandRunner {
  readonly closed: boolean;
  run(command: (endpoint: ServingCommands, now: Instant) => void): void;
}

/** See the module comment. */
export class RunningRequests {
  readonly #running = new Map<ExchangeId, AbortController>();
  readonly #observers: ResourceObservers;
  /** Parts of bodies go straight there. */
  readonly bodies: RequestStreams;

  constructor(runner: CommandRunner) {
    this.bodies = new RequestStreams((exchange) => {
      if (!runner.closed) runner.run((endpoint, now) => endpoint.continueRequestBody(exchange, now));
    });
    this.#observers = new ResourceObservers((exchange) => {
      runner.run((endpoint, now) => endpoint.notifyObserver(exchange, now));
    });
  }

  /** What a handler gets to see of a request. `done` is to be called when it has answered. */
  begin(
    exchange: ExchangeId,
    incoming: IncomingRequest,
    peer: PeerInfo,
  ): { readonly request: Request; readonly done: () => void } {
    const controller = new AbortController();
    this.#running.set(exchange, controller);
    const { signal } = controller;
    const body = this.bodies.of(exchange, incoming);
    const request = new Request(incoming, peer, signal, this.#observers.of(exchange, signal), body);
    return {
      request,
      // A refresh of an observation has the same name as the request before it, which may still be at work.
      done: () => {
        if (this.#running.get(exchange) === controller) this.#running.delete(exchange);
      },
    };
  }

  /** Nobody waits for the answer, and no observer is there any more. */
  ended(exchange: ExchangeId): void {
    this.#running.get(exchange)?.abort();
    this.#running.delete(exchange);
    this.#observers.ended(exchange);
    this.bodies.ended(exchange);
  }

  /** The listener is closed. */
  close(): void {
    this.#observers.close();
    for (const running of this.#running.values()) running.abort();
    this.#running.clear();
    this.bodies.close();
  }
}
