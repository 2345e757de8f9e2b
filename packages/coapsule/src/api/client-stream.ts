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
import type { ActiveObservation } from '../core/request-response/request-response-layer.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { StreamDriver, type StreamDriverOutput } from '../node/stream-driver.ts';
import { systemRandom } from '../node/system-random.ts';
import type { ClientLink, RequestObserver } from './client-link.ts';
import type { ClientOptions } from './client-options.ts';
import type { ClientSecurity } from './client-security.ts';
import { streamCoreConfig } from './endpoint-options.ts';
import { CoapsuleError } from './errors.ts';
import type { PeerInfo } from './peer-info.ts';
import type { SendPlan } from './purposeful-sending.ts';
import type { RemoteServer } from './remote-server.ts';
import { defectError, requestError } from './request-error.ts';
import { Response } from './response.ts';
import { StreamDialer } from './stream-dialer.ts';

interface PendingRequest {
  readonly observer: RequestObserver;
  readonly started: Instant;
  /** When the connection that this request waited for was there. */
  connected: Instant | undefined;
  answered: boolean;
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
    return this.#start(observer, (endpoint, now) => endpoint.request(this.server.address, content, now));
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

  #start(observer: RequestObserver, send: (endpoint: StreamEndpoint, now: Instant) => RequestId): () => void {
    const pending: PendingRequest = {
      observer,
      started: monotonicClock.now(),
      connected: undefined,
      answered: false,
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
        this.#response(output.request, output.response, output.final);
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
      case 'exchange-ended':
        // What was under way comes back as failed requests; this client serves no requests.
        return;
    }
  }

  #response(request: RequestId, response: IncomingResponse | undefined, final: boolean): void {
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
    pending.observer.response(new Response(response ?? emptyResponse, this.#peer(), timing), final);
  }

  #failed(request: RequestId, error: RequestError): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    this.#pending.delete(request);
    pending.observer.failed(this.#dialer.errorOf(error) ?? requestError(error, this.server));
  }

  /** Ends everything that is under way, in the core as well: what was reported as failed must not run later. */
  #failAll(error: CoapsuleError): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const [, { observer }] of pending) observer.failed(error);
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
