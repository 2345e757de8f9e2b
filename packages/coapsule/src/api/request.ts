/**
 * A request as a handler sees it.
 *
 * @module
 */

import { type Code, type Method, methodOf } from '../core/coap/code.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import type { OptionReader } from '../core/coap/option-set.ts';
import { type SerialScheme, serialScheme } from '../core/coap/serial-uri.ts';
import { type CoapScheme, schemeOf } from '../core/coap/uri.ts';
import type { IncomingRequest } from '../core/endpoint/outputs.ts';
import { noBytes } from '../core/foundation/bytes.ts';
import { InvariantError } from '../core/foundation/errors.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { isForwardRequest } from '../core/request-response/proxying.ts';
import { pathName } from '../core/request-response/resource-key.ts';
import type { ReadableStream } from '../node/web-stream.ts';
import { wholeBody } from './incoming-body.ts';
import type { PeerInfo } from './peer-info.ts';
import type { Response } from './response.ts';
import type { ReversedRequestOptions } from './reversed-requests.ts';

/** The path of a request's Uri-Path options, as `Request.path` has it. */
export function pathOf(options: OptionReader): string {
  return pathName(options.texts(OptionNumber.UriPath));
}

/** One observer of a resource (RFC 7641 §4.1), for resources whose state is not the same for all. */
export interface ResourceObserver {
  /** What this observer is shown has changed: its request comes to the handler again. */
  changed(): void;
  /** Fires when it does not observe any more, or did not begin to. Ask for it before the answer is given. */
  readonly ended: AbortSignal;
}

/** What a request knows of those who wait for its answer. */
export interface RequestWaiters {
  /** Fires when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  readonly observer: ResourceObserver;
  /** See `Request.ask`. */
  ask(method: Method, path: string, options: ReversedRequestOptions): Promise<Response>;
}

/** Notes that a handler was called for a request: the request may have had an effect. */
export let noteHandled: (request: Request) => void;

/** Whether a handler was called for a request. */
export let isHandled: (request: Request) => boolean;

/** A request with its whole body (RFC 7252 §5.1). What of it nobody asks for is not made. */
export class Request {
  readonly #incoming: IncomingRequest;
  readonly #waiters: RequestWaiters;
  #segments: readonly string[] | undefined;
  #path: string | undefined;
  #query: readonly string[] | undefined;
  #body: ReadableStream<Uint8Array> | undefined;
  #isHandled = false;
  readonly options: OptionReader;
  /** The whole body; empty where `body` is still to come. */
  readonly payload: Uint8Array;
  /** Who asks; `security` says how it is known. */
  readonly peer: PeerInfo;
  /** Whether the answer registers or serves an observer (RFC 7641). */
  readonly observe: boolean;

  static {
    noteHandled = (request) => {
      request.#isHandled = true;
    };
    isHandled = (request) => request.#isHandled;
  }

  constructor(
    request: IncomingRequest,
    peer: PeerInfo,
    waiters: RequestWaiters,
    body?: ReadableStream<Uint8Array>,
  ) {
    this.#incoming = request;
    this.#waiters = waiters;
    this.#body = body;
    this.options = request.options;
    this.payload = body === undefined ? request.payload : noBytes;
    this.peer = peer;
    this.observe = request.observe === 'register' || request.refresh;
  }

  get method(): Method {
    const method = methodOf(this.code);
    if (method === undefined) throw new InvariantError(`a request with code ${this.code}`);
    return method;
  }

  get code(): Code {
    return this.#incoming.code;
  }

  /**
   * The segments with `/` before each: `/sensors/42`; `/` for none. A `/`, `%` or `?` inside a segment stays
   * percent-encoded, so that different Uri-Path options never make the same path.
   */
  get path(): string {
    this.#path ??= pathName(this.segments);
    return this.#path;
  }

  get segments(): readonly string[] {
    this.#segments ??= this.options.texts(OptionNumber.UriPath);
    return this.#segments;
  }

  /** Each Uri-Query, such as `unit=C`. */
  get query(): readonly string[] {
    this.#query ??= this.options.texts(OptionNumber.UriQuery);
    return this.#query;
  }

  /**
   * The body to read as it comes: of a resource with `streamRequestBody` the client sends no more than is read. It fails
   * when the client does not send the rest.
   */
  get body(): ReadableStream<Uint8Array> {
    this.#body ??= wholeBody(this.payload);
    return this.#body;
  }

  get token(): Uint8Array {
    return this.#incoming.token;
  }

  /** Of the message that completed the request; `undefined` over TCP, TLS and WebSocket, which have none. */
  get messageId(): number | undefined {
    return this.#incoming.messageId;
  }

  /** Whether the message is acknowledged; true over TCP, TLS and WebSocket, where the transport does it. */
  get confirmable(): boolean {
    return this.#incoming.confirmable;
  }

  /** The multicast address that it was sent to; `undefined` when it was sent to this server alone (RFC 7252 §8). */
  get group(): PeerAddress | undefined {
    return this.#incoming.group;
  }

  get scheme(): CoapScheme | SerialScheme {
    const { security, transport } = this.peer;
    const isSecure = security.kind !== 'none';
    if (transport === 'serial') return serialScheme(isSecure);
    return schemeOf(transport === 'local' ? 'udp' : transport, isSecure);
  }

  /** Whether its sender sent nothing: what an observer is shown may have changed, and the answer goes to it (RFC 7641 §4.2). */
  get isRefresh(): boolean {
    return this.#incoming.refresh;
  }

  /** Fires when nobody waits for the answer any more. */
  get signal(): AbortSignal {
    return this.#waiters.signal;
  }

  /** The observer that the answer is for, where `observe` is true. */
  get observer(): ResourceObserver | undefined {
    return this.observe ? this.#waiters.observer : undefined;
  }

  /**
   * Asks its sender, over the same socket and association: for devices that no other way leads to. It may be called as long as
   * the association lasts, also after the answer. A request that came under OSCORE is answered with one under the same context.
   * Over plain `coap` nothing says that the sender is at that address.
   *
   * @param path Path and query of a resource of the sender, such as `/.well-known/core?rt=light`.
   * @throws ApiMisuseError (rejects) for a path or option that cannot be, and over TCP, TLS and WebSocket; CoapsuleError when
   *         no response came, with `ERR_ASSOCIATION_CLOSED` when the sender is not connected any more.
   */
  ask(method: Method, path: string, options: ReversedRequestOptions = {}): Promise<Response> {
    return this.#waiters.ask(method, path, options);
  }

  /** Whether it names another server with Proxy-Uri or Proxy-Scheme; `path` says nothing then (RFC 7252 §5.7.2). */
  get isForward(): boolean {
    return isForwardRequest(this.options);
  }

  /** The payload as UTF-8 text; bytes that are not UTF-8 show as U+FFFD. */
  text(): string {
    return new TextDecoder().decode(this.payload);
  }

  get contentFormat(): number | undefined {
    return this.options.uint(OptionNumber.ContentFormat);
  }

  /** The content format the client wants (RFC 7252 §5.10.4). */
  get accept(): number | undefined {
    return this.options.uint(OptionNumber.Accept);
  }
}
