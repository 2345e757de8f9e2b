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

/** A request with its whole body (RFC 7252 §5.1). */
export class Request {
  readonly method: Method;
  readonly code: Code;
  /**
   * The segments with `/` before each: `/sensors/42`; `/` for none. A `/`, `%` or `?` inside a segment stays
   * percent-encoded, so that different Uri-Path options never make the same path.
   */
  readonly path: string;
  readonly segments: readonly string[];
  /** Each Uri-Query, such as `unit=C`. */
  readonly query: readonly string[];
  readonly options: OptionReader;
  /** The whole body; empty where `body` is still to come. */
  readonly payload: Uint8Array;
  /**
   * The body to read as it comes: of a resource with `streamRequestBody` the client sends no more than is read. It fails
   * when the client does not send the rest.
   */
  get body(): ReadableStream<Uint8Array> {
    this.#body ??= wholeBody(this.payload);
    return this.#body;
  }

  readonly token: Uint8Array;
  /** Of the message that completed the request; `undefined` over TCP, TLS and WebSocket, which have none. */
  readonly messageId: number | undefined;
  /** Whether the message is acknowledged; true over TCP, TLS and WebSocket, where the transport does it. */
  readonly confirmable: boolean;
  /** The multicast address that it was sent to; `undefined` when it was sent to this server alone (RFC 7252 §8). */
  readonly group: PeerAddress | undefined;
  readonly scheme: CoapScheme | SerialScheme;
  /** Who asks; `security` says how it is known. */
  readonly peer: PeerInfo;
  /** Fires when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Whether the answer registers or serves an observer (RFC 7641). */
  readonly observe: boolean;
  /** The observer that the answer is for, where `observe` is true. */
  readonly observer: ResourceObserver | undefined;
  #body: ReadableStream<Uint8Array> | undefined;

  constructor(
    request: IncomingRequest,
    peer: PeerInfo,
    signal: AbortSignal,
    observer?: ResourceObserver,
    body?: ReadableStream<Uint8Array>,
  ) {
    const method = methodOf(request.code);
    if (method === undefined) throw new InvariantError(`a request with code ${request.code}`);
    this.method = method;
    this.code = request.code;
    this.segments = request.options.texts(OptionNumber.UriPath);
    this.path = pathOf(request.options);
    this.query = request.options.texts(OptionNumber.UriQuery);
    this.options = request.options;
    this.payload = body === undefined ? request.payload : noBytes;
    this.#body = body;
    this.token = request.token;
    this.messageId = request.messageId;
    this.confirmable = request.confirmable;
    this.group = request.group;
    const isSecure = peer.security.kind !== 'none';
    this.scheme = peer.transport === 'serial' ? serialScheme(isSecure) : schemeOf(peer.transport, isSecure);
    this.peer = peer;
    this.signal = signal;
    this.observe = request.observe === 'register' || request.refresh;
    this.observer = this.observe ? observer : undefined;
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
