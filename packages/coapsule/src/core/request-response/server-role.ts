/**
 * The server side of Exchanges, from a request to the application and from its response to the client; and observers,
 * who get more than one.
 *
 * RFC 7252 §5.2, RFC 7641 §4. A request passes `request-admission.ts` (its options), `body-reception.ts` (its body) and
 * `later-blocks.ts` (what is answered without the application); a response passes `first-block.ts`, `first-message.ts` and
 * `response-sender.ts`. Content-Format, Accept and conditional options are the application's matter, and so is passing
 * requests on: `RequestRoute` says which ones that will be, since their options are checked by other rules.
 *
 * @module
 */

import { encodeBlock } from '../coap/block-option.ts';
import { Code, isSafeRequest, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import { after, earliest, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { randomBytes } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { Arrival } from './arrival.ts';
import { AwaitingProof } from './awaiting-proof.ts';
import { BodyReception } from './body-reception.ts';
import type {
  Content,
  ExchangeId,
  OutgoingMessage,
  PeerKey,
  ReadyResponse,
  ReceivedMessage,
  Representation,
  ServerExchange,
  ServerResponse,
} from './exchange.ts';
import { awaitFirstBlock } from './first-block.ts';
import { type FirstMessage, FirstMessages } from './first-message.ts';
import { LaterBlocks, wantsLaterBlock } from './later-blocks.ts';
import { ResponseLimit } from './limited-response.ts';
import { ObserverList } from './observe-server.ts';
import { keepsFormat, type Notification, type Observer } from './observer.ts';
import type { OutgoingBody } from './outgoing-body.ts';
import { QBlockServer } from './q-block-server.ts';
import { RequestAdmission } from './request-admission.ts';
import { RequestBodies } from './request-bodies.ts';
import { RequestBodyBudget } from './request-body-budget.ts';
import { isMeant } from './resource-key.ts';
import { ResponseBodies } from './response-bodies.ts';
import { bodyName } from './response-message.ts';
import { ResponseSender } from './response-sender.ts';
import { isUnwanted } from './response-suppression.ts';
import type { RoleContext } from './role-context.ts';
import { ServerAnswers } from './server-answers.ts';
import { ServerExchanges } from './server-exchanges.ts';
import { StreamedExchanges } from './streamed-exchanges.ts';

/** All Exchanges other endpoints began with us. */
export class ServerRole {
  readonly #context: RoleContext;
  readonly #exchanges: ServerExchanges;
  readonly #responses: ResponseSender;
  readonly #awaitingProof = new AwaitingProof();
  /** Observers the application was asked for and has not answered. */
  readonly #refreshes = new TimerQueue<Observer>();
  readonly bodyBudget: RequestBodyBudget;
  readonly requestBodies: RequestBodies;
  readonly streamedRequests: StreamedExchanges;
  readonly responseBodies: ResponseBodies;
  readonly qBlocks: QBlockServer;
  readonly observers: ObserverList;
  readonly #admission: RequestAdmission;
  readonly #reception: BodyReception;
  readonly #laterBlocks: LaterBlocks;
  readonly #answers: ServerAnswers;
  readonly #firstMessages: FirstMessages;

  constructor(context: RoleContext) {
    const { config, counters, random } = context;
    this.#context = context;
    this.#exchanges = new ServerExchanges(
      context,
      (exchange) => this.#drop(exchange),
      (pending, now) => this.#respondUnproved(pending, now),
    );
    this.#responses = new ResponseSender(context);
    this.bodyBudget = new RequestBodyBudget(config);
    this.requestBodies = new RequestBodies(config.exchangeLifetimeMs, this.bodyBudget, counters);
    const seed = new DataView(randomBytes(random, 4).buffer).getUint32(0);
    const release = (body: OutgoingBody | undefined): void => context.supply.release(body);
    this.responseBodies = new ResponseBodies(config, seed, counters, release);
    this.qBlocks = new QBlockServer(context, this.responseBodies, this.bodyBudget);
    const limit = new ResponseLimit(context.addressLimit, context.echo, this.responseBodies);
    this.#answers = new ServerAnswers(context, this.#responses, limit);
    this.#admission = new RequestAdmission(context, this.#answers);
    this.streamedRequests = new StreamedExchanges(context, this.#answers, this.#exchanges, {
      begin: (arrival, payload, now) => this.#begin(arrival, payload, true, now),
      respond: (exchange, response, now) => this.#respondWhenReady(exchange, response, now),
    });
    const { requestBodies, responseBodies, qBlocks, streamedRequests: streamed } = this;
    this.#reception = new BodyReception(
      context,
      this.#answers,
      this.#exchanges,
      { requestBodies, qBlocks, streamed },
      (arrival, body, now) => this.#receiveWhole(arrival, body, now),
    );
    this.#laterBlocks = new LaterBlocks(context, this.#answers, this.#exchanges, responseBodies, qBlocks);
    this.#firstMessages = new FirstMessages(context, this.#answers, qBlocks);
    this.observers = new ObserverList(config, counters, {
      ask: (observer, now) => this.#ask(observer, now),
      askNoMore: (observer) => {
        this.#refreshes.cancel(observer);
        release(observer.exchange.body);
      },
      drop: (response) => release(response.body),
      send: (observer, notification, now) => this.#notify(observer, notification, now),
      outdate: (exchange) => context.outputs.push({ kind: 'response-outdated', exchange }),
      stop: (exchange) => context.outputs.push({ kind: 'stop-response', exchange }),
      ended: (exchange) => {
        this.#responses.forget(exchange);
        this.#context.outputs.push({ kind: 'exchange-ended', exchange });
      },
    });
  }

  /** Number of requests the application has not answered. */
  get size(): number {
    return this.#exchanges.size;
  }

  /**
   * Takes a request; `reply` is the message layer's handle for the answer. A `repeat` was there before, and is
   * carried out again because its answer was not kept. `address` is the multicast address it was sent to.
   */
  receiveRequest(
    peer: PeerKey,
    message: ReceivedMessage,
    reply: unknown,
    repeat: boolean,
    now: Instant,
    address?: PeerAddress,
  ): void {
    const arrival = this.#admission.admit(peer, message, reply, repeat, now, address);
    if (arrival !== undefined) this.#reception.receive(arrival, now);
  }

  /** Takes the application's answer: to a request, or to the question for an observer. */
  respond(id: ExchangeId, response: ServerResponse, now: Instant): void {
    if (this.streamedRequests.respondEarly(id, response, now)) return;
    const exchange = this.#exchanges.get(id);
    if (exchange !== undefined && exchange.body === undefined && !this.#awaitingProof.has(exchange)) {
      this.#respondWhenReady(exchange, response, now);
      return;
    }
    const observer = this.observers.get(id);
    // An Exchange that was replaced may still be there for its notification in flight.
    if (observer?.computing && observer.exchange.id === id && observer.exchange.body === undefined) {
      this.#refreshes.cancel(observer);
      if (isWhole(response)) this.observers.answered(observer, response, now);
      else
        awaitFirstBlock(this.#context, observer.exchange, response, now, (ready, at) =>
          this.observers.answered(observer, ready, at),
        );
    } else this.#exchanges.tooLate(response);
  }

  /** The application has taken the part of a request's body that it was given. */
  continueBody(id: ExchangeId, now: Instant): void {
    this.streamedRequests.continueBody(id, now);
  }

  /** The resource changed; what the application is about to answer to a registration may be its former state. */
  changed(resource: string, now: Instant): void {
    for (const exchange of this.#exchanges.registering) {
      if (isMeant(resource, this.#context.config.resourceName(exchange.options))) exchange.changed = true;
    }
    this.observers.changed(resource, now);
  }

  /** What the observer with this Exchange is shown has changed. */
  changedFor(id: ExchangeId, now: Instant): void {
    for (const exchange of this.#exchanges.registering) if (exchange.id === id) exchange.changed = true;
    const observer = this.observers.get(id);
    if (observer?.exchange.id === id) this.observers.renewState(observer, now);
  }

  /** The address of a peer is proved, or will not be soon. */
  addressKnown(peer: PeerKey, now: Instant): void {
    for (const { exchange, response } of this.#awaitingProof.takeOf(peer)) {
      this.#respond(exchange, response, now);
    }
    this.#reception.addressKnown(peer, now);
  }

  /** Forgets everything about a peer that is gone. */
  peerClosed(peer: PeerKey): void {
    this.#exchanges.forgetPeer(peer);
    this.observers.forgetPeer(peer);
    this.#reception.forgetPeer(peer);
    this.requestBodies.forgetPeer(peer);
    this.qBlocks.forgetPeer(peer);
    this.responseBodies.forgetPeer(peer);
  }

  handleTimeout(now: Instant): void {
    this.#exchanges.handleTimeout(now);
    for (let due = this.#refreshes.expire(now); due !== undefined; due = this.#refreshes.expire(now)) {
      this.#context.counters.abandonedRequests++;
      this.observers.unanswered(due, now);
    }
    this.#responses.handleTimeout(now);
    this.requestBodies.handleTimeout(now);
    this.responseBodies.handleTimeout(now);
    this.qBlocks.handleTimeout(now);
    this.observers.handleTimeout(now);
  }

  nextTimeout(): Instant | undefined {
    let next = earliest(this.#exchanges.nextTimeout(), this.#refreshes.next());
    next = earliest(next, this.#responses.nextTimeout());
    next = earliest(next, this.requestBodies.nextTimeout());
    next = earliest(next, this.responseBodies.nextTimeout());
    next = earliest(next, this.qBlocks.nextTimeout());
    return earliest(next, this.observers.nextTimeout());
  }

  #receiveWhole(arrival: Arrival, body: Uint8Array, now: Instant): void {
    const { peer, message, options } = arrival;
    const { code, token } = message;
    const observable = code === Code.Get || code === Code.Fetch;
    if (wantsLaterBlock(arrival)) {
      if (this.#laterBlocks.answer(arrival, body, now)) return;
    } else if (observable && options.uint(OptionNumber.Observe) !== 0 && !arrival.repeat) {
      // RFC 7641 §4.1; a GET without Observe that uses the token again has given up the observation too.
      this.observers.deregister(peer, token);
    }
    this.#begin(arrival, body, false, now);
  }

  /** Gives a request to the application, or refuses it when it has too many. */
  #begin(
    arrival: Arrival,
    payload: Uint8Array,
    bodyFollows: boolean,
    now: Instant,
  ): ServerExchange | undefined {
    const { peer, message, options, block1, block2, qBlock1, wish } = arrival;
    const { code, token } = message;
    if (this.#exchanges.isOverloaded(peer)) {
      this.#context.counters.overloaded++;
      const later = new OptionSet().set(OptionNumber.MaxAge, overloadedMaxAgeSeconds);
      this.#answers.refuse(arrival, Code.ServiceUnavailable, 'too many requests', later);
      return undefined;
    }
    const observable = code === Code.Get || code === Code.Fetch;
    // A copy that was late on its way does not begin an observation again that the client has cancelled since.
    const observing =
      observable &&
      !message.isCiphertext &&
      !wantsLaterBlock(arrival) &&
      // Notifications are responses to the request: who does not want them is no observer (RFC 7967 §2.1).
      !(options.uint(OptionNumber.Observe) === 0 && isUnwanted(options, Code.Content)) &&
      (!arrival.repeat || this.observers.has(peer, token));
    const exchange: ServerExchange = {
      kind: 'server',
      id: this.#context.newId(),
      peer,
      code,
      options,
      payload,
      token,
      reply: arrival.reply,
      confirmable: message.type === 'CON',
      acknowledged: false,
      block1,
      block2,
      observe: observing ? observeIntention(options) : undefined,
      qBlock1,
      wish,
      group: arrival.group,
      changed: false,
    };
    this.#exchanges.remember(exchange, now);
    this.#pushRequest(exchange, exchange.observe, false, bodyFollows);
    return exchange;
  }

  #respondWhenReady(exchange: ServerExchange, response: ServerResponse, now: Instant): void {
    if (isWhole(response)) this.#respondIfProved(exchange, response, now);
    else
      awaitFirstBlock(this.#context, exchange, response, now, (ready, at) =>
        this.#respondIfProved(exchange, ready, at),
      );
  }

  /** Responds, or asks first for the proof without which the response would be cut. */
  #respondIfProved(exchange: ServerExchange, response: ReadyResponse, now: Instant): void {
    const { peer, code, confirmable, acknowledged } = exchange;
    // Only a request whose Empty ACK is due some time waits, or one that has it.
    const mayWait = confirmable && this.#firstMessages.gainsByProof(exchange, response, now);
    if (mayWait && !this.#context.config.acknowledgeWithAnswer(exchange)) {
      this.#awaitingProof.add(exchange, response);
      // A safe request is soon made again, with an Echo or for larger blocks; another one has but this response.
      if (acknowledged || !isSafeRequest(code)) this.#exchanges.waitLonger(exchange, now);
      this.#context.outputs.push({ kind: 'ask-for-proof', peer, response: 'waits' });
    } else this.#respond(exchange, response, now);
  }

  /** The Empty ACK of a request is due, or its wait is over: it gets what may go of the response that waits for a proof. */
  #respondUnproved(pending: object, now: Instant): boolean {
    const waiting = this.#awaitingProof.take(pending);
    if (waiting === undefined) return false;
    this.#respond(waiting.exchange, waiting.response, now);
    return true;
  }

  #respond(exchange: ServerExchange, response: ReadyResponse, now: Instant): void {
    this.#exchanges.forget(exchange);
    this.streamedRequests.end(exchange.id);
    const { id, peer, token, reply } = exchange;
    let observer: Observer | undefined;
    if (exchange.observe === 'register') {
      const format = response.options.first(OptionNumber.ContentFormat);
      const accepted = response.observe === true && isSuccessCode(response.code);
      if (accepted) observer = this.observers.register(exchange, format, now);
      if (observer === undefined) this.observers.deregister(peer, token);
    }
    // What is not told to a group is not asked a proof for: all members that have an error would ask at once.
    const isSilent = this.#responses.isUntold(exchange, response, observer !== undefined);
    if (isSilent) this.#context.supply.release(response.body);
    const first: FirstMessage = isSilent
      ? { kind: 'whole', content: { code: response.code, options: new OptionSet(), payload: noBytes } }
      : this.#firstMessages.of(exchange, response, observer?.sequence, false, now);
    const { kind, blocks } = first;
    const content = this.#withQBlock1(exchange, first.content);
    if (kind === 'refused' && observer !== undefined) {
      // It registers when it asks again, with the Echo.
      this.observers.remove(observer);
      observer = undefined;
    }
    const observing = observer !== undefined;
    // A copy of a registration begins no observation (see `#begin`), so it would be answered as a mere GET.
    const isDeclined = exchange.observe === 'register' && !observing && !isSuccessCode(first.content.code);
    const keepAnswer = response.keepAnswer || isDeclined;
    // Notifications are due long after the bytes that came; by then the address should be proved. So it should when
    // the client wants sets of blocks (RFC 9177), of which only one block goes without.
    const asksForProof =
      kind !== 'whole' ||
      ((observing || exchange.wish !== undefined) &&
        this.#context.addressLimit.allowance(peer, now) < Infinity);
    const message = messageOf(content, token);
    this.#responses.send(
      // RFC 9175 §2.4: an Echo is never asked for by a message that is repeated.
      kind === 'refused'
        ? { kind: 'send-response', peer, exchange: id, reply, type: 'NON', message, keepAnswer }
        : { kind: 'send-response', peer, exchange: id, reply, message, keepAnswer },
      { options: exchange.options, group: exchange.group, observing, isLast: !observing, asksForProof },
      now,
    );
    if (blocks !== undefined) {
      this.qBlocks.begin({ peer, token, type: exchange.confirmable ? 'CON' : 'NON' }, blocks, now);
    }
    if (observer !== undefined && exchange.acknowledged) this.observers.awaitAcknowledgement(observer, now);
    if (observer !== undefined && exchange.changed) this.observers.renewState(observer, now);
  }

  /** The response to a body in Q-Blocks tells which block made it whole, and is kept for repetitions of blocks. */
  #withQBlock1(exchange: ServerExchange, content: Content): Content {
    const { qBlock1 } = exchange;
    if (qBlock1 === undefined) return content;
    const options = OptionSet.from(content.options.entries());
    const answer = { ...content, options: options.set(OptionNumber.QBlock1, encodeBlock(qBlock1)) };
    this.qBlocks.answered(exchange, answer);
    return answer;
  }

  #ask(observer: Observer, now: Instant): void {
    this.#refreshes.set(observer, after(now, this.#context.config.exchangeLifetimeMs));
    this.#pushRequest(observer.exchange, 'register', true);
  }

  #notify(observer: Observer, { response, type, supersedes }: Notification, now: Instant): void {
    const { exchange } = observer;
    const success = isSuccessCode(response.code);
    // RFC 7641 §4.2: another format than that of the first response ends the observation with 4.06.
    const fits = !success || keepsFormat(observer, response);
    const goesOn = success && fits && response.observe !== false;
    if (!fits) this.#context.supply.release(response.body);
    const answer: Representation = fits
      ? response
      : { code: Code.NotAcceptable, options: new OptionSet(), payload: noBytes };
    const sequence = goesOn ? observer.sequence : undefined;
    if (this.responseBodies.size > 0) {
      this.responseBodies.supersede(bodyName(exchange.peer, exchange.code, exchange));
    }
    const { kind, content, blocks } = this.#firstMessages.of(exchange, answer, sequence, true, now);
    if (kind === 'too-large' && goesOn) {
      this.observers.holdBack(observer);
      if (supersedes) this.#context.outputs.push({ kind: 'stop-response', exchange: exchange.id });
      this.#context.outputs.push({ kind: 'ask-for-proof', peer: exchange.peer, response: 'cut' });
      return;
    }
    const { id, peer, token } = exchange;
    const message = messageOf(content, token);
    // The end of an observation must not be taken back by `remove`: it goes at once.
    const group = goesOn ? exchange.group : undefined;
    this.#responses.send(
      {
        ...{ kind: 'send-response', peer, exchange: id, type, message, keepAnswer: false },
        ...(supersedes && { supersedes }),
      },
      { options: exchange.options, group, observing: true, isLast: false, asksForProof: false },
      now,
    );
    if (blocks !== undefined) this.qBlocks.begin({ peer, token, type }, blocks, now);
    if (!goesOn) this.observers.remove(observer);
  }

  #pushRequest(
    exchange: ServerExchange,
    observe: ServerExchange['observe'],
    refresh: boolean,
    bodyFollows = false,
  ): void {
    const { id, peer, reply, code, options, payload, token } = exchange;
    const group = exchange.group?.address;
    const request = { code, options, payload, token, refresh, bodyFollows, observe, group };
    this.#context.outputs.push({ kind: 'request', peer, exchange: id, reply, request });
  }

  /** Nobody waits for the answer any more. */
  #drop(exchange: ServerExchange): void {
    const { id, body } = exchange;
    this.#context.supply.release(this.#awaitingProof.take(exchange)?.response.body);
    this.streamedRequests.drop(id);
    this.#context.supply.release(body);
  }
}

const overloadedMaxAgeSeconds = 30;

/** Whether all of a response is there: nothing is to be waited for. */
function isWhole(response: ServerResponse): response is ServerResponse & { readonly body?: never } {
  return response.body === undefined;
}

/** What a response says, as a message for the message layer. */
function messageOf({ code, options, payload }: Content, token: Uint8Array): OutgoingMessage {
  return { code, options, payload, token };
}

/** RFC 7641 §2: other values are to be ignored. */
function observeIntention(options: OptionReader): 'register' | 'deregister' | undefined {
  const value = options.uint(OptionNumber.Observe);
  return value === 0 ? 'register' : value === 1 ? 'deregister' : undefined;
}
