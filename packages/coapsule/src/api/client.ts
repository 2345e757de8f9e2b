/**
 * A CoAP client: requests as promises, observations as async iterables.
 *
 * RFC 7252 §5, RFC 7641, RFC 7959; `coaps` by DTLS 1.2 with pre-shared keys, raw public keys or certificates
 * (RFC 7252 §9.1.3).
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import { decodeLinkFormat, type Link } from '../core/coap/link-format.ts';
import { type MessagePurpose, messagePurposes } from '../core/coap/message-purpose.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import { type CoapUri, isSecureScheme, transportOf, type UriDestination } from '../core/coap/uri.ts';
import { checkDtlsConfig } from '../core/dtls/dtls-config.ts';
import { endpointConfig } from '../core/endpoint/endpoint-config.ts';
import { ApiMisuseError, isDecodeFault } from '../core/foundation/errors.ts';
import { ipAddress } from '../core/foundation/peer-address.ts';
import type { PeerTraffic } from '../core/message-layer/message-layer.ts';
import { type CachedRequest, ClientCache } from './client-cache.ts';
import { ClientEndpoint } from './client-endpoint.ts';
import type { ClientLink, RequestObserver } from './client-link.ts';
import {
  type ClientOptions,
  clientOptionNames,
  type RequestOptions,
  requestOptionNames,
} from './client-options.ts';
import { type ClientSecurity, clientSecurity } from './client-security.ts';
import { StreamClient } from './client-stream.ts';
import { coreConfig } from './endpoint-options.ts';
import { CoapsuleError } from './errors.ts';
import type { ExportAssociationOptions, ImportAssociationOptions } from './kept-association.ts';
import { expectKey, expectKnownOptions } from './known-options.ts';
import { MulticastClient } from './multicast-client.ts';
import { type DiscoveredDevice, expectNoGroup, type MulticastOptions } from './multicast-request.ts';
import type { MulticastResponses } from './multicast-responses.ts';
import { Observation } from './observation.ts';
import { linkListUri, outgoingRequest, requestContent } from './outgoing-request.ts';
import {
  methodFor,
  queueFor,
  type SendOptions,
  type SendPlan,
  type SendResult,
  sendOptionNames,
} from './purposeful-sending.ts';
import type { RemoteServer } from './remote-server.ts';
import { abortedError, timeoutError } from './request-error.ts';
import { type RequestRoute, requestRoute } from './request-route.ts';
import type { Response, StreamedResponse } from './response.ts';
import { resumed } from './resumable-upload.ts';
import { parseServerUri, resolveHost } from './server-address.ts';

/** Node's timers hold at most this many milliseconds. */
const longestTimerMs = 2 ** 31 - 1;

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

/** Who waits for the one response of an exchange, or its head. */
interface ExchangeObserver {
  response(response: Response | StreamedResponse, final: boolean): void;
  failed(error: CoapsuleError): void;
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
  /** Undefined: `coap` only. */
  readonly #security: ClientSecurity | undefined;
  readonly #endpoints = new Map<string, Promise<ClientLink>>();
  readonly #cache: ClientCache | undefined;
  readonly #multicast: MulticastClient;
  #closed = false;

  constructor(options: ClientOptions = {}) {
    expectKnownOptions('new Client', options, clientOptionNames);
    if (typeof options.psk === 'object') expectKey('new Client: psk.key', options.psk.key);
    this.#options = options;
    this.#multicast = new MulticastClient(options);
    const { cache = false, proxy } = options;
    if (cache !== false) this.#cache = new ClientCache(cache === true ? {} : cache);
    this.#security = clientSecurity(options);
    // What cannot be is told now, not at the first request.
    checkDtlsConfig(endpointConfig(coreConfig(options, 'dtls', 'client')).dtls);
    if (proxy !== undefined) requestRoute('coap://localhost', proxy);
    const { maxServers = Infinity } = options;
    if (!(maxServers >= 1)) throw new ApiMisuseError(`maxServers is ${maxServers}; expected 1 or more`);
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
    const cached = this.#findCached(method, uri, options);
    if (cached?.response !== undefined && options.cache !== false) return cached.response;
    const etags = cached?.asked.kind === 'ask' ? cached.asked.etags : [];
    try {
      const response = await resumed(options, (attempt) =>
        this.#exchange(uri, attempt, (endpoint, route, observer) => {
          const request = outgoingRequest(
            method,
            route.targetOptions(destinationOf(endpoint.server)),
            attempt,
          );
          const set = OptionSet.from(request.options.entries());
          for (const etag of etags) set.add(OptionNumber.ETag, etag);
          return endpoint.request({ ...request, options: set }, observer);
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
   * asked for no more than is read (RFC 7959). `timeoutMs` bounds the time to the first block, `signal` the whole.
   */
  async stream(method: Method, uri: string, options: RequestOptions = {}): Promise<StreamedResponse> {
    expectKnownOptions(method, options, requestOptionNames);
    const { signal } = options;
    let giveUp: (() => void) | undefined;
    let streamed: StreamedResponse | undefined;
    await this.#exchange(uri, options, (endpoint, route, observer) => {
      const request = outgoingRequest(method, route.targetOptions(destinationOf(endpoint.server)), options);
      giveUp = endpoint.request(
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
    const cached = this.#findCached(method, uri, options);
    if (cached !== undefined) this.#cache?.failed(cached);
    await this.#exchange(uri, options, (endpoint, route, observer) => {
      expectKnownOptions('send', options, requestOptionNames);
      const request = outgoingRequest(method, route.targetOptions(destinationOf(endpoint.server)), {
        ...options,
        confirmable: false,
      });
      return endpoint.request({ ...request, expectResponse: false }, observer);
    });
  }

  async #sendFor(purpose: MessagePurpose, uri: string, options: SendOptions): Promise<SendResult> {
    expectKnownOptions(`send ${purpose}`, options, sendOptionNames);
    const method = options.method ?? methodFor(purpose);
    const cached = this.#findCached(method, uri, options);
    if (cached !== undefined) this.#cache?.failed(cached);
    let plan: SendPlan | undefined;
    let outcome: SendResult['outcome'] = 'answered';
    let response: Response | undefined;
    try {
      response = await this.#exchange(uri, options, (endpoint, route, observer) => {
        plan ??= endpoint.plan(purpose, options);
        const isForgotten = purpose === 'telemetry' && plan.type === 'NON';
        const request = outgoingRequest(method, route.targetOptions(destinationOf(endpoint.server)), {
          ...options,
          confirmable: plan.type === 'CON',
          // A response that nobody reads need not be sent (RFC 7967).
          ...(isForgotten && options.noResponse === undefined ? { noResponse: 'all' } : {}),
        });
        if (isForgotten) outcome = 'sent';
        const expectResponse = outcome === 'answered';
        const queue = queueFor(purpose, method, uri);
        return endpoint.request({ ...request, ...queue, expectResponse }, observer, true);
      });
    } catch (error) {
      if (!(error instanceof CoapsuleError) || error.code !== 'ERR_SUPERSEDED') throw error;
      outcome = 'superseded';
    }
    if (response?.silent === true) outcome = 'sent';
    const { type, reason, warnings, networkLoss } = plan as unknown as SendPlan;
    return {
      purpose,
      type,
      reason,
      warnings,
      networkLoss,
      outcome,
      response: outcome === 'answered' ? response : undefined,
    };
  }

  /**
   * What is on its way to a server, what waits for its turn, and what the path to it is like (RFC 7252 §4.7);
   * `undefined` when nothing was sent there yet, and over TCP, TLS and WebSocket, where that is the transport's matter. For the address that the host has first, or that of the proxy.
   */
  async traffic(uri: string): Promise<PeerTraffic | undefined> {
    const { uri: server } = requestRoute(uri, this.#options.proxy).hop;
    const [host] = await resolveHost(server, this.#options.lookUp);
    const endpoint = await this.#endpoints.get(this.#remote(server, host as string).key);
    return endpoint instanceof ClientEndpoint ? endpoint.traffic() : undefined;
  }

  /** Measures the time to the server, or its proxy, and back, without any resource (RFC 7252 §4.3). */
  async ping(uri: string, options: Pick<RequestOptions, 'signal' | 'timeoutMs'> = {}): Promise<Pong> {
    const { roundTripMs, handshakeMs } = await this.#exchange(uri, options, (endpoint, _route, observer) =>
      endpoint.ping(observer),
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
    const endpoints = await Promise.allSettled(this.#endpoints.values());
    const unicast = endpoints.flatMap((one) =>
      one.status === 'fulfilled' ? one.value.activeObservations() : [],
    );
    return [...unicast, ...(await this.#multicast.activeObservations())].map(
      ({ peer, token, resource, sequence }) => ({ peer, token, resource, sequence }),
    );
  }

  /**
   * Observes a resource (RFC 7641); registers at once. When the server stops answering, or ends the association,
   * the observation is registered once more, with a new handshake where one is needed, before it fails.
   */
  observe(uri: string, options: RequestOptions & { readonly method?: 'GET' | 'FETCH' } = {}): Observation {
    const { signal } = options;
    const ended = new AbortController();
    let giveUp: (() => void) | undefined;
    const observation = new Observation(async () => finish());
    const onAbort = (): void => finish(abortedError(signal));
    const finish = (error?: CoapsuleError): void => {
      signal?.removeEventListener('abort', onAbort);
      observation.end(error);
      ended.abort();
      giveUp?.();
    };
    const cached = this.#findCached(options.method ?? 'GET', uri, options);
    let mayRegisterAgain = false;
    const observer: RequestObserver = {
      response: (response, final) => {
        mayRegisterAgain = true;
        observation.next(cached === undefined ? response : (this.#cache?.take(cached, response) ?? response));
        if (final) finish();
      },
      failed: (error) => {
        const lost = ['ERR_TIMEOUT', 'ERR_ASSOCIATION_CLOSED', 'ERR_CONNECTION'].includes(error.code);
        if (!lost || !mayRegisterAgain || ended.signal.aborted) {
          finish(error);
          return;
        }
        mayRegisterAgain = false;
        register();
      },
    };
    const register = (): void => {
      this.#reach(uri, options.proxy, observer, ended.signal, (endpoint, route, reached) => {
        const request = outgoingRequest(
          options.method ?? 'GET',
          route.targetOptions(destinationOf(endpoint.server)),
          options,
        );
        giveUp = endpoint.request({ ...request, observe: true }, reached);
      }).catch(finish);
    };
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    else register();
    return observation;
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
    const [host] = await resolveHost(server, this.#options.lookUp);
    if (server.scheme !== 'coaps' || host === undefined) return undefined;
    const endpoint = await this.#endpoints.get(this.#remote(server, host).key);
    return endpoint instanceof ClientEndpoint ? endpoint.exportAssociation(options) : undefined;
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
    if (server.scheme !== 'coaps') {
      throw new ApiMisuseError(`'${uri}' is not secured by DTLS; an association needs coaps`);
    }
    const [host] = await resolveHost(server, this.#options.lookUp);
    const endpoint = (await this.#endpoint(server, host as string)) as ClientEndpoint;
    try {
      endpoint.importAssociation(state, options);
    } catch (error) {
      await this.#closeIdle(endpoint, this.#remote(server, host as string).key);
      throw error;
    }
  }

  /** Ends all associations with close_notify, fails what waits, closes the sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cache?.clear();
    const endpoints = [...this.#endpoints.values()];
    this.#endpoints.clear();
    await this.#multicast.close();
    await Promise.all(
      endpoints.map(async (opening) => {
        const endpoint = await opening.catch(() => undefined);
        await endpoint?.close();
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #exchange(
    uri: string,
    options: Pick<RequestOptions, 'signal' | 'timeoutMs' | 'proxy' | 'noResponse' | 'resumable'>,
    send: (endpoint: ClientLink, route: RequestRoute, observer: ExchangeObserver) => () => void,
  ): Promise<Response> {
    const { signal, timeoutMs, resumable } = options;
    if (timeoutMs !== undefined && !(timeoutMs > 0)) {
      throw new ApiMisuseError(`timeoutMs is ${timeoutMs}; expected more than 0`);
    }
    if (signal?.aborted) throw abortedError(signal);
    const settled = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    let giveUp: (() => void) | undefined;
    let onAbort: (() => void) | undefined;
    try {
      return await new Promise<Response>((resolve, reject) => {
        onAbort = () => reject(abortedError(signal));
        signal?.addEventListener('abort', onAbort);
        // With `noResponse` it bounds the wait for a response that need not come, which the endpoint watches; of an upload
        // that may go on the endpoint tells how far it came by then.
        const isWatched = options.noResponse !== undefined || resumable !== undefined;
        if (timeoutMs !== undefined && timeoutMs !== Infinity && !isWatched) {
          timer = setTimeout(() => reject(timeoutError(uri, timeoutMs)), Math.min(timeoutMs, longestTimerMs));
        }
        const observer: ExchangeObserver = {
          response: (response) => resolve(response as Response),
          failed: reject,
        };
        this.#reach(uri, options.proxy, observer, settled.signal, (endpoint, route, reached) => {
          giveUp = send(endpoint, route, reached);
        }).catch(reject);
      });
    } finally {
      settled.abort();
      clearTimeout(timer);
      if (onAbort) signal?.removeEventListener('abort', onAbort);
      giveUp?.();
    }
  }

  /** Sends to the first address of the host where somebody listens. */
  async #reach(
    text: string,
    proxy: RequestOptions['proxy'],
    observer: RequestObserver,
    settled: AbortSignal,
    send: (endpoint: ClientLink, route: RequestRoute, observer: RequestObserver) => void,
  ): Promise<void> {
    const route = requestRoute(text, proxy ?? this.#options.proxy);
    const { uri, secure } = route.hop;
    if (secure && this.#security === undefined) {
      throw new CoapsuleError(
        'ERR_CREDENTIALS',
        this.#options.rawPublicKey === undefined
          ? `there are no credentials for ${text}`
          : `there is nothing to know ${text} by`,
        'give `psk` with identity and key, `peerPublicKeys`, or `trustAnchors` for servers with a certificate',
      );
    }
    const addresses = await resolveHost(uri, this.#options.lookUp);
    expectNoGroup(text, addresses);
    const tryAddress = async (index: number): Promise<void> => {
      const failed = (error: CoapsuleError): void => {
        const more = error.code === 'ERR_NETWORK' && index + 1 < addresses.length && !settled.aborted;
        if (more) void tryAddress(index + 1);
        else observer.failed(error);
      };
      try {
        const endpoint = await this.#endpoint(uri, addresses[index] as string);
        if (settled.aborted) return;
        const reached: RequestObserver = {
          response: (response, final) => observer.response(response, final),
          failed,
        };
        send(endpoint, route, reached);
      } catch (error) {
        // An ApiMisuseError of `send` belongs to the caller as well: it ends the request.
        failed(error as CoapsuleError);
      }
    };
    await tryAddress(0);
  }

  /** What the cache knows of a request; nothing without a cache, or where it does not deal with such requests. */
  #findCached(method: Method, uri: string, options: RequestOptions): CachedRequest | undefined {
    if (this.#cache === undefined) return undefined;
    const { target, hop } = requestRoute(uri, options.proxy ?? this.#options.proxy);
    // Who we are may change from one association to the next, and what one was told is not for the other.
    if (hop.secure && typeof this.#options.psk === 'function') return undefined;
    const content = requestContent(method, options);
    // What is read as it is sent cannot be compared, and a block is not the whole.
    if (content.body !== undefined || options.singleBlock !== undefined) return undefined;
    // A part is not the whole.
    if (content.options.has(OptionNumber.Block1) || content.options.has(OptionNumber.Block2))
      return undefined;
    const asked = `${hop.uri.scheme}://${hop.uri.host}:${hop.uri.port} ${this.#options.serverName ?? ''}`;
    return this.#cache.find(target, asked, content);
  }

  /** A socket that nobody uses keeps the process alive; the next request opens another one. */
  async #closeIdle(endpoint: ClientEndpoint, key: string): Promise<void> {
    // Requests that waited for the socket have it after this.
    await new Promise((resolve) => setImmediate(resolve));
    if (!endpoint.isIdle || this.#closed) return;
    this.#endpoints.delete(key);
    await endpoint.close();
  }

  /** Ends what was not used for longest until one more server can be had; rejects when all are in use. */
  async #makeRoom(maxServers: number): Promise<void> {
    for (const [key, opening] of [...this.#endpoints]) {
      if (this.#endpoints.size < maxServers) return;
      const endpoint = await opening.catch(() => undefined);
      // Requests that waited for the socket have it after this.
      await new Promise((resolve) => setImmediate(resolve));
      if (endpoint?.isUnused !== true || this.#endpoints.get(key) !== opening) continue;
      this.#endpoints.delete(key);
      await endpoint.close();
    }
    if (this.#endpoints.size >= maxServers && !this.#closed) {
      throw new CoapsuleError(
        'ERR_BUSY',
        `requests to ${maxServers} servers are under way`,
        'wait for some of them to end, or give a larger maxServers',
      );
    }
  }

  #remote(uri: CoapUri, host: string): { key: string; server: RemoteServer } {
    const { scheme } = uri;
    const address = ipAddress(host, uri.port);
    const serverName = this.#options.serverName ?? (uri.hostIsIpLiteral ? undefined : uri.host);
    // Keys and pins are for the host of the URI, whatever `serverName` is and whoever shares the address.
    const name = uri.hostIsIpLiteral ? '' : uri.host;
    const key = `${scheme} ${address.key} ${name} ${serverName ?? ''}`;
    const secure = isSecureScheme(scheme);
    return {
      key,
      server: { scheme, transport: transportOf(scheme), secure, address, host: uri.host, serverName },
    };
  }

  async #endpoint(uri: CoapUri, host: string): Promise<ClientLink> {
    const { key, server } = this.#remote(uri, host);
    const { maxServers = Infinity } = this.#options;
    // Others may have come while room was made.
    while (!this.#endpoints.has(key) && this.#endpoints.size >= maxServers) await this.#makeRoom(maxServers);
    if (this.#closed) throw new CoapsuleError('ERR_CLOSED', 'the client was closed', 'make a new Client');
    const known = this.#endpoints.get(key);
    if (known) {
      // Behind all others again: the Map's order is the order of last use.
      this.#endpoints.delete(key);
      this.#endpoints.set(key, known);
      return known;
    }
    const opening = this.#open(server).catch((cause: NodeJS.ErrnoException) => {
      if (cause instanceof ApiMisuseError) throw cause;
      this.#endpoints.delete(key);
      throw new CoapsuleError(
        'ERR_NETWORK',
        `no socket to ${server.address.key} (${cause.code ?? cause.message})`,
        'check the address, and the local address in `bind`',
        { cause },
      );
    });
    this.#endpoints.set(key, opening);
    return opening;
  }

  async #open(server: RemoteServer): Promise<ClientLink> {
    return server.transport === 'udp'
      ? ClientEndpoint.open(server, this.#options, this.#security)
      : new StreamClient(server, this.#options, this.#security);
  }
}

/** RFC 8323 §8.5: TLS and WebSocket tell the host name before the first request. */
function destinationOf({ transport, secure, address, host, serverName }: RemoteServer): UriDestination {
  if (transport === 'udp') return address;
  const name = transport === 'websocket' ? host : secure ? serverName : undefined;
  return { host: address.host, port: address.port, name };
}

function isPurpose(what: string): what is MessagePurpose {
  return (messagePurposes as readonly string[]).includes(what);
}
