/**
 * The cache of a client: which stored response answers a request, and for whom it was stored.
 *
 * RFC 7252 §5.6. What may be stored and for how long is in core/request-response/response-cache.ts.
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import {
  type CacheAnswer,
  type CacheRequest,
  ResponseCache,
} from '../core/request-response/response-cache.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import type { CacheOptions, ClientOptions, RequestOptions } from './client-options.ts';
import { requestContent } from './outgoing-request.ts';
import type { PeerInfo } from './peer-info.ts';
import { requestRoute } from './request-route.ts';
import { Response } from './response.ts';

/** A request that goes through the cache. */
export interface CachedRequest {
  readonly request: CacheRequest;
  readonly asked: CacheAnswer<PeerInfo>;
  /** What answers it without the server. */
  readonly response: Response | undefined;
}

/** See the module comment. */
export class ClientCache {
  /** With who said what is stored. */
  readonly #cache: ResponseCache<PeerInfo>;
  readonly #options: ClientOptions;

  constructor(cache: CacheOptions, options: ClientOptions) {
    this.#cache = new ResponseCache(cache);
    this.#options = options;
  }

  /** What is known of a request; nothing where the cache does not deal with such requests. */
  find(method: Method, uri: string, options: RequestOptions): CachedRequest | undefined {
    const { target, hop } = requestRoute(uri, options.proxy ?? this.#options.proxy);
    // Who we are may change from one association to the next, and what one was told is not for the other.
    if (hop.secure && typeof this.#options.psk === 'function') return undefined;
    const content = requestContent(method, options);
    // What is read as it is sent cannot be compared, and a block is not the whole.
    if (content.body !== undefined || options.singleBlock !== undefined) return undefined;
    // A part is not the whole.
    if (content.options.has(OptionNumber.Block1) || content.options.has(OptionNumber.Block2))
      return undefined;
    // As whom the server is asked: nothing that one identity was told answers another one.
    const identity = `${hop.uri.scheme}://${hop.uri.host}:${hop.uri.port} ${this.#options.serverName ?? ''}`;
    const set = OptionSet.from(content.options.entries());
    for (const segment of target.path) set.add(OptionNumber.UriPath, segment);
    for (const argument of target.query) set.add(OptionNumber.UriQuery, argument);
    const origin = `${target.scheme}://${target.host}:${target.port}`;
    const request = { origin, identity, code: content.code, options: set, payload: content.payload };
    const asked = this.#cache.find(request, monotonicClock.now());
    if (asked.kind === 'ask') return { request, asked, response: undefined };
    const timing = { handshakeMs: undefined, roundTripMs: 0, fromCache: true };
    return { request, asked, response: new Response(asked.response, asked.note, timing) };
  }

  /** Takes what the server answered; returns what answers the request. */
  take({ request, asked }: CachedRequest, response: Response): Response {
    const answer = this.#cache.take(request, response, response.peer, monotonicClock.now(), asked);
    if (answer === response) return response;
    const { handshakeMs, roundTripMs } = response;
    return new Response(answer, response.peer, { handshakeMs, roundTripMs, fromCache: true });
  }

  /** Forgets everything. */
  clear(): void {
    this.#cache.clear();
  }

  /** There was no answer. */
  failed({ request }: CachedRequest): void {
    this.#cache.unanswered(request);
  }
}
