/**
 * A CoAP client: requests as promises, observations as async iterables.
 *
 * RFC 7252 §5, RFC 7641, RFC 7959; `coaps` by DTLS 1.2 with pre-shared keys, raw public keys or certificates
 * (RFC 7252 §9.1.3); in networks and on serial lines.
 *
 * Here is what a caller asks for, and the request that says it. Which links there are is in client-link-table.ts, how a
 * request gets to its server in server-reach.ts, and how long its caller waits in awaited-exchange.ts.
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import { decodeLinkFormat, type Link } from '../core/coap/link-format.ts';
import { type MessagePurpose, messagePurposes } from '../core/coap/message-purpose.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import { checkDtlsConfig } from '../core/dtls/dtls-config.ts';
import { endpointConfig } from '../core/endpoint/endpoint-config.ts';
import { ApiMisuseError, isDecodeFault } from '../core/foundation/errors.ts';
import type { PeerTraffic } from '../core/message-layer/message-layer.ts';
import { awaitedExchange } from './awaited-exchange.ts';
import { SuppliedBody } from './body-input.ts';
import { ClientCache } from './client-cache.ts';
import { ClientEndpoint } from './client-endpoint.ts';
import { ClientLinkTable } from './client-link-table.ts';
import {
  type ClientOptions,
  clientOptionNames,
  type RequestOptions,
  requestOptionNames,
} from './client-options.ts';
import { clientSecurity } from './client-security.ts';
import { coreConfig } from './endpoint-options.ts';
import { CoapsuleError } from './errors.ts';
import type { ExportAssociationOptions, ImportAssociationOptions } from './kept-association.ts';
import { expectKey, expectKnownOptions } from './known-options.ts';
import { registerBorrower } from './line-loan.ts';
import { MulticastClient } from './multicast-client.ts';
import type { DiscoveredDevice, MulticastOptions } from './multicast-request.ts';
import type { MulticastResponses } from './multicast-responses.ts';
import type { Observation } from './observation.ts';
import { type ObserveOptions, observedResource, streamedResource } from './observed-resource.ts';
import { linkListUri, outgoingRequest } from './outgoing-request.ts';
import { purposefulExchange } from './purposeful-exchange.ts';
import { methodFor, type SendOptions, type SendResult, sendOptionNames } from './purposeful-sending.ts';
import { requestRoute } from './request-route.ts';
import type { Response, StreamedResponse } from './response.ts';
import { resumed } from './resumable-upload.ts';
import { checkSerialOptions } from './serial-line.ts';
import type { SerialLineStatus } from './serial-options.ts';
import { parseServerUri, resolveHost } from './server-address.ts';
import { ServerReach } from './server-reach.ts';
import type { TargetUri } from './target-uri.ts';

/** One observation in progress. */
export interface ClientObservation {
  /** The server, as address and port, or as a name of its association. */
  readonly peer: string;
  readonly token: Uint8Array;
  /** `/path` or `/path?query`. */
  readonly resource: string;
  /** Observe value of the latest notification. */
  readonly sequence: number | undefined;
}

/** How long a ping took. */
export interface Pong {
  readonly roundTripMs: number;
  /** When the ping caused a handshake. */
  readonly handshakeMs: number | undefined;
}

/**
 * A client of any number of servers. Keeps one socket, and on `coaps` one association, for each server:
 * the first request makes the handshake, all later ones use it.
 *
 * ```ts
 * await using client = new Client({ psk: { identity: 'sensor-042', key } });
 * const response = await client.get('coaps://gateway.example/temperature');
 * console.log(response.codeText, response.text());
 * ```
 */
export class Client implements AsyncDisposable {
  readonly #options: ClientOptions;
  readonly #links: ClientLinkTable;
  readonly #server: ServerReach;
  readonly #cache: ClientCache | undefined;
  readonly #multicast: MulticastClient;

  constructor(options: ClientOptions = {}) {
    expectKnownOptions('new Client', options, clientOptionNames);
    if (typeof options.psk === 'object') expectKey('new Client: psk.key', options.psk.key);
    this.#options = options;
    this.#multicast = new MulticastClient(options);
    const { cache = false, proxy } = options;
    // What came under OSCORE is for the request that asked (RFC 8613 §10).
    if (cache !== false && options.oscore === undefined)
      this.#cache = new ClientCache(cache === true ? {} : cache, options);
    const security = clientSecurity(options);
    // What cannot be is told now, not at the first request.
    checkDtlsConfig(endpointConfig(coreConfig(options, 'dtls', 'client')).dtls);
    checkSerialOptions(options);
    if (proxy !== undefined) requestRoute('coap://localhost', proxy);
    this.#links = new ClientLinkTable(options, security);
    this.#server = new ServerReach(options, security, this.#links);
    registerBorrower(this, this.#links.borrower);
  }

  get(uri: string, options?: RequestOptions): Promise<Response> {
    return this.request('GET', uri, options);
  }

  post(uri: string, options?: RequestOptions): Promise<Response> {
    return this.request('POST', uri, options);
  }

  put(uri: string, options?: RequestOptions): Promise<Response> {
    return this.request('PUT', uri, options);
  }

  delete(uri: string, options?: RequestOptions): Promise<Response> {
    return this.request('DELETE', uri, options);
  }

  /** RFC 8132 §2. */
  fetch(uri: string, options?: RequestOptions): Promise<Response> {
    return this.request('FETCH', uri, options);
  }

  /** RFC 8132 §3. */
  patch(uri: string, options?: RequestOptions): Promise<Response> {
    return this.request('PATCH', uri, options);
  }

  /** RFC 8132 §3. */
  ipatch(uri: string, options?: RequestOptions): Promise<Response> {
    return this.request('IPATCH', uri, options);
  }

  /**
   * Sends a request and resolves with its response, whatever its code.
   *
   * @throws ApiMisuseError for a URI or option that cannot be sent; CoapsuleError when no response came.
   */
  async request(method: Method, uri: string, options: RequestOptions = {}): Promise<Response> {
    expectKnownOptions(method, options, requestOptionNames);
    const cached = options.oscore === undefined ? this.#cache?.find(method, uri, options) : undefined;
    if (cached?.response !== undefined && options.cache !== false) return cached.response;
    const etags = cached?.asked.kind === 'ask' ? cached.asked.etags : [];
    try {
      const response = await resumed(options, (attempt) =>
        awaitedExchange(this.#server, uri, attempt, ({ link, targetOptions }, observer) => {
          const request = outgoingRequest(method, targetOptions(), attempt);
          if (etags.length === 0) return link.request(request, observer);
          const set = OptionSet.from(request.options.entries());
          for (const etag of etags) set.add(OptionNumber.ETag, etag);
          return link.request({ ...request, options: set }, observer);
        }),
      );
      if (cached === undefined || this.#cache === undefined) return response;
      if (!response.silent) return this.#cache.take(cached, response);
      this.#cache.failed(cached);
      return response;
    } catch (error) {
      if (cached !== undefined) this.#cache?.failed(cached);
      throw error;
    }
  }

  /**
   * As `request`, but resolves with the first block of the response: its `body` is read as it comes, and the server is
   * asked for no more than is read (RFC 7959). `timeoutMs` bounds the time to the first block, and of a payload that is read as
   * it is sent begins anew with each block that the server has taken; `signal` bounds the whole.
   */
  async stream(method: Method, uri: string, options: RequestOptions = {}): Promise<StreamedResponse> {
    expectKnownOptions(method, options, requestOptionNames);
    const { signal } = options;
    let giveUp: (() => void) | undefined;
    let streamed: StreamedResponse | undefined;
    await awaitedExchange(this.#server, uri, options, ({ link, targetOptions }, observer) => {
      const request = outgoingRequest(method, targetOptions(), options);
      if (request.body instanceof SuppliedBody) request.body.onBegun = observer.begun;
      giveUp = link.request(
        { ...request, streamResponse: true },
        {
          ...observer,
          streamed: (response) => {
            streamed = response;
            observer.response(response, true);
          },
        },
      );
      return () => {
        if (streamed === undefined) giveUp?.();
      };
    });
    signal?.addEventListener('abort', () => giveUp?.(), { once: true });
    return streamed as StreamedResponse;
  }

  /**
   * Sends a message by what it is for: a reading (`telemetry`), an `alert`, a `command`, a `configuration`, `firmware`,
   * or a `status` query. The purpose, the loss that is acceptable and the loss measured with this server choose
   * Confirmable or Non-confirmable; the result says which, and why. While several messages wait for the same server,
   * alerts go first, then commands; of the readings of one resource the latest. Resolves with the response, or for a
   * Non-confirmable reading as soon as it is on its way.
   *
   * @throws as `request`.
   */
  send(purpose: MessagePurpose, uri: string, options?: SendOptions): Promise<SendResult>;
  /**
   * Sends a request Non-confirmable and resolves when it is on its way: for readings of which the next one makes
   * up for a lost one (RFC 7252 §4.3). Whether it arrived is not known, and a response is ignored. On `coaps` it
   * waits for the handshake.
   */
  send(method: Method, uri: string, options?: RequestOptions): Promise<void>;
  send(what: MessagePurpose | Method, uri: string, options: SendOptions = {}): Promise<unknown> {
    return isPurpose(what) ? this.#sendFor(what, uri, options) : this.#sendUnanswered(what, uri, options);
  }

  async #sendUnanswered(method: Method, uri: string, options: RequestOptions): Promise<void> {
    if (/^[a-z]/.test(method)) {
      throw new ApiMisuseError(
        `purpose is '${method}'; expected one of ${messagePurposes.join(', ')}, or a method such as PUT`,
      );
    }
    this.#forgetCached(method, uri, options);
    await awaitedExchange(this.#server, uri, options, ({ link, targetOptions }, observer) => {
      expectKnownOptions('send', options, requestOptionNames);
      const request = outgoingRequest(method, targetOptions(), { ...options, confirmable: false });
      return link.request({ ...request, expectResponse: false }, observer);
    });
  }

  async #sendFor(purpose: MessagePurpose, uri: string, options: SendOptions): Promise<SendResult> {
    expectKnownOptions(`send ${purpose}`, options, sendOptionNames);
    const method = options.method ?? methodFor(purpose);
    this.#forgetCached(method, uri, options);
    return purposefulExchange(this.#server, purpose, method, uri, options);
  }

  /**
   * What is on its way to a server, what waits for its turn, and what the path to it is like (RFC 7252 §4.7);
   * `undefined` when nothing was sent there yet, and over TCP, TLS and WebSocket, where that is the transport's matter. For the address that the host has first, or that of the proxy.
   */
  async traffic(uri: string): Promise<PeerTraffic | undefined> {
    const { uri: server } = requestRoute(uri, this.#options.proxy).hop;
    const link = await this.#links.known(server);
    return link instanceof ClientEndpoint ? link.traffic() : undefined;
  }

  /** Measures the time to the server, or its proxy, and back, without any resource (RFC 7252 §4.3). */
  async ping(uri: string, options: Pick<RequestOptions, 'signal' | 'timeoutMs'> = {}): Promise<Pong> {
    const { roundTripMs, handshakeMs } = await awaitedExchange(
      this.#server,
      uri,
      options,
      ({ link }, observer) => link.ping(observer),
    );
    return { roundTripMs, handshakeMs };
  }

  /**
   * The resources of a server, from its `/.well-known/core` (RFC 6690).
   *
   * @param options `query` filters, such as `['rt=temperature']`.
   */
  async discover(
    uri: string,
    options: RequestOptions & { readonly query?: readonly string[] } = {},
  ): Promise<Link[]> {
    const { query: filters = [], ...request } = options;
    const { target: server } = requestRoute(uri, request.proxy ?? this.#options.proxy);
    const list = linkListUri(server, filters);
    const response = await this.get(list, { accept: 'application/link-format', ...request });
    const links = response.ok ? decodeLinkFormat(response.text()) : undefined;
    if (links === undefined || isDecodeFault(links)) {
      const reason = links === undefined ? `the answer is ${response.codeText}` : links.reason;
      throw new CoapsuleError(
        'ERR_BAD_RESPONSE',
        `${list} is not a list of links: ${reason}`,
        'the server may not support discovery (RFC 6690)',
      );
    }
    return links;
  }

  /**
   * Asks all members of a multicast group (RFC 7252 §8), Non-confirmable and without security: a response of each device
   * that answers, as they come. Devices answer at a random moment of some seconds, and those that have nothing to tell
   * do not answer at all.
   *
   * ```ts
   * for await (const response of client.multicast('GET', 'coap://[ff02::fd%25eth0]/temperature')) {
   *   console.log(response.peer.address.key, response.text());
   * }
   * ```
   *
   * @throws ApiMisuseError for `coaps`, and for a URI or option that cannot be; CoapsuleError from the loop when nothing
   *         could be sent.
   */
  multicast(method: Method, uri: string, options: MulticastOptions = {}): MulticastResponses {
    return this.#multicast.request(method, uri, options);
  }

  /**
   * The resources of all devices of a group, from the `/.well-known/core` of each (RFC 6690, RFC 7252 §7.2).
   *
   * @param uri Such as `coap://[ff02::fd%25eth0]/` or `coap://224.0.1.187/`.
   * @param options `query` filters, such as `['rt=temperature']`; devices without a match are silent.
   */
  async discoverDevices(
    uri: string,
    options: MulticastOptions & { readonly query?: readonly string[] } = {},
  ): Promise<DiscoveredDevice[]> {
    return this.#multicast.discover(uri, options);
  }

  /**
   * The observations that are active, with the token of each: which token stands for which resource (RFC 7641 §3.1).
   */
  async observations(): Promise<ClientObservation[]> {
    const unicast = await this.#links.activeObservations();
    return [...unicast, ...(await this.#multicast.activeObservations())].map(
      ({ peer, token, resource, sequence }) => ({ peer, token, resource, sequence }),
    );
  }

  /** The serial lines that it has open, and how they fare. */
  async lines(): Promise<SerialLineStatus[]> {
    return this.#links.lines();
  }

  /**
   * Observes a resource (RFC 7641); registers at once. When the server stops answering, or ends the association,
   * the observation is registered once more, with a new handshake where one is needed, before it fails. Notifications
   * come whole, up to 16 MiB.
   */
  observe(uri: string, options: ObserveOptions = {}): Observation {
    const cached =
      options.oscore === undefined ? this.#cache?.find(options.method ?? 'GET', uri, options) : undefined;
    return observedResource(this.#server, uri, options, (response) =>
      cached === undefined ? response : (this.#cache?.take(cached, response) ?? response),
    );
  }

  /**
   * As `observe`, but the body of each notification is read as it comes, and the server is asked for no more than is read
   * (RFC 7959 §2.6). A body that a newer notification supersedes fails with `ERR_BLOCKWISE`: the next one has the state.
   */
  observeStreamed(uri: string, options: ObserveOptions = {}): Observation<StreamedResponse> {
    return streamedResource(this.#server, uri, options);
  }

  /**
   * Ends the association with the server of a URI without telling it, and returns it: at most 256 bytes with
   * connection ids of usual lengths. Requests under way fail. Whoever has the bytes can read and write for both sides.
   *
   * @returns `undefined` when there is no association with the server.
   */
  async exportAssociation(
    uri: string,
    options: ExportAssociationOptions = {},
  ): Promise<Uint8Array | undefined> {
    const { uri: server } = parseServerUri(uri);
    const link = await this.#links.known(server);
    if (!isDtls(server) || !(link instanceof ClientEndpoint)) return undefined;
    return link.exportAssociation(options);
  }

  /**
   * Goes on with an exported association: the next request to the server needs no handshake. The peer is not verified
   * again; there is no exporter, key log or session ticket for it.
   *
   * @throws CoapsuleError `ERR_ASSOCIATION_STATE` with the cause; then requests make a new handshake.
   */
  async importAssociation(
    uri: string,
    state: Uint8Array,
    options: ImportAssociationOptions = {},
  ): Promise<void> {
    const { uri: server } = parseServerUri(uri);
    if (!isDtls(server)) {
      throw new ApiMisuseError(`'${uri}' is not secured by DTLS; an association needs coaps or coaps+serial`);
    }
    const [host] = (await resolveHost(server, this.#options.lookUp)) as [string];
    const link = (await this.#links.open(server, host)) as ClientEndpoint;
    try {
      link.importAssociation(state, options);
    } catch (error) {
      await this.#links.closeIdle(server, host, link);
      throw error;
    }
  }

  /** Ends all associations with close_notify, fails what waits, closes the sockets. */
  async close(): Promise<void> {
    this.#cache?.clear();
    await Promise.all([this.#links.close(), this.#multicast.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A message whose response nobody stores may have changed what is stored. */
  #forgetCached(method: Method, uri: string, options: RequestOptions): void {
    const cached = this.#cache?.find(method, uri, options);
    if (cached !== undefined) this.#cache?.failed(cached);
  }
}

function isDtls({ scheme }: TargetUri): boolean {
  return scheme === 'coaps' || scheme === 'coaps+serial';
}

function isPurpose(what: string): what is MessagePurpose {
  return (messagePurposes as readonly string[]).includes(what);
}
