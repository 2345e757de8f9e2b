/**
 * How the request of a client goes out: whole, or as the block of its body that is due.
 *
 * RFC 7959 §2.5. Which block that is, and what a response means for it, is in `client-upload.ts`.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { BodyWaiter } from './body-supply.ts';
import type { ClientExchange } from './client-exchange.ts';
import type { ClientExchanges } from './client-exchanges.ts';
import { endUploadOfOneBlock, uploadStep } from './client-upload.ts';
import type { Content } from './exchange.ts';
import { requestMessage } from './request-message.ts';
import { largestBlock } from './request-response-config.ts';
import type { RoleContext } from './role-context.ts';

/** Sends requests and the blocks of their bodies. */
export class RequestSender {
  readonly #context: RoleContext;
  readonly #exchanges: ClientExchanges;

  constructor(context: RoleContext, exchanges: ClientExchanges) {
    this.#context = context;
    this.#exchanges = exchanges;
  }

  /** Sends the request, or the block of its body that is due as soon as the application has handed it over. */
  send(exchange: ClientExchange, now: Instant): void {
    const { upload } = exchange;
    const send = (at: Instant): void => this.#exchanges.transmit(exchange, requestMessage(exchange), at);
    if (upload === undefined) {
      send(now);
      return;
    }
    exchange.awaitingBody = true;
    const waiter: BodyWaiter = {
      ready: (slice, at) => {
        exchange.awaitingBody = false;
        endUploadOfOneBlock(exchange, slice);
        send(at);
      },
      failed: (detail) => this.#exchanges.fail(exchange, 'body-source', detail),
    };
    this.#context.supply.want(upload.body, upload.offset, upload.size, waiter, now);
  }

  /** Sends the next block, where a response is no answer to the whole request but makes its upload go on, or end: then true. */
  goesOn(exchange: ClientExchange, response: Content, now: Instant): boolean {
    const step = uploadStep(exchange, response);
    if (step.kind === 'answered') return false;
    if (step.kind === 'failed') {
      this.#exchanges.fail(exchange, 'blockwise', step.detail);
      return true;
    }
    // RFC 8323 §5.3: another CSM may have come since the last block.
    exchange.upload?.limit(largestBlock(this.#context.config, exchange.peer));
    exchange.repeatedForEcho = false;
    // As with a response that is handed over: how long the whole takes is for whoever hands it over.
    if (exchange.body !== undefined && exchange.streamResponse) this.#exchanges.giveTime(exchange, now);
    this.#exchanges.renewToken(exchange);
    this.send(exchange, now);
    return true;
  }
}
