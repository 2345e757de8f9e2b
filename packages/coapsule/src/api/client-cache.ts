/**
 * The cache of a client: which stored response answers a request, and for whom it was stored.
 *
 * RFC 7252 §5.6. What may be stored and for how long is in core/request-response/response-cache.ts.
 *
 * @module
 */

import { OptionNumber } from '../core/coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../core/coap/option-set.ts';
import type { CoapUri } from '../core/coap/uri.ts';
import {
  type CacheAnswer,
  type CacheRequest,
  ResponseCache,
} from '../core/request-response/response-cache.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import type { PeerInfo } from './peer-info.ts';
import { Response } from './response.ts';

/** How much a client keeps; see `ClientOptions.cache`. */
export interface CacheOptions {
  /** Responses; 1000 by default. */
  readonly maxEntries?: number;
  /** Bytes that they take; 16 MiB by default. */
  readonly maxBytes?: number;
}

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

  constructor(options: CacheOptions) {
    this.#cache = new ResponseCache(options);
  }

  /**
   * What is known about a request.
   *
   * @param identity As whom the server is asked: nothing that one identity was told answers another one.
   * @param content The request without its Uri-* options.
   */
  find(
    uri: CoapUri,
    identity: string,
    content: Pick<CacheRequest, 'code' | 'payload'> & { readonly options: OptionReader },
  ): CachedRequest {
    const options = OptionSet.from(content.options.entries());
    for (const segment of uri.path) options.add(OptionNumber.UriPath, segment);
    for (const argument of uri.query) options.add(OptionNumber.UriQuery, argument);
    const origin = `${uri.scheme}://${uri.host}:${uri.port}`;
    const request = { origin, identity, code: content.code, options, payload: content.payload };
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
