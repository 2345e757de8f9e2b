/**
 * The last step of a response: sent at once, at its moment of the Leisure, or not at all.
 *
 * RFC 7967 §2, RFC 7252 §8.2. What a response is comes from `server-role.ts`, whether it is wanted from
 * `response-suppression.ts`.
 *
 * @module
 */

import type { OptionReader } from '../coap/option-set.ts';
import type { Instant } from '../foundation/instant.ts';
import type { Content, ExchangeId, GroupOrigin, ServerExchange } from './exchange.ts';
import { Leisure } from './leisure.ts';
import type { RequestResponseOutput } from './outputs.ts';
import { isSuppressedForGroup, isUnwanted } from './response-suppression.ts';
import type { RoleContext } from './role-context.ts';

/** A response or notification on its way out. */
export type SendResponse = Extract<RequestResponseOutput, { kind: 'send-response' }>;

/** What a response is to, as far as it decides whether and when it is sent. */
export interface Recipient {
  /** Of the request. */
  readonly options: OptionReader;
  readonly group: GroupOrigin | undefined;
  /** It tells that the client is an observer, or notifies one. */
  readonly observing: boolean;
  /** Nothing of this Exchange follows. */
  readonly isLast: boolean;
  /** With it goes the question whether the client is where it says. */
  readonly asksForProof: boolean;
}

interface Waiting {
  readonly output: SendResponse;
  readonly isLast: boolean;
  readonly asksForProof: boolean;
}

/** Where all responses of this endpoint pass. */
export class ResponseSender {
  readonly #context: RoleContext;
  readonly #leisure: Leisure<Waiting>;

  constructor(context: RoleContext) {
    this.#context = context;
    this.#leisure = new Leisure(context.random, context.config.leisureMs);
  }

  /** Sends, keeps or drops a response; the end of its Exchange is told after it. */
  send(output: SendResponse, recipient: Recipient, now: Instant): void {
    const { group, isLast, asksForProof } = recipient;
    if (this.#isSuppressed(output, recipient)) {
      const { reply, keepAnswer } = output;
      const { counters, outputs } = this.#context;
      if (group === undefined) counters.unwantedResponses++;
      else counters.suppressedGroupResponses++;
      if (reply !== undefined) outputs.push({ kind: 'suppress-response', reply, keepAnswer });
      if (isLast) this.#ended(output.exchange);
    } else if (group === undefined) this.#push(output, isLast, asksForProof);
    else this.#leisure.add(group.address.key, { output: detached(output), isLast, asksForProof }, now);
  }

  /** Whether a response to a group will not be sent, whatever its size (RFC 7252 §8.2). */
  isUntold(
    { group, options }: Pick<ServerExchange, 'group' | 'options'>,
    response: Content,
    observing: boolean,
  ): boolean {
    return group !== undefined && isSuppressedForGroup({ options, response, observing }, group.policy);
  }

  /** Nothing of this Exchange is to be sent any more. */
  forget(exchange: ExchangeId): void {
    this.#leisure.removeIf(({ output }) => output.exchange === exchange);
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#leisure.expire(now); due !== undefined; due = this.#leisure.expire(now)) {
      this.#push(due.output, due.isLast, due.asksForProof);
    }
  }

  nextTimeout(): Instant | undefined {
    return this.#leisure.next();
  }

  #isSuppressed({ reply, message }: SendResponse, { options, group, observing }: Recipient): boolean {
    if (group === undefined) return isUnwanted(options, message.code);
    return (
      isSuppressedForGroup({ options, response: message, observing }, group.policy) ||
      // Notifications have their own bounds, and something waits for the acknowledgement of each.
      (reply !== undefined && this.#leisure.size >= this.#context.config.maxGroupResponses)
    );
  }

  #push(output: SendResponse, isLast: boolean, asksForProof: boolean): void {
    const { peer, exchange } = output;
    this.#context.outputs.push(output);
    if (isLast) this.#ended(exchange);
    if (asksForProof) this.#context.outputs.push({ kind: 'ask-for-proof', peer, response: 'cut' });
  }

  #ended(exchange: ExchangeId): void {
    this.#context.outputs.push({ kind: 'exchange-ended', exchange });
  }
}

/** A response that shares no memory with a datagram or a body, which may not live as long. */
function detached(output: SendResponse): SendResponse {
  const { message } = output;
  const { payload, token } = message;
  return { ...output, message: { ...message, payload: payload.slice(), token: token.slice() } };
}
