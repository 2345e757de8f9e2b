/**
 * The Exchanges of a client that observe: what is a notification, which of them count, and how an observation ends.
 *
 * RFC 7641 §3. Which notification is the freshest, and when to register again, is decided in `observe-client.ts`.
 *
 * @module
 */

import { isSuccessCode } from '../coap/code.ts';
import type { MessageType } from '../coap/message-view.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { Instant } from '../foundation/instant.ts';
import { type ClientExchange, fetchFor } from './client-exchange.ts';
import type { ClientExchanges } from './client-exchanges.ts';
import { beginUpload, uploadStep } from './client-upload.ts';
import type { Content } from './exchange.ts';
import type { Observation } from './observe-client.ts';
import type { QBlockClient } from './q-block-client.ts';
import { deregistrationMessage, isFirstOfMore } from './request-message.ts';
import type { RequestSender } from './request-sender.ts';
import type { RoleContext } from './role-context.ts';

/** What `ObservingExchanges` works with. */
export interface ObservingParts {
  readonly exchanges: ClientExchanges;
  readonly qBlocks: QBlockClient;
  readonly sender: RequestSender;
  /** Takes what is an ordinary response. */
  readonly responded: (exchange: ClientExchange, response: Content, now: Instant, type?: MessageType) => void;
}

/** See the module comment. */
export class ObservingExchanges {
  readonly #context: RoleContext;
  readonly #exchanges: ClientExchanges;
  readonly #qBlocks: QBlockClient;
  readonly #sender: RequestSender;
  readonly #responded: ObservingParts['responded'];

  constructor(context: RoleContext, { exchanges, qBlocks, sender, responded }: ObservingParts) {
    this.#context = context;
    this.#exchanges = exchanges;
    this.#qBlocks = qBlocks;
    this.#sender = sender;
    this.#responded = responded;
  }

  /** A response came: a notification, or the end of the observation. */
  notified(
    exchange: ClientExchange,
    response: Content,
    answersRequest: boolean,
    now: Instant,
    type?: MessageType,
  ): void {
    const { counters, config } = this.#context;
    const observation = exchange.observation as Observation;
    const sequence = response.options.uint(OptionNumber.Observe);
    if (exchange.upload !== undefined && sequence === undefined) {
      this.#exchanges.stop(exchange);
      if (this.#sender.goesOn(exchange, response, now)) return;
    }
    if (sequence === undefined || !isSuccessCode(response.code)) {
      // RFC 7641 §3.2: the server does not, or no longer, keep us on its list: an ordinary response, the last one.
      delete exchange.observation;
      this.#exchanges.abortFetch(exchange);
      this.#exchanges.reregistrations.cancel(exchange);
      this.#responded(exchange, response, now, type);
      return;
    }
    // RFC 8323 §7.1: where messages keep their order, the value is ignored.
    const isFresh = config.reliableTransport || observation.isFresh(sequence, now);
    // A server that restarted counts anew. Its answer to our registration may come before the ACK, which alone
    // would tell that it is one; a notification that was late does no harm, as the answer follows it.
    const mayAnswer = exchange.outstanding && (exchange.upload?.last ?? true);
    if (!isFresh && !answersRequest && !mayAnswer) {
      counters.staleNotifications++;
      return;
    }
    observation.take(sequence, now);
    exchange.repeatedForEcho = false;
    exchange.answeredEarly = !isFresh && !answersRequest;
    if (!exchange.answeredEarly) {
      if (!this.#qBlocks.outruns(exchange, response)) this.#exchanges.stop(exchange);
      delete exchange.upload;
    }
    this.#exchanges.deadlines.cancel(exchange);
    // RFC 8613 §4.1.3.5.1: a proxy that sent the ciphertext of its client again would be taken for a replay, and so end what it
    // wants to keep. The client registers again by itself.
    if (!exchange.options.has(OptionNumber.Oscore)) {
      const maxAge = response.options.uint(OptionNumber.MaxAge);
      this.#exchanges.reregistrations.set(exchange, observation.reregisterAt(maxAge, now));
    }
    const isFirst = isFirstOfMore(exchange, response);
    // The answer to our registration makes the state fresh again, and is always news.
    if (isFirst && !answersRequest && !mayAnswer && observation.hasBody(response, now)) {
      counters.repeatedNotifications++;
      return;
    }
    this.#exchanges.abortFetch(exchange);
    observation.forgetBody();
    if (this.#qBlocks.takeFirst(exchange, type, response, now)) return;
    if (!isFirst) {
      this.#exchanges.deliver(exchange, response, false);
      return;
    }
    observation.beginBody(response);
    // RFC 7959 §2.6: the notification has the first block; the rest comes by requests of their own.
    const token = this.#exchanges.freshToken(exchange.peer, exchange.secure);
    const fetch = fetchFor(exchange, this.#context.newId(), token, config.maxResponseBodyBytes);
    exchange.fetch = fetch;
    this.#exchanges.table.add(fetch);
    this.#responded(fetch, response, now);
  }

  /** Asks the server to take us off its list (§3.6). */
  deregister(exchange: ClientExchange, now: Instant): void {
    exchange.deregistering = true;
    this.#exchanges.abortFetch(exchange);
    this.#exchanges.stop(exchange);
    this.#qBlocks.end(exchange);
    this.#exchanges.deadlines.cancel(exchange);
    this.#exchanges.reregistrations.cancel(exchange);
    // RFC 7641 §3.6 wants the options of the registration, RFC 8132 §2.3 the payload: so it goes in blocks as well.
    beginUpload(exchange);
    this.#exchanges.transmit(exchange, deregistrationMessage(exchange), now);
  }

  /** Any answer ends the observation but a notification that was on its way (RFC 7641 §3.6). */
  deregistered(exchange: ClientExchange, response: Content, answersRequest: boolean, now: Instant): void {
    const notification = response.options.has(OptionNumber.Observe) && isSuccessCode(response.code);
    if (notification && (this.#context.config.reliableTransport || !answersRequest)) return;
    if (exchange.upload !== undefined && uploadStep(exchange, response).kind === 'send') {
      this.#exchanges.stop(exchange);
      this.#exchanges.transmit(exchange, deregistrationMessage(exchange), now);
    } else this.#exchanges.fail(exchange, 'cancelled');
  }
}
