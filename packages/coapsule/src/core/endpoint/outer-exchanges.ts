/**
 * OSCORE messages that a proxy has cut: exchanges of their own carry them, and put the ciphertext together first.
 *
 * RFC 8613 §4.1.3.4.2, §8.2.1, §8.4.1. A request in Outer blocks is a request of the proxy to the request/response layer; what
 * comes of it is verified as one message, and its answer goes back to that Exchange, which cuts it as the proxy asks. The rest
 * of a response in Outer blocks is fetched by an Exchange of its own. Here is only what is remembered of both.
 *
 * @module
 */

import type { OscoreContent } from '../oscore/plaintext.ts';
import type { ReceivedMessage } from '../request-response/exchange.ts';
import type { ExchangeId } from '../request-response/request-response-layer.ts';
import {
  type NotedReply,
  noteOf,
  type OscoreVia,
  type ProtectedRequest,
  type ReplyNote,
} from './protected-messages.ts';

/** The rest of a response that is on its way. */
export interface OuterFetch<Via extends OscoreVia> {
  readonly via: Via;
  /** The request of ours that it answers, as far as its token says. */
  readonly pending: ProtectedRequest;
  /** Its first block. */
  readonly first: ReceivedMessage;
}

/** See the module comment. */
export class OuterExchanges<Via extends OscoreVia> {
  /** Requests in Outer blocks, and the Observe option that their answers are sent with. */
  readonly #requests = new Map<ExchangeId, Uint8Array | undefined>();
  /** Requests that get no response. */
  readonly #silent = new Set<ExchangeId>();
  readonly #fetches = new Map<ExchangeId, OuterFetch<Via>>();
  /** By the Exchange of the application's: one response of it is fetched at a time. */
  readonly #fetchFor = new Map<ExchangeId, ExchangeId>();
  /** What went out, without its payload: the requests for later blocks have the same options. */
  readonly #sent = new WeakMap<ProtectedRequest, Pick<OscoreContent, 'code' | 'options'>>();

  /** Exchanges of which something is kept; zero when nothing leaks. */
  get size(): number {
    return this.#requests.size + this.#fetches.size;
  }

  /** A request came whole; what is inside will be answered with `reply`. */
  requestWhole(exchange: ExchangeId, reply: NotedReply): void {
    this.#requests.set(exchange, undefined);
    reply.note = { binding: undefined, outside: exchange } satisfies ReplyNote;
  }

  /** The Exchange that a message is answered by; `undefined` when it came in one piece. */
  exchangeOf(reply: unknown): ExchangeId | undefined {
    return noteOf(reply)?.outside;
  }

  /** Whether the Exchange is one of a request in Outer blocks. */
  isRequest(exchange: ExchangeId): boolean {
    return this.#requests.has(exchange);
  }

  /** The request is answered with this Observe option, which no other layer may set (§4.1.3.5.2). */
  answeredWith(exchange: ExchangeId, observe: Uint8Array | undefined): void {
    if (this.#requests.has(exchange)) this.#requests.set(exchange, observe);
  }

  /** The Observe option of the answer. */
  observeOf(exchange: ExchangeId): Uint8Array | undefined {
    return this.#requests.get(exchange);
  }

  /** The request gets no response: the one that ends its Exchange is not sent. */
  silence(exchange: ExchangeId): void {
    if (this.#requests.has(exchange)) this.#silent.add(exchange);
  }

  /** Whether the request gets no response. */
  isSilent(exchange: ExchangeId): boolean {
    return this.#silent.has(exchange);
  }

  /** Nothing more comes of the request. */
  requestEnded(exchange: ExchangeId): void {
    this.#silent.delete(exchange);
    this.#requests.delete(exchange);
  }

  /** A request of ours went out. */
  requestSent(pending: ProtectedRequest, { code, options }: OscoreContent): void {
    this.#sent.set(pending, { code, options });
  }

  /** What a request of ours went out as. */
  sentAs(pending: ProtectedRequest): Pick<OscoreContent, 'code' | 'options'> | undefined {
    return this.#sent.get(pending);
  }

  /** The rest of a response is fetched. */
  fetchBegun(exchange: ExchangeId, fetch: OuterFetch<Via>): void {
    this.#fetches.set(exchange, fetch);
    this.#fetchFor.set(fetch.pending.dispatch.exchange, exchange);
  }

  /** What an Exchange fetches. */
  fetchOf(exchange: ExchangeId): OuterFetch<Via> | undefined {
    return this.#fetches.get(exchange);
  }

  fetchEnded(exchange: ExchangeId): void {
    const fetch = this.#fetches.get(exchange);
    if (fetch === undefined) return;
    this.#fetches.delete(exchange);
    this.#fetchFor.delete(fetch.pending.dispatch.exchange);
  }

  /** What is fetched for an Exchange of the application's. */
  fetchFor(exchange: ExchangeId): ExchangeId | undefined {
    return this.#fetchFor.get(exchange);
  }
}
