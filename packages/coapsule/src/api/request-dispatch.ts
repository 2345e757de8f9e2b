/**
 * What a server does with a request, whichever socket it came to: finds the resource and its host, runs the middleware and
 * the handler, and makes of what they return an answer that can be sent.
 *
 * RFC 7252 §5.4.1, §5.7.2, §5.8, §5.10.4 and §5.10.6.2. A handler that returns its response, and no promise, is answered
 * without one. Sockets are the matter of `server.ts`.
 *
 * @module
 */

import { Code, isErrorCode, isResponseCode, isSuccessCode } from '../core/coap/code.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import type { OptionReader } from '../core/coap/option-set.ts';
import { equalBytes } from '../core/foundation/bytes.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { forwardTarget, isForwardRequest, localRequestOptions } from '../core/request-response/proxying.ts';
import type { BodyRequest, RequestRoute } from '../core/request-response/request-response-layer.ts';
import { resourceName } from '../core/request-response/resource-key.ts';
import type { GroupPolicy } from '../core/request-response/response-suppression.ts';
import { bodyForCore } from './body-input.ts';
import { describedFailure } from './described-failure.ts';
import { type Eventual, isPending } from './eventual.ts';
import { compose, type Middleware } from './middleware.ts';
import { groupPolicyOf } from './multicast-options.ts';
import type { Listener } from './open-listener.ts';
import { isOwnAuthority } from './own-authority.ts';
import type { ProxyHandler } from './proxy-handler.ts';
import { isHandled, noteHandled, pathOf, type Request } from './request.ts';
import type { RequestHandler } from './request-handler.ts';
import type { HandledAnswer } from './request-once.ts';
import type { RequestsToOwner } from './requests-to-owner.ts';
import { handlerOf, isProtectedAsRequired, type Resource, ResourceTree } from './resource-tree.ts';
import {
  failure,
  knownContentFormat,
  RequestFailure,
  responseOptions,
  type ServerResponse,
} from './server-response.ts';
import { canonicalHost, hostPrefix, requestedHost, type VirtualHost } from './virtual-host.ts';

const defaultMaxBodyBytes = 1024 * 1024;

/** See the module comment. */
export class RequestDispatch implements RequestHandler {
  readonly resources: ResourceTree = new ResourceTree();
  readonly hosts: Map<string, VirtualHost> = new Map();
  readonly listeners: Set<Listener> = new Set();
  /** What else ends when a listener is closed. */
  readonly endings: Map<Listener, () => void> = new Map();
  /** For the log. Never throws. */
  readonly onError: (error: unknown) => void;
  proxy: ProxyHandler | undefined;
  /** Worker 0, in another worker: it serves what has one owner. */
  owner: RequestsToOwner | undefined;
  readonly #middleware: Middleware[] = [];
  #composed: ((request: Request) => Eventual<ServerResponse>) | undefined;

  constructor(onError: (error: unknown) => void) {
    this.onError = onError;
  }

  /** Adds a function that runs around every handler, inside those added before. */
  use(middleware: Middleware): void {
    this.#middleware.push(middleware);
    this.#composed = undefined;
  }

  answer(request: Request): Eventual<HandledAnswer> {
    if (this.owner !== undefined && this.#serverOf(request)?.oneOwner === true) {
      return this.owner.ask(request, this.streamRequestBody(request));
    }
    this.#composed ??= compose(this.#middleware, (inner) => this.#serve(inner));
    let response: Eventual<ServerResponse>;
    try {
      response = this.#composed(request);
    } catch (error) {
      return this.#answered(request, this.#failed(error));
    }
    if (!isPending(response)) return this.#answered(request, response);
    return Promise.resolve(response).then(
      (settled) => this.#answered(request, settled),
      (error: unknown) => this.#answered(request, this.#failed(error)),
    );
  }

  observable(request: Request): boolean {
    return request.isForward || this.#resourceOf(request)?.observable === true;
  }

  confirmableNotifications(registration: BodyRequest): boolean {
    return this.#resourceOf(registration)?.notifications === 'confirmable';
  }

  effectsInStore(request: Request): boolean {
    return this.#resourceOf(request)?.effectsInStore === true;
  }

  acknowledgeWithAnswer(request: BodyRequest): boolean {
    return this.#resourceOf(request)?.acknowledgeWithAnswer === true;
  }

  groupPolicy(request: BodyRequest): GroupPolicy | undefined {
    return isForwardRequest(request.options)
      ? undefined
      : groupPolicyOf(this.#resourceOf(request)?.multicast);
  }

  maxBodyBytes(request: BodyRequest): number {
    if (isForwardRequest(request.options)) return this.proxy?.maxBodyBytes ?? defaultMaxBodyBytes;
    const resource = this.#resourceOf(request);
    return resource?.maxBodyBytes ?? (resource?.streamRequestBody ? Infinity : defaultMaxBodyBytes);
  }

  maxPayloadBytes(request: BodyRequest): number {
    return this.#resourceOf(request)?.maxPayloadBytes ?? Infinity;
  }

  streamRequestBody(request: Pick<BodyRequest, 'options'>): boolean {
    const streamed = this.#serverOf(request)?.streamRequestBody;
    return typeof streamed === 'function' ? streamed(request.options) : streamed === true;
  }

  route({ options }: BodyRequest, listener: Listener): RequestRoute {
    if (!isForwardRequest(options)) {
      return this.#resourceOf({ options })?.proxy === true ? toProxy : toOrigin;
    }
    if (this.proxy === undefined) return toOrigin;
    const target = forwardTarget(options, listener);
    const { names } = this.proxy;
    if (target.kind === 'target' && isOwnAuthority(target.uri, this.listeners, names)) {
      return { kind: 'origin', options: localRequestOptions(options, target.uri) };
    }
    return toProxy;
  }

  resourceName(options: OptionReader): string {
    const host = isForwardRequest(options) ? undefined : this.#hostOf(options);
    return `${host === undefined ? '' : hostPrefix(host.name)}${resourceName(options)}`;
  }

  freshWithinMs(request: BodyRequest): number | undefined {
    const wanted = this.#resourceOf(request)?.freshWithinSeconds;
    const seconds = typeof wanted === 'function' ? wanted(pathOf(request.options)) : wanted;
    return seconds === undefined ? undefined : seconds * 1000;
  }

  onClosed(listener: Listener): void {
    this.listeners.delete(listener);
    this.endings.get(listener)?.();
    this.endings.delete(listener);
  }

  #serve(request: Request): Eventual<ServerResponse> {
    if (request.isForward) {
      if (this.proxy === undefined) return failure(Code.ProxyingNotSupported);
      noteHandled(request);
      return this.proxy.answer(request);
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
    noteHandled(request);
    const response = handler(request);
    if (!isPending(response)) return fitting(request, response);
    // It may have a `then` and be no promise.
    return Promise.resolve(response).then((settled) => fitting(request, settled));
  }

  #serverOf(request: Pick<BodyRequest, 'options'>): Resource | ProxyHandler | undefined {
    return isForwardRequest(request.options) ? this.proxy : this.#resourceOf(request);
  }

  /** By path, in the resources of the host that is asked for. Not for requests to a forward-proxy. */
  #resourceOf({ options }: Pick<BodyRequest, 'options'>): Resource | undefined {
    if (isForwardRequest(options)) return undefined;
    return (this.#hostOf(options)?.resources ?? this.resources).of(options);
  }

  #hostOf(options: OptionReader): VirtualHost | undefined {
    if (this.hosts.size === 0) return undefined;
    const name = requestedHost(options);
    return name === undefined ? undefined : this.hosts.get(name);
  }

  /** What cannot be sent becomes a 5.00. */
  #answered(request: Request, response: ServerResponse): HandledAnswer {
    try {
      expectResponse(request, response);
      return handledAnswer(request, this.#described(request, response));
    } catch (error) {
      return handledAnswer(request, this.#described(request, this.#failed(error)));
    }
  }

  #described(request: Request, response: ServerResponse): ServerResponse {
    if (!isErrorCode(response.code)) return response;
    return describedFailure(response, request.accept, this.#resourceOf(request)?.problemDetails === true);
  }

  #failed(error: unknown): ServerResponse {
    if (error instanceof RequestFailure) return error.response;
    this.onError(error);
    // RFC 7252 §5.9.3.1. The cause stays here: it is for the log, not for strangers.
    return failure(Code.InternalServerError, 'the server failed');
  }
}

const toOrigin: RequestRoute = Object.freeze({ kind: 'origin' });
const toProxy: RequestRoute = Object.freeze({ kind: 'proxy' });

/** The response as the core takes it. @throws ApiMisuseError for what cannot be encoded. */
function handledAnswer(request: Request, response: ServerResponse): HandledAnswer {
  const { code, observe } = response;
  const options = responseOptions(response);
  const { payload, body } = bodyForCore(response.payload);
  const answer = body === undefined ? { code, options, payload } : { code, options, payload, body };
  const handled = isHandled(request);
  return observe === undefined ? { answer, handled } : { answer, handled, observe };
}

/** What a client is told that has not what it takes. */
const protectionText = {
  oscore: 'OSCORE',
  dtls: 'DTLS',
  either: 'OSCORE or DTLS',
  both: 'OSCORE and DTLS',
} as const;

/** What cannot be sent must fail while it can still become a 5.00. */
function expectResponse(request: Request, response: ServerResponse): void {
  if (typeof response !== 'object' || response === null) {
    throw new ApiMisuseError(
      `the handler of ${request.method} ${request.path} returned ${typeof response}; use content(…) and the like`,
    );
  }
  if (!isResponseCode(response.code)) {
    throw new ApiMisuseError(
      `the handler of ${request.method} ${request.path} answered with code ${response.code}; expected 2.xx, 4.xx or 5.xx`,
    );
  }
}

/** The response that the client can take, or has already. */
function fitting(request: Request, response: ServerResponse): ServerResponse {
  return validated(request, acceptable(request, response));
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
