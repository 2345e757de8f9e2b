/**
 * A request to its next hop and the response back: hops, cache, observations, and what goes wrong on the way.
 *
 * RFC 7252 §5.7.1, RFC 7641 §5, RFC 8768. Whom a request is for, and who may ask, is decided before
 * (`forward-proxy.ts`, `reverse-proxy.ts`). Bodies pass as wholes, or with
 * `streamBodies` as they come; in either case each hop has its own blocks (RFC 7959 §2.10).
 * No-Response ends here, since this hop's client is answered by this hop's server; Echo goes through, as both sides
 * mean each other with it (RFC 9175 §2.3).
 *
 * @module
 */

import type { RequestOptions } from '../api/client-options.ts';
import type { CoapsuleError } from '../api/errors.ts';
import type { Request } from '../api/request.ts';
import type { Response, StreamedResponse } from '../api/response.ts';
import { failure, type ServerResponse } from '../api/server-response.ts';
import { Code, hasRequestPayload } from '../core/coap/code.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../core/coap/option-set.ts';
import { concatBytes, equalBytes, noBytes } from '../core/foundation/bytes.ts';
import { encodeUtf8 } from '../core/foundation/utf8.ts';
import type { Content } from '../core/request-response/exchange.ts';
import {
  forwardedRequestOptions,
  forwardedResponse,
  nextHopLimit,
  relayedHopLimitReached,
} from '../core/request-response/proxying.ts';
import {
  agedResponse,
  type CacheAnswer,
  type CacheRequest,
  cacheKey,
  defaultMaxAgeSeconds,
  ResponseCache,
} from '../core/request-response/response-cache.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { badGateway, gatewayFailure, gatewayTimeout } from './gateway-failure.ts';
import {
  checkedSettings,
  type ProxyAnswerSource,
  type ProxySettings,
  type ProxyTarget,
} from './proxy-options.ts';
import { type ObservedState, SharedObservation } from './shared-observation.ts';
import type { Upstream } from './upstream.ts';

/** A request on its way to the next hop. */
interface Passage {
  readonly request: Request;
  readonly target: ProxyTarget;
  readonly upstream: Upstream;
  /** What goes on, without what says whom it is for. */
  readonly options: OptionSet;
  readonly cached: CacheRequest;
}

/** See the module comment. */
export class ProxyEngine {
  readonly #settings: ReturnType<typeof checkedSettings>;
  readonly #cache: ResponseCache | undefined;
  /** Observations of next hops that go on, by Cache-Key. */
  readonly #observations = new Map<string, SharedObservation>();
  /** The observation that an observer is part of, by the signal of its end. */
  readonly #joined = new WeakMap<AbortSignal, SharedObservation>();

  /** @throws ApiMisuseError for a setting out of range. */
  constructor(where: string, settings: ProxySettings) {
    this.#settings = checkedSettings(where, settings);
    const { cache, streamBodies = false } = settings;
    if (cache !== false && !streamBodies) this.#cache = new ResponseCache(cache);
  }

  /** Largest request body in bytes. */
  get maxBodyBytes(): number {
    return this.#settings.maxBodyBytes;
  }

  /** Whether bodies pass as they come. */
  get streamsBodies(): boolean {
    return this.#settings.streamBodies ?? false;
  }

  /** Passes a request on and answers with what came back. */
  async pass(request: Request, target: ProxyTarget, upstream: Upstream): Promise<ServerResponse> {
    const { name, hopLimit, onLoop } = this.#settings;
    const hops = nextHopLimit(request.options, hopLimit);
    if (hops.kind === 'exhausted') {
      onLoop?.(request, target);
      return failure(Code.HopLimitReached, name);
    }
    if (upstream.protects && request.options.has(OptionNumber.Oscore)) {
      // RFC 8613 §4.1.3.7: OSCORE in OSCORE is not there.
      return failure(Code.BadOption, 'protected by OSCORE already');
    }
    const options = forwardedRequestOptions(request.options, hops.value);
    const passage = {
      request,
      target,
      upstream,
      options,
      cached: cacheRequest(request, target, upstream, options),
    };
    if (request.observer !== undefined) return this.#observe(passage, request.observer);
    return this.streamsBodies ? this.#stream(passage) : this.#ask(passage);
  }

  /** Ends all observations of next hops. */
  close(): void {
    for (const observation of this.#observations.values()) observation.cancel();
    this.#observations.clear();
    this.#cache?.clear();
  }

  /** One response, from the cache or the next hop. */
  async #ask(passage: Passage): Promise<ServerResponse> {
    const { request, target, upstream, options, cached } = passage;
    const asked = this.#cache?.find(cached, monotonicClock.now());
    if (asked?.kind === 'fresh') return this.#told('cached', serverResponse(asked.response));
    const known = options.all(OptionNumber.ETag);
    const more = (asked?.etags ?? []).filter((etag) => !known.some((given) => equalBytes(given, etag)));
    const asking = OptionSet.from(options.entries());
    for (const etag of more) asking.add(OptionNumber.ETag, etag);
    let response: Response;
    try {
      const { signal } = request;
      const wish = { ...this.#requestOptions(request, asking), signal };
      response = await upstream.client.request(request.method, target.uri, wish);
    } catch (error) {
      this.#cache?.unanswered(cached);
      return this.#told('failed', this.#failure(error, passage));
    }
    const usable = this.#usable(response, request, target);
    if (usable.kind === 'unusable') return this.#told('failed', usable.response);
    const answer = this.#taken(passage, usable.content, asked);
    return this.#told(sourceOf(response, answer), answer);
  }

  /** One response of the next hop; both bodies are read as fast as they are sent on, and nothing is kept. */
  async #stream(passage: Passage): Promise<ServerResponse> {
    const { request, target, upstream, options } = passage;
    // The size that the client announced; blocks themselves are of one hop.
    const size1 = request.options.first(OptionNumber.Size1);
    const asking = OptionSet.from(options.entries());
    if (size1 !== undefined) asking.set(OptionNumber.Size1, size1);
    const isInBlocks =
      hasRequestPayload(request.code) &&
      request.options.has(OptionNumber.Block1) &&
      request.payload.length === 0;
    let response: StreamedResponse;
    try {
      response = await upstream.client.stream(request.method, target.uri, {
        ...this.#requestOptions(request, asking),
        ...(isInBlocks ? { payload: request.body } : {}),
        signal: request.signal,
      });
    } catch (error) {
      return this.#told('failed', this.#failure(error, passage));
    }
    const { code } = response;
    if (code === Code.HopLimitReached || code === Code.Valid) {
      const whole = { code, options: response.options, payload: await wholeOf(response.body) };
      const usable = this.#usable(whole, request, target);
      if (usable.kind === 'unusable') return this.#told('failed', usable.response);
      const answer = validated(usable.content, request);
      return this.#told(sourceOf(response, answer), answer);
    }
    const forwarded = forwardedResponse({ code, options: response.options, payload: noBytes });
    if (forwarded.kind === 'unusable') {
      await response.body.cancel();
      return this.#told('failed', badGateway(forwarded.reason));
    }
    const forwardedOptions = [...forwarded.response.options.entries()];
    return this.#told('forwarded', { code, options: forwardedOptions, payload: response.body });
  }

  /** What a usable response of the next hop means for the cache, and for who asked. */
  #taken(
    { request, cached }: Passage,
    content: Content,
    asked: CacheAnswer<undefined> | undefined,
  ): ServerResponse {
    const answer = this.#cache?.take(cached, content, undefined, monotonicClock.now(), asked) ?? content;
    return validated(answer, request);
  }

  async #observe(passage: Passage, observer: NonNullable<Request['observer']>): Promise<ServerResponse> {
    const { request } = passage;
    // Before anything is waited for, or its end could be missed.
    const { ended } = observer;
    const observation = this.#joined.get(ended) ?? this.#join(passage, ended, () => observer.changed());
    if (observation === undefined) return { ...(await this.#ask(passage)), observe: false };
    const state = await observation.state();
    const goesOn = { observe: !observation.over };
    if (state.kind === 'failure') return this.#told('failed', { ...state.response, ...goesOn });
    const { content, since } = state;
    const now = monotonicClock.now();
    const maxAgeSeconds = content.options.uint(OptionNumber.MaxAge) ?? defaultMaxAgeSeconds;
    // RFC 7641 §3.3.1: then it may not be taken for the present state. Under OSCORE that is for the client to find out, since what
    // is asked again is a replay; Max-Age 0 says there that nothing is to be kept (RFC 8613 §4.1.3.1).
    const isOld = now - since > maxAgeSeconds * 1000 && !request.options.has(OptionNumber.Oscore);
    if (isOld && !observation.over) {
      return { ...(await this.#ask(passage)), ...goesOn };
    }
    const aged = serverResponse(agedResponse(content, maxAgeSeconds, since, request.options, now));
    return this.#told('observed', { ...aged, ...goesOn });
  }

  /** The observation of the next hop that serves this request; `undefined` when there are too many. */
  #join(passage: Passage, ended: AbortSignal, changed: () => void): SharedObservation | undefined {
    const key = cacheKey(passage.cached);
    const known = this.#observations.get(key);
    if (known === undefined && this.#observations.size >= this.#settings.maxObservations) return undefined;
    const observation = known ?? this.#begin(passage, key);
    this.#joined.set(ended, observation);
    observation.add(ended, changed);
    return observation;
  }

  #begin(passage: Passage, key: string): SharedObservation {
    const { request, target, upstream, options, cached } = passage;
    // ETags are of one client, and the observation is for all.
    const asking = OptionSet.from(options.entries()).delete(OptionNumber.ETag);
    const { method } = request;
    const upstreamObservation = upstream.client.observe(target.uri, {
      ...this.#requestOptions(request, asking),
      method: method === 'FETCH' ? 'FETCH' : 'GET',
    });
    const observation = new SharedObservation(upstreamObservation, this.#settings.timeoutMs, {
      stateOf: (response) => {
        const usable = this.#usable(response, request, target);
        if (usable.kind === 'unusable') return { kind: 'failure', response: usable.response };
        const since = monotonicClock.now();
        this.#cache?.take(cached, usable.content, undefined, since);
        return { kind: 'content', content: usable.content, since };
      },
      failed: (error) => this.#observationFailure(error, passage),
      ended: () => {
        if (this.#observations.get(key) === observation) this.#observations.delete(key);
      },
    });
    this.#observations.set(key, observation);
    return observation;
  }

  /** An answer, once it is told where it comes from. */
  #told(source: ProxyAnswerSource, answer: ServerResponse): ServerResponse {
    this.#settings.onAnswer?.(source);
    return answer;
  }

  /** What is answered for an error of the client that asked the next hop. */
  #failure(error: unknown, { request, target }: Passage): ServerResponse {
    const response = gatewayFailure(error);
    // Anything else was thrown on.
    this.#settings.onFailure?.(error as CoapsuleError, request, target);
    return response;
  }

  #observationFailure(error: CoapsuleError | 'timeout' | 'ended', passage: Passage): ObservedState {
    if (error === 'timeout') return { kind: 'failure', response: gatewayTimeout() };
    const response = error === 'ended' ? failure(Code.ServiceUnavailable) : this.#failure(error, passage);
    return { kind: 'failure', response };
  }

  #requestOptions(request: Request, options: OptionReader): RequestOptions {
    return {
      payload: request.payload,
      options: [...options.entries()],
      confirmable: request.confirmable,
      timeoutMs: this.#settings.timeoutMs,
      forwarded: true,
    };
  }

  /** The response as it can be passed on. */
  #usable(
    response: Content,
    request: Request,
    target: ProxyTarget,
  ):
    | { readonly kind: 'usable'; readonly content: Content }
    | { readonly kind: 'unusable'; readonly response: ServerResponse } {
    const forwarded = forwardedResponse(response);
    if (forwarded.kind === 'unusable') return { kind: 'unusable', response: badGateway(forwarded.reason) };
    if (response.code !== Code.HopLimitReached) return { kind: 'usable', content: forwarded.response };
    const { name, onLoop } = this.#settings;
    const relayed = relayedHopLimitReached(forwarded.response, name);
    if (relayed !== undefined) return { kind: 'usable', content: relayed };
    // RFC 8768 §4: it has been here. It must not go on, but that there is a loop is known here now.
    onLoop?.(request, target);
    const { code, options } = forwarded.response;
    return { kind: 'usable', content: { code, options, payload: encodeUtf8(name) } };
  }
}

function cacheRequest(
  { code, payload }: Request,
  target: ProxyTarget,
  { identity }: Upstream,
  forwarded: OptionReader,
): CacheRequest {
  const options = OptionSet.from(forwarded.entries());
  for (const segment of target.path) options.add(OptionNumber.UriPath, segment);
  for (const argument of target.query) options.add(OptionNumber.UriQuery, argument);
  const origin = `${target.scheme}://${target.host}:${target.port}`;
  return { origin, identity, code, options, payload };
}

/** The answer, unless it is 2.03 for an ETag that the client did not give. */
function validated(answer: Content, request: Request): ServerResponse {
  if (answer.code === Code.Valid) {
    const etag = answer.options.first(OptionNumber.ETag);
    const given = request.options.all(OptionNumber.ETag);
    if (etag === undefined || !given.some((one) => equalBytes(one, etag))) {
      return badGateway('the server found something good that it was not asked about');
    }
  }
  return serverResponse(answer);
}

/** Where an answer comes from that a response of the next hop has brought. */
function sourceOf(response: Pick<Content, 'code'>, answer: ServerResponse): ProxyAnswerSource {
  if (response.code !== Code.Valid || answer.code === Code.Valid) return 'forwarded';
  // A 2.03 that ETags of the cache have brought has what that had; any other is none to be passed on.
  return answer.code === Code.BadGateway ? 'failed' : 'validated';
}

/** The body of a response that has a short one: what is longer is cut off. */
async function wholeOf(body: StreamedResponse['body']): Promise<Uint8Array> {
  let whole: Uint8Array = noBytes;
  for await (const part of body) {
    whole = concatBytes(whole, part);
    if (whole.length >= longestDiagnostic) break;
  }
  return whole.subarray(0, longestDiagnostic);
}

/** One block of the largest size. */
const longestDiagnostic = 1024;

function serverResponse({ code, options, payload }: Content): ServerResponse {
  return { code, payload, options: [...options.entries()] };
}
