/**
 * The HTTP endpoint of the gateway: its own resources at `/coap/…`, those of other servers at `/hc/coap://…` (RFC 8075 §5.3), changes
 * of its own as Server-Sent Events, and kept measurements at `/api/telemetry` (telemetry-api.ts).
 *
 * Requests run through the same middleware, rules and proxy as those of devices do (`Server.request`). How HTTP and CoAP
 * say the same is in http-mapping.ts; who asks, in http-tokens.ts.
 */
import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import {
  ApiMisuseError,
  type Response as CoapResponse,
  OptionNumber,
  type PeerInfo,
  type Server,
} from 'coapsule';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { streamSSE } from 'hono/streaming';
import { type Log, RateLimit } from '../server/log.ts';
import { StartUpFault } from '../server/start-up-fault.ts';
import { resourcePath } from '../text/resource-path.ts';
import { httpAnswer, mappedRequest, targetUri } from './http-mapping.ts';
import type { HttpOptions } from './http-options.ts';
import { HttpTokens } from './http-tokens.ts';
import { ResourceChanges } from './resource-changes.ts';
import { TelemetryApi, type TelemetryApiParts } from './telemetry-api.ts';

/** What it works with. */
export interface HttpParts {
  readonly options: HttpOptions;
  readonly server: Pick<Server, 'request' | 'watch'>;
  readonly log: Log;
  readonly telemetry: TelemetryApiParts;
}

/** Largest body, as that of a resource is by default. */
const maxBodyBytes = 1024 * 1024;

/** Event streams at a time, and of them those of nobody. */
const mostStreams = { all: 1000, ofNobody: 50 } as const;

/** Requests with a body at a time: together they hold 64 MiB at most. */
const mostBodies = 64;

const mostConnections = 2000;

/** A comment goes to an event stream after so long without a change: proxies in between would end it. */
const keepAliveMs = 15_000;

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
  readonly #tokens: HttpTokens;
  readonly #server: HttpServer;
  readonly #ending = new AbortController();
  /** Of this program, told once in a while. */
  readonly #faults = new RateLimit(5, 10_000);
  #streams = 0;
  #streamsOfNobody = 0;
  #bodies = 0;

  /** @throws StartUpFault (rejects) when the port cannot be had. */
  static async open(parts: HttpParts): Promise<HttpEndpoint> {
    const endpoint = new HttpEndpoint(parts);
    const { address, tls, tokens } = parts.options;
    const { host, port } = address;
    if (tls === undefined && tokens.length > 0 && !['127.0.0.1', '::1', 'localhost'].includes(host)) {
      parts.log.warning(
        'HTTP without TLS is open to the network: whoever listens has the tokens; give --http-tls',
      );
    }
    try {
      endpoint.#server.listen(port, host);
      await once(endpoint.#server, 'listening');
    } catch (error) {
      throw new StartUpFault(
        `the http endpoint cannot be opened: ${(error as Error).message}`,
        'give another port with --http [HOST:]PORT, or --http off',
      );
    }
    return endpoint;
  }

  private constructor(parts: HttpParts) {
    this.#parts = parts;
    this.#tokens = new HttpTokens(parts.options.tokens);
    const { tls } = parts.options;
    const listener = getRequestListener(this.#routes().fetch);
    this.#server =
      tls === undefined
        ? createHttpServer(listener)
        : createTlsServer({ cert: tls.certificate, key: tls.privateKey }, listener);
    this.#server.requestTimeout = 60_000;
    this.#server.maxConnections = mostConnections;
    this.#server.on('error', (error) => parts.log.error(`http: ${error.message}`));
  }

  /** `host:port` with the real port. */
  get address(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** Ends event streams and connections. */
  async close(): Promise<void> {
    this.#ending.abort();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #routes(): Hono<Environment> {
    const app = new Hono<Environment>();
    const limit = bodyLimit({
      maxSize: maxBodyBytes,
      onError: (c) => c.text('the body is larger than 1 MiB\n', 413),
    });
    app.get('/health', (c) => c.json({ status: 'ok' }));
    app.post('/event-token', (c) => {
      const peer = this.#tokens.peerOf(c.req.header('authorization') ?? '');
      if (peer === undefined) return unauthorized(c);
      return c.json({ token: this.#tokens.issueOnce(peer, performance.now()) });
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
      app.use(path, async (c, next) => this.#withinBodies(c, next));
      app.use(path, limit);
    }
    app.all('/coap/*', (c) => this.#own(c, c.get('peer')));
    app.all('/hc/*', (c) => this.#other(c, c.get('peer')));
    app.get('/api/telemetry', (c) => telemetry.answer(c, c.get('peer')));
    app.notFound((c) =>
      c.text(
        'resources are at /coap/PATH, other servers at /hc/coap://HOST/PATH, measurements at /api/telemetry\n',
        404,
      ),
    );
    app.onError((error, c) => {
      const passed = this.#faults.pass(Date.now());
      if (passed !== undefined) this.#parts.log.error(`http: ${error.message}`);
      return c.text('the gateway failed\n', 500);
    });
    return app;
  }

  async #withinBodies(c: Context, next: () => Promise<void>): Promise<Response | undefined> {
    const hasBody =
      Number(c.req.header('content-length') ?? 0) > 0 || c.req.header('transfer-encoding') !== undefined;
    if (!hasBody) {
      await next();
      return undefined;
    }
    if (this.#bodies >= mostBodies)
      return c.text('too many requests with a body at a time\n', 503, { 'retry-after': '1' });
    this.#bodies++;
    try {
      await next();
    } finally {
      this.#bodies--;
    }
    return undefined;
  }

  /** As whom a request asks; undefined for credentials that do not hold. */
  #peerOf(c: Context): PeerInfo | undefined {
    const authorization = c.req.header('authorization');
    if (authorization !== undefined) return this.#tokens.peerOf(authorization);
    const once = isEventStream(c) ? c.req.query('access_token') : undefined;
    return once === undefined ? nobody : this.#tokens.takeOnce(once, performance.now());
  }

  /** A resource of the gateway: RFC 8075 calls it the null mapping (§5.2). */
  async #own(c: Context, peer: PeerInfo): Promise<Response> {
    const { path, query } = restOf(c, '/coap');
    if (isEventStream(c)) return this.#events(c, path, query, peer);
    return this.#asked(c, peer, `${path}${query}`, [], (locationPath) => `/coap${locationPath}`);
  }

  async #other(c: Context, peer: PeerInfo): Promise<Response> {
    const { path, query } = restOf(c, '/hc/');
    const target = targetUri(`${path}${query}`);
    if (typeof target !== 'string') return c.text(`${target.reason}\n`, target.status);
    const server = /^[^/]*\/\/[^/?#]*/.exec(target)?.[0] ?? target;
    const proxyUri = { number: OptionNumber.ProxyUri, value: target };
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
    const { locationPath } = response;
    const location = locationPath === undefined ? undefined : locationOf(locationPath);
    const isMapped =
      [contentFormat, accept].some((one) => one !== undefined) ||
      etag.length > 0 ||
      ifMatch.length > 0 ||
      ifNoneMatch;
    return httpResponse(c.req.method, response, location, isMapped);
  }

  /** RFC 8075 leaves observing open (§8.2): each state is an event, its data the payload as text. */
  async #events(c: Context, path: string, query: string, peer: PeerInfo): Promise<Response> {
    const name = resourcePath(path);
    if (name === undefined || name === '') return c.text('the path is none of CoAP\n', 400);
    const isNobody = peer === nobody;
    if (this.#streams >= mostStreams.all || (isNobody && this.#streamsOfNobody >= mostStreams.ofNobody)) {
      return c.text('too many event streams\n', 503);
    }
    this.#count(isNobody, 1);
    const changes = new ResourceChanges(this.#parts.server, name);
    const end = (): void => {
      changes.end();
      this.#count(isNobody, -1);
    };
    const read = (): Promise<CoapResponse> => this.#parts.server.request('GET', `${path}${query}`, { peer });
    let first: CoapResponse;
    try {
      first = await read();
    } catch (error) {
      end();
      if (!(error instanceof ApiMisuseError)) throw error;
      return c.text(`${error.message}\n`, 400);
    }
    if (!first.ok) {
      end();
      return httpResponse('GET', first, undefined, false);
    }
    return streamSSE(c, async (stream) => {
      const stop = (): void => changes.wake();
      stream.onAbort(stop);
      this.#ending.signal.addEventListener('abort', stop);
      let id = 0;
      const send = (response: CoapResponse): Promise<void> =>
        stream.writeSSE({
          id: String(id++),
          event: response.ok ? 'message' : 'gone',
          data: response.text(),
        });
      try {
        await send(first);
        for (;;) {
          const isChanged = await changes.next(keepAliveMs);
          if (stream.aborted || this.#ending.signal.aborted) return;
          if (isChanged) await send(await read());
          else await stream.write(': still there\n\n');
        }
      } finally {
        this.#ending.signal.removeEventListener('abort', stop);
        end();
      }
    });
  }

  #count(isNobody: boolean, change: 1 | -1): void {
    this.#streams += change;
    if (isNobody) this.#streamsOfNobody += change;
  }
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

function unauthorized(c: Context): Response {
  return c.text('the token is not one of this gateway\n', 401, { 'www-authenticate': 'Bearer' });
}
