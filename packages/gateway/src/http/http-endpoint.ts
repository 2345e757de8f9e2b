/**
 * The HTTP endpoint of the gateway: its own resources at `/coap/…`, those of other servers at `/hc/coap://…` (RFC 8075 §5.3), changes
 * of both as Server-Sent Events (event-streams.ts), and kept measurements at `/api/telemetry` (telemetry-api.ts).
 *
 * Requests run through the same middleware, rules and proxy as those of devices do (`Server.request`). How HTTP and CoAP
 * say the same is in http-mapping.ts; who asks, in http-tokens.ts.
 */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { getRequestListener } from '@hono/node-server';
import {
  ApiMisuseError,
  type Response as CoapResponse,
  Code,
  type Link,
  OptionNumber,
  type PeerInfo,
  type Server,
} from 'coapsule';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { localAskerOf } from '../access/local-asker.ts';
import type { Rule } from '../access/rule.ts';
import { addHealthPages, addPeersPage, type OperationsPagesParts } from '../operations/operations-pages.ts';
import { closeHttpSocket, httpSocketAddress, openHttpSocket } from '../server/http-socket.ts';
import { type Log, RateLimit } from '../server/log.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import { resourcePath } from '../text/resource-path.ts';
import { addTrafficPage } from '../traffic/traffic-page.ts';
import type { TrafficRing } from '../traffic/traffic-ring.ts';
import { ConnectionShares } from './connection-shares.ts';
import { EventStreams } from './event-streams.ts';
import { HostNames, refuseForeignHosts, standsForNothing } from './host-names.ts';
import { httpAnswer, mappedRequest, targetUri } from './http-mapping.ts';
import type { HttpOptions, HttpSecrets } from './http-options.ts';
import { HttpTokens } from './http-tokens.ts';
import { Places } from './places.ts';
import { anchoredProxyLinks, proxyLinks } from './proxy-links.ts';
import { TelemetryApi, type TelemetryApiParts } from './telemetry-api.ts';
import { TrustedProxies } from './trusted-proxies.ts';

/** What it works with. */
export interface HttpParts {
  readonly options: HttpOptions;
  readonly server: Pick<Server, 'request' | 'watch'>;
  readonly log: Log;
  readonly telemetry: TelemetryApiParts;
  /** How the gateway is called in Via: a request that has been here goes round (RFC 8768 §5). */
  readonly name: string;
  /** For tests. */
  readonly idleMs?: number;
  /** For tests. */
  readonly connectionsOfNetwork?: number;
  /** Pages and API of the console; undefined: there is none. */
  readonly console?: { readonly app: Hono } | undefined;
  /** How the gateway fares; undefined: only that it is there. */
  readonly operations?: OperationsPagesParts['operations'];
  /** What passed lately; undefined: it is not kept. */
  readonly traffic?: TrafficRing | undefined;
}

/** Largest body, as that of a resource is by default. */
const maxBodyBytes = 1024 * 1024;

/** Requests with a body at a time, and of them those of nobody: together they hold 64 MiB at most. */
const mostBodies = { all: 64, ofNobody: 32 } as const;

/** Connections at a time, and of them those of one network that is no trusted proxy's. */
const mostConnections = { all: 2000, ofNetwork: 500 } as const;

/** A connection on which nothing moves for so long is closed: a reader that does not read, or nobody. */
const idleMs = 120_000;

/** What the handlers of a request know of it. */
interface Environment {
  readonly Variables: { peer: PeerInfo };
}

/** Who asks without a token: nobody. */
const nobody: PeerInfo = {
  address: { key: 'http', host: 'http', port: 0 },
  transport: 'local',
  security: { kind: 'none' },
};

/** An endpoint that listens. */
export class HttpEndpoint {
  readonly #parts: HttpParts;
  #tokens: HttpTokens;
  #given: HttpSecrets['tokens'];
  #names: HostNames;
  readonly #server: HttpServer;
  readonly #streams: EventStreams;
  /** Of this program, told once in a while. */
  readonly #faults = new RateLimit(5, 10_000);
  readonly #bodies = new Places(mostBodies);

  /** @throws StartUpFault (rejects) when the port cannot be had. */
  static async open(parts: HttpParts): Promise<HttpEndpoint> {
    const endpoint = new HttpEndpoint(parts);
    const { address, tls, tokens } = parts.options;
    if (tls === undefined && tokens.length > 0 && !isLoopback(address.host)) {
      parts.log.warning(
        'HTTP without TLS is open to the network: whoever listens has the tokens; give --http-tls',
      );
    }
    await openHttpSocket(endpoint.#server, address, 'http');
    return endpoint;
  }

  private constructor(parts: HttpParts) {
    this.#parts = parts;
    this.#given = parts.options.tokens;
    this.#tokens = new HttpTokens(this.#given);
    this.#names = this.#namesWith(parts.options.tls);
    this.#streams = new EventStreams(parts.server, (response) =>
      httpResponse('GET', response, undefined, false),
    );
    const { tls } = parts.options;
    const listener = getRequestListener(this.#routes().fetch);
    this.#server =
      tls === undefined ? createHttpServer(listener) : createTlsServer(tlsOptions(tls), listener);
    this.#server.requestTimeout = 60_000;
    this.#server.setTimeout(parts.idleMs ?? idleMs);
    this.#server.maxConnections = mostConnections.all;
    const proxies = new TrustedProxies(parts.options.trustedProxies ?? []);
    const shares = new ConnectionShares(parts.connectionsOfNetwork ?? mostConnections.ofNetwork, (address) =>
      proxies.has(address),
    );
    this.#server.on('connection', (socket: Socket) => shares.take(socket));
    this.#server.on('error', (error) => parts.log.error(`http: ${error.message}`));
  }

  /** `host:port` with the real port. */
  get address(): string {
    return httpSocketAddress(this.#server);
  }

  /** Where CoAP clients find the way from HTTP to CoAP (RFC 8075 §5.5); nothing where no name is known that they reach it by. */
  get proxyLinks(): readonly Link[] {
    const name = this.#names.publicName;
    if (name === undefined) return [];
    const { tls, templates = [] } = this.#parts.options;
    const { port } = this.#server.address() as AddressInfo;
    // Without the usual port, as origins are written (RFC 6454 §6.2).
    const { origin } = new URL(`${tls === undefined ? 'http' : 'https'}://${name}:${port}`);
    return anchoredProxyLinks(templates, origin);
  }

  /**
   * These tokens, and this certificate and key, count from now on. With other tokens event streams end, and are begun anew by
   * their clients, with what they may read now.
   *
   * @throws what Node throws for a key that cannot be used; then nothing has changed.
   */
  renew({ tokens, tls }: HttpSecrets): void {
    if (tls !== undefined && 'setSecureContext' in this.#server)
      (this.#server as TlsServer).setSecureContext(tlsOptions(tls));
    this.#names = this.#namesWith(tls);
    if (isDeepStrictEqual(tokens, this.#given)) return;
    this.#given = tokens;
    this.#tokens = new HttpTokens(tokens);
    this.#streams.end();
  }

  /** Event streams there are. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Ends event streams and connections. */
  async close(): Promise<void> {
    this.#streams.end();
    await closeHttpSocket(this.#server);
  }

  #namesWith(tls: HttpSecrets['tls']): HostNames {
    const { address, names } = this.#parts.options;
    return new HostNames({ boundHost: address.host, names, certificate: tls?.certificate });
  }

  #routes(): Hono<Environment> {
    const app = new Hono<Environment>();
    const limit = bodyLimit({
      maxSize: maxBodyBytes,
      onError: (c) => c.text('the body is larger than 1 MiB\n', 413),
    });
    const { cors: origins = [], templates = [] } = this.#parts.options;
    app.use(
      '*',
      refuseForeignHosts(() => this.#names),
    );
    app.use('*', async (c, next) => {
      if (!hasBeenHere(c, this.#parts.name)) return next();
      return c.text(`${this.#parts.name}: the request goes round\n`, 508);
    });
    // No page of another origin reads anything of the console.
    if (this.#parts.console !== undefined) app.route('/', this.#parts.console.app);
    if (origins.length > 0) app.use('*', crossOrigin(origins));
    this.#addOperations(app);
    app.post('/event-token', (c) => {
      const peer = this.#tokens.peerOf(c.req.header('authorization') ?? '');
      if (peer === undefined) return unauthorized(c);
      return c.json({ token: this.#tokens.issueOnce(peer, performance.now(), eventPath(c)) });
    });
    app.get('/.well-known/core', (c) => {
      const links = proxyLinks(templates, c.req.query('rt'));
      return c.body(links, 200, { 'content-type': 'application/link-format' });
    });
    const telemetry = new TelemetryApi(this.#parts.telemetry);
    for (const path of ['/coap/*', '/hc/*', '/api/*']) {
      // Who asks is known before anything of a body is kept.
      app.use(path, async (c, next) => {
        const peer = this.#peerOf(c);
        if (peer === undefined) return unauthorized(c);
        c.set('peer', peer);
        return next();
      });
      app.use(path, async (c, next) => this.#withinBodies(c, c.get('peer') === nobody, next));
      app.use(path, limit);
    }
    app.all('/coap/*', (c) => this.#own(c, c.get('peer')));
    app.all('/hc/*', (c) => this.#other(c, c.get('peer')));
    app.get('/api/telemetry', (c) => telemetry.answer(c, c.get('peer')));
    app.notFound((c) =>
      c.text(
        'resources are at /coap/PATH, other servers at /hc/coap://HOST/PATH, measurements at /api/telemetry\n',
        404,
        standsForNothing,
      ),
    );
    app.onError((error, c) => {
      const passed = this.#faults.pass(Date.now());
      if (passed !== undefined) this.#parts.log.error(`http: ${error.message}`);
      return c.text('the gateway failed\n', 500);
    });
    return app;
  }

  #addOperations(app: Hono<Environment>): void {
    const { operations, options, traffic } = this.#parts;
    const rulesOf = (c: Context): readonly Rule[] | undefined => {
      const peer = this.#peerOf(c);
      return peer && (localAskerOf(peer)?.rules ?? []);
    };
    addTrafficPage(app, { ring: traffic, rulesOf, wallTimeMs: systemWallClock });
    if (operations === undefined) {
      app.get('/health', (c) => c.json({ status: 'ok' }));
      return;
    }
    const pages: OperationsPagesParts = {
      operations,
      areMetricsOpen: isLoopback(options.address.host),
      rulesOf,
    };
    addHealthPages(app, pages);
    addPeersPage(app, pages);
  }

  async #withinBodies(
    c: Context,
    isNobody: boolean,
    next: () => Promise<void>,
  ): Promise<Response | undefined> {
    const hasBody =
      Number(c.req.header('content-length') ?? 0) > 0 || c.req.header('transfer-encoding') !== undefined;
    if (!hasBody) {
      await next();
      return undefined;
    }
    if (!this.#bodies.take(isNobody))
      return c.text('too many requests with a body at a time\n', 503, { 'retry-after': '1' });
    try {
      await next();
    } finally {
      this.#bodies.giveBack(isNobody);
    }
    return undefined;
  }

  /** As whom a request asks; undefined for credentials that do not hold. */
  #peerOf(c: Context): PeerInfo | undefined {
    const authorization = c.req.header('authorization');
    if (authorization !== undefined) return this.#tokens.peerOf(authorization);
    const once = isEventStream(c) ? c.req.query('access_token') : undefined;
    return once === undefined
      ? nobody
      : this.#tokens.takeOnce(once, performance.now(), new URL(c.req.url).pathname);
  }

  /** A resource of the gateway: RFC 8075 calls it the null mapping (§5.2). */
  async #own(c: Context, peer: PeerInfo): Promise<Response> {
    const { path, query } = restOf(c, '/coap');
    if (isEventStream(c)) {
      const name = resourcePath(path);
      if (name === undefined || name === '') return c.text('the path is none of CoAP\n', 400);
      return this.#streams.open(c, {
        name,
        isNobody: peer === nobody,
        read: (observer) => this.#parts.server.request('GET', `${path}${query}`, { peer, observer }),
      });
    }
    return this.#asked(c, peer, `${path}${query}`, [], (locationPath) => `/coap${locationPath}`);
  }

  async #other(c: Context, peer: PeerInfo): Promise<Response> {
    const { path, query } = restOf(c, '/hc/');
    const rest = `${path}${query}`;
    const mapped = (this.#parts.options.templates ?? []).map((template) => template.target(rest));
    const target = targetUri(mapped.find((one) => one !== undefined) ?? rest);
    if (typeof target !== 'string') return c.text(`${target.reason}\n`, target.status);
    const server = /^[^/]*\/\/[^/?#]*/.exec(target)?.[0] ?? target;
    const proxyUri = { number: OptionNumber.ProxyUri, value: target };
    if (isEventStream(c)) {
      return this.#streams.open(c, {
        name: undefined,
        isNobody: peer === nobody,
        read: (observer) => this.#parts.server.request('GET', '/', { peer, observer, options: [proxyUri] }),
      });
    }
    return this.#asked(c, peer, '/', [proxyUri], (locationPath) => `/hc/${server}${locationPath}`);
  }

  async #asked(
    c: Context,
    peer: PeerInfo,
    path: string,
    options: readonly { readonly number: number; readonly value: string }[],
    locationOf: (locationPath: string) => string,
  ): Promise<Response> {
    const body = new Uint8Array(await c.req.arrayBuffer());
    const mapped = mappedRequest(c.req.method, body.length > 0, (name) => c.req.header(name));
    if ('status' in mapped) return c.text(`${mapped.reason}\n`, mapped.status);
    const { method, contentFormat, accept, etag, ifMatch, ifNoneMatch } = mapped;
    let response: CoapResponse;
    try {
      response = await this.#parts.server.request(method, path, {
        ...(body.length > 0 ? { payload: body } : {}),
        ...(contentFormat === undefined ? {} : { contentFormat }),
        ...(accept === undefined ? {} : { accept }),
        ...{ etag, ifMatch, ifNoneMatch, options, peer, signal: c.req.raw.signal },
      });
    } catch (error) {
      if (!(error instanceof ApiMisuseError)) throw error;
      return c.text(`${error.message}\n`, 400);
    }
    if (response.code === Code.ProxyingNotSupported && response.payload.length === 0) {
      return c.text(
        'the gateway is no proxy for this server: --proxy says for which it is one (docs/http.md)\n',
        502,
      );
    }
    const { locationPath } = response;
    const location = locationPath === undefined ? undefined : locationOf(locationPath);
    const isMapped =
      [contentFormat, accept].some((one) => one !== undefined) ||
      etag.length > 0 ||
      ifMatch.length > 0 ||
      ifNoneMatch;
    return httpResponse(c.req.method, response, location, isMapped);
  }
}

function tlsOptions({ certificate, privateKey, passphrase }: NonNullable<HttpSecrets['tls']>) {
  return { cert: certificate, key: privateKey, ...(passphrase !== undefined && { passphrase }) };
}

/** Whether this gateway has sent the request itself, to a server that has sent it on. */
function hasBeenHere(c: Context, name: string): boolean {
  return (c.req.header('via') ?? '').split(',').some((hop) => hop.trim().split(/\s+/)[1] === name);
}

/** Which pages of other origins may read answers (the CORS protocol of the Fetch Standard). */
function crossOrigin(origins: readonly string[]) {
  return cors({
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH'],
    allowHeaders: ['authorization', 'content-type', 'if-match', 'if-none-match'],
    exposeHeaders: ['etag', 'location', 'retry-after'],
    maxAge: 600,
  });
}

/** @param isMapped Whether options were made of headers. */
function httpResponse(
  method: string,
  response: CoapResponse,
  location: string | undefined,
  isMapped: boolean,
): Response {
  const { code, payload, contentFormat, etag, options } = response;
  const maxAgeSeconds = options.uint(OptionNumber.MaxAge);
  const { status, headers, body } = httpAnswer(method, {
    code,
    payload,
    contentFormat,
    maxAgeSeconds,
    etag,
    location,
    isMapped,
  });
  return new Response(body.length === 0 ? null : new Uint8Array(body), { status, headers });
}

/** Path and query behind a prefix, as they stand in the URI; without the token that counted once. */
function restOf(c: Context, prefix: string): { readonly path: string; readonly query: string } {
  const url = new URL(c.req.url);
  const kept = url.search
    .slice(1)
    .split('&')
    .filter((one) => one !== '' && !isAccessToken(one));
  return { path: url.pathname.slice(prefix.length), query: kept.length === 0 ? '' : `?${kept.join('&')}` };
}

/**
 * The path that a token shall be good for. One that begins with a slash stands there as it will stand in the URI; one that was
 * percent-encoded as a whole, as `encodeURIComponent` does, has its percent escapes when it is decoded.
 */
function eventPath(c: Context): string | undefined {
  const raw = /[?&]path=(\/[^&]*)/.exec(new URL(c.req.url).search)?.[1];
  return raw ?? c.req.query('path');
}

/** Also where its name is percent-encoded: it is nobody else's. */
function isAccessToken(query: string): boolean {
  return new URLSearchParams(query).has('access_token');
}

function isEventStream(c: Context): boolean {
  return (
    c.req.method === 'GET' &&
    (c.req.header('accept') ?? '').split(',').some((type) => type.trim().startsWith('text/event-stream'))
  );
}

function isLoopback(host: string): boolean {
  return ['127.0.0.1', '::1', 'localhost'].includes(host);
}

function unauthorized(c: Context): Response {
  return c.text('the token is not one of this gateway\n', 401, { 'www-authenticate': 'Bearer' });
}
