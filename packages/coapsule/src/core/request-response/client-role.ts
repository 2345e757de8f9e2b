/**
 * The client side of Exchanges: how a request begins, and what the responses to it mean.
 *
 * RFC 7252 §5.2 and §5.3, RFC 7959 §2. How requests go out is in `request-sender.ts`, observations are in
 * `observing-exchanges.ts`, Q-Block in `q-block-client.ts`. Does not know messages on the wire: acknowledgements,
 * Resets and time-outs are reported to it.
 *
 * @module
 */

import { blockSize, encodeBlock, szxOf, szxOfBlock } from '../coap/block-option.ts';
import { Code, isSafeRequest } from '../coap/code.ts';
import type { MessageType } from '../coap/message-view.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { baseTokenLength } from '../coap/token-length.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import type { Instant } from '../foundation/instant.ts';
import { randomBytes } from '../foundation/random-source.ts';
import { Block1Upload, type UploadPosition } from './block1-upload.ts';
import { Block2Download } from './block2-download.ts';
import { type ClientExchange, exchangeFor, mayFetchLarger } from './client-exchange.ts';
import { ClientExchanges } from './client-exchanges.ts';
import { beginUpload } from './client-upload.ts';
import type {
  ClientRequest,
  Content,
  ExchangeError,
  ExchangeId,
  PeerKey,
  ReceivedMessage,
  ResponseFate,
} from './exchange.ts';
import type { ExchangeTable } from './exchange-table.ts';
import { Observation } from './observe-client.ts';
import { ObservingExchanges } from './observing-exchanges.ts';
import { checkProxiedResponseOptions, checkResponseOptions } from './option-check.ts';
import { mayUseQBlock, QBlockClient, qBlockOptions } from './q-block-client.ts';
import {
  blockRequestMessage,
  checkRequest,
  isFirstOfMore,
  observeRegister,
  requestMessage,
  uploadFor,
} from './request-message.ts';
import { largestBlock } from './request-response-config.ts';
import { RequestSender } from './request-sender.ts';
import { mayBeSilent, wantsNoResponse } from './response-suppression.ts';
import type { RoleContext } from './role-context.ts';
import type { TokenSource } from './token-source.ts';

/** All Exchanges this endpoint began. */
export class ClientRole {
  readonly #context: RoleContext;
  readonly #exchanges: ClientExchanges;
  readonly #sender: RequestSender;
  readonly qBlocks: QBlockClient;
  readonly #observing: ObservingExchanges;

  constructor(context: RoleContext) {
    this.#context = context;
    this.#exchanges = new ClientExchanges(context);
    this.#sender = new RequestSender(context, this.#exchanges);
    this.qBlocks = new QBlockClient(context, this.#exchanges, (exchange, now) => {
      beginUpload(exchange);
      this.#sender.send(exchange, now);
    });
    this.#observing = new ObservingExchanges(context, {
      exchanges: this.#exchanges,
      qBlocks: this.qBlocks,
      sender: this.#sender,
      responded: (exchange, response, now, type) => this.#responded(exchange, response, now, type),
    });
  }

  get tokens(): TokenSource {
    return this.#exchanges.tokens;
  }

  get table(): ExchangeTable {
    return this.#exchanges.table;
  }

  /** Begins an Exchange; a failure comes as output, also when it is found at once. Throws as `checkRequest`. */
  request(peer: PeerKey, request: ClientRequest, now: Instant): ExchangeId {
    checkRequest(request, this.#context.config.maxTokenLength);
    if (request.state !== undefined && this.#context.stateless === undefined) {
      throw new ApiMisuseError('state: expected a client with `crypto` on a transport of datagrams');
    }
    const id = this.#context.newId();
    const refuse = (error: ExchangeError, detail: string): ExchangeId => {
      this.#context.counters.failedExchanges++;
      this.#context.outputs.push({ kind: 'failed', exchange: id, error, detail });
      return id;
    };
    const { config } = this.#context;
    if (this.table.size >= config.maxClientExchanges) {
      return refuse('too-many-exchanges', `${config.maxClientExchanges} requests are under way`);
    }
    const blockBytes = largestBlock(config, peer, request.blockSize);
    const options = OptionSet.from(request.options.entries());
    const { singleBlock, resume, body } = request;
    if (singleBlock !== undefined) {
      const { num, size } = singleBlock;
      options.set(OptionNumber.Block2, encodeBlock({ num, more: false, szx: szxOf(size) }));
    }
    const upload = body ?? uploadFor(request, options, blockBytes);
    const sendOnly = request.type === 'NON' && (request.expectResponse === false || wantsNoResponse(options));
    if (upload !== undefined && (sendOnly || request.state !== undefined || mayBeSilent(options))) {
      const detail = `the body does not fit one message (${blockBytes} bytes), and blocks need responses`;
      return refuse('message-too-large', detail);
    }
    const length = body?.length ?? request.payload.length;
    if (upload !== undefined && !Block1Upload.fits(length, blockBytes)) {
      return refuse(
        'body-too-large',
        `${length} bytes do not fit into blocks of ${Math.min(blockBytes, 1024)}`,
      );
    }
    const sealed = request.state && this.#context.stateless?.seal(peer, request.state, now);
    if (sealed !== undefined && !this.#exchanges.extendedTokens.mustBeTried(peer, sealed, now)) {
      const { code, payload } = request;
      this.#exchanges.sendOnly(id, peer, { code, options, payload, token: sealed }, now);
      return id;
    }
    const token = sealed ?? this.#exchanges.chooseToken(peer, request);
    if (token === undefined) return refuse('token-in-use', 'another request with this token is under way');
    if (sendOnly) {
      this.#exchanges.sendOnly(
        id,
        peer,
        { code: request.code, options, payload: request.payload, token },
        now,
      );
      return id;
    }
    const observe = request.observe === true && (request.code === Code.Get || request.code === Code.Fetch);
    if (observe) options.set(OptionNumber.Observe, observeRegister);
    const resumable = upload !== undefined && request.resumable === true;
    const requestTag =
      resume?.requestTag ?? (resumable ? randomBytes(this.#context.random, requestTagBytes) : undefined);
    const exchange = exchangeFor(id, peer, request, {
      ...{ options, token, requestTag, blockBytes },
      szx: szxOfBlock(blockBytes),
      bert: config.reliableTransport,
      wantsQBlock:
        (request.qBlock ?? config.requestQBlocks) && !config.reliableTransport && mayUseQBlock(request),
    });
    exchange.operation = this.#exchanges.operations.begin(peer, request.code, options, requestTag);
    if (observe) exchange.observation = new Observation(this.#context.random);
    this.table.add(exchange);
    this.#exchanges.giveTime(exchange, now);
    this.#begin(exchange, now, resume);
    return id;
  }

  /**
   * Goes on with a response that was not this layer's own: by unicast with a device's to a request to a group (RFC 7959
   * §2.8), or with a protected one in Outer blocks. `response` has its first block. `began` gets the Exchange's id before
   * anything comes of it.
   *
   * @param maxBytes The body may have so many bytes; as many as any other by default.
   */
  continueResponse(
    peer: PeerKey,
    request: ClientRequest & { readonly options: OptionSet },
    response: Content,
    now: Instant,
    began: (id: ExchangeId) => void,
    maxBytes: number = this.#context.config.maxResponseBodyBytes,
  ): void {
    const { config } = this.#context;
    const szx = szxOf(Math.min(request.blockSize ?? config.blockSize, config.blockSize));
    const token = this.#exchanges.freshToken(peer, request.secure);
    const exchange = exchangeFor(this.#context.newId(), peer, request, {
      options: request.options,
      szx,
      blockBytes: blockSize(szx),
      bert: config.reliableTransport,
      token,
      requestTag: undefined,
    });
    if (isFirstOfMore(exchange, response)) exchange.download = this.#downloadFor(exchange, maxBytes);
    this.table.add(exchange);
    this.#exchanges.giveTime(exchange, now);
    began(exchange.id);
    this.#responded(exchange, response, now);
  }

  /** The caller has taken the part of a response that it was given: the next one may come. */
  continueBody(id: ExchangeId, now: Instant): void {
    const exchange = this.table.get(id);
    const target = exchange?.fetch ?? exchange;
    const next = target?.handedOver?.next;
    if (target === undefined || next === undefined) return;
    target.handedOver = { next: undefined };
    this.#exchanges.renewToken(target);
    this.#exchanges.transmit(target, blockRequestMessage(target, next), now);
  }

  /**
   * Ends an Exchange; an observation after one answer to its deregistration (RFC 7641 §3.6), or at once when it is to be
   * forgotten: its next notification is answered with a Reset then.
   */
  cancel(id: ExchangeId, now: Instant, isForgotten = false): void {
    const exchange = this.table.get(id);
    if (exchange === undefined || exchange.deregistering) return;
    if (exchange.observation === undefined || isForgotten) {
      this.#exchanges.fail(exchange, 'cancelled');
      return;
    }
    this.#observing.deregister(exchange, now);
  }

  /** Takes a response (RFC 7252 §5.3.2, §5.4.1). */
  receiveResponse(peer: PeerKey, message: ReceivedMessage, now: Instant): ResponseFate {
    const { counters } = this.#context;
    const exchange = this.table.match(peer, message.token);
    if (exchange === undefined) return this.#receiveStateless(peer, message, now);
    counters.responsesReceived++;
    this.#exchanges.noteToken(exchange, message.code, now);
    const mayHaveQBlock = exchange.qBlock !== undefined || (exchange.deregistering && exchange.wantsQBlock);
    const verdict = exchange.forwarded
      ? checkProxiedResponseOptions(message.options)
      : checkResponseOptions(message.options, mayHaveQBlock ? qBlockOptions : []);
    if (verdict.kind !== 'accepted') {
      counters.badOptions++;
      this.#exchanges.fail(
        exchange,
        'bad-option',
        verdict.kind === 'bad-option' ? verdict.reason : 'Proxy-Uri',
      );
      return 'rejected';
    }
    if (verdict.ignored !== undefined) {
      counters.ignoredOptions++;
      this.#context.outputs.push({ kind: 'peer-fault', peer, reason: verdict.ignored });
    }
    const taken = { code: message.code, options: verdict.options, payload: message.payload };
    if (this.#takeEcho(exchange, taken, now)) return 'matched';
    const response = this.qBlocks.receive(exchange, message, taken, now);
    if (response === undefined) return 'matched';
    // Piggybacked, or after an empty ACK (or a NON request) what we wait for.
    const answersRequest = message.type === 'ACK' || this.#exchanges.waits.deadline(exchange) !== undefined;
    if (exchange.deregistering) this.#observing.deregistered(exchange, response, answersRequest, now);
    else if (exchange.observation !== undefined)
      this.#observing.notified(exchange, response, answersRequest, now, message.type);
    else this.#responded(exchange, response, now, message.type);
    return 'matched';
  }

  /** RFC 8974 §3.3: a response of no Exchange may be to a request that carried its state in its token. */
  #receiveStateless(peer: PeerKey, message: ReceivedMessage, now: Instant): ResponseFate {
    const { counters, outputs, stateless } = this.#context;
    const opened = stateless?.open(peer, message.token, now);
    if (opened?.kind !== 'state') {
      if (opened !== undefined && opened.kind !== 'foreign') counters.staleTokens++;
      counters.unmatchedResponses++;
      return 'unmatched';
    }
    counters.responsesReceived++;
    this.#exchanges.noteToken({ peer, token: message.token }, message.code, now);
    const verdict = checkResponseOptions(message.options);
    if (verdict.kind !== 'accepted') {
      counters.badOptions++;
      return 'rejected';
    }
    const response = { code: message.code, options: verdict.options, payload: message.payload };
    const echo = verdict.options.first(OptionNumber.Echo);
    if (echo !== undefined) this.#exchanges.echoes.take(peer, echo, now);
    outputs.push({ kind: 'stateless-response', peer, state: opened.state, response });
    return 'matched';
  }

  /** The request message was acknowledged: the response will come separately (RFC 7252 §5.2.2). */
  requestAcknowledged(id: ExchangeId, now: Instant): void {
    const exchange = this.table.get(id);
    if (exchange === undefined || this.qBlocks.acknowledged(exchange, now) || !exchange.outstanding) return;
    exchange.acknowledged = true;
    if (exchange.answeredEarly) this.#exchanges.stop(exchange);
    else this.#exchanges.acknowledged(exchange, now);
  }

  /** The request message was sent once more. */
  requestRetransmitted(id: ExchangeId): void {
    const exchange = this.table.get(id);
    if (exchange !== undefined) exchange.retransmitted = true;
  }

  /** The request message was answered with a Reset. */
  requestReset(id: ExchangeId, now: Instant): void {
    const exchange = this.table.get(id);
    if (exchange === undefined || this.qBlocks.reset(exchange, now)) return;
    this.#exchanges.fail(
      exchange,
      exchange.deregistering ? 'cancelled' : 'reset',
      // RFC 8974 §2.2.2: that is how a server tells that it does not know such tokens.
      exchange.token.length > baseTokenLength ? 'it may take tokens of 8 bytes at most' : undefined,
    );
  }

  /** The request message was retransmitted to the end without an answer. */
  requestTimedOut(id: ExchangeId): void {
    const exchange = this.table.get(id);
    if (exchange?.answeredEarly) this.#exchanges.stop(exchange);
    else if (exchange !== undefined) this.#exchanges.timedOut(exchange);
  }

  /** The request message is larger than the peer takes, and was never sent. */
  requestTooLarge(id: ExchangeId, detail: string): void {
    this.requestFailed(id, 'message-too-large', detail);
  }

  /** Nothing good will come of the request message. */
  requestFailed(id: ExchangeId, error: ExchangeError, detail: string): void {
    const exchange = this.table.get(id);
    if (exchange === undefined) return;
    this.#exchanges.fail(exchange, exchange.deregistering ? 'cancelled' : error, detail);
  }

  /** The request message was never sent, because too much waits already. */
  requestRefused(id: ExchangeId, now: Instant): void {
    const exchange = this.table.get(id);
    if (exchange === undefined) return;
    if (exchange.deregistering)
      this.#exchanges.fail(exchange, 'cancelled', 'the deregistration could not be sent');
    else if (exchange.observation?.established) {
      this.#exchanges.stop(exchange);
      this.#exchanges.reregistrations.set(exchange, exchange.observation.reregisterAt(0, now));
    } else this.#exchanges.fail(exchange, 'too-many-exchanges', 'too many messages wait to be sent');
  }

  /** Everything with this peer fails. */
  peerClosed(peer: PeerKey): void {
    for (const exchange of this.table.ofPeer(peer)) {
      if (this.table.get(exchange.id) === undefined) continue; // went with the observation it fetched for
      this.#exchanges.fail(exchange, exchange.deregistering ? 'cancelled' : 'peer-closed');
    }
    this.tokens.forgetPeer(peer);
    this.#exchanges.operations.forgetPeer(peer);
    this.#exchanges.forgetPeer(peer);
    this.qBlocks.forgetPeer(peer);
  }

  handleTimeout(now: Instant): void {
    for (const due of this.#exchanges.expire(now)) {
      this.#context.counters.reregistrations++;
      this.#begin(due, now);
    }
    this.qBlocks.handleTimeout(now);
  }

  nextTimeout(): Instant | undefined {
    return this.#exchanges.nextTimeout();
  }

  #begin(exchange: ClientExchange, now: Instant, resume?: UploadPosition): void {
    if (this.qBlocks.begin(exchange, now)) return;
    beginUpload(exchange, resume);
    this.#sender.send(exchange, now);
  }

  /**
   * Keeps the Echo of a response for the next requests. Whether the request goes once more with it: after 4.01, but not
   * twice for the same message, or a server that wants ever newer ones would never let it end (RFC 9175 §2.3).
   */
  #takeEcho(exchange: ClientExchange, response: Content, now: Instant): boolean {
    const echo = response.options.first(OptionNumber.Echo);
    // It is for who asked us (RFC 9175 §2.3): only the client knows when it made its request.
    if (echo === undefined || exchange.forwarded) return false;
    this.#exchanges.echoes.take(exchange.peer, echo, now);
    if (response.code !== Code.Unauthorized || exchange.repeatedForEcho || exchange.deregistering)
      return false;
    const phase = exchange.qBlock?.phase;
    if (phase === 'uploading' || phase === 'downloading') return false;
    if (exchange.options.has(OptionNumber.Echo)) return false;
    this.#exchanges.repeatWithEcho(exchange, now);
    return true;
  }

  #responded(exchange: ClientExchange, response: Content, now: Instant, type?: MessageType): void {
    // What it would answer was answered already: the next message is not sent yet.
    if (exchange.awaitingBody || exchange.handedOver?.next !== undefined) return;
    if (!this.qBlocks.outruns(exchange, response)) this.#exchanges.stop(exchange);
    if (this.qBlocks.takeFirst(exchange, type, response, now)) return;
    if (exchange.upload !== undefined || response.code === Code.RequestEntityTooLarge) {
      if (this.#sender.goesOn(exchange, response, now)) return;
    }
    if (exchange.download === undefined && !isFirstOfMore(exchange, response)) {
      this.#exchanges.finish(exchange, response);
      return;
    }
    exchange.download ??= this.#downloadFor(exchange, this.#context.config.maxResponseBodyBytes);
    const step = exchange.download.receive(response);
    const isWhole = step.kind === 'complete' || (step.kind === 'part' && step.next === undefined);
    if (isWhole) exchange.parent?.observation?.completeBody(response, now);
    if (step.kind === 'fetch') {
      if (mayFetchLarger(exchange, response, step.block)) {
        exchange.fetchedLarger = true;
        delete exchange.download;
        exchange.latest = requestMessage(exchange);
        this.#exchanges.repeatWithEcho(exchange, now);
        return;
      }
      exchange.repeatedForEcho = false;
      this.#exchanges.renewToken(exchange);
      this.#exchanges.transmit(exchange, blockRequestMessage(exchange, step.block), now);
    } else if (step.kind === 'part') this.#exchanges.handOver(exchange, step);
    else if (step.kind === 'complete') this.#exchanges.finish(exchange, step.response);
    else {
      const { outputs } = this.#context;
      if (step.error === 'blockwise')
        outputs.push({ kind: 'peer-fault', peer: exchange.peer, reason: step.detail });
      this.#exchanges.fail(exchange, step.error, step.detail);
    }
  }

  #downloadFor(exchange: ClientExchange, maxBytes: number): Block2Download {
    return new Block2Download({
      szx: exchange.szx,
      bert: exchange.bert,
      maxBytes,
      mayRestart: isSafeRequest(exchange.code) && !exchange.uploaded,
      inParts: exchange.streamResponse,
    });
  }
}

/** Of a body that may go on later, so that no other one has it by chance while the server remembers that. */
const requestTagBytes = 4;
