/**
 * A CoAP server: resources, and the sockets they are served on. How requests are answered is in `request-dispatch.ts`.
 *
 * RFC 7252 §5, RFC 7641, RFC 7959, RFC 6690; `coaps` by DTLS 1.2 with pre-shared keys, raw public keys or
 * certificates.
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import { encodeLinkFormat, type Link, linkAttribute } from '../core/coap/link-format.ts';
import { hasSerialScheme } from '../core/coap/serial-uri.ts';
import { transportOf } from '../core/coap/uri.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { WorkerLink } from '../node/worker-link.ts';
import { elsewhereListener, ownForAll } from './elsewhere-listener.ts';
import { type EndpointOptions, endpointOptionNames } from './endpoint-options.ts';
import { expectKnownOptions } from './known-options.ts';
import type { ListenOptions } from './listen-options.ts';
import { parseListenUri } from './listen-uri.ts';
import { DatagramListener } from './listener.ts';
import { answerLocally, type LocalRequestOptions } from './local-request.ts';
import type { Middleware } from './middleware.ts';
import type { ObserverLimits } from './observer-limits.ts';
import type { Listener } from './open-listener.ts';
import type { ProxyHandler } from './proxy-handler.ts';
import { RequestDispatch } from './request-dispatch.ts';
import { RequestsToOwner } from './requests-to-owner.ts';
import { RequestsToServe } from './requests-to-serve.ts';
import { expectObservable, expectResource, type Resource } from './resource-tree.ts';
import type { Response } from './response.ts';
import type { ServerObserver } from './server-observer.ts';
import { StreamListener } from './stream-listener.ts';
import { expectHostName, type HostOptions, VirtualHost } from './virtual-host.ts';
import { wellKnownCore } from './well-known-core.ts';
import { listeningLink } from './worker-port.ts';

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
  readonly #workers = new Set<WorkerLink>();
  readonly #dispatch = new RequestDispatch((error) => this.#onError(error));
  readonly #watchers = new Set<(path: string) => void>();
  /** Ends what this server and its like in other workers tell each other of requests. */
  #leaveOwned: (() => void) | undefined;
  #closed = false;

  constructor(options: ServerOptions = {}) {
    expectKnownOptions('new Server', options, { ...endpointOptionNames, onError: true, observers: true });
    this.#options = options;
    this.#dispatch.resources.add('/.well-known/core', wellKnownCore(this.#dispatch.resources));
  }

  /**
   * Adds a resource. `/a/*` serves everything below `/a`, but not `/a` itself; the longest match wins.
   *
   * @throws ApiMisuseError for a path that does not start with `/` or is served already.
   */
  resource(path: string, resource: Resource): this {
    expectResource(path, resource);
    const { freshWithinSeconds } = resource;
    if (typeof freshWithinSeconds === 'number' && !(freshWithinSeconds > 0)) {
      throw new ApiMisuseError(
        `resource ${path}: freshWithinSeconds is ${freshWithinSeconds}; expected a number above 0`,
      );
    }
    this.#dispatch.resources.add(path, resource);
    return this;
  }

  /**
   * Adds a link to `/.well-known/core` that leads to no resource of this server: to one of another server that it knows of, or
   * over another protocol (RFC 6690 §2.1). Such a link has a whole URI as its target, or an `anchor` that its target is relative to.
   *
   * @throws ApiMisuseError for what cannot be written in link format, and for a link without both: it would promise a resource here.
   */
  link(link: Link): this {
    const isElsewhere =
      /^[a-z][a-z0-9+.-]*:/i.test(link.target) || linkAttribute(link, 'anchor') !== undefined;
    if (!isElsewhere) {
      throw new ApiMisuseError(
        `link to '${link.target}' has no anchor; expected a whole URI or an anchor: resources of this server are added with resource()`,
      );
    }
    // Refused now, not when somebody asks.
    encodeLinkFormat([link]);
    this.#dispatch.resources.addLink(link);
    return this;
  }

  /**
   * Takes a resource away, by the path that it was added with: requests for it get 4.04, and so do its observers, which ends
   * their observations (RFC 7641 §4.2). Requests that run go on; its `onClose` is called.
   *
   * @returns whether it was there.
   */
  async removeResource(path: string): Promise<boolean> {
    const { resources } = this.#dispatch;
    const removed = resources.remove(path);
    if (removed === undefined) return false;
    const observed = new Set(this.observers().map(({ resource }) => resource));
    for (const name of observed) if (resources.find(name) === undefined) this.#notify(name);
    await removed.onClose?.();
    return true;
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
    const known = this.#dispatch.hosts.get(canonical);
    if (known) {
      if (options.oscore !== undefined && options.oscore !== known.oscore)
        throw new ApiMisuseError(`host ${canonical} is there already; give its contexts the first time`);
      return known;
    }
    const host = new VirtualHost(canonical, (resource) => this.#notify(resource), options);
    this.#dispatch.hosts.set(canonical, host);
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
    if (this.#dispatch.proxy !== undefined) throw new ApiMisuseError('the server is a forward-proxy already');
    this.#dispatch.proxy = handler;
    return this;
  }

  /** Adds a function that runs around every handler, inside those added before. */
  use(middleware: Middleware): this {
    this.#dispatch.use(middleware);
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
    this.#dispatch.listeners.add(listener);
    return listener;
  }

  async #open(uri: string, options: ListenOptions): Promise<Listener> {
    const link = listeningLink(options);
    if (link !== undefined && !this.#workers.has(link)) {
      if (this.#workers.size === 0) this.#shareOwned(link, uri);
      this.#workers.add(link);
      link.onClose(() => this.close());
    }
    const address = hasSerialScheme(uri) ? undefined : parseListenUri(uri);
    if (address !== undefined && transportOf(address.scheme) === 'udp') {
      return DatagramListener.open(uri, options, this.#dispatch);
    }
    if (link !== undefined && link.index > 0)
      return elsewhereListener(uri, link, (closed) => this.#dispatch.onClosed(closed));
    const listener =
      address === undefined
        ? await DatagramListener.open(uri, options, this.#dispatch)
        : await StreamListener.open(uri, address, options, this.#dispatch);
    if (link === undefined) return listener;
    try {
      ownForAll(uri, listener, link);
    } catch (error) {
      await listener.close();
      throw error;
    }
    this.#dispatch.endings.set(listener, () => link.leave(uri));
    return listener;
  }

  /** Before the first listener is open: a request for what has one owner goes there, or comes from elsewhere. */
  #shareOwned(link: WorkerLink, uri: string): void {
    // All workers run the same module: what this server listens on first is the same in all, and of no other server.
    const channel = `requests of the server on ${uri}`;
    if (link.index > 0) {
      this.#dispatch.owner = new RequestsToOwner(link, channel);
      this.#leaveOwned = () => link.leave(channel);
      return;
    }
    const served = new RequestsToServe(link, channel, (request) => this.#dispatch.answer(request));
    this.#leaveOwned = () => served.close();
  }

  /**
   * Tells observers of a resource, on every socket, that it changed (RFC 7641 §4.2).
   *
   * @param path As in `Request.path`.
   * @throws ApiMisuseError for a path without a resource, or one that nobody can observe.
   */
  notify(path: string): void {
    expectObservable(this.#dispatch.resources, path);
    this.#notify(path);
  }

  #notify(resource: string): void {
    for (const listener of this.#dispatch.listeners) listener.notify(resource);
    for (const changed of this.#watchers) changed(resource);
  }

  /**
   * Asks a resource of this server from within its process, with middleware and without a socket.
   *
   * @param path Path and query, such as `/light?room=3`.
   * @throws ApiMisuseError (rejects) for a path or option that cannot be.
   */
  request(method: Method, path: string, options: LocalRequestOptions = {}): Promise<Response> {
    return answerLocally(this.#dispatch, method, path, options);
  }

  /**
   * Calls back with the path of each resource of this server that changes, as observers are told (`notify`).
   *
   * @returns how to end that.
   */
  watch(changed: (path: string) => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** The observers of all sockets. */
  observers(): readonly ServerObserver[] {
    return [...this.#dispatch.listeners].flatMap((listener) => listener.observers());
  }

  /** Closes all sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#dispatch.listeners].map((listener) => listener.close()));
    const resources = [
      this.#dispatch.resources,
      ...[...this.#dispatch.hosts.values()].map((host) => host.resources),
    ];
    await Promise.all(
      [...new Set(resources.flatMap((tree) => tree.resources()))].map((resource) => resource.onClose?.()),
    );
    await this.#dispatch.proxy?.close();
    // Once: another server may be there by the next time.
    this.#leaveOwned?.();
    this.#leaveOwned = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
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
