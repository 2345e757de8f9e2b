/**
 * The client side of requests to a group: one request, and a response of each device that answers it.
 *
 * RFC 7252 §8.2 (only the token matches), RFC 7959 §2.8 (further blocks by unicast), draft-ietf-core-groupcomm-bis
 * §3.1.4 to §3.1.6, §3.7 and §3.8. Not here: the request as a message, which is always NON (§8.1), and repeating it
 * (§3.1.3), which is a new request of the application.
 *
 * @module
 */

import { encodeBlock, szxOf } from '../coap/block-option.ts';
import { Code, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { after, earliest, type Instant, instant } from '../foundation/instant.ts';
import { randomBytes } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { byteKey } from './byte-key.ts';
import type { ClientRole } from './client-role.ts';
import type {
  Content,
  ExchangeId,
  GroupRequest,
  PeerKey,
  ReceivedMessage,
  ResponseFate,
} from './exchange.ts';
import { Observation } from './observe-client.ts';
import { checkResponseOptions } from './option-check.ts';
import type { RequestResponseOutput } from './outputs.ts';
import { checkRequest, isFirstOfMore, observeDeregister, observeRegister } from './request-message.ts';
import { wantsNoResponse } from './response-suppression.ts';
import type { RoleContext } from './role-context.ts';

/** One device that has answered. */
interface Responder {
  readonly observation: Observation | undefined;
  /** Fetches the rest of its response. */
  fetch: ExchangeId | undefined;
}

/** A request to a group, from its message to the end of its window. */
interface GroupExchange {
  readonly id: ExchangeId;
  readonly group: PeerKey;
  readonly token: Uint8Array;
  readonly content: Content & { readonly options: OptionSet };
  readonly blockSize: number | undefined;
  readonly observe: boolean;
  readonly windowMs: number;
  readonly responders: Map<PeerKey, Responder>;
  /** Responses that are not whole yet. */
  fetching: number;
  /** The window is over; only responses that have begun are waited for. */
  closing: boolean;
}

interface Fetch {
  readonly exchange: GroupExchange;
  readonly peer: PeerKey;
}

/**
 * Bytes of a token: more than the 4 of other requests, as an answer may come from any address, so that the token alone
 * keeps out who did not see the request (RFC 7252 §5.3.1, §11.4).
 */
const tokenLength = 8;

/** All requests of this endpoint to groups. */
export class GroupClient {
  readonly #context: RoleContext;
  readonly #client: ClientRole;
  readonly #exchanges = new Map<ExchangeId, GroupExchange>();
  readonly #byToken = new Map<string, GroupExchange>();
  /** Requests that PROBING_RATE holds back, the oldest first. */
  readonly #unsent = new Map<PeerKey, Set<GroupExchange>>();
  readonly #windows = new TimerQueue<GroupExchange>();
  /** Tokens that are not in use any more and must not be used again yet. */
  readonly #reserved = new TimerQueue<string>();
  /** Requests by unicast for the rest of a response. */
  readonly #fetches = new Map<ExchangeId, Fetch>();
  /** The last time we were told. */
  #now: Instant = instant(0);

  constructor(context: RoleContext, client: ClientRole) {
    this.#context = context;
    this.#client = client;
  }

  /** Requests whose window is open. */
  get size(): number {
    return this.#exchanges.size;
  }

  /** Begins; what goes wrong comes as `failed` output. Throws as `checkRequest`. */
  request(group: PeerKey, request: GroupRequest, now: Instant): ExchangeId {
    this.#now = now;
    const { config, outputs, counters } = this.#context;
    checkRequest({ ...request, type: 'NON', secure: false });
    const id = this.#context.newId();
    const refuse = (
      error: 'body-too-large' | 'token-in-use' | 'too-many-exchanges',
      detail: string,
    ): number => {
      counters.failedExchanges++;
      outputs.push({ kind: 'failed', exchange: id, error, detail });
      return id;
    };
    if (this.#exchanges.size + this.#client.table.size >= config.maxClientExchanges) {
      return refuse('too-many-exchanges', `${config.maxClientExchanges} requests are under way`);
    }
    // groupcomm-bis §3.8: there is no way to send a body in blocks to a group.
    if (request.payload.length > config.blockSize) {
      const room = `a request to a group has room for ${config.blockSize}`;
      return refuse('body-too-large', `the payload has ${request.payload.length} bytes; ${room}`);
    }
    const token = request.token ?? this.#freshToken();
    const key = byteKey(token);
    if (this.#client.table.isReserved(token) || this.#client.table.inUse(group, token)) {
      return refuse('token-in-use', 'another request to a group had this token lately');
    }
    const options = OptionSet.from(request.options.entries());
    const observe = request.observe === true && (request.code === Code.Get || request.code === Code.Fetch);
    if (observe) options.set(OptionNumber.Observe, observeRegister);
    const { blockSize } = request;
    if (blockSize !== undefined && !options.has(OptionNumber.Block2)) {
      options.set(OptionNumber.Block2, encodeBlock({ num: 0, more: false, szx: szxOf(blockSize) }));
    }
    const exchange: GroupExchange = {
      id,
      group,
      token,
      content: { code: request.code, options, payload: request.payload },
      blockSize,
      observe,
      windowMs: wantsNoResponse(options) ? 0 : (request.windowMs ?? config.groupWindowMs),
      responders: new Map(),
      fetching: 0,
      closing: false,
    };
    this.#exchanges.set(id, exchange);
    this.#byToken.set(key, exchange);
    this.#client.table.reserve(token);
    const waiting = this.#unsent.get(group) ?? new Set();
    this.#unsent.set(group, waiting.add(exchange));
    this.#transmit(exchange, exchange.content);
    return id;
  }

  /** A message to `peer` went out: if it is a group, the oldest of its requests, as they go in order. */
  transmitted(peer: PeerKey, now: Instant): void {
    const waiting = this.#unsent.get(peer);
    const exchange = waiting?.values().next().value;
    if (waiting === undefined || exchange === undefined) return;
    this.#sent(exchange);
    if (!exchange.observe) this.#windows.set(exchange, after(now, exchange.windowMs));
  }

  /** Takes a response; `undefined` when its token is of no request to a group. */
  receiveResponse(peer: PeerKey, message: ReceivedMessage, now: Instant): ResponseFate | undefined {
    this.#now = now;
    const { counters, config } = this.#context;
    const exchange = this.#byToken.get(byteKey(message.token));
    if (exchange === undefined || exchange.closing) {
      if (!this.#client.table.isReserved(message.token)) return undefined;
      counters.lateGroupResponses++;
      return 'unmatched';
    }
    counters.responsesReceived++;
    const verdict = checkResponseOptions(message.options);
    if (verdict.kind !== 'accepted') {
      counters.badOptions++;
      return 'rejected';
    }
    const response: Content = { code: message.code, options: verdict.options, payload: message.payload };
    let responder = exchange.responders.get(peer);
    if (responder !== undefined && !exchange.observe) {
      // groupcomm-bis §3.1.6: a device that answers twice has nothing to add.
      counters.surplusGroupResponses++;
      return 'matched';
    }
    if (responder === undefined) {
      if (exchange.responders.size >= config.maxGroupResponders) {
        counters.surplusGroupResponses++;
        return 'unmatched';
      }
      const observation = exchange.observe ? new Observation(this.#context.random) : undefined;
      responder = { observation, fetch: undefined };
      exchange.responders.set(peer, responder);
    }
    const { observation } = responder;
    const sequence = response.options.uint(OptionNumber.Observe);
    if (observation !== undefined && sequence !== undefined && isSuccessCode(response.code)) {
      if (!observation.isFresh(sequence, now)) {
        counters.staleNotifications++;
        return 'matched';
      }
      observation.take(sequence, now);
    }
    this.#abortFetch(exchange, responder, now);
    if (isFirstOfMore(exchange.content, response)) this.#fetchRest(exchange, peer, responder, response, now);
    else this.#deliver(exchange, peer, response);
    return 'matched';
  }

  /** The request message was refused by the message layer, unsent. */
  refused(id: ExchangeId): void {
    const exchange = this.#exchanges.get(id);
    if (exchange === undefined) return;
    this.#remove(exchange);
    this.#context.counters.failedExchanges++;
    const detail = 'too many messages wait to be sent';
    this.#context.outputs.push({ kind: 'failed', exchange: id, error: 'too-many-exchanges', detail });
  }

  /** Ends a request. Observers are taken off the lists of all members at once (groupcomm-bis §3.7). */
  cancel(id: ExchangeId, now: Instant): void {
    const exchange = this.#exchanges.get(id);
    if (exchange === undefined) return;
    this.#now = now;
    const { code, options, payload } = exchange.content;
    if (exchange.observe && !this.#unsent.get(exchange.group)?.has(exchange)) {
      const deregistration = OptionSet.from(options.entries()).set(OptionNumber.Observe, observeDeregister);
      this.#transmit(exchange, { code, options: deregistration, payload });
    } else {
      this.#context.outputs.push({ kind: 'stop-request', exchange: id });
    }
    for (const responder of exchange.responders.values()) this.#abortFetch(exchange, responder, now);
    this.#remove(exchange);
    this.#context.outputs.push({ kind: 'failed', exchange: id, error: 'cancelled' });
  }

  /** What the client role says of a request by unicast that continues a response, as one of the group's. */
  translated(output: RequestResponseOutput): RequestResponseOutput | undefined {
    if (output.kind !== 'response' && output.kind !== 'failed') return output;
    const fetch = this.#fetches.get(output.exchange);
    if (fetch === undefined) return output;
    const { exchange, peer } = fetch;
    this.#fetches.delete(output.exchange);
    const responder = exchange.responders.get(peer);
    if (responder?.fetch === output.exchange) responder.fetch = undefined;
    exchange.fetching--;
    this.#context.outputs.push({ kind: 'exchange-ended', exchange: output.exchange });
    const isOver = exchange.closing && exchange.fetching === 0;
    if (output.kind === 'failed') {
      this.#context.counters.incompleteGroupResponses++;
      if (isOver) this.#end(exchange);
      return undefined;
    }
    const { response } = output;
    if (isOver) this.#end(exchange);
    return { kind: 'response', peer, exchange: exchange.id, response, final: false };
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    for (let due = this.#windows.expire(now); due !== undefined; due = this.#windows.expire(now)) {
      due.closing = true;
      if (due.fetching === 0) this.#end(due);
    }
    for (let due = this.#reserved.expire(now); due !== undefined; due = this.#reserved.expire(now)) {
      this.#client.table.free(due);
    }
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.#windows.next(), this.#reserved.next());
  }

  /** The observations of devices, which have one token in common. */
  *observations(): Generator<{ exchange: GroupExchange; peer: PeerKey; sequence: number | undefined }> {
    for (const exchange of this.#exchanges.values()) {
      if (!exchange.observe) continue;
      for (const [peer, { observation }] of exchange.responders) {
        yield { exchange, peer, sequence: observation?.sequence };
      }
    }
  }

  #freshToken(): Uint8Array {
    for (;;) {
      const token = randomBytes(this.#context.random, tokenLength);
      if (!this.#client.table.isReserved(token)) return token;
    }
  }

  #transmit({ id, group, token }: GroupExchange, content: Content): void {
    this.#context.counters.requestsSent++;
    const message = { ...content, token };
    this.#context.outputs.push({ kind: 'send-request', peer: group, exchange: id, type: 'NON', message });
  }

  #fetchRest(
    exchange: GroupExchange,
    peer: PeerKey,
    responder: Responder,
    response: Content,
    now: Instant,
  ): void {
    const { code, options, payload } = exchange.content;
    const alone = OptionSet.from(options.entries()).delete(OptionNumber.Observe).delete(OptionNumber.Block2);
    const { blockSize } = exchange;
    const request = {
      ...({ code, options: alone, payload, type: 'CON', secure: false } as const),
      ...(blockSize === undefined ? {} : { blockSize }),
      // A device that dribbles must not keep the others' results back for long.
      timeoutMs: this.#context.config.responseTimeoutMs,
    };
    exchange.fetching++;
    this.#client.continueResponse(peer, request, response, now, (id) => {
      responder.fetch = id;
      this.#fetches.set(id, { exchange, peer });
    });
  }

  #abortFetch(exchange: GroupExchange, responder: Responder, now: Instant): void {
    const { fetch } = responder;
    if (fetch === undefined) return;
    responder.fetch = undefined;
    this.#fetches.delete(fetch);
    exchange.fetching--;
    this.#context.counters.incompleteGroupResponses++;
    this.#client.cancel(fetch, now);
  }

  #deliver({ id }: GroupExchange, peer: PeerKey, response: Content): void {
    this.#context.outputs.push({ kind: 'response', peer, exchange: id, response, final: false });
  }

  #end(exchange: GroupExchange): void {
    this.#remove(exchange);
    this.#context.outputs.push({ kind: 'window-ended', exchange: exchange.id });
  }

  #sent(exchange: GroupExchange): void {
    const waiting = this.#unsent.get(exchange.group);
    waiting?.delete(exchange);
    if (waiting?.size === 0) this.#unsent.delete(exchange.group);
  }

  #remove(exchange: GroupExchange): void {
    const key = byteKey(exchange.token);
    this.#sent(exchange);
    this.#exchanges.delete(exchange.id);
    this.#byToken.delete(key);
    this.#windows.cancel(exchange);
    // groupcomm-bis §3.1.5 counts from the request, which was before.
    this.#reserved.set(key, after(this.#now, this.#context.config.groupTokenReuseMs));
  }
}
