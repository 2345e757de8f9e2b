/**
 * A client's endpoint towards one server over TCP, TLS or WebSocket: a connection that is made when there is something to
 * send, used for everything that follows, and made again after it was lost.
 *
 * RFC 8323.
 *
 * @module
 */

import { Code } from '../core/coap/code.ts';
import type { MessagePurpose } from '../core/coap/message-purpose.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import type { IncomingResponse, OutgoingRequest, RequestError, RequestId } from '../core/endpoint/outputs.ts';
import { StreamEndpoint } from '../core/endpoint/stream-endpoint.ts';
import { noBytes } from '../core/foundation/bytes.ts';
import { elapsedMs, type Instant } from '../core/foundation/instant.ts';
import type { ActiveObservation, BodySource } from '../core/request-response/request-response-layer.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { StreamDriver, type StreamDriverOutput } from '../node/stream-driver.ts';
import { systemRandom } from '../node/system-random.ts';
import { feedBody } from './body-feed.ts';
import { SuppliedBody } from './body-input.ts';
import type { ClientLink, RequestObserver } from './client-link.ts';
import type { ClientOptions } from './client-options.ts';
import type { ClientSecurity } from './client-security.ts';
import { streamCoreConfig } from './endpoint-options.ts';
import { CoapsuleError } from './errors.ts';
import { IncomingBody, wholeBody } from './incoming-body.ts';
import type { PeerInfo } from './peer-info.ts';
import type { SendPlan } from './purposeful-sending.ts';
import type { RemoteServer } from './remote-server.ts';
import { defectError, requestError } from './request-error.ts';
import { Response, StreamedResponse } from './response.ts';
import { StreamDialer } from './stream-dialer.ts';

interface PendingRequest {
  readonly observer: RequestObserver;
  readonly started: Instant;
  /** When the connection that this request waited for was there. */
  connected: Instant | undefined;
  answered: boolean;
  /** The response's body on its way to its reader. */
  body?: IncomingBody;
  /** The request's body. */
  readonly supplied: BodySource | undefined;
}

const emptyResponse: IncomingResponse = { code: Code.Empty, options: new OptionSet(), payload: noBytes };

/** See the module comment. */
export class StreamClient implements ClientLink {
  readonly server: RemoteServer;
  readonly #options: ClientOptions;
  readonly #driver: StreamDriver;
  readonly #dialer: StreamDialer;
  readonly #pending = new Map<RequestId, PendingRequest>();

  constructor(server: RemoteServer, options: ClientOptions, security: ClientSecurity | undefined) {
    this.server = server;
    this.#options = options;
    this.#dialer = new StreamDialer(server, options, security);
    const endpoint = new StreamEndpoint({
      config: streamCoreConfig(options, server.scheme, 'client'),
      random: systemRandom,
    });
    this.#driver = new StreamDriver({
      endpoint,
      dial: (address) => this.#dialer.dial(address),
      onOutput: (output) => this.#output(output),
      onDefect: (error) => this.#failAll(defectError(error)),
    });
  }

  get isUnused(): boolean {
    return this.#pending.size === 0;
  }

  /** There is one way only: the transport repeats what is lost. */
  plan(purpose: MessagePurpose): SendPlan {
    return {
      purpose,
      type: 'CON',
      reason: 'the transport delivers it, or tells that it could not',
      warnings: [],
      networkLoss: undefined,
      advice: [],
    };
  }

  request(content: OutgoingRequest, observer: RequestObserver): () => void {
    return this.#start(
      observer,
      (endpoint, now) => endpoint.request(this.server.address, content, now),
      content.body,
    );
  }

  ping(observer: RequestObserver): () => void {
    return this.#start(observer, (endpoint, now) => endpoint.ping(this.server.address, now));
  }

  activeObservations(): readonly ActiveObservation[] {
    return this.#driver.run((endpoint) => endpoint.activeObservations());
  }

  async close(): Promise<void> {
    this.#failAll(new CoapsuleError('ERR_CLOSED', 'the client was closed', 'make a new Client'));
    this.#driver.run((endpoint, now) => endpoint.releaseAll(now));
    // The Release goes out, and the end of the stream behind it: there is nothing to wait for.
    await this.#driver.close(0);
  }

  #start(
    observer: RequestObserver,
    send: (endpoint: StreamEndpoint, now: Instant) => RequestId,
    supplied?: BodySource,
  ): () => void {
    const pending: PendingRequest = {
      observer,
      started: monotonicClock.now(),
      connected: undefined,
      answered: false,
      supplied,
    };
    const request = this.#driver.run((endpoint, now) => {
      const name = send(endpoint, now);
      this.#pending.set(name, pending);
      return name;
    });
    return () => {
      if (!this.#pending.delete(request) || this.#driver.closed) return;
      this.#driver.run((endpoint, now) => endpoint.cancel(request, now));
    };
  }

  #output(output: StreamDriverOutput): void {
    switch (output.kind) {
      case 'response':
        this.#response(output.request, output.response, output.final, output.bodyFollows);
        return;
      case 'response-body': {
        const pending = this.#pending.get(output.request);
        if (output.last) this.#pending.delete(output.request);
        pending?.body?.push(output.payload, output.last);
        return;
      }
      case 'body-wanted':
      case 'body-released':
        void feedBody(this.#driver, output, () => undefined);
        return;
      case 'sent':
      case 'pong':
        this.#response(output.request, undefined, true);
        return;
      case 'request-failed':
        this.#failed(output.request, output.error);
        return;
      case 'connection-established':
        for (const pending of this.#pending.values()) pending.connected ??= monotonicClock.now();
        return;
      case 'trace':
        this.#options.trace?.(output.event);
        return;
      case 'connection-ended':
      case 'request':
      case 'request-body':
      case 'response-body-aborted':
      case 'exchange-ended':
        // What was under way comes back as failed requests; this client serves no requests.
        return;
    }
  }

  #response(
    request: RequestId,
    response: IncomingResponse | undefined,
    final: boolean,
    bodyFollows = false,
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
    const content = response ?? emptyResponse;
    if (observer.streamed === undefined) {
      observer.response(new Response(content, this.#peer(), timing), final);
      return;
    }
    if (bodyFollows) pending.body = this.#incomingBody(request);
    pending.body?.push(content.payload, false);
    const stream = pending.body?.stream ?? wholeBody(content.payload);
    observer.streamed(new StreamedResponse(content, this.#peer(), timing, stream));
  }

  #incomingBody(request: RequestId): IncomingBody {
    const command = (run: (endpoint: StreamEndpoint, now: Instant) => void): void => {
      if (!this.#driver.closed) this.#driver.run(run);
    };
    return new IncomingBody({
      taken: () => command((endpoint, now) => endpoint.continueResponseBody(request, now)),
      cancelled: () => {
        if (this.#pending.delete(request)) command((endpoint, now) => endpoint.cancel(request, now));
      },
    });
  }

  #failed(request: RequestId, error: RequestError): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    this.#pending.delete(request);
    const cause = pending.supplied instanceof SuppliedBody ? pending.supplied.error : undefined;
    fail(pending, this.#dialer.errorOf(error) ?? requestError(error, this.server, cause));
  }

  /** Ends everything that is under way, in the core as well: what was reported as failed must not run later. */
  #failAll(error: CoapsuleError): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const [, request] of pending) fail(request, error);
    if (this.#driver.closed) return;
    this.#driver.run((endpoint, now) => {
      for (const [request] of pending) endpoint.cancel(request, now);
    });
  }

  #peer(): PeerInfo {
    const { address, transport } = this.server;
    return { address, transport, security: this.#dialer.security };
  }
}

/** The response that is being read breaks off, or none comes. */
function fail({ body, observer }: PendingRequest, error: CoapsuleError): void {
  if (body === undefined) observer.failed(error);
  else body.fail(error);
}
