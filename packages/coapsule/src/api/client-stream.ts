/**
 * A client's endpoint towards one server over TCP, TLS or WebSocket: a connection that is made when there is something to
 * send, used for everything that follows, and made again after it was lost.
 *
 * RFC 8323.
 *
 * @module
 */

import type { MessagePurpose } from '../core/coap/message-purpose.ts';
import type { OutgoingRequest, RequestError, RequestId } from '../core/endpoint/outputs.ts';
import { StreamEndpoint } from '../core/endpoint/stream-endpoint.ts';
import type { ActiveObservation } from '../core/request-response/request-response-layer.ts';
import { StreamDriver, type StreamDriverOutput } from '../node/stream-driver.ts';
import { systemRandom } from '../node/system-random.ts';
import { feedBody } from './body-feed.ts';
import type { ClientLink, RequestObserver } from './client-link.ts';
import type { ClientOptions } from './client-options.ts';
import type { ClientSecurity } from './client-security.ts';
import { streamCoreConfig } from './endpoint-options.ts';
import { CoapsuleError } from './errors.ts';
import { protectedContent, storeContext } from './oscore-context.ts';
import type { PeerInfo } from './peer-info.ts';
import { PendingRequests } from './pending-requests.ts';
import type { SendPlan } from './purposeful-sending.ts';
import type { NetworkServer } from './remote-server.ts';
import { defectError, requestError } from './request-error.ts';
import { StreamDialer } from './stream-dialer.ts';

/** See the module comment. */
export class StreamClient implements ClientLink {
  readonly server: NetworkServer;
  readonly #options: ClientOptions;
  readonly #driver: StreamDriver;
  readonly #dialer: StreamDialer;
  readonly #pending: PendingRequests<StreamEndpoint>;

  constructor(server: NetworkServer, options: ClientOptions, security: ClientSecurity | undefined) {
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
      onDefect: (error) => this.#pending.failAll(defectError(error)),
    });
    this.#pending = new PendingRequests(this.#driver);
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
    const request = protectedContent(content, this.#options.oscore);
    return this.#pending.start(
      observer,
      (endpoint, now) => endpoint.request(this.server.address, request, now),
      content.body,
    );
  }

  ping(observer: RequestObserver): () => void {
    return this.#pending.start(observer, (endpoint, now) => endpoint.ping(this.server.address, now));
  }

  activeObservations(): readonly ActiveObservation[] {
    return this.#driver.run((endpoint) => endpoint.activeObservations());
  }

  async close(): Promise<void> {
    this.#pending.failAll(new CoapsuleError('ERR_CLOSED', 'the client was closed', 'make a new Client'));
    this.#driver.run((endpoint, now) => endpoint.releaseAll(now));
    // The Release goes out, and the end of the stream behind it: there is nothing to wait for.
    await this.#driver.close(0);
  }

  #output(output: StreamDriverOutput): void {
    switch (output.kind) {
      case 'response':
      case 'response-body':
      case 'response-body-aborted':
      case 'sent':
      case 'pong':
        this.#pending.take(output, this.#peer());
        return;
      case 'body-wanted':
      case 'body-released':
        void feedBody(this.#driver, output, () => undefined);
        return;
      case 'request-failed':
        this.#failed(output.request, output.error);
        return;
      case 'connection-established':
        this.#pending.connected();
        return;
      case 'trace':
        this.#options.trace?.(output.event);
        return;
      case 'store-context':
        void storeContext(this.#driver, output, () => undefined);
        return;
      case 'connection-ended':
      case 'request':
      case 'request-body':
      case 'exchange-ended':
        // What was under way comes back as failed requests; this client serves no requests.
        return;
    }
  }

  #failed(request: RequestId, error: RequestError): void {
    this.#pending.failed(
      request,
      (cause) =>
        this.#dialer.errorOf(error) ?? requestError(error, this.server, { cause, advice: undefined }),
    );
  }

  #peer(): PeerInfo {
    const { address, transport } = this.server;
    return { address, transport, security: this.#dialer.security };
  }
}
