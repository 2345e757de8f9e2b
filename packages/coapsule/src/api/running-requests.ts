/**
 * The requests that a listener's handlers are at work on, whatever the transport: their bodies, their observers, and the
 * signal that nobody waits any more.
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import type { IncomingRequest } from '../core/endpoint/outputs.ts';
import type { Instant } from '../core/foundation/instant.ts';
import type { ExchangeId } from '../core/request-response/request-response-layer.ts';
import type { ReadableStream } from '../node/web-stream.ts';
import type { PeerInfo } from './peer-info.ts';
import { Request, type RequestWaiters, type ResourceObserver } from './request.ts';
import { RequestStreams } from './request-streams.ts';
import { ResourceObservers } from './resource-observers.ts';
import type { Response } from './response.ts';
import type { ReversedRequestOptions } from './reversed-requests.ts';

/** What an endpoint of any transport does for a request that is served. */
export interface ServingCommands {
  continueRequestBody(exchange: ExchangeId, now: Instant): void;
  notifyObserver(exchange: ExchangeId, now: Instant): void;
}

/** What runs the endpoint. */
export interface CommandRunner<Commands> {
  readonly closed: boolean;
  run(command: (endpoint: Commands, now: Instant) => void): void;
}

/** Sends a request to who sent one; see `ReversedRequests.ask`. */
export type AskBack = (
  peer: PeerInfo,
  method: Method,
  path: string,
  options: ReversedRequestOptions,
) => Promise<Response>;

/** See the module comment. */
export class RunningRequests {
  /** Those whose handlers did not answer at once. */
  readonly #running = new Map<ExchangeId, RunningRequest>();
  readonly observers: ResourceObservers;
  /** Parts of bodies go straight there. */
  readonly bodies: RequestStreams;
  readonly askBack: AskBack;

  constructor(runner: CommandRunner<ServingCommands>, askBack: AskBack) {
    this.askBack = askBack;
    this.bodies = new RequestStreams((exchange) => {
      if (!runner.closed) runner.run((endpoint, now) => endpoint.continueRequestBody(exchange, now));
    });
    this.observers = new ResourceObservers((exchange) => {
      runner.run((endpoint, now) => endpoint.notifyObserver(exchange, now));
    });
  }

  /** What a handler gets to see of a request. One that does not answer at once is `kept` until it has `answered`. */
  begin(exchange: ExchangeId, incoming: IncomingRequest, peer: PeerInfo): RunningRequest {
    const body = this.bodies.of(exchange, incoming);
    return new RunningRequest(exchange, incoming, peer, this, body);
  }

  /** The handler is at work on it: nothing can end the Exchange before, in the turn in which it began. */
  keep(running: RunningRequest): void {
    this.#running.set(running.exchange, running);
  }

  /** The handler has answered. */
  answered(running: RunningRequest): void {
    // A refresh of an observation has the same name as the request before it, which may still be at work.
    if (this.#running.get(running.exchange) === running) this.#running.delete(running.exchange);
  }

  /** Nobody waits for the answer, and no observer is there any more. */
  ended(exchange: ExchangeId): void {
    this.#running.get(exchange)?.abandon();
    this.#running.delete(exchange);
    this.observers.ended(exchange);
    this.bodies.ended(exchange);
  }

  /** The listener is closed. */
  close(): void {
    this.observers.close();
    for (const running of this.#running.values()) running.abandon();
    this.#running.clear();
    this.bodies.close();
  }
}

/** A request with its handler. */
export class RunningRequest implements RequestWaiters {
  readonly exchange: ExchangeId;
  readonly request: Request;
  readonly #all: RunningRequests;
  #gone: AbortController | undefined;
  #isAbandoned = false;

  constructor(
    exchange: ExchangeId,
    incoming: IncomingRequest,
    peer: PeerInfo,
    all: RunningRequests,
    body: ReadableStream<Uint8Array> | undefined,
  ) {
    this.exchange = exchange;
    this.#all = all;
    this.request = new Request(incoming, peer, this, body);
  }

  /** Nobody waits for the answer any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#gone?.abort();
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController();
      if (this.#isAbandoned) this.#gone.abort();
    }
    return this.#gone.signal;
  }

  get observer(): ResourceObserver {
    return this.#all.observers.of(this);
  }

  ask(method: Method, path: string, options: ReversedRequestOptions): Promise<Response> {
    return this.#all.askBack(this.request.peer, method, path, options);
  }
}
