/**
 * The request/response layer as a machine: connects the client role and the server role, and nothing else.
 *
 * RFC 7252 §5, RFC 7641, RFC 7959. Does not know the message layer: its `send-…` outputs are transmitted by
 * the caller, which reports acknowledgements, Resets and time-outs back.
 *
 * A client's Exchange ends with exactly one `response` that is `final`, one `failed` or one `sent`. A server's Exchange
 * that was given to the application ends with one `exchange-ended`; an observed one stays the same Exchange
 * for all its refreshes and notifications. Fetching the rest of a notification, and answers the application is
 * not asked for, have Exchange ids of their own, which end with `exchange-ended` too.
 *
 * @module
 */

import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import { earliest, type Instant } from '../foundation/instant.ts';
import { OutputQueue } from '../foundation/output-queue.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { type AddressLimit, noAddressLimit } from './address-limit.ts';
import { BodySupply } from './body-supply.ts';
import { ClientRole } from './client-role.ts';
import { createCounters, type RequestResponseCounters } from './counters.ts';
import type { EchoValues } from './echo.ts';
import type {
  ClientRequest,
  Content,
  ExchangeId,
  GroupRequest,
  PeerKey,
  ReceivedMessage,
  ResponseFate,
  ServerResponse,
} from './exchange.ts';
import { GroupClient } from './group-client.ts';
import type { BodySource } from './outgoing-body.ts';
import type { RequestResponseOutput } from './outputs.ts';
import { type RequestResponseConfig, requestResponseConfig } from './request-response-config.ts';
import { resourceName } from './resource-key.ts';
import type { RoleContext } from './role-context.ts';
import { ServerRole } from './server-role.ts';
import type { StatelessTokens } from './stateless-tokens.ts';

export type { UploadPosition } from './block1-upload.ts';
export type { RequestResponseCounters } from './counters.ts';
export type {
  ClientRequest,
  ExchangeError,
  ExchangeId,
  GroupRequest,
  PeerKey,
  ResponseFate,
  ServerResponse,
} from './exchange.ts';
export type { BodySource } from './outgoing-body.ts';
export type { RequestResponseOutput } from './outputs.ts';
export { checkRequest } from './request-message.ts';
export type { BodyRequest, RequestResponseConfig, RequestRoute } from './request-response-config.ts';

/** One observation in progress. */
export interface ActiveObservation {
  /** `client`: we observe; `server`: we are observed. */
  readonly role: 'client' | 'server';
  readonly exchange: ExchangeId;
  readonly peer: PeerKey;
  readonly token: Uint8Array;
  /** `/path` or `/path?query`. */
  readonly resource: string;
  /** Observe value of the latest notification. */
  readonly sequence: number | undefined;
}

/** How much the layer holds at the moment. */
export interface RequestResponseLoad {
  readonly clientExchanges: number;
  readonly serverExchanges: number;
  readonly observers: number;
  readonly requestBodies: number;
  readonly requestBodyBytes: number;
  readonly responseBodies: number;
  readonly responseBodyBytes: number;
  /** Bodies that the application hands over, or takes, as they go. */
  readonly streamedBodies: number;
}

/** Requests, responses, block-wise bodies and observations of one endpoint, in both roles. */
export class RequestResponseLayer {
  readonly counters: Readonly<RequestResponseCounters>;
  readonly #outputs = new OutputQueue<RequestResponseOutput>();
  readonly #supply = new BodySupply(this.#outputs);
  readonly #client: ClientRole;
  readonly #groups: GroupClient;
  readonly #server: ServerRole;
  #lastId = 0;

  /**
   * Throws `ApiMisuseError` for a setting out of range.
   *
   * @param options.echo Without it nobody is asked to prove that a request is fresh, or an address his (RFC 9175 §2).
   * @param options.addressLimit By default nothing limits what goes to a peer.
   * @param options.stateless Without it no request has a `state`.
   */
  constructor(options: {
    readonly random: RandomSource;
    readonly config?: Partial<RequestResponseConfig>;
    readonly echo?: EchoValues;
    readonly addressLimit?: AddressLimit;
    readonly stateless?: StatelessTokens;
  }) {
    const counters = createCounters();
    const context: RoleContext = {
      addressLimit: options.addressLimit ?? noAddressLimit,
      echo: options.echo,
      stateless: options.stateless,
      random: options.random,
      config: requestResponseConfig(options.config),
      counters,
      outputs: this.#outputs,
      supply: this.#supply,
      newId: () => ++this.#lastId,
    };
    this.counters = counters;
    this.#client = new ClientRole(context);
    this.#groups = new GroupClient(context, this.#client);
    this.#server = new ServerRole(context);
  }

  /**
   * Begins an Exchange. What goes wrong with it comes as `failed` output.
   *
   * @throws ApiMisuseError for a request that cannot be encoded; then nothing is remembered of it.
   */
  request(peer: PeerKey, request: ClientRequest, now: Instant): ExchangeId {
    return this.#client.request(peer, request, now);
  }

  /**
   * Begins an Exchange with all members of a group (RFC 7252 §8). Each `response` names its peer and is not final; the
   * last output is `window-ended` or `failed`.
   *
   * @throws ApiMisuseError for a request that cannot be encoded; then nothing is remembered of it.
   */
  groupRequest(group: PeerKey, request: GroupRequest, now: Instant): ExchangeId {
    return this.#groups.request(group, request, now);
  }

  /**
   * Fetches the rest of a response that came for somebody else than this layer, of which `first` is the first block, of at
   * most `maxBytes` (RFC 8613 §8.4.1). Ends as any Exchange.
   */
  continueResponse(
    peer: PeerKey,
    request: Pick<Content, 'code' | 'options'>,
    first: Content,
    maxBytes: number,
    now: Instant,
  ): ExchangeId {
    let exchange = 0;
    const options = OptionSet.from(request.options.entries()).delete(OptionNumber.Observe);
    // Its response is for who protected the request, as with one that is passed on.
    const content = { code: request.code, options, payload: noBytes, type: 'CON', secure: false } as const;
    const began = (id: ExchangeId): void => {
      exchange = id;
    };
    this.#client.continueResponse(peer, { ...content, forwarded: true }, first, now, began, maxBytes);
    return exchange;
  }

  /** A message to `peer` went out; the window of a request to a group begins with it. */
  transmitted(peer: PeerKey, now: Instant): void {
    if (this.#groups.size > 0) this.#groups.transmitted(peer, now);
  }

  /**
   * Ends an Exchange with `failed` `cancelled`: at once, or for an observation when its deregistration was
   * answered or given up (RFC 7641 §3.6).
   *
   * @param isForgotten An observation ends at once too: a Reset of its next notification tells the server (§3.6).
   */
  cancel(exchange: ExchangeId, now: Instant, isForgotten = false): void {
    this.#client.cancel(exchange, now, isForgotten);
    this.#groups.cancel(exchange, now);
  }

  /**
   * Takes a response or notification, which may stay in use until the Exchange ends. A CON one is to be
   * acknowledged when it is `matched`, else reset (RFC 7252 §5.3.2).
   */
  receiveResponse(peer: PeerKey, message: ReceivedMessage, now: Instant): ResponseFate {
    return (
      this.#groups.receiveResponse(peer, message, now) ?? this.#client.receiveResponse(peer, message, now)
    );
  }

  /** The Exchange of ours with this token. */
  exchangeOf(peer: PeerKey, token: Uint8Array): ExchangeId | undefined {
    return this.#client.table.match(peer, token)?.id;
  }

  /** The request message got an empty or piggybacked ACK. Unknown ids are ignored, here and below. */
  requestAcknowledged(exchange: ExchangeId, now: Instant): void {
    this.#client.requestAcknowledged(exchange, now);
  }

  /** The Non-confirmable request message waits for its turn in the message layer; `requestStarted` follows. */
  requestHeld(exchange: ExchangeId): void {
    this.#client.qBlocks.held(exchange);
  }

  /** The request message that waited goes out. */
  requestStarted(exchange: ExchangeId, now: Instant): void {
    this.#client.qBlocks.started(exchange, now);
  }

  /** The request message was sent once more. */
  requestRetransmitted(exchange: ExchangeId): void {
    this.#client.requestRetransmitted(exchange);
  }

  /** The request message got a Reset. */
  requestReset(exchange: ExchangeId, now: Instant): void {
    this.#client.requestReset(exchange, now);
  }

  /** The request message was retransmitted to the end. */
  requestTimedOut(exchange: ExchangeId, _now: Instant): void {
    this.#client.requestTimedOut(exchange);
  }

  /** The request message is larger than the peer takes, and was not sent (RFC 8323 §5.3.1). */
  requestTooLarge(exchange: ExchangeId, detail: string): void {
    this.#client.requestTooLarge(exchange, detail);
  }

  /** The request message cannot be protected, or its answer was not. */
  requestFailed(
    exchange: ExchangeId,
    error: 'cannot-protect' | 'unprotected-response',
    detail: string,
  ): void {
    this.#client.requestFailed(exchange, error, detail);
  }

  /** The request message was refused by the message layer, unsent. */
  requestRefused(exchange: ExchangeId, now: Instant): void {
    this.#client.requestRefused(exchange, now);
    this.#groups.refused(exchange);
  }

  /**
   * Takes a request, which may stay in use until the Exchange ends. `reply` comes back with the answer.
   *
   * @param repeat The message layer hands the request up for the second time, as its answer was not kept. It
   *        begins and ends no observation, but may renew one.
   * @param group The multicast address it was sent to (RFC 7252 §8).
   */
  receiveRequest(
    peer: PeerKey,
    message: ReceivedMessage,
    reply: unknown,
    now: Instant,
    repeat = false,
    group?: PeerAddress,
  ): void {
    this.#server.receiveRequest(peer, message, reply, repeat, now, group);
  }

  /** The application's answer to a `request` output. Too late an answer is counted and ignored. */
  respond(exchange: ExchangeId, response: ServerResponse, now: Instant): void {
    this.#server.respond(exchange, response, now);
  }

  /** The next bytes of a body that `body-wanted` asked for: at most so many, or the last. Later ones are ignored. */
  provideBody(source: BodySource, bytes: Uint8Array, last: boolean, now: Instant): void {
    this.#supply.provide(source, bytes, last, now);
  }

  /** The application cannot go on with a body: the request fails, a response breaks off. */
  failBody(source: BodySource, detail: string, now: Instant): void {
    this.#supply.fail(source, detail, now);
  }

  /** The endpoint ends: no body is asked for any more. */
  releaseBodies(): void {
    this.#supply.releaseAll();
  }

  /** The application has taken the part of a body that it was given last. */
  continueBody(exchange: ExchangeId, now: Instant): void {
    this.#client.continueBody(exchange, now);
    this.#server.continueBody(exchange, now);
  }

  /** The resource changed: its observers get its new state. `/path` means it with every query, `/path?query` exactly it. */
  notify(resource: string, now: Instant): void {
    this.#server.changed(resource, now);
  }

  /** What one observer is shown has changed; `exchange` is that of its registration. */
  notifyObserver(exchange: ExchangeId, now: Instant): void {
    this.#server.changedFor(exchange, now);
  }

  /** The address of a peer is proved: what was held back from it may go. */
  addressProved(peer: PeerKey, now: Instant): void {
    this.#server.addressKnown(peer, now);
    this.#server.observers.release(peer, now);
  }

  /** The address of a peer was to be proved, and was not: responses that wait for it go as they may, observations end. */
  addressUnproved(peer: PeerKey, now: Instant): void {
    this.#server.addressKnown(peer, now);
    this.#server.observers.giveUpHeld(peer);
  }

  /** A separate response or notification was acknowledged. */
  responseAcknowledged(exchange: ExchangeId, now: Instant): void {
    this.#server.qBlocks.acknowledged(exchange, now);
    this.#server.observers.acknowledged(exchange, now);
  }

  /** A separate response or notification got a Reset: removes the observer (RFC 7641 §4.5). */
  responseReset(exchange: ExchangeId, now: Instant): void {
    this.#server.qBlocks.rejected(exchange);
    this.#server.observers.rejected(exchange, now);
  }

  /** A separate response or notification was retransmitted to the end: removes all observers of the peer. */
  responseTimedOut(exchange: ExchangeId, now: Instant): void {
    this.#server.qBlocks.failed(exchange);
    this.#server.observers.timedOut(exchange, now);
  }

  /**
   * A response that was told to be outdated would be sent now, for the first time or once more. Whether another one will
   * come in its place (RFC 7641 §4.5.2).
   */
  responseDue(exchange: ExchangeId, now: Instant): boolean {
    return this.#server.observers.due(exchange, now);
  }

  /** A separate response or notification was refused by the message layer, unsent, or given up though its peer is there: observers stay, and are told later. */
  responseRefused(exchange: ExchangeId, now: Instant): void {
    this.#server.qBlocks.failed(exchange);
    this.#server.observers.refused(exchange, now);
  }

  /** The peer is gone, such as with its security association: everything with it ends. */
  peerClosed(peer: PeerKey, _now: Instant): void {
    this.#client.peerClosed(peer);
    this.#server.peerClosed(peer);
  }

  /** The number of the next token to a secure peer, for a process that goes on with its association. */
  nextToken(peer: PeerKey): number {
    return this.#client.tokens.nextNumber(peer);
  }

  /** Goes on where another process ended, so that no token is used twice under one key (RFC 9175 §4.2). */
  continueTokens(peer: PeerKey, next: number): void {
    this.#client.tokens.continueAt(peer, next);
  }

  /** The next output, oldest first. */
  poll(): RequestResponseOutput | undefined {
    for (;;) {
      const output = this.#outputs.shift();
      const translated = output && this.#groups.translated(output);
      if (output === undefined || translated !== undefined) return translated;
    }
  }

  /** Runs what is due. */
  handleTimeout(now: Instant): void {
    this.#client.handleTimeout(now);
    this.#groups.handleTimeout(now);
    this.#server.handleTimeout(now);
  }

  /** When `handleTimeout` wants to be called. */
  nextTimeout(): Instant | undefined {
    return earliest(
      this.#groups.nextTimeout(),
      earliest(this.#client.nextTimeout(), this.#server.nextTimeout()),
    );
  }

  /** Which token stands for which resource: all observations in progress, of both roles. */
  activeObservations(): readonly ActiveObservation[] {
    const active: ActiveObservation[] = [];
    for (const { id, peer, token, options, observation } of this.#client.table.values()) {
      if (observation === undefined) continue;
      const { sequence } = observation;
      active.push({ role: 'client', exchange: id, peer, token, resource: resourceName(options), sequence });
    }
    for (const { exchange, peer, sequence } of this.#groups.observations()) {
      const { id, token, content } = exchange;
      const resource = resourceName(content.options);
      active.push({ role: 'client', exchange: id, peer, token, resource, sequence });
    }
    for (const { exchange, resource, sequence } of this.#server.observers.values()) {
      const { id, peer, token } = exchange;
      active.push({ role: 'server', exchange: id, peer, token, resource, sequence: sequence % 2 ** 24 });
    }
    return active;
  }

  /** Observers of resources here: of one peer, or without one of all. */
  observerCount(peer?: PeerKey): number {
    const { observers } = this.#server;
    return peer === undefined ? observers.size : observers.countOf(peer);
  }

  /** How much is held at the moment. */
  load(): RequestResponseLoad {
    const { bodyBudget, responseBodies, observers } = this.#server;
    return {
      clientExchanges: this.#client.table.size,
      serverExchanges: this.#server.size,
      observers: observers.size,
      requestBodies: bodyBudget.size,
      requestBodyBytes: bodyBudget.bytes,
      responseBodies: responseBodies.size,
      responseBodyBytes: responseBodies.bytes,
      streamedBodies: this.#supply.size + this.#server.streamedRequests.size,
    };
  }
}
