/**
 * Servers that asked to be left alone for a while: which requests must not be sent to them yet, and those that wait.
 *
 * RFC 7252 §5.9.3.4: after 5.03 no request to that server before Max-Age is over. RFC 8516 §4: after 4.29 no similar
 * one, that is one with the same method and Request-URI. Without a Max-Age Option it is 60 seconds (§5.10.5).
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { OptionReader } from '../coap/option-set.ts';
import { after, elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { BackOffCode, OutgoingRequest, RequestError, RequestId } from './outputs.ts';

/** A request that its caller lets wait. */
export interface HeldRequest {
  readonly request: RequestId;
  readonly address: PeerAddress;
  readonly serverName: string | undefined;
  readonly content: OutgoingRequest;
}

/** RFC 7252 §5.10.5. */
const defaultMaxAgeSeconds = 60;

/** On plain CoAP anybody may have sent the answer (RFC 8516 §5): it shuts nobody out for longer than a day. */
const longestMs = 24 * 3_600_000;

/** Servers and resources remembered, and requests that may wait; the soonest to be free again is forgotten first. */
const maxNoted = 1024;
const maxHeld = 1024;

/** Whether a response asks for time. */
export function asksToBackOff(code: Code): code is BackOffCode {
  return code === Code.ServiceUnavailable || code === Code.TooManyRequests;
}

/** What of an endpoint tells that a request is held back. */
interface HoldingEndpoint {
  readonly backOff: BackOff;
  readonly counters: { backedOff: number };
  readonly outputs: {
    push(failure: {
      readonly kind: 'request-failed';
      readonly request: RequestId;
      readonly error: Extract<RequestError, { kind: 'back-off' }>;
    }): unknown;
  };
}

/** Whether the server does not want this request yet: then it fails or waits. */
export function isHeldBack(endpoint: HoldingEndpoint, held: HeldRequest, now: Instant): boolean {
  const verdict = endpoint.backOff.admit(held, now);
  if (verdict === 'send') return false;
  endpoint.counters.backedOff++;
  if (verdict !== 'waits') {
    endpoint.outputs.push({ kind: 'request-failed', request: held.request, error: verdict });
  }
  return true;
}

/** See the module comment. */
export class BackOff {
  /** Names of servers, and of kinds of requests, until they are free again. */
  readonly #noted = new TimerQueue<string>();
  readonly #held = new Map<RequestId, HeldRequest>();
  readonly #due = new TimerQueue<RequestId>();

  /** Takes note of the answer to a request. */
  note(
    address: PeerAddress,
    request: Pick<OutgoingRequest, 'code' | 'options'>,
    response: { readonly code: BackOffCode; readonly options: OptionReader },
    now: Instant,
  ): void {
    const seconds = response.options.uint(OptionNumber.MaxAge) ?? defaultMaxAgeSeconds;
    while (this.#noted.expire(now) !== undefined);
    if (seconds === 0) return;
    if (this.#noted.size >= maxNoted) this.#noted.expire(Number.POSITIVE_INFINITY as Instant);
    this.#noted.set(nameOf(response.code, address, request), after(now, Math.min(seconds * 1000, longestMs)));
  }

  /** Until when a request must not be sent, and what the server said; `undefined` when it may go now. */
  heldUntil(
    address: PeerAddress,
    request: Pick<OutgoingRequest, 'code' | 'options'>,
    now: Instant,
  ): { readonly until: Instant; readonly code: BackOffCode } | undefined {
    if (this.#noted.size === 0) return undefined;
    for (const code of [Code.ServiceUnavailable, Code.TooManyRequests] as const) {
      const until = this.#noted.deadline(nameOf(code, address, request));
      if (until !== undefined && until > now) return { until, code };
    }
    return undefined;
  }

  /**
   * Whether a request may be sent. Where its server is to be left alone it waits, if its caller lets it and the time is not
   * over before; else the error with which it fails.
   */
  admit(held: HeldRequest, now: Instant): 'send' | 'waits' | Extract<RequestError, { kind: 'back-off' }> {
    const { address, content } = held;
    if (content.whenBusy === 'send') return 'send';
    const found = this.heldUntil(address, content, now);
    if (found === undefined) return 'send';
    const retryAfterMs = elapsedMs(now, found.until);
    // Who gives up before the time has come learns it now.
    const mayWait = content.whenBusy === 'wait' && retryAfterMs < (content.timeoutMs ?? Infinity);
    if (mayWait && this.hold(held, found.until)) return 'waits';
    return { kind: 'back-off', code: found.code, retryAfterMs };
  }

  /** Lets a request wait; false when too many do. */
  hold(held: HeldRequest, until: Instant): boolean {
    if (this.#held.size >= maxHeld) return false;
    this.#held.set(held.request, held);
    this.#due.set(held.request, until);
    return true;
  }

  /** Forgets a request that waits; false when it does not. */
  release(request: RequestId): boolean {
    this.#due.cancel(request);
    return this.#held.delete(request);
  }

  /** Takes out a request whose time has come. */
  expire(now: Instant): HeldRequest | undefined {
    const request = this.#due.expire(now);
    if (request === undefined) return undefined;
    const held = this.#held.get(request);
    this.#held.delete(request);
    return held;
  }

  nextTimeout(): Instant | undefined {
    return this.#due.next();
  }
}

/** Behind one address there may be several servers: virtual hosts, and those that a proxy speaks to. */
const serverOptions: readonly number[] = [
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.ProxyScheme,
];

function nameOf(
  code: BackOffCode,
  address: PeerAddress,
  { code: method, options }: Pick<OutgoingRequest, 'code' | 'options'>,
): string {
  const isServer = code === Code.ServiceUnavailable;
  const numbers = isServer ? serverOptions : [...serverOptions, OptionNumber.UriPath, OptionNumber.UriQuery];
  const parts: (string | number | readonly string[])[] = [code, address.key];
  if (!isServer) parts.push(method);
  for (const number of numbers) parts.push(options.texts(number));
  const proxyUri = options.text(OptionNumber.ProxyUri) ?? '';
  parts.push(isServer ? (/^[^:]*:\/\/[^/?#]*/.exec(proxyUri)?.[0] ?? proxyUri) : proxyUri);
  // JSON keeps lists of texts apart, whatever is in them.
  return JSON.stringify(parts);
}
