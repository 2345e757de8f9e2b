/**
 * The requests of a client that wait for answers, whatever the transport: who hears of what becomes of them, and how long
 * it took.
 *
 * @module
 */

import { Code } from '../core/coap/code.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import type { EndpointOutput, IncomingResponse, RequestId } from '../core/endpoint/outputs.ts';
import type { StreamOutput } from '../core/endpoint/stream-outputs.ts';
import { noBytes } from '../core/foundation/bytes.ts';
import { elapsedMs, type Instant } from '../core/foundation/instant.ts';
import type { BodySource } from '../core/request-response/request-response-layer.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { SuppliedBody } from './body-input.ts';
import type { GiveUp, RequestObserver } from './client-link.ts';
import { CoapsuleError } from './errors.ts';
import { IncomingBody, wholeBody } from './incoming-body.ts';
import type { PeerInfo } from './peer-info.ts';
import { Response, StreamedResponse } from './response.ts';

/** What an endpoint of any transport does for a request under way. */
interface RequestCommands {
  cancel(request: RequestId, now: Instant, isForgotten?: boolean): void;
  continueResponseBody(request: RequestId, now: Instant): void;
}

/** What runs the endpoint. */
interface CommandRunner<Commands> {
  readonly closed: boolean;
  run<Result>(command: (endpoint: Commands, now: Instant) => Result): Result;
}

interface PendingRequest {
  readonly observer: RequestObserver;
  readonly started: Instant;
  /** When the handshake, or connection, that this request waited for was there. */
  connected: Instant | undefined;
  answered: boolean;
  /** The body of the response, or of the latest notification, on its way to its reader. */
  body?: IncomingBody;
  /** The request's body. */
  readonly supplied: BodySource | undefined;
}

/** What an endpoint of any transport tells of a request that did not fail. */
export type AnswerOutput = Extract<
  EndpointOutput | StreamOutput,
  { kind: 'response' | 'response-body' | 'response-body-aborted' | 'sent' | 'pong' }
>;

/** Of a pong, and of a request that is on its way and has nobody who waits for more. */
const emptyResponse: IncomingResponse = { code: Code.Empty, options: new OptionSet(), payload: noBytes };

/** All requests and observations of one client endpoint. */
export class PendingRequests<Commands extends RequestCommands> {
  readonly #runner: CommandRunner<Commands>;
  readonly #pending = new Map<RequestId, PendingRequest>();

  constructor(runner: CommandRunner<Commands>) {
    this.#runner = runner;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Sends a request; returns how to give it up. */
  start(
    observer: RequestObserver,
    send: (endpoint: Commands, now: Instant) => RequestId,
    supplied?: BodySource,
  ): GiveUp {
    const pending: PendingRequest = {
      observer,
      started: monotonicClock.now(),
      connected: undefined,
      answered: false,
      supplied,
    };
    const request = this.#runner.run((endpoint, now) => {
      const name = send(endpoint, now);
      this.#pending.set(name, pending);
      return name;
    });
    return (isForgotten) => this.#giveUp(request, isForgotten);
  }

  /** What all of them waited for is there. */
  connected(): void {
    for (const pending of this.#pending.values()) pending.connected ??= monotonicClock.now();
  }

  /** Takes what came of a request that did not fail; `peer` is who answered. */
  take(output: AnswerOutput, peer: PeerInfo): void {
    switch (output.kind) {
      case 'response':
        this.#response(output.request, output.response, output.final, output.bodyFollows ?? false, peer);
        return;
      case 'response-body':
        this.#responseBody(output);
        return;
      case 'response-body-aborted':
        this.#pending.get(output.request)?.body?.fail(abortedBody(output.detail));
        return;
      case 'sent':
      case 'pong':
        this.#response(output.request, emptyResponse, true, false, peer);
        return;
    }
  }

  /**
   * A request failed.
   *
   * @param error Makes the error; `cause` is that of the request's body, when it could not be read.
   */
  failed(request: RequestId, error: (cause: unknown) => CoapsuleError): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    this.#pending.delete(request);
    const { supplied } = pending;
    fail(pending, error(supplied instanceof SuppliedBody ? supplied.error : undefined));
  }

  /**
   * Ends everything that is under way, in the core as well: what was reported as failed must not run later.
   *
   * @param first Runs before the requests are given up, when nobody waits for them any more.
   */
  failAll(error: CoapsuleError, first?: (endpoint: Commands, now: Instant) => void): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const [, request] of pending) fail(request, error);
    this.#command((endpoint, now) => {
      first?.(endpoint, now);
      for (const [request] of pending) endpoint.cancel(request, now);
    });
  }

  /** A response, or the first part of one. */
  #response(
    request: RequestId,
    content: IncomingResponse,
    final: boolean,
    bodyFollows: boolean,
    peer: PeerInfo,
  ): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    if (final) this.#pending.delete(request);
    const now = monotonicClock.now();
    const { connected, started, answered } = pending;
    const timing = {
      handshakeMs: connected === undefined ? undefined : elapsedMs(started, connected),
      roundTripMs: answered ? 0 : elapsedMs(connected ?? started, now),
    };
    pending.answered = true;
    const { observer } = pending;
    if (observer.streamed === undefined) {
      observer.response(new Response(content, peer, timing), final);
      return;
    }
    // What is left of the notification before will not come.
    pending.body?.fail(abortedBody('the resource has changed'));
    delete pending.body;
    if (bodyFollows) pending.body = this.#incomingBody(request, observer);
    pending.body?.push(content.payload, false);
    const stream = pending.body?.stream ?? wholeBody(content.payload);
    observer.streamed(new StreamedResponse(content, peer, timing, stream), final);
  }

  /** A further part of a response's body. */
  #responseBody({ request, payload, last, final }: Extract<AnswerOutput, { kind: 'response-body' }>): void {
    const pending = this.#pending.get(request);
    if (final) this.#pending.delete(request);
    pending?.body?.push(payload, last);
    if (final) pending?.observer.ended?.();
  }

  #incomingBody(request: RequestId, { ended }: RequestObserver): IncomingBody {
    const body = new IncomingBody({
      // Of an earlier notification nothing is asked for any more.
      taken: () => {
        if (this.#pending.get(request)?.body === body) {
          this.#command((endpoint, now) => endpoint.continueResponseBody(request, now));
        }
      },
      // Of an observation only this body is given up.
      cancelled: () => {
        if (ended === undefined) this.#giveUp(request);
      },
    });
    return body;
  }

  #giveUp(request: RequestId, isForgotten?: boolean): void {
    if (this.#pending.delete(request)) {
      this.#command((endpoint, now) => endpoint.cancel(request, now, isForgotten));
    }
  }

  #command(command: (endpoint: Commands, now: Instant) => void): void {
    if (!this.#runner.closed) this.#runner.run(command);
  }
}

/** The response that is being read breaks off, or none comes. */
function fail({ body, observer }: PendingRequest, error: CoapsuleError): void {
  body?.fail(error);
  if (body === undefined || observer.ended !== undefined) observer.failed(error);
}

/** What reading a notification's body ends with when the rest of it will not come. */
function abortedBody(why: string): CoapsuleError {
  return new CoapsuleError(
    'ERR_BLOCKWISE',
    `the rest of the notification does not come: ${why}`,
    'read the next notification: it has the present state',
  );
}
