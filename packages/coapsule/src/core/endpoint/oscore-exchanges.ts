/**
 * Exchanges under OSCORE: what is kept of each for its responses, and the road between the message layer and the
 * request/response layer, which know nothing of it.
 *
 * RFC 8613 §8. Whoever protects or verifies with a peer is another peer to the request/response layer: his tokens, bodies
 * and observations are his own (RFC 9175 §2.3: the security association is part of the endpoint). What goes to him goes to
 * the peer behind, protected. The order of the steps is in `receive-path.ts`, `send-path.ts` and `settle-layers.ts`.
 *
 * @module
 */

import { toHex } from '../foundation/bytes.ts';
import { after, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { ContextProvider } from '../oscore/context-lookup.ts';
import { OscoreLayer } from '../oscore/oscore-layer.ts';
import type { ServerSecurity } from '../oscore/peer-security.ts';
import type { ServerBinding } from '../oscore/request-binding.ts';
import type { ExchangeId, RequestResponseOutput } from '../request-response/request-response-layer.ts';
import { OuterExchanges } from './outer-exchanges.ts';
import {
  type NotedReply,
  noteOf,
  type OscoreVia,
  type ProtectedArrival,
  type ProtectedDispatch,
  type ProtectedRequest,
  type ReplyNote,
} from './protected-messages.ts';

/**
 * How long a run of Appendix B.2 may take: its client answers a response at once, unless that was lost, and who knows of it
 * after EXCHANGE_LIFETIME has recorded it (Appendix B.2.1).
 */
const runLifetimeMs = 247_000;

/** The OSCORE layer of an endpoint, and what binds its responses to requests (RFC 8613 §8). */
export class OscoreExchanges<Via extends OscoreVia> {
  readonly layer: OscoreLayer<ProtectedArrival<Via>, ProtectedDispatch>;
  /** Whether requests under OSCORE are understood here. */
  readonly serves: boolean;
  /** Of messages that a proxy has cut. */
  readonly outer: OuterExchanges<Via> = new OuterExchanges();
  /**
   * Requests of ours by peer behind and token, the newest last: a registration, those that renewed it and its cancellation
   * have one token (RFC 7641 §3.6).
   */
  readonly #pending = new Map<string, ProtectedRequest[]>();
  readonly #tokensOf = new Map<ExchangeId, Set<string>>();
  readonly #runs = new TimerQueue<ServerSecurity>();
  /** Exchanges with observers: their notifications have no reply handle. */
  readonly #byExchange = new Map<ExchangeId, ServerBinding>();
  /** Exchanges with responses that are being protected: how many, as they may wait for the store, and whether all else is over. */
  readonly #protecting = new Map<ExchangeId, { count: number; isOver: boolean }>();

  /** @param provider Whose requests are understood; none without it. */
  constructor(provider: ContextProvider | undefined) {
    this.layer = new OscoreLayer(provider);
    this.serves = provider !== undefined;
  }

  /** A run of Appendix B.2 was begun: the first one that is not completed decides when all end. */
  runBegun(security: ServerSecurity, now: Instant): void {
    if (this.#runs.deadline(security) === undefined) this.#runs.set(security, after(now, runLifetimeMs));
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#runs.expire(now); due !== undefined; due = this.#runs.expire(now))
      due.expireRuns?.();
  }

  /** When `handleTimeout` wants to be called. */
  nextTimeout(): Instant | undefined {
    return this.#runs.next();
  }

  /** Requests and exchanges of which something is kept; zero when nothing leaks. */
  get size(): number {
    return this.#pending.size + this.#byExchange.size + this.#protecting.size + this.outer.size;
  }

  /** A verified request goes to the request/response layer: its answers will come with the same reply handle. */
  requestVerified(reply: NotedReply, binding: ServerBinding): void {
    reply.note = { binding, outside: noteOf(reply)?.outside } satisfies ReplyNote;
  }

  /** The request has become an Exchange with the application. */
  exchangeBegun(exchange: ExchangeId, reply: unknown): void {
    const binding = noteOf(reply)?.binding;
    if (binding?.observe === 'register') this.#byExchange.set(exchange, binding);
  }

  /** What a response or notification is protected with. */
  bindingOf(output: Extract<ProtectedDispatch, { kind: 'send-response' }>): ServerBinding | undefined {
    return output.reply === undefined ? this.#byExchange.get(output.exchange) : noteOf(output.reply)?.binding;
  }

  /** A response waits until it can be protected; `responseProtected` follows. */
  protectingResponse(exchange: ExchangeId): void {
    const protecting = this.#protecting.get(exchange) ?? { count: 0, isOver: false };
    protecting.count++;
    this.#protecting.set(exchange, protecting);
  }

  /** Whether a response of the Exchange waits until it can be protected. */
  isProtecting(exchange: ExchangeId): boolean {
    return this.#protecting.has(exchange);
  }

  /**
   * A response that waited was protected, or cannot be.
   *
   * @returns whether its Exchange was over before: then nothing else ends what is remembered of its message.
   */
  responseProtected(exchange: ExchangeId): boolean {
    const protecting = this.#protecting.get(exchange);
    if (protecting === undefined) return false;
    protecting.count--;
    if (protecting.count === 0) this.#protecting.delete(exchange);
    return protecting.isOver;
  }

  /** A request of ours goes out to `via`: responses with its token are verified with it. */
  requestSent(via: Via, pending: ProtectedRequest): void {
    const { exchange, message } = pending.dispatch;
    const key = keyOf(via, message.token);
    const others = (this.#pending.get(key) ?? []).filter((other) => other !== pending);
    this.#pending.set(key, [...others, pending]);
    let tokens = this.#tokensOf.get(exchange);
    if (tokens === undefined) {
      tokens = new Set();
      this.#tokensOf.set(exchange, tokens);
    }
    tokens.add(key);
  }

  /** The requests of ours that a response may be for, the newest first. */
  pendingAt(via: Via, token: Uint8Array): readonly ProtectedRequest[] {
    return this.#pending.get(keyOf(via, token))?.slice().reverse() ?? [];
  }

  /** A response to a request verified: those before it with its token, and itself after its last response, are over. */
  responseVerified(via: Via, pending: ProtectedRequest, final: boolean): void {
    const { exchange, message } = pending.dispatch;
    const key = keyOf(via, message.token);
    const all = this.#pending.get(key) ?? [];
    const at = all.indexOf(pending);
    const isOver = (other: ProtectedRequest, index: number): boolean =>
      index < at ? other.dispatch.exchange === exchange : final && other === pending;
    if (
      !this.#keep(
        key,
        all.filter((other, index) => !isOver(other, index)),
      )
    )
      this.#tokensOf.get(exchange)?.delete(key);
  }

  /** Nothing more comes or goes for an Exchange. */
  exchangeEnded(exchange: ExchangeId): void {
    const protecting = this.#protecting.get(exchange);
    if (protecting !== undefined) protecting.isOver = true;
    if (this.#byExchange.size > 0) this.#byExchange.delete(exchange);
    const tokens = this.#tokensOf.size === 0 ? undefined : this.#tokensOf.get(exchange);
    if (tokens === undefined) return;
    for (const key of tokens) {
      this.#keep(key, this.#pending.get(key)?.filter(({ dispatch }) => dispatch.exchange !== exchange) ?? []);
    }
    this.#tokensOf.delete(exchange);
  }

  /** @returns whether there is any. */
  #keep(key: string, pending: ProtectedRequest[]): boolean {
    if (pending.length > 0) this.#pending.set(key, pending);
    else this.#pending.delete(key);
    return pending.length > 0;
  }
}

/** Whether an output of the request/response layer is the last one of its Exchange. */
export function endsExchange(
  output: RequestResponseOutput,
): output is Extract<RequestResponseOutput, { readonly exchange: ExchangeId }> {
  switch (output.kind) {
    case 'response':
    case 'response-body':
      return output.final;
    case 'failed':
    case 'sent':
    case 'exchange-ended':
      return true;
    default:
      return false;
  }
}

function keyOf(via: OscoreVia, token: Uint8Array): string {
  return `${via.key} ${toHex(token)}`;
}
