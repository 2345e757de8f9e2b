/**
 * The server's Exchanges whose request body the application takes block by block: what each block is answered, and when.
 *
 * RFC 7959 §2.3, §2.5. A block is answered when the application has taken it. What a block is, the next or a repeated one,
 * is decided in `streamed-requests.ts`.
 *
 * @module
 */

import type { BlockOption } from '../coap/block-option.ts';
import { isSuccessCode } from '../coap/code.ts';
import type { Instant } from '../foundation/instant.ts';
import type { Arrival } from './arrival.ts';
import type { ExchangeId, ServerExchange, ServerResponse } from './exchange.ts';
import type { ReceivedBlock } from './request-bodies.ts';
import type { RoleContext } from './role-context.ts';
import type { ServerAnswers } from './server-answers.ts';
import type { ServerExchanges } from './server-exchanges.ts';
import { type StreamedRequest, StreamedRequests } from './streamed-requests.ts';

/** What the server role does for these Exchanges. */
export interface StreamedExchangeEffects {
  /** Gives the request to the application with the first block of its body; nothing when it was refused. */
  readonly begin: (arrival: Arrival, payload: Uint8Array, now: Instant) => ServerExchange | undefined;
  /** Sends the application's response. */
  readonly respond: (exchange: ServerExchange, response: ServerResponse, now: Instant) => void;
}

/** See the module comment. */
export class StreamedExchanges {
  readonly #context: RoleContext;
  readonly #answers: ServerAnswers;
  readonly #exchanges: ServerExchanges;
  readonly #effects: StreamedExchangeEffects;
  readonly #requests: StreamedRequests;

  constructor(
    context: RoleContext,
    answers: ServerAnswers,
    exchanges: ServerExchanges,
    effects: StreamedExchangeEffects,
  ) {
    this.#context = context;
    this.#answers = answers;
    this.#exchanges = exchanges;
    this.#effects = effects;
    this.#requests = new StreamedRequests(context.config, context.counters, (body) => this.#breakOff(body));
  }

  /** Number of bodies on their way to the application. */
  get size(): number {
    return this.#requests.size;
  }

  /** A block of a body that the application takes as it comes. */
  receive(arrival: Arrival, block1: BlockOption, received: ReceivedBlock, now: Instant): void {
    const { message, reply } = arrival;
    const { token, payload } = message;
    const verdict = this.#requests.receive(received);
    if (verdict.kind === 'refused') {
      this.#answers.refuseBlock(arrival, verdict);
      return;
    }
    if (verdict.kind === 'begins') {
      const exchange = this.#effects.begin(arrival, payload, now);
      if (exchange !== undefined) this.#requests.begin(received, exchange);
      return;
    }
    const { stream } = verdict;
    if (verdict.kind === 'repeats' && stream.taken && !stream.complete) {
      this.#answers.continue(arrival, block1, token);
      return;
    }
    const { exchange } = stream;
    // The copy is answered instead of what it repeats.
    if (verdict.kind === 'repeats' && exchange.confirmable && !exchange.acknowledged) {
      this.#context.outputs.push({ kind: 'acknowledge', reply: exchange.reply });
    }
    const confirmable = message.type === 'CON';
    Object.assign(exchange, { token, reply, confirmable, acknowledged: false, block1 });
    this.#exchanges.renew(exchange, now);
    if (verdict.kind === 'repeats') return;
    const { early, complete } = stream;
    if (early !== undefined && (complete || !isSuccessCode(early.code)))
      this.#respondNow(exchange, early, now);
    else if (early !== undefined) this.continueBody(exchange.id, now);
    else {
      const { id } = exchange;
      this.#context.outputs.push({ kind: 'request-body', exchange: id, payload, last: complete });
    }
  }

  /** The application has taken the part of a request's body that it was given: the client may send the next. */
  continueBody(id: ExchangeId, now: Instant): void {
    const stream = this.#requests.get(id);
    if (stream === undefined || stream.taken || stream.complete) return;
    stream.taken = true;
    const { exchange } = stream;
    this.#exchanges.replied(exchange);
    this.#answers.continue({ ...exchange, now }, exchange.block1 as BlockOption, exchange.token);
  }

  /**
   * The application answers before it has the whole body. An error is the answer to the block that waits or comes
   * next; anything else that to the last one, and what comes until then is not wanted.
   *
   * @returns false when the application has the whole body, or never had a part: then it answers as always.
   */
  respondEarly(id: ExchangeId, response: ServerResponse, now: Instant): boolean {
    const stream = this.#requests.get(id);
    if (stream === undefined || stream.complete) return false;
    const { exchange, taken } = stream;
    if (stream.early !== undefined) this.#exchanges.tooLate(response);
    else if (!taken && !isSuccessCode(response.code)) this.#respondNow(exchange, response, now);
    else {
      stream.early = response;
      this.continueBody(id, now);
    }
    return true;
  }

  /** The Exchange was answered. */
  end(id: ExchangeId): void {
    this.#requests.end(id);
  }

  /** Nobody waits for the answer any more. */
  drop(id: ExchangeId): void {
    this.#context.supply.refuse(this.#requests.get(id)?.early?.body);
    this.#requests.end(id);
  }

  #respondNow(exchange: ServerExchange, response: ServerResponse, now: Instant): void {
    this.#requests.end(exchange.id);
    this.#effects.respond(exchange, response, now);
  }

  /** The body of a request will not become whole: the application hears that nobody waits. */
  #breakOff({ exchange, early }: StreamedRequest): void {
    const { supply, outputs } = this.#context;
    this.#exchanges.forget(exchange);
    supply.release(exchange.body);
    supply.refuse(early?.body);
    outputs.push({ kind: 'exchange-ended', exchange: exchange.id });
  }
}
