/**
 * The HTTP endpoint of the gateway: its own resources at `/coap/…`, those of other servers at `/hc/coap://…` (RFC 8075 §5.3), and
 * changes of its own as Server-Sent Events.
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
import type { Log } from '../server/log.ts';
import { StartUpFault } from '../server/start-up-fault.ts';
import { httpAnswer, mappedRequest, targetUri } from './http-mapping.ts';
import type { HttpOptions } from './http-options.ts';
import { HttpTokens } from './http-tokens.ts';

/** What it works with. */
export interface HttpParts {
  readonly options: HttpOptions;
  readonly server: Pick<Server, 'request' | 'watch'>;
  readonly log: Log;
}

/** Largest body, as that of a resource is by default. */
const maxBodyBytes = 1024 * 1024;

/** Event streams at a time. */
const mostStreams = 1000;

/** A comment goes to an event stream after so long without a change: proxies in between would end it. */
const keepAliveMs = 15_000;

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
  #streams = 0;

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

  #routes(): Hono {
    const app = new Hono();
    const limit = bodyLimit({
      maxSize: maxBodyBytes,
      onError: (c) => c.text('the body is larger than 1 MiB\n', 413),
    });
    app.get('/health', (c) => c.json({ status: 'ok' }));
    app.post('/event-token', (c) => {
      const peer = this.#peerOf(c);
      if (peer === undefined || peer === nobody) return unauthorized(c);
      return c.json({ token: this.#tokens.issueOnce(peer, performance.now()) });
    });
    app.all('/coap/*', limit, (c) => this.#own(c));
    app.all('/hc/*', limit, (c) => this.#other(c));
    app.notFound((c) => c.text('resources are at /coap/PATH, other servers at /hc/coap://HOST/PATH\n', 404));
    app.onError((error, c) => {
      this.#parts.log.error(`http: ${error.message}`);
      return c.text('the gateway failed\n', 500);
    });
    return app;
  }

  /** As whom a request asks; undefined for credentials that do not hold. */
  #peerOf(c: Context): PeerInfo | undefined {
    const authorization = c.req.header('authorization');
    if (authorization !== undefined) return this.#tokens.peerOf(authorization);
    const once = c.req.query('access_token');
    return once === undefined ? nobody : this.#tokens.takeOnce(once, performance.now());
  }

  /** A resource of the gateway: RFC 8075 calls it the null mapping (§5.2). */
  async #own(c: Context): Promise<Response> {
    const peer = this.#peerOf(c);
    if (peer === undefined) return unauthorized(c);
    const { path, query } = restOf(c, '/coap');
    if (isEventStream(c)) return this.#events(c, path, query, peer);
    return this.#asked(c, peer, `${path}${query}`, [], (locationPath) => `/coap${locationPath}`);
  }

  async #other(c: Context): Promise<Response> {
    const peer = this.#peerOf(c);
    if (peer === undefined) return unauthorized(c);
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
    const answer = httpAnswer(c.req.method, {
      ...{
        code: response.code,
        payload: response.payload,
        contentFormat: response.contentFormat,
        etag: response.etag,
      },
      maxAgeSeconds: response.options.uint(OptionNumber.MaxAge),
      location: locationPath === undefined ? undefined : locationOf(locationPath),
    });
    return new Response(answer.body.length === 0 ? null : new Uint8Array(answer.body), {
      status: answer.status,
      headers: answer.headers,
    });
  }

  /** RFC 8075 leaves observing open (§8.2): each state is an event, its data the payload as text. */
  async #events(c: Context, path: string, query: string, peer: PeerInfo): Promise<Response> {
    const read = (): Promise<CoapResponse> => this.#parts.server.request('GET', `${path}${query}`, { peer });
    const first = await read();
    if (!first.ok) {
      const { status, headers, body } = httpAnswer('GET', {
        ...first,
        payload: first.payload,
        code: first.code,
        contentFormat: first.contentFormat,
        maxAgeSeconds: undefined,
        etag: undefined,
        location: undefined,
      });
      return new Response(new Uint8Array(body), { status, headers });
    }
    if (this.#streams >= mostStreams) return c.text('too many event streams\n', 503);
    this.#streams++;
    const { server } = this.#parts;
    return streamSSE(c, async (stream) => {
      let wake = Promise.withResolvers<void>();
      let isStale = false;
      const endWatch = server.watch((changed) => {
        if (changed !== path) return;
        isStale = true;
        wake.resolve();
      });
      const stop = (): void => wake.resolve();
      stream.onAbort(stop);
      this.#ending.signal.addEventListener('abort', stop);
      let id = 0;
      const send = (response: CoapResponse): Promise<void> =>
        stream.writeSSE({ id: String(id++), event: response.ok ? 'message' : 'gone', data: response.text() });
      try {
        await send(first);
        while (!stream.aborted && !this.#ending.signal.aborted) {
          if (!isStale) {
            const timer = setTimeout(stop, keepAliveMs);
            await wake.promise;
            clearTimeout(timer);
            wake = Promise.withResolvers<void>();
          }
          if (stream.aborted || this.#ending.signal.aborted) return;
          if (!isStale) {
            await stream.write(': still there\n\n');
            continue;
          }
          isStale = false;
          await send(await read());
        }
      } finally {
        this.#streams--;
        endWatch();
        this.#ending.signal.removeEventListener('abort', stop);
      }
    });
  }
}

/** Path and query behind a prefix, as they stand in the URI; without the token that counted once. */
function restOf(c: Context, prefix: string): { readonly path: string; readonly query: string } {
  const url = new URL(c.req.url);
  const kept = url.search
    .slice(1)
    .split('&')
    .filter((one) => one !== '' && !one.startsWith('access_token='));
  return { path: url.pathname.slice(prefix.length), query: kept.length === 0 ? '' : `?${kept.join('&')}` };
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
