/**
 * Responses kept to answer equivalent requests: freshness, validation, invalidation.
 *
 * RFC 7252 §5.6 and §5.9, RFC 7641 §3.3, RFC 7959 §2.10, RFC 8132 §2.3.2 (FETCH), RFC 8768 §3 (5.08). Whole bodies
 * only. Has no timer: what is too old is noticed when it is asked for, and goes when room is needed.
 *
 * @module
 */

import { Code, codeClass } from '../coap/code.ts';
import { isNoCacheKey, isUnsafe, OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { equalBytes, noBytes } from '../foundation/bytes.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { after, elapsedMs, type Instant } from '../foundation/instant.ts';
import { byteKey } from './byte-key.ts';
import type { Content } from './exchange.ts';

/** A request as the cache sees it. */
export interface CacheRequest {
  /** Scheme, host and port of the server that is asked. */
  readonly origin: string;
  /** As whom it is asked: what one credential may read is not for another one. */
  readonly identity: string;
  readonly code: Code;
  /** With Uri-Path and Uri-Query; Uri-Host and Uri-Port are in `origin`. */
  readonly options: OptionReader;
  readonly payload: Uint8Array;
}

/** What the cache has for a request. */
export type CacheAnswer<Note = unknown> =
  /** To be used as it is: Max-Age is what is left of it, and 2.03 where the request has the ETag of what is stored. */
  | { readonly kind: 'fresh'; readonly response: Content; readonly note: Note }
  /** The server has to be asked, with these ETags beside those of the request. */
  | {
      readonly kind: 'ask';
      readonly etags: readonly Uint8Array[];
      readonly stored: StoredResponse<Note> | undefined;
    };

/** One response that is kept. */
export interface StoredResponse<Note = unknown> {
  readonly key: string;
  readonly resource: string;
  /** Without Max-Age and Observe. */
  content: Content;
  storedAt: Instant;
  /** Seconds that it may be used, from then on (RFC 7252 §5.10.5). */
  maxAgeSeconds: number;
  /** What it says may not be true any more (§5.9.1.1, §5.9.1.4). */
  invalidated: boolean;
  /** Of the request that it answers; for 5.08. */
  readonly hopLimit: number | undefined;
  readonly bytes: number;
  /** What the caller gave along with it. */
  readonly note: Note;
}

/** How much is kept. */
export interface ResponseCacheLimits {
  /** Responses; the one that was not used for longest goes first. Default 1000. */
  readonly maxEntries: number;
  /** Bytes of payloads, options and keys, with 512 for each response. Default 16 MiB. */
  readonly maxBytes: number;
}

const defaultLimits: ResponseCacheLimits = { maxEntries: 1000, maxBytes: 16 * 1024 * 1024 };

/**
 * A cache of responses; asked before and told after each request.
 *
 * @typeParam Note What the caller keeps with each response, such as who gave it; not counted in `maxBytes`.
 */
export class ResponseCache<Note = undefined> {
  readonly #limits: ResponseCacheLimits;
  /** In the order of their last use. */
  readonly #entries = new Map<string, StoredResponse<Note>>();
  readonly #byResource = new Map<string, Set<StoredResponse<Note>>>();
  #bytes = 0;

  /** @throws ApiMisuseError for a limit that is no number of 0 or more. */
  constructor(limits: Partial<ResponseCacheLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits };
    for (const [name, value] of Object.entries(this.#limits)) {
      if (!(value >= 0)) throw new ApiMisuseError(`${name} is ${value}; expected a number of 0 or more`);
    }
  }

  /** Responses that are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** What they take, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What is known about a request before it is sent. */
  find(request: CacheRequest, now: Instant): CacheAnswer<Note> {
    const stored = isStorable(request) ? this.#entries.get(cacheKey(request)) : undefined;
    if (stored === undefined) return { kind: 'ask', etags: [], stored };
    this.#touch(stored);
    if (isFresh(stored, now) && hopsSuffice(stored, request)) {
      return { kind: 'fresh', response: presented(stored, request, now), note: stored.note };
    }
    const etag = etagOf(stored);
    return { kind: 'ask', etags: etag === undefined ? [] : [etag], stored };
  }

  /**
   * Takes the server's response, or a notification (RFC 7641 §3.3).
   *
   * @param asked What `find` said before the request was sent: its stored response can be validated even if it was
   *              given up meanwhile.
   * @returns what answers the request: the stored response when 2.03 says that it is good, otherwise the response.
   */
  take(
    request: CacheRequest,
    response: Content,
    note: Note,
    now: Instant,
    asked?: CacheAnswer<Note>,
  ): Content {
    if (!isStorable(request)) {
      if (invalidating.has(response.code)) this.#invalidate(request, response);
      return response;
    }
    const key = cacheKey(request);
    if (response.code === Code.Valid) {
      const stored = (asked?.kind === 'ask' ? asked.stored : undefined) ?? this.#entries.get(key);
      const etag = response.options.first(OptionNumber.ETag);
      const known = stored && etagOf(stored);
      if (stored === undefined || etag === undefined || !known || !equalBytes(known, etag)) return response;
      return presented(
        this.#store(request, key, refreshed(stored.content, response), note, now),
        request,
        now,
      );
    }
    // §5.6.1: the new response invalidates the old one, whatever it is.
    this.#remove(key);
    if (isCacheable(response)) this.#store(request, key, response, note, now);
    return response;
  }

  /** A request that may have changed its resource had no answer: what is stored of the resource is not used unasked. */
  unanswered(request: CacheRequest): void {
    if (!isStorable(request)) this.#stale(resourceKey(request.origin, uriOptionsOf(request.options)));
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#byResource.clear();
    this.#bytes = 0;
  }

  #store(
    request: CacheRequest,
    key: string,
    response: Content,
    note: Note,
    now: Instant,
  ): StoredResponse<Note> {
    this.#remove(key);
    const options = OptionSet.from(response.options.entries());
    const maxAgeSeconds = options.uint(OptionNumber.MaxAge) ?? defaultMaxAgeSeconds;
    options.delete(OptionNumber.MaxAge).delete(OptionNumber.Observe);
    const stored: StoredResponse<Note> = {
      key,
      resource: resourceKey(request.origin, uriOptionsOf(request.options)),
      content: { code: response.code, options, payload: response.payload },
      storedAt: now,
      maxAgeSeconds,
      invalidated: false,
      hopLimit: request.options.uint(OptionNumber.HopLimit),
      bytes: key.length + response.payload.length + optionBytes(options) + overheadBytes,
      note,
    };
    // Of no use: it may not be answered with, and there is nothing to validate it by.
    if (maxAgeSeconds === 0 && etagOf(stored) === undefined) return stored;
    if (stored.bytes > this.#limits.maxBytes) return stored;
    this.#entries.set(key, stored);
    this.#bytes += stored.bytes;
    const ofResource = this.#byResource.get(stored.resource) ?? new Set();
    this.#byResource.set(stored.resource, ofResource.add(stored));
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.maxEntries && this.#bytes <= this.#limits.maxBytes) break;
      this.#remove(oldest);
    }
    return stored;
  }

  /** Behind all others: the Map's order is the order of last use. */
  #touch(stored: StoredResponse<Note>): void {
    this.#entries.delete(stored.key);
    this.#entries.set(stored.key, stored);
  }

  #remove(key: string): void {
    const stored = this.#entries.get(key);
    if (stored === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= stored.bytes;
    const ofResource = this.#byResource.get(stored.resource);
    ofResource?.delete(stored);
    if (ofResource?.size === 0) this.#byResource.delete(stored.resource);
  }

  /** §5.9.1.1, §5.9.1.2, §5.9.1.4: for whoever it was stored, and at the place of a created resource too. */
  #invalidate({ origin, options }: CacheRequest, response: Content): void {
    this.#stale(resourceKey(origin, uriOptionsOf(options)));
    const path = response.options.all(OptionNumber.LocationPath);
    const query = response.options.all(OptionNumber.LocationQuery);
    if (path.length > 0 || query.length > 0) this.#stale(resourceKey(origin, { path, query }));
  }

  #stale(resource: string): void {
    for (const stored of this.#byResource.get(resource) ?? []) stored.invalidated = true;
  }
}

/** RFC 7252 §5.10.5. */
export const defaultMaxAgeSeconds = 60;
/** For the objects around a stored response. */
const overheadBytes = 512;

/**
 * Only what asks for a representation is answered from the cache. By §5.6 the method would not matter, but the payload
 * of a POST is no part of the Cache-Key. What is protected by OSCORE is for one request, whose like only a replay is (RFC 8613
 * §4.1.3.1).
 */
function isStorable({ code, options }: CacheRequest): boolean {
  return (code === Code.Get || code === Code.Fetch) && !options.has(OptionNumber.Oscore);
}

/** Responses after which stored ones of the resource are not fresh (§5.9.1). */
const invalidating: ReadonlySet<Code> = new Set<Code>([
  Code.Created,
  Code.Deleted,
  Code.Changed,
  // Of POST: a representation of what the action led to.
  Code.Content,
]);

/**
 * §5.9: 2.05 and all errors can be cached; 2.03 refreshes, the other successes are of requests that change something,
 * and unknown successes must not be cached (§5.6).
 */
function isCacheable({ code, options }: Content): boolean {
  if (code === Code.Content) return true;
  const isError = codeClass(code) === 4 || codeClass(code) === 5;
  // About one transfer, and about one client (RFC 9175 §2.3): an equivalent request may fare better.
  return isError && code !== Code.RequestEntityIncomplete && !options.has(OptionNumber.Echo);
}

/** §5.6.1: "not fresh after its age is greater than the specified number of seconds". */
function isFresh(stored: StoredResponse, now: Instant): boolean {
  return !stored.invalidated && now <= after(stored.storedAt, stored.maxAgeSeconds * 1000);
}

/** RFC 8768 §3: a stored 5.08 only for a request that would not come further than the one it answered. */
function hopsSuffice({ content, hopLimit }: StoredResponse, { options }: CacheRequest): boolean {
  if (content.code !== Code.HopLimitReached) return true;
  const presentedHops = options.uint(OptionNumber.HopLimit);
  return hopLimit !== undefined && presentedHops !== undefined && presentedHops <= hopLimit;
}

/** The stored response for this request. */
function presented(
  { content, storedAt, maxAgeSeconds }: StoredResponse,
  { options }: CacheRequest,
  now: Instant,
): Content {
  return agedResponse(content, maxAgeSeconds, storedAt, options, now);
}

/**
 * A response as it is given later: with the rest of its Max-Age, never more (RFC 7252 §5.7.1), and as 2.03 without
 * payload to a request that has its ETag (§5.10.6.2).
 *
 * @param maxAgeSeconds What it had at `since`.
 */
export function agedResponse(
  content: Content,
  maxAgeSeconds: number,
  since: Instant,
  requestOptions: OptionReader,
  now: Instant,
): Content {
  const left = Math.max(0, Math.floor(maxAgeSeconds - elapsedMs(since, now) / 1000));
  const options = OptionSet.from(content.options.entries()).set(OptionNumber.MaxAge, left);
  const etag = content.code === Code.Content ? content.options.first(OptionNumber.ETag) : undefined;
  const isKnown =
    etag !== undefined && requestOptions.all(OptionNumber.ETag).some((given) => equalBytes(given, etag));
  if (!isKnown) return { code: content.code, options, payload: content.payload };
  return { code: Code.Valid, options, payload: noBytes };
}

/** Errors cannot be validated (§5.9.2, §5.9.3). */
function etagOf({ content }: StoredResponse): Uint8Array | undefined {
  return content.code === Code.Content ? content.options.first(OptionNumber.ETag) : undefined;
}

/** §5.9.1.3: each kind of safe-to-forward option in the 2.03 replaces the stored one of its kind; Max-Age is its own. */
function refreshed(stored: Content, valid: Content): Content {
  const options = OptionSet.from(stored.options.entries());
  const given = [...valid.options.entries()].filter(
    ({ number }) => !isUnsafe(number) || number === OptionNumber.MaxAge,
  );
  for (const { number } of given) options.delete(number);
  for (const { number, value } of given) options.add(number, value);
  return { code: stored.code, options, payload: stored.payload };
}

/** Options that are interpreted here, or belong to one message or hop, and are no part of the Cache-Key (§5.6). */
const interpreted: ReadonlySet<number> = new Set([
  OptionNumber.ETag,
  OptionNumber.Observe,
  OptionNumber.MaxAge,
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.HopLimit,
  OptionNumber.Block1,
  OptionNumber.Block2,
  // RFC 7967 §3.3
  OptionNumber.NoResponse,
  // RFC 9175 §3.5: it is about how the body came
  OptionNumber.RequestTag,
]);

/**
 * The Cache-Key (RFC 7252 §5.6): origin, identity, method, options; and the payload of a FETCH (RFC 8132 §2.3.2).
 */
export function cacheKey({ origin, identity, code, options, payload }: CacheRequest): string {
  const parts = [`${origin.length}:${origin}${identity.length}:${identity}${code}`];
  for (const { number, value } of options.entries()) {
    const outside = interpreted.has(number) || (!isUnsafe(number) && isNoCacheKey(number));
    // Number and length before each value: no two lists of options give one key.
    if (!outside) parts.push(`\n${number},${value.length}:`, byteKey(value));
  }
  if (code === Code.Fetch) parts.push('\n\n', byteKey(payload));
  return parts.join('');
}

interface ResourceParts {
  readonly path: readonly Uint8Array[];
  readonly query: readonly Uint8Array[];
}

function uriOptionsOf(options: OptionReader): ResourceParts {
  return { path: options.all(OptionNumber.UriPath), query: options.all(OptionNumber.UriQuery) };
}

function resourceKey(origin: string, { path, query }: ResourceParts): string {
  const part = (mark: string, value: Uint8Array): string => `\n${mark}${value.length}:${byteKey(value)}`;
  return [origin, ...path.map((one) => part('/', one)), ...query.map((one) => part('?', one))].join('');
}

function optionBytes(options: OptionSet): number {
  return options.entries().reduce((sum, { value }) => sum + value.length + 64, 0);
}
