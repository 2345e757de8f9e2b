/**
 * The server side of Exchanges: requests for the application, its responses, block-wise bodies and observers.
 *
 * RFC 7252 §5.2 and §5.4, RFC 7641 §4, RFC 7959 §2, RFC 8768 §3. Content-Format, Accept and conditional options are the
 * application's matter, and so is passing requests on: `RequestRoute` says here which ones that will be, since their
 * options are checked by other rules.
 *
 * @module
 */

import { type BlockOption, blockSize, encodeBlock, szxOf } from '../coap/block-option.ts';
import { Code, isSafeRequest, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import { after, earliest, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { randomBytes } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { encodeUtf8 } from '../foundation/utf8.ts';
import type { Arrival } from './arrival.ts';
import type { BodyWaiter } from './body-supply.ts';
import type {
  Content,
  ExchangeId,
  PeerKey,
  ReadyResponse,
  ReceivedMessage,
  Representation,
  ServerExchange,
  ServerResponse,
} from './exchange.ts';
import { type LimitedResponse, ResponseLimit } from './limited-response.ts';
import { ObserverList } from './observe-server.ts';
import { keepsFormat, type Observer } from './observer.ts';
import { OutgoingBody } from './outgoing-body.ts';
import type { QBlock2Wish } from './q-block-request.ts';
import { missingBlocks, QBlockServer, qBlockBodyName, qBlockContinue } from './q-block-server.ts';
import { refusal } from './refusal.ts';
import { RequestAdmission } from './request-admission.ts';
import { type ReceivedBlock, RequestBodies } from './request-bodies.ts';
import { largestBlock } from './request-response-config.ts';
import { isMeant, requestBodyKey } from './resource-key.ts';
import { ResponseBodies } from './response-bodies.ts';
import { blockMessage, bodyName, responseMessage, sizeOfBlock } from './response-message.ts';
import { ResponseSender } from './response-sender.ts';
import { isUnwanted } from './response-suppression.ts';
import type { RoleContext } from './role-context.ts';
import { ServerAnswers } from './server-answers.ts';
import { ServerExchanges } from './server-exchanges.ts';
import { type StreamedRequest, StreamedRequests } from './streamed-requests.ts';

/** All Exchanges other endpoints began with us. */
export class ServerRole {
  readonly #context: RoleContext;
  readonly #exchanges: ServerExchanges;
  readonly #responses: ResponseSender;
  /** Observers the application was asked for and has not answered. */
  readonly #refreshes = new TimerQueue<Observer>();
  readonly requestBodies: RequestBodies;
  readonly streamedRequests: StreamedRequests;
  readonly responseBodies: ResponseBodies;
  readonly qBlocks: QBlockServer;
  readonly observers: ObserverList;
  readonly #answers: ServerAnswers;
  readonly #admission: RequestAdmission;

  constructor(context: RoleContext) {
    const { config, counters, random } = context;
    this.#context = context;
    this.#exchanges = new ServerExchanges(context, (exchange) => this.#drop(exchange));
    this.#responses = new ResponseSender(context);
    this.streamedRequests = new StreamedRequests(config, counters, (stream) => this.#breakOff(stream));
    this.requestBodies = new RequestBodies(config, counters);
    const seed = new DataView(randomBytes(random, 4).buffer).getUint32(0);
    const release = (body: OutgoingBody | undefined): void => context.supply.release(body);
    this.responseBodies = new ResponseBodies(config, seed, counters, release);
    this.qBlocks = new QBlockServer(context, this.responseBodies);
    const limit = new ResponseLimit(context.addressLimit, context.echo, this.responseBodies);
    this.#answers = new ServerAnswers(context, this.#responses, limit);
    this.#admission = new RequestAdmission(context, this.#answers);
    this.observers = new ObserverList(config, counters, {
      ask: (observer, now) => this.#ask(observer, now),
      askNoMore: (observer) => {
        this.#refreshes.cancel(observer);
        release(observer.exchange.body);
      },
      drop: (response) => release(response.body),
      send: (observer, response, type, now) => this.#notify(observer, response, type, now),
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
    if (arrival !== undefined) this.#receiveBody(arrival, now);
  }

  /** Takes the application's answer: to a request, or to the question for an observer. */
  respond(id: ExchangeId, response: ServerResponse, now: Instant): void {
    const exchange = this.#exchanges.get(id);
    const stream = this.streamedRequests.get(id);
    if (stream !== undefined && !stream.complete) {
      this.#respondEarly(stream, response, now);
      return;
    }
    if (exchange !== undefined && exchange.body === undefined) {
      this.#makeReady(exchange, response, now, (ready, at) => this.#respond(exchange, ready, at));
      return;
    }
    const observer = this.observers.get(id);
    // An Exchange that was replaced may still be there for its notification in flight.
    if (observer?.computing && observer.exchange.id === id && observer.exchange.body === undefined) {
      this.#refreshes.cancel(observer);
      this.#makeReady(observer.exchange, response, now, (ready, at) =>
        this.observers.answered(observer, ready, at),
      );
    } else this.#tooLate(response);
  }

  /** The application has taken the part of a request's body that it was given: the client may send the next. */
  continueBody(id: ExchangeId, now: Instant): void {
    const stream = this.streamedRequests.get(id);
    if (stream === undefined || stream.taken || stream.complete) return;
    stream.taken = true;
    const { exchange } = stream;
    this.#exchanges.replied(exchange);
    this.#answers.continue({ ...exchange, now }, exchange.block1 as BlockOption, exchange.token);
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

  /** Forgets everything about a peer that is gone. */
  peerClosed(peer: PeerKey): void {
    this.#exchanges.forgetPeer(peer);
    this.observers.forgetPeer(peer);
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
    return [
      this.#refreshes.next(),
      this.#responses.nextTimeout(),
      this.requestBodies.nextTimeout(),
      this.responseBodies.nextTimeout(),
      this.qBlocks.nextTimeout(),
      this.observers.nextTimeout(),
    ].reduce(earliest, this.#exchanges.nextTimeout());
  }

  /** Puts the body together; goes on with the request when it is whole. */
  #receiveBody(arrival: Arrival, now: Instant): void {
    const { peer, message, options, block1 } = arrival;
    const { config } = this.#context;
    const limitBytes = config.maxBodyBytes({ peer, code: message.code, options });
    if (arrival.qBlock1 !== undefined) {
      this.#receiveQBlock(arrival, arrival.qBlock1, limitBytes, now);
      return;
    }
    if (block1 === undefined) {
      this.#receiveUnblocked(arrival, limitBytes, now);
      return;
    }
    const received: ReceivedBlock = {
      key: requestBodyKey(peer, message.code, options),
      peer,
      block: block1,
      payload: message.payload,
      contentFormat: options.first(OptionNumber.ContentFormat),
      size1: options.uint(OptionNumber.Size1),
      limitBytes,
    };
    const isOnlyBlock = block1.num === 0 && !block1.more;
    if (!isOnlyBlock && config.streamRequestBody({ peer, code: message.code, options })) {
      this.#receivePart(arrival, block1, received, now);
      return;
    }
    const verdict = this.requestBodies.receive(received, now);
    if (verdict.kind === 'complete') {
      this.#receiveWhole(arrival, verdict.body, now);
      return;
    }
    if (verdict.kind === 'refused') this.#answers.refuseBlock(arrival, verdict);
    else this.#answers.continue(arrival, block1, message.token);
  }

  /** A block of a body in Q-Blocks (RFC 9177 §4.3). */
  #receiveQBlock(arrival: Arrival, block: BlockOption, limitBytes: number, now: Instant): void {
    const { peer, message, options, reply } = arrival;
    const { code, token, payload } = message;
    // Such blocks come in any order: a body that is taken as it comes goes in the blocks of RFC 7959.
    if (this.#context.config.streamRequestBody({ peer, code, options })) {
      const details = { diagnostic: 'no Q-Block1 here', unprocessed: OptionNumber.QBlock1 };
      this.#answers.answer(arrival, () => refusal(options, Code.BadOption, details));
      return;
    }
    const confirmable = message.type === 'CON';
    const part = { peer, code, token, confirmable, options, payload };
    const verdict = this.qBlocks.receive(part, block, limitBytes, now);
    if (verdict.kind === 'complete') this.#receiveWhole(arrival, verdict.body, now);
    else if (verdict.kind === 'refused') this.#answers.refuseBlock(arrival, verdict);
    else if (verdict.kind === 'continue') this.#answers.answer(arrival, () => qBlockContinue(block));
    else if (verdict.kind === 'answered') {
      const { answer } = verdict;
      this.#answers.answer(arrival, () => answer);
    } else if (verdict.kind === 'missing') {
      const { exchange, numbers } = verdict;
      const sent = { ...missingBlocks(numbers), token };
      const output = {
        kind: 'send-response',
        peer,
        exchange,
        reply,
        message: sent,
        keepAnswer: false,
      } as const;
      this.#context.outputs.push(output);
    } else this.#stayQuiet(arrival);
  }

  /** No answer: a Confirmable request gets its Empty ACK. */
  #stayQuiet({ reply }: Arrival): void {
    this.#context.outputs.push({ kind: 'suppress-response', reply, keepAnswer: false });
  }

  /** Later blocks of a response in Q-Blocks. Whether they can be had without the application. */
  #answerQBlocks(arrival: Arrival, body: Uint8Array, wish: QBlock2Wish, now: Instant): boolean {
    const { peer, message, options } = arrival;
    const { code, token } = message;
    const name = qBlockBodyName({ peer, code, options, payload: body });
    const kept = this.responseBodies.find(
      name,
      { num: wish.first, more: false, szx: wish.szx },
      blockSize(wish.szx),
      now,
    );
    if (kept === undefined || kept.body !== undefined) return false;
    const blocks = this.qBlocks.later({ peer, wish }, kept, now);
    if (blocks === 'going') this.#stayQuiet(arrival);
    else if (blocks === undefined || wish.szx > this.#answers.szxFor(peer)) {
      this.#answers.refuse(arrival, Code.BadRequest, 'no such block');
    } else {
      this.#answers.answer(arrival, () => blocks.content);
      if (this.#context.addressLimit.allowance(peer, now) === Infinity) {
        const type = message.type === 'CON' ? 'CON' : 'NON';
        this.qBlocks.begin({ peer, token, type }, blocks, now);
      }
    }
    return true;
  }

  /** A body in one message. */
  #receiveUnblocked(arrival: Arrival, limitBytes: number, now: Instant): void {
    const { peer, message, options } = arrival;
    const { config, counters } = this.#context;
    const { length } = message.payload;
    const inOneMessage = config.maxPayloadBytes({ peer, code: message.code, options });
    if (length <= Math.min(limitBytes, inOneMessage)) {
      this.#receiveWhole(arrival, message.payload, now);
      return;
    }
    counters.refusedRequestBodies++;
    const answer = new OptionSet().set(OptionNumber.Size1, Math.min(limitBytes, maxSize));
    // RFC 7959 §2.9.3: the size in Block1 is a hint to try blocks of it; not where they would not help.
    if (length <= limitBytes) {
      const szx = Math.min(this.#answers.szxFor(peer), szxOf(Math.max(inOneMessage, blockSize(0))));
      answer.set(OptionNumber.Block1, encodeBlock({ num: 0, more: false, szx }));
    }
    const most = Math.min(limitBytes, inOneMessage);
    this.#answers.refuse(arrival, Code.RequestEntityTooLarge, `at most ${most} bytes`, answer);
  }

  /** A block of a body that the application takes as it comes. */
  #receivePart(arrival: Arrival, block1: BlockOption, received: ReceivedBlock, now: Instant): void {
    const { message, reply } = arrival;
    const { token, payload } = message;
    const verdict = this.streamedRequests.receive(received);
    if (verdict.kind === 'refused') {
      this.#answers.refuseBlock(arrival, verdict);
      return;
    }
    if (verdict.kind === 'begins') {
      const exchange = this.#begin(arrival, payload, true, now);
      if (exchange !== undefined) this.streamedRequests.begin(received, exchange);
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

  /**
   * The application answers before it has the whole body. An error is the answer to the block that waits or comes
   * next; anything else that to the last one, and what comes until then is not wanted.
   */
  #respondEarly(stream: StreamedRequest, response: ServerResponse, now: Instant): void {
    const { exchange, taken } = stream;
    if (stream.early !== undefined) this.#tooLate(response);
    else if (!taken && !isSuccessCode(response.code)) this.#respondNow(exchange, response, now);
    else {
      stream.early = response;
      this.continueBody(exchange.id, now);
    }
  }

  #tooLate({ body }: ServerResponse): void {
    this.#context.counters.lateAnswers++;
    this.#context.supply.refuse(body);
  }

  #respondNow(exchange: ServerExchange, response: ServerResponse, now: Instant): void {
    this.streamedRequests.end(exchange.id);
    this.#makeReady(exchange, response, now, (ready, at) => this.#respond(exchange, ready, at));
  }

  /**
   * Waits for the first block of a response's body that is handed over. One of a single block is then a whole one;
   * one that cannot be had is answered 5.00.
   */
  #makeReady(
    exchange: ServerExchange,
    { body: source, ...response }: ServerResponse,
    now: Instant,
    then: (ready: ReadyResponse, now: Instant) => void,
  ): void {
    if (source === undefined) {
      then(response, now);
      return;
    }
    const { supply } = this.#context;
    const { block2, peer } = exchange;
    const offset = block2 === undefined ? 0 : block2.num * blockSize(block2.szx);
    const size = sizeOfBlock(largestBlock(this.#context.config, peer), block2);
    const body = OutgoingBody.from(source, offset);
    exchange.body = body;
    const waiter: BodyWaiter = {
      ready: (slice, at) => {
        delete exchange.body;
        if (slice.more || offset > 0) {
          then({ ...response, body }, at);
          return;
        }
        const payload = slice.payload.slice();
        supply.release(body);
        then({ ...response, payload }, at);
      },
      failed: (_, at) => {
        delete exchange.body;
        const { keepAnswer } = response;
        then({ ...bodyUnavailable, keepAnswer }, at);
      },
    };
    if (!body.endsBefore(offset)) {
      supply.want(body, offset, size, waiter, now);
      return;
    }
    // Behind the end: answered 4.00, for which nothing has to be read.
    delete exchange.body;
    then({ ...response, body }, now);
    supply.release(body);
  }

  #receiveWhole(arrival: Arrival, body: Uint8Array, now: Instant): void {
    const { peer, message, options, block1, block2 } = arrival;
    const { code, token } = message;
    const observable = code === Code.Get || code === Code.Fetch;
    const { qBlock1, wish } = arrival;
    const laterBlock = block1 === undefined && block2 !== undefined && block2.num > 0;
    if (qBlock1 === undefined && wish !== undefined && wish.first > 0) {
      if (this.#answerQBlocks(arrival, body, wish, now)) return;
      if (code !== Code.Get && !(code === Code.Fetch && body.length > 0)) {
        this.#answers.refuse(arrival, Code.RequestEntityIncomplete, 'the response is no longer kept');
        return;
      }
    } else if (laterBlock) {
      const size = sizeOfBlock(largestBlock(this.#context.config, peer), block2);
      const kept = this.responseBodies.find(
        bodyName(peer, code, { options, payload: body }),
        block2,
        size,
        now,
      );
      if (kept !== undefined) {
        this.#answerSlice(arrival, kept, block2, now);
        return;
      }
      // Asking the application again is harmless for a GET only: the others are sent without their body
      // (RFC 7959 §3.3), and most of them must not be carried out twice.
      if (code !== Code.Get && !(code === Code.Fetch && body.length > 0)) {
        this.#answers.refuse(arrival, Code.RequestEntityIncomplete, 'the response is no longer kept');
        return;
      }
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
    const laterBlock =
      (block1 === undefined && block2 !== undefined && block2.num > 0) ||
      (qBlock1 === undefined && wish !== undefined && wish.first > 0);
    // A copy that was late on its way does not begin an observation again that the client has cancelled since.
    const observing =
      observable &&
      !laterBlock &&
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
      ...(qBlock1 && { qBlock1 }),
      ...(wish && { wish }),
      ...(arrival.group === undefined ? {} : { group: arrival.group }),
      changed: false,
    };
    this.#exchanges.remember(exchange, now);
    this.#pushRequest(exchange, exchange.observe, false, bodyFollows);
    return exchange;
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
    const blocks = isSilent
      ? undefined
      : this.qBlocks.represent(exchange, response, observer?.sequence, this.#answers.szxFor(peer), now);
    const { kind, content: made } = isSilent
      ? ({
          kind: 'whole',
          content: { code: response.code, options: new OptionSet(), payload: noBytes },
        } as const)
      : blocks === undefined
        ? this.#represent(exchange, response, observer?.sequence, now)
        : ({ kind: 'whole', content: blocks.content } as const);
    const content = this.#withQBlock1(exchange, made);
    if (kind === 'refused') this.#context.supply.release(response.body);
    if (kind === 'refused' && observer !== undefined) {
      // It registers when it asks again, with the Echo.
      this.observers.remove(observer);
      observer = undefined;
    }
    const { keepAnswer } = response;
    const observing = observer !== undefined;
    // Notifications are due long after the bytes that came; by then the address should be proved.
    const isLimited = this.#context.addressLimit.allowance(peer, now) < Infinity;
    const asksForProof = kind !== 'whole' || (observing && isLimited);
    this.#responses.send(
      {
        kind: 'send-response',
        peer,
        exchange: id,
        reply,
        // RFC 9175 §2.4: an Echo is never asked for by a message that is repeated.
        ...(kind === 'refused' ? { type: 'NON' } : {}),
        message: { ...content, token },
        keepAnswer,
      },
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

  #represent(
    exchange: ServerExchange,
    response: Representation,
    sequence: number | undefined,
    now: Instant,
    isNotification = false,
  ): LimitedResponse {
    const { peer, token, code } = exchange;
    const limited = this.#answers.fit(
      {
        ...{ peer, token, mayRefuse: !isNotification && isSafeRequest(code) },
        mayEcho: !isNotification && !exchange.acknowledged,
      },
      (szx, bodies) =>
        responseMessage(exchange, response, sequence, this.#answers.bytesOf(szx, peer), bodies, now),
      now,
    );
    if (limited.kind === 'refused') this.#context.supply.release(response.body);
    return limited;
  }

  #ask(observer: Observer, now: Instant): void {
    this.#refreshes.set(observer, after(now, this.#context.config.exchangeLifetimeMs));
    this.#pushRequest(observer.exchange, 'register', true);
  }

  #notify(observer: Observer, response: ReadyResponse, type: 'CON' | 'NON', now: Instant): void {
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
    const blocks = this.qBlocks.represent(
      exchange,
      answer,
      sequence,
      this.#answers.szxFor(exchange.peer),
      now,
    );
    const { kind, content } =
      blocks === undefined
        ? this.#represent(exchange, answer, sequence, now, true)
        : ({ kind: 'whole', content: blocks.content } as const);
    if (kind === 'too-large' && goesOn) {
      this.observers.holdBack(observer);
      this.#context.outputs.push({ kind: 'ask-for-proof', peer: exchange.peer });
      return;
    }
    const { id, peer, token } = exchange;
    const message = { ...content, token };
    // The end of an observation must not be taken back by `remove`: it goes at once.
    const group = goesOn ? exchange.group : undefined;
    this.#responses.send(
      { kind: 'send-response', peer, exchange: id, type, message, keepAnswer: false },
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
    const { id, peer, code, options, payload, token, group } = exchange;
    const request = {
      ...{ code, options, payload, token, refresh, bodyFollows },
      ...(observe === undefined ? {} : { observe }),
      ...(group === undefined ? {} : { group: group.address }),
    };
    this.#context.outputs.push({ kind: 'request', peer, exchange: id, reply: exchange.reply, request });
  }

  /** Answers with a later block of a response, as soon as that is there. */
  #answerSlice(arrival: Arrival, response: Representation, wish: BlockOption, now: Instant): void {
    const { peer } = arrival;
    const { body } = response;
    const offset = wish.num * blockSize(wish.szx);
    const answer = (): void =>
      this.#answers.answer(arrival, (szx) => blockMessage(response, wish, this.#answers.bytesOf(szx, peer)));
    if (body === undefined || body.endsBefore(offset)) {
      answer();
      return;
    }
    const confirmable = arrival.message.type === 'CON';
    const pending = { reply: arrival.reply, confirmable, acknowledged: false };
    const isGone = !body.reaches(offset);
    const waiter: BodyWaiter = {
      ready: () => {
        this.#exchanges.replied(pending);
        answer();
      },
      failed: (detail) => {
        this.#exchanges.replied(pending);
        if (isGone) this.#answers.refuse(arrival, Code.RequestEntityIncomplete, detail);
        else this.#answers.answer(arrival, () => bodyUnavailable);
      },
    };
    this.#exchanges.awaitReply(pending, now);
    const size = sizeOfBlock(largestBlock(this.#context.config, peer), wish);
    this.#context.supply.want(body, offset, size, waiter, now);
  }

  /** The body of a request will not become whole: the application hears that nobody waits. */
  #breakOff({ exchange, early }: StreamedRequest): void {
    const { supply, outputs } = this.#context;
    this.#exchanges.forget(exchange);
    supply.release(exchange.body);
    supply.refuse(early?.body);
    outputs.push({ kind: 'exchange-ended', exchange: exchange.id });
  }

  /** Nobody waits for the answer any more. */
  #drop({ id, body }: ServerExchange): void {
    const { supply } = this.#context;
    supply.refuse(this.streamedRequests.get(id)?.early?.body);
    this.streamedRequests.end(id);
    supply.release(body);
  }
}

const overloadedMaxAgeSeconds = 30;

/** The largest value of Size1 (RFC 7959 §4). */
const maxSize = 2 ** 32 - 1;

/** A body of the application's that it could not hand over. */
const bodyUnavailable: Content = {
  code: Code.InternalServerError,
  options: new OptionSet(),
  payload: encodeUtf8('the body cannot be read'),
};

/** RFC 7641 §2: other values are to be ignored. */
function observeIntention(options: OptionReader): 'register' | 'deregister' | undefined {
  const value = options.uint(OptionNumber.Observe);
  return value === 0 ? 'register' : value === 1 ? 'deregister' : undefined;
}
