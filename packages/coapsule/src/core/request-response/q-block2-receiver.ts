/**
 * A response body, or a notification, that comes to a client in Q-Block2: what is asked for of it, and what else may come
 * meanwhile.
 *
 * RFC 9177 §4.4 to §4.6. Which blocks are missing, and when to ask for them, is decided in `q-block2-download.ts`.
 *
 * @module
 */

import type { BlockOption } from '../coap/block-option.ts';
import { Code, isSafeRequest, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { equalBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import type { ClientExchange, QBlockState } from './client-exchange.ts';
import { type ClientExchanges, notification } from './client-exchanges.ts';
import type { Content, ReceivedMessage } from './exchange.ts';
import { furtherTokens } from './q-block-parameters.ts';
import { QBlock2Download, type QDownloadStep, qBlock2Of } from './q-block2-download.ts';
import { missingBlocksRequest } from './request-message.ts';
import type { RoleContext } from './role-context.ts';

/** See the module comment. */
export class QBlock2Receiver {
  readonly #context: RoleContext;
  readonly #exchanges: ClientExchanges;

  constructor(context: RoleContext, exchanges: ClientExchanges) {
    this.#context = context;
    this.#exchanges = exchanges;
  }

  /** Begins a body with a block of it. */
  begin(
    exchange: ClientExchange,
    state: QBlockState,
    confirmable: boolean,
    response: Content,
    now: Instant,
  ): void {
    const { qBlock, maxResponseBodyBytes } = this.#context.config;
    state.phase = 'downloading';
    state.sequence = response.options.uint(OptionNumber.Observe);
    state.download = new QBlock2Download(qBlock, maxResponseBodyBytes, response, confirmable, now);
    this.#step(exchange, state, state.download.receive(response, now), now);
  }

  /** The time of the download has come. */
  expire(exchange: ClientExchange, state: QBlockState, download: QBlock2Download, now: Instant): void {
    this.#step(exchange, state, download.expire(now), now);
  }

  /** Blocks of a body that has begun, and what else comes while it comes. */
  receive(
    exchange: ClientExchange,
    state: QBlockState,
    { type, token }: Pick<ReceivedMessage, 'type' | 'token'>,
    response: Content,
    now: Instant,
  ): Content | undefined {
    const { download, former } = state;
    const isBlock = qBlock2Of(response) !== undefined && isSuccessCode(response.code);
    const isOwn = equalBytes(token, exchange.token);
    // Another notification may be of the same representation as the one before.
    const sequence = isOwn ? response.options.uint(OptionNumber.Observe) : undefined;
    const isOther = sequence !== undefined && sequence !== state.sequence;
    if (isBlock && !isOther && download?.has(response)) {
      this.#step(exchange, state, download.receive(response, now), now);
      return undefined;
    }
    if (isBlock && !isOther && former?.has(response)) return undefined;
    // RFC 9175 §2.3: the deadline asks again, with the Echo.
    if (response.code === Code.Unauthorized && response.options.has(OptionNumber.Echo)) return undefined;
    if (exchange.observation !== undefined) {
      // The answer to a request for missing blocks is no notification: the state has changed, and one will come.
      if (isOwn) return response;
      if (download?.complete === false) this.abandon(exchange, state);
      return undefined;
    }
    // The message that was asked for is no longer there, or was never.
    if (download === undefined) return response;
    if (!isSuccessCode(response.code)) return this.#refused(exchange, response);
    // §4.4: the representation has changed; all of it is wanted anew. Once, and where that does no harm.
    if (former !== undefined || exchange.uploaded || !isSafeRequest(exchange.code)) {
      this.#exchanges.fail(exchange, 'blockwise', 'the representation changed while it was fetched');
      return undefined;
    }
    if (!isBlock) return response;
    state.former = download;
    this.begin(exchange, state, type !== 'NON', response, now);
    return undefined;
  }

  /** Gives up a notification: the next one, or the re-registration, will tell. */
  abandon(exchange: ClientExchange, state: QBlockState): void {
    this.#context.counters.incompleteNotifications++;
    if (state.download !== undefined) state.former = state.download;
    delete state.download;
    this.#exchanges.table.releaseFurther(exchange);
    this.#exchanges.waitForQBlocks(exchange, undefined);
  }

  #step(exchange: ClientExchange, state: QBlockState, step: QDownloadStep, now: Instant): void {
    switch (step.kind) {
      case 'wait':
        this.#exchanges.waitForQBlocks(exchange, state.download?.deadline);
        return;
      case 'ask':
        this.#ask(exchange, state, step.blocks, now);
        return;
      case 'complete':
        this.#exchanges.waitForQBlocks(exchange, undefined);
        if (exchange.outstanding || state.outstanding) this.#exchanges.stop(exchange);
        if (exchange.observation === undefined) {
          this.#exchanges.finish(exchange, step.response);
          return;
        }
        this.#exchanges.table.releaseFurther(exchange);
        this.#exchanges.deliver(exchange, notification(exchange, step.response), false);
        return;
      case 'failed':
        if (exchange.observation === undefined) this.#exchanges.fail(exchange, step.error, step.detail);
        else this.abandon(exchange, state);
        return;
    }
  }

  /** Missing blocks, or the next set. One that is lost is made up for by the deadline. */
  #ask(exchange: ClientExchange, state: QBlockState, blocks: readonly BlockOption[], now: Instant): void {
    const { download } = state;
    const token = this.#exchanges.freshToken(exchange.peer, exchange.secure);
    this.#exchanges.table.claimFurther(exchange, token, furtherTokens);
    const message = { ...missingBlocksRequest(exchange, blocks, state.requestTag), token };
    state.outstanding = true;
    // §7: all blocks of a body come in one type of message.
    this.#exchanges.transmitPart(exchange, download?.confirmable ? 'CON' : 'NON', message, now);
    this.#exchanges.waitForQBlocks(exchange, download?.deadline);
  }

  /** An error while later blocks are fetched is the answer to the request as it is now, but for 4.08 and 4.00. */
  #refused(exchange: ClientExchange, response: Content): Content | undefined {
    const { code } = response;
    if (code !== Code.RequestEntityIncomplete && code !== Code.BadRequest) return response;
    this.#exchanges.fail(exchange, 'blockwise', 'the server does not have the missing blocks any more');
    return undefined;
  }
}
