/**
 * A CoAP server: resources, and the sockets they are served on.
 *
 * RFC 7252 §5, RFC 7641, RFC 7959, RFC 6690; `coaps` by DTLS 1.2 with pre-shared keys, raw public keys or
 * certificates.
 *
 * @module
 */

import { Code, isResponseCode, isSuccessCode } from '../core/coap/code.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import type { OptionReader } from '../core/coap/option-set.ts';
import { hasSerialScheme } from '../core/coap/serial-uri.ts';
import { transportOf } from '../core/coap/uri.ts';
import { equalBytes } from '../core/foundation/bytes.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { forwardTarget, isForwardRequest, localRequestOptions } from '../core/request-response/proxying.ts';
import type { BodyRequest, RequestRoute } from '../core/request-response/request-response-layer.ts';
import { resourceName } from '../core/request-response/resource-key.ts';
import type { WorkerLink } from '../node/worker-link.ts';
import { expectBody } from './body-input.ts';
import { describedFailure } from './described-failure.ts';
import { elsewhereListener, ownForAll } from './elsewhere-listener.ts';
import { type EndpointOptions, endpointOptionNames } from './endpoint-options.ts';
import { expectKnownOptions } from './known-options.ts';
import type { ListenOptions } from './listen-options.ts';
import { parseListenUri } from './listen-uri.ts';
import { DatagramListener } from './listener.ts';
import { compose, type Middleware } from './middleware.ts';
import { groupPolicyOf } from './multicast-options.ts';
import type { ObserverLimits } from './observer-limits.ts';
import type { Listener } from './open-listener.ts';
import { isOwnAuthority } from './own-authority.ts';
import type { ProxyHandler } from './proxy-handler.ts';
import { pathOf, type Request } from './request.ts';
import type { RequestHandler } from './request-handler.ts';
import {
  expectObservable,
  expectResource,
  handlerOf,
  isProtectedAsRequired,
  type Resource,
  ResourceTree,
} from './resource-tree.ts';
import type { ServerObserver } from './server-observer.ts';
import {
  failure,
  knownContentFormat,
  RequestFailure,
  responseOptions,
  type ServerResponse,
} from './server-response.ts';
import { StreamListener } from './stream-listener.ts';
import {
  canonicalHost,
  expectHostName,
  type HostOptions,
  hostPrefix,
  requestedHost,
  VirtualHost,
} from './virtual-host.ts';
import { wellKnownCore } from './well-known-core.ts';
import { listeningLink } from './worker-port.ts';

const defaultMaxBodyBytes = 1024 * 1024;

/** Options of a server; each has a safe default. */
export interface ServerOptions extends EndpointOptions {
  /** Gets what a handler threw (answered 5.00), a failed key look-up, a failed socket. By default `console.error`. */
  readonly onError?: (error: unknown) => void;
  /** How many observers each listener keeps. */
  readonly observers?: ObserverLimits;
}

/**
 * The same resources on any number of sockets; a `coaps` socket is one more `listen`, with credentials.
 *
 * ```ts
 * const server = new Server();
 * server.resource('/temperature', { get: () => content('22.5'), observable: true });
 * await server.listen('coap://[::]:5683');
 * await server.listen('coaps://[::]:5684', { psk: { lookup: new Map([['sensor-042', key]]) } });
 * ```
 */
export class Server implements AsyncDisposable {
  readonly #options: ServerOptions;
  readonly #resources = new ResourceTree();
  readonly #middleware: Middleware[] = [];
  readonly #listeners = new Set<Listener>();
  readonly #workers = new Set<WorkerLink>();
  readonly #hosts = new Map<string, VirtualHost>();
  #proxy: ProxyHandler | undefined;
  /** Requests for which a handler was called. */
  readonly #handled = new WeakSet<Request>();
  #closed = false;
  #answer: ((request: Request) => Promise<ServerResponse>) | undefined;

  constructor(options: ServerOptions = {}) {
    expectKnownOptions('new Server', options, { ...endpointOptionNames, onError: true, observers: true });
    this.#options = options;
    this.#resources.add('/.well-known/core', wellKnownCore(this.#resources));
  }

  /**
   * Adds a resource. `/a/*` serves everything below `/a`, but not `/a` itself; the longest match wins.
   *
   * @throws ApiMisuseError for a path that does not start with `/` or is served already.
   */
  resource(path: string, resource: Resource): this {
    expectResource(path, resource);
    const { freshWithinSeconds } = resource;
    if (freshWithinSeconds !== undefined && !(freshWithinSeconds > 0)) {
      throw new ApiMisuseError(
        `resource ${path}: freshWithinSeconds is ${freshWithinSeconds}; expected a number above 0`,
      );
    }
    this.#resources.add(path, resource);
    return this;
  }

  /**
   * The resources of a host name (RFC 7252 §5.10.1): requests with that Uri-Host get them and no others, with a
   * `/.well-known/core` of their own. Requests without Uri-Host, with an address or a name that was never given here get
   * those of the server itself. Over DTLS a host answers only to clients that asked for the same name in the handshake
   * (SNI), or for none; others get 4.00.
   *
   * @param name Such as `sensors.example`; case does not matter.
   * @param options When the name is given the first time.
   * @throws ApiMisuseError for an address, or a name with a port.
   */
  host(name: string, options: HostOptions = {}): VirtualHost {
    const canonical = expectHostName(name);
    const known = this.#hosts.get(canonical);
    if (known) {
      if (options.oscore !== undefined && options.oscore !== known.oscore)
        throw new ApiMisuseError(`host ${canonical} is there already; give its contexts the first time`);
      return known;
    }
    const host = new VirtualHost(canonical, (resource) => this.#notify(resource), options);
    this.#hosts.set(canonical, host);
    return host;
  }

  /**
   * Serves requests for other servers, with Proxy-Uri or Proxy-Scheme (RFC 7252 §5.7.2). Without this they are answered
   * 5.05. Middleware runs around it.
   *
   * @param handler From `forwardProxy`.
   * @throws ApiMisuseError when there is one already.
   */
  proxy(handler: ProxyHandler): this {
    if (this.#proxy !== undefined) throw new ApiMisuseError('the server is a forward-proxy already');
    this.#proxy = handler;
    return this;
  }

  /** Adds a function that runs around every handler, inside those added before. */
  use(middleware: Middleware): this {
    this.#middleware.push(middleware);
    this.#answer = undefined;
    return this;
  }

  /**
   * Opens a socket: `coap://[::]:5683`, or `coaps://[::]:5684` with credentials; `coap+tcp`, `coaps+tcp`, `coap+ws` and
   * `coaps+ws` likewise (RFC 8323). Port 0 takes a free one. Or a serial line, `coap+serial://ttyUSB0:115200` and
   * `coaps+serial` (docs/serial-lines.md).
   *
   * @throws ApiMisuseError for a URI or options that cannot be; the system's error when the socket cannot be opened, of a
   *         line `SerialFailure`.
   */
  async listen(uri: string, options: ListenOptions = {}): Promise<Listener> {
    const all = { ...this.#options, ...options };
    const listener = await this.#open(uri, all);
    if (this.#closed) {
      await listener.close();
      throw new ApiMisuseError(`the server was closed while ${uri} was opened`);
    }
    this.#listeners.add(listener);
    return listener;
  }

  async #open(uri: string, options: ListenOptions): Promise<Listener> {
    const link = listeningLink(options);
    if (link !== undefined && !this.#workers.has(link)) {
      this.#workers.add(link);
      link.onClose(() => this.close());
    }
    const address = hasSerialScheme(uri) ? undefined : parseListenUri(uri);
    if (address !== undefined && transportOf(address.scheme) === 'udp') {
      return DatagramListener.open(uri, options, this.#handler);
    }
    if (link !== undefined && link.index > 0) return elsewhereListener(uri, link, this.#handler.onClosed);
    const listener =
      address === undefined
        ? await DatagramListener.open(uri, options, this.#handler)
        : await StreamListener.open(uri, address, options, this.#handler);
    if (link !== undefined) ownForAll(uri, listener, link);
    return listener;
  }

  /**
   * Tells observers of a resource, on every socket, that it changed (RFC 7641 §4.2).
   *
   * @param path As in `Request.path`.
   * @throws ApiMisuseError for a path without a resource, or one that nobody can observe.
   */
  notify(path: string): void {
    expectObservable(this.#resources, path);
    this.#notify(path);
  }

  #notify(resource: string): void {
    for (const listener of this.#listeners) listener.notify(resource);
  }

  /** The observers of all sockets. */
  observers(): readonly ServerObserver[] {
    return [...this.#listeners].flatMap((listener) => listener.observers());
  }

  /** Closes all sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    const resources = [this.#resources, ...[...this.#hosts.values()].map((host) => host.resources)];
    await Promise.all(
      [...new Set(resources.flatMap((tree) => tree.resources()))].map((resource) => resource.onClose?.()),
    );
    await this.#proxy?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #handler: RequestHandler = {
    answer: async (request) => {
      this.#answer ??= compose(this.#middleware, (inner) => this.#serve(inner));
      const always = this.#resourceOf(request)?.problemDetails === true;
      let response: ServerResponse;
      try {
        response = await this.#answer(request);
      } catch (error) {
        response = this.#failed(error);
      }
      try {
        expectResponse(request, response);
        response = describedFailure(response, request.accept, always);
      } catch (error) {
        response = describedFailure(this.#failed(error), request.accept, always);
      }
      return { response, handled: this.#handled.has(request) };
    },
    observable: (request) => request.isForward || this.#resourceOf(request)?.observable === true,
    confirmableNotifications: (request) => this.#resourceOf(request)?.notifications === 'confirmable',
    effectsInStore: (request) => this.#resourceOf(request)?.effectsInStore === true,
    acknowledgeWithAnswer: (request) => this.#resourceOf(request)?.acknowledgeWithAnswer === true,
    groupPolicy: (request) =>
      isForwardRequest(request.options) ? undefined : groupPolicyOf(this.#resourceOf(request)?.multicast),
    maxBodyBytes: (request) => {
      if (isForwardRequest(request.options)) return this.#proxy?.maxBodyBytes ?? defaultMaxBodyBytes;
      const { maxBodyBytes, streamRequestBody } = this.#resourceOf(request) ?? {};
      return maxBodyBytes ?? (streamRequestBody ? Infinity : defaultMaxBodyBytes);
    },
    maxPayloadBytes: (request) => this.#resourceOf(request)?.maxPayloadBytes ?? Infinity,
    streamRequestBody: (request) =>
      (isForwardRequest(request.options) ? this.#proxy : this.#resourceOf(request))?.streamRequestBody ===
      true,
    route: (request, listener) => this.#route(request, listener),
    resourceName: (options) => {
      const host = isForwardRequest(options) ? undefined : this.#hostOf(options);
      return `${host === undefined ? '' : hostPrefix(host.name)}${resourceName(options)}`;
    },
    freshWithinMs: (request) => {
      const seconds = this.#resourceOf(request)?.freshWithinSeconds;
      return seconds === undefined ? undefined : seconds * 1000;
    },
    onError: (error) => this.#onError(error),
    onClosed: (listener) => this.#listeners.delete(listener),
  };

  async #serve(request: Request): Promise<ServerResponse> {
    if (request.isForward) {
      if (this.#proxy === undefined) return failure(Code.ProxyingNotSupported);
      this.#handled.add(request);
      return this.#proxy.answer(request);
    }
    const { security } = request.peer;
    const host = this.#hostOf(request.options);
    const asked = security.kind === 'none' ? undefined : security.serverName;
    // RFC 6066 §3, RFC 7252 §9.1.3: the client has verified us by that name, and may know nothing of this one.
    if (host !== undefined && asked !== undefined && canonicalHost(asked) !== host.name) {
      return failure(Code.BadRequest, 'Uri-Host is another name than that of the handshake');
    }
    const { oscore } = request.peer;
    if (oscore !== undefined && host?.oscore?.has(oscore) === false)
      return failure(Code.Unauthorized, `the Security Context is not for ${host.name}`);
    const resource = this.#resourceOf(request);
    if (resource === undefined) return failure(Code.NotFound, `there is no ${request.path}`);
    if (!isProtectedAsRequired(resource, request.peer)) {
      return failure(
        Code.Unauthorized,
        `${request.path} requires ${protectionText[resource.requires ?? 'either']}`,
      );
    }
    const handler = handlerOf(resource, request.method);
    // RFC 7252 §5.8: 4.05 also for methods of later RFCs, not 5.01.
    if (handler === undefined)
      return failure(Code.MethodNotAllowed, `${request.path} has no ${request.method}`);
    if (!resource.conditional && isConditional(request)) {
      // RFC 7252 §5.4.1, §5.10.8: a condition that is not checked must not be taken as fulfilled.
      return failure(Code.BadOption, `${request.path} has no conditional requests (If-Match, If-None-Match)`);
    }
    this.#handled.add(request);
    return validated(request, acceptable(request, await handler(request)));
  }

  #route({ options }: BodyRequest, listener: Listener): RequestRoute {
    if (!isForwardRequest(options)) {
      return { kind: this.#resourceOf({ options })?.proxy === true ? 'proxy' : 'origin' };
    }
    if (this.#proxy === undefined) return { kind: 'origin' };
    const target = forwardTarget(options, listener);
    const { names } = this.#proxy;
    if (target.kind === 'target' && isOwnAuthority(target.uri, this.#listeners, names)) {
      return { kind: 'origin', options: localRequestOptions(options, target.uri) };
    }
    return { kind: 'proxy' };
  }

  /** By path, in the resources of the host that is asked for. Not for requests to a forward-proxy. */
  #resourceOf({ options }: Pick<BodyRequest, 'options'>): Resource | undefined {
    if (isForwardRequest(options)) return undefined;
    return (this.#hostOf(options)?.resources ?? this.#resources).find(pathOf(options));
  }

  #hostOf(options: OptionReader): VirtualHost | undefined {
    if (this.#hosts.size === 0) return undefined;
    const name = requestedHost(options);
    return name === undefined ? undefined : this.#hosts.get(name);
  }

  #failed(error: unknown): ServerResponse {
    if (error instanceof RequestFailure) return error.response;
    this.#onError(error);
    // RFC 7252 §5.9.3.1. The cause stays here: it is for the log, not for strangers.
    return failure(Code.InternalServerError, 'the server failed');
  }

  #onError(error: unknown): void {
    try {
      if (this.#options.onError) this.#options.onError(error);
      else console.error(error);
    } catch (second) {
      // Nothing that is wrong with one request may end the process.
      console.error(second);
    }
  }
}

/** What a client is told that has not what it takes. */
const protectionText = {
  oscore: 'OSCORE',
  dtls: 'DTLS',
  either: 'OSCORE or DTLS',
  both: 'OSCORE and DTLS',
} as const;

/** What cannot be sent must fail while it can still become a 5.00. */
function expectResponse({ method, path }: Request, response: ServerResponse): void {
  if (typeof response !== 'object' || response === null) {
    throw new ApiMisuseError(
      `the handler of ${method} ${path} returned ${typeof response}; use content(…) and the like`,
    );
  }
  if (!isResponseCode(response.code)) {
    throw new ApiMisuseError(
      `the handler of ${method} ${path} answered with code ${response.code}; expected 2.xx, 4.xx or 5.xx`,
    );
  }
  expectBody(response.payload);
  responseOptions(response);
}

function isConditional({ options }: Request): boolean {
  return options.has(OptionNumber.IfMatch) || options.has(OptionNumber.IfNoneMatch);
}

/** RFC 7252 §5.10.4: 4.06 when what the client can take is not what there is. */
function acceptable(request: Request, response: ServerResponse): ServerResponse {
  const { accept } = request;
  // What is no response at all is told later, where it becomes a 5.00.
  const { code, contentFormat } = response ?? {};
  if (accept === undefined || code !== Code.Content || contentFormat === undefined) return response;
  if (knownContentFormat(contentFormat) === accept) return response;
  return failure(Code.NotAcceptable, `${request.path} is not there in content format ${accept}`);
}

/** RFC 7252 §5.10.6.2: a GET that lists the ETag of what would be sent gets 2.03 without the payload. */
function validated(request: Request, response: ServerResponse): ServerResponse {
  const { etag } = response ?? {};
  if (etag === undefined || !isSuccessCode(response.code)) return response;
  // RFC 8132 §2.3.2: the same for FETCH.
  if (request.method !== 'GET' && request.method !== 'FETCH') return response;
  const known = request.options.all(OptionNumber.ETag).some((given) => equalBytes(given, etag));
  if (!known) return response;
  const { maxAgeSeconds } = response;
  return { code: Code.Valid, etag, ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }) };
}
