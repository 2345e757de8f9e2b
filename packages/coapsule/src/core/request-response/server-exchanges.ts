/**
 * The server's Exchanges that the application has not answered: how many there may be, when a request gets its
 * empty ACK, and when it is given up.
 *
 * RFC 7252 §5.2.2, §5.9.3.4. What is answered is decided in `server-role.ts`.
 *
 * Most applications answer in the turn in which they are asked. So an Exchange is entered into the tables, and gets its timers,
 * only when another one begins, or somebody asks for what is in them, and it has not been answered by then.
 *
 * @module
 */

import { after, earliest, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { ExchangeId, PeerKey, ServerExchange, ServerResponse } from './exchange.ts';
import { ExchangesOfPeers } from './exchanges-of-peers.ts';
import type { RoleContext } from './role-context.ts';

/** A request message that will be answered. */
export interface PendingReply {
  readonly reply: unknown;
  readonly confirmable: boolean;
  /** An empty ACK was sent: the response will be a separate one. */
  acknowledged: boolean;
}

/** Requests with the application. */
export class ServerExchanges {
  readonly #context: RoleContext;
  readonly #exchanges = new Map<ExchangeId, ServerExchange>();
  readonly #byPeer = new ExchangesOfPeers<ServerExchange>();
  /** The one that began last, while it is in no table, and when it began. */
  #latest: ServerExchange | undefined;
  #latestAt = 0 as Instant;
  readonly #emptyAcks = new TimerQueue<PendingReply>();
  readonly #abandoned: (exchange: ServerExchange) => void;
  readonly #answerInstead: (pending: PendingReply, now: Instant) => boolean;
  readonly #lifetimes = new TimerQueue<ServerExchange>();
  /** Registrations the application has not answered. */
  readonly registering: Set<ServerExchange> = new Set();

  /**
   * `abandoned` is told of an Exchange whose answer nobody waits for any more; `answerInstead` of a request whose empty ACK
   * is due, and says whether it was answered.
   */
  constructor(
    context: RoleContext,
    abandoned: (exchange: ServerExchange) => void,
    answerInstead: (pending: object, now: Instant) => boolean,
  ) {
    this.#context = context;
    this.#abandoned = abandoned;
    this.#answerInstead = answerInstead;
  }

  /** Number of Exchanges. */
  get size(): number {
    return this.#exchanges.size + (this.#latest === undefined ? 0 : 1);
  }

  /** The Exchange with an id. */
  get(id: ExchangeId): ServerExchange | undefined {
    return this.#latest?.id === id ? this.#latest : this.#exchanges.get(id);
  }

  /** Whether another request of this peer would be too many. */
  isOverloaded(peer: PeerKey): boolean {
    this.#enterLatest();
    const { maxServerExchanges, maxServerExchangesPerPeer } = this.#context.config;
    return (
      this.#exchanges.size >= maxServerExchanges || this.#byPeer.count(peer) >= maxServerExchangesPerPeer
    );
  }

  /** A request goes to the application. */
  remember(exchange: ServerExchange, now: Instant): void {
    this.#enterLatest();
    this.#latest = exchange;
    this.#latestAt = now;
    if (exchange.observe === 'register') this.registering.add(exchange);
  }

  /** A message has come that the Exchange will be answered to, the first or a later one. */
  renew(exchange: ServerExchange, now: Instant): void {
    this.#enterLatest();
    this.#setTimersOf(exchange, now);
  }

  /** The message will be answered; in an empty ACK when that takes long. */
  awaitReply(pending: PendingReply, now: Instant): void {
    if (pending.confirmable) this.#emptyAcks.set(pending, after(now, this.#context.config.emptyAckDelayMs));
  }

  /**
   * The answer is there, and waits for something. Three quarters of ACK_TIMEOUT after the request leave a path of half a
   * second before the client sends it again (RFC 7252 §4.8.2, PROCESSING_DELAY); one that has its Empty ACK has more time.
   */
  waitLonger(exchange: ServerExchange, now: Instant): void {
    this.#enterLatest();
    const { emptyAckDelayMs } = this.#context.config;
    const due = this.#emptyAcks.deadline(exchange);
    this.#emptyAcks.set(
      exchange,
      due === undefined ? after(now, 4 * emptyAckDelayMs) : after(due, 2 * emptyAckDelayMs),
    );
  }

  /** The message was answered. */
  replied(pending: PendingReply): void {
    this.#enterLatest();
    this.#emptyAcks.cancel(pending);
  }

  /** The application has answered. */
  forget(exchange: ServerExchange): void {
    if (exchange.observe === 'register') this.registering.delete(exchange);
    if (this.#latest === exchange) {
      this.#latest = undefined;
      return;
    }
    this.#exchanges.delete(exchange.id);
    this.#byPeer.delete(exchange);
    this.#emptyAcks.cancel(exchange);
    this.#lifetimes.cancel(exchange);
  }

  /** The application's answer comes when nobody waits for it any more. */
  tooLate({ body }: ServerResponse): void {
    this.#context.counters.lateAnswers++;
    this.#context.supply.refuse(body);
  }

  /** Nobody waits for the application's answers to a peer that is gone. */
  forgetPeer(peer: PeerKey): void {
    this.#enterLatest();
    for (const exchange of this.#byPeer.of(peer)) this.#abandon(exchange);
  }

  handleTimeout(now: Instant): void {
    this.#enterLatest();
    for (let due = this.#emptyAcks.expire(now); due !== undefined; due = this.#emptyAcks.expire(now)) {
      if (this.#answerInstead(due, now)) continue;
      due.acknowledged = true;
      this.#context.outputs.push({ kind: 'acknowledge', reply: due.reply });
    }
    for (let due = this.#lifetimes.expire(now); due !== undefined; due = this.#lifetimes.expire(now)) {
      this.#context.counters.abandonedRequests++;
      this.#abandon(due);
    }
  }

  nextTimeout(): Instant | undefined {
    this.#enterLatest();
    return earliest(this.#emptyAcks.next(), this.#lifetimes.next());
  }

  #enterLatest(): void {
    const exchange = this.#latest;
    if (exchange === undefined) return;
    this.#latest = undefined;
    this.#exchanges.set(exchange.id, exchange);
    this.#byPeer.add(exchange);
    this.#setTimersOf(exchange, this.#latestAt);
  }

  #setTimersOf(exchange: ServerExchange, now: Instant): void {
    const { config } = this.#context;
    if (!config.acknowledgeWithAnswer(exchange)) this.awaitReply(exchange, now);
    this.#lifetimes.set(exchange, after(now, config.exchangeLifetimeMs));
  }

  #abandon(exchange: ServerExchange): void {
    this.forget(exchange);
    this.#abandoned(exchange);
    this.#context.outputs.push({ kind: 'exchange-ended', exchange: exchange.id });
  }
}
