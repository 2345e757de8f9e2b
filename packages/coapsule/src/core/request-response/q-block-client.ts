/**
 * The client's side of Q-Block: whether a server speaks it, when a request goes that way, and when it goes back to the
 * blocks of RFC 7959.
 *
 * RFC 9177 §4.1. Request bodies go by `q-block1-sender.ts`, response bodies come by `q-block2-receiver.ts`; what a response
 * means that is not one of Q-Block's, is told in `client-role.ts`. Not over reliable transports, not to groups (§4.8), and
 * not for bodies that are handed over (docs/decisions/041).
 *
 * @module
 */

import { blockSize, maxBlockNumber } from '../coap/block-option.ts';
import { Code, isSafeRequest, isSuccessCode } from '../coap/code.ts';
import type { MessageType } from '../coap/message-view.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { after, type Instant } from '../foundation/instant.ts';
import type { ClientExchange, QBlockState } from './client-exchange.ts';
import type { ClientExchanges } from './client-exchanges.ts';
import type { ClientRequest, Content, ExchangeId, PeerKey, ReceivedMessage } from './exchange.ts';
import { furtherTokens, timeToWaitMs } from './q-block-parameters.ts';
import { QBlockSupport } from './q-block-support.ts';
import { QBlock1Sender } from './q-block1-sender.ts';
import { qBlock2Of, withoutQBlocks } from './q-block2-download.ts';
import { QBlock2Receiver } from './q-block2-receiver.ts';
import { qBlockProbe, requestMessage } from './request-message.ts';
import { mayBeSilent } from './response-suppression.ts';
import type { RoleContext } from './role-context.ts';

/** Critical options of a response to a request that was sent with one of them. */
export const qBlockOptions: readonly number[] = [OptionNumber.QBlock1, OptionNumber.QBlock2];

/** Q-Block at a client. */
export class QBlockClient {
  readonly #context: RoleContext;
  readonly #exchanges: ClientExchanges;
  readonly #support = new QBlockSupport();
  /** Sends the request in the blocks of RFC 7959. */
  readonly #sendPlain: (exchange: ClientExchange, now: Instant) => void;
  readonly #sender: QBlock1Sender;
  readonly #receiver: QBlock2Receiver;

  constructor(
    context: RoleContext,
    exchanges: ClientExchanges,
    sendPlain: (exchange: ClientExchange, now: Instant) => void,
  ) {
    this.#context = context;
    this.#exchanges = exchanges;
    this.#sendPlain = sendPlain;
    this.#sender = new QBlock1Sender(context, exchanges, (exchange, state, now) =>
      this.#confirm(exchange, state, now),
    );
    this.#receiver = new QBlock2Receiver(context, exchanges);
  }

  /** Begins, or begins again, a request with a Q-Block option; false when it is to go without. */
  begin(exchange: ClientExchange, now: Instant): boolean {
    this.end(exchange);
    const { code, payload, blockBytes, szx, wantsQBlock } = exchange;
    const knowledge = wantsQBlock ? this.#support.of(serverOf(exchange), now) : 'unspoken';
    if (knowledge === 'unspoken' || !qBlockMethods.has(code)) return false;
    const hasUpload = payload.length > blockBytes;
    if (hasUpload && payload.length > (maxBlockNumber + 1) * blockSize(szx)) return false;
    const tries = knowledge === 'unknown';
    // §4.1: what finds out is Confirmable, and §7: so is then the whole body. One that is not to be waits for a probe.
    const isOwnProbe = code === Code.Get || (code === Code.Fetch && payload.length > 0);
    const probes = tries && exchange.type === 'NON' && (hasUpload || isOwnProbe);
    const state: QBlockState = {
      phase: 'probing',
      ...{ tries, confirmed: false, outstanding: false, repeated: 0 },
      ...{ sent: new Map<string, number>(), echoed: new Set<number>() },
    };
    exchange.qBlock = state;
    delete exchange.upload;
    if (probes) this.#exchanges.transmit(exchange, qBlockProbe(exchange), now);
    else if (hasUpload) this.#sender.begin(exchange, state, szx, now);
    else this.#request(exchange, state, now);
    return true;
  }

  /** Nothing more of an Exchange in Q-Blocks: what comes late of it finds no token. */
  end(exchange: ClientExchange): void {
    const state = exchange.qBlock;
    if (state === undefined) return;
    if (state.download?.complete === false && exchange.observation !== undefined) {
      this.#context.counters.incompleteNotifications++;
    }
    this.#exchanges.qBlockWaits.cancel(exchange);
    this.#exchanges.table.releaseFurther(exchange);
    delete exchange.qBlock;
  }

  /**
   * Takes a response as far as it concerns Q-Block.
   *
   * @returns what is still to be looked at: a response to the whole request, or the first block of one; `undefined` when
   *          nothing is.
   */
  receive(
    exchange: ClientExchange,
    message: Pick<ReceivedMessage, 'type' | 'token'>,
    response: Content,
    now: Instant,
  ): Content | undefined {
    const state = exchange.qBlock;
    if (state === undefined) return response;
    const { token } = message;
    const isRefused = response.code === Code.BadOption;
    // With 4.02 libcoap sends the option back that it does not know.
    if (!isRefused && qBlockOptions.some((number) => response.options.has(number))) {
      this.#confirm(exchange, state, now);
    }
    const isBroken = response.options.has(OptionNumber.QBlock2) && qBlock2Of(response) === undefined;
    if (isBroken && isSuccessCode(response.code)) {
      if (exchange.observation !== undefined) this.#receiver.abandon(exchange, state);
      else this.#exchanges.fail(exchange, 'blockwise', 'the response has an illegal Q-Block2 option');
      return undefined;
    }
    if (isRefused && !state.confirmed && state.phase !== 'downloading') {
      this.#fallBack(exchange, true, now);
      return undefined;
    }
    switch (state.phase) {
      case 'probing':
        return this.#probed(exchange, state, response, now);
      case 'uploading':
        return this.#sender.receive(exchange, state, token, response, now);
      case 'asking':
        return this.#receiveFirst(exchange, state, token, response, now);
      case 'downloading':
        return this.#receiver.receive(exchange, state, message, response, now);
    }
  }

  /** A response to the request, or a notification: whether it is a block of one that comes in Q-Blocks, and was taken. */
  takeFirst(
    exchange: ClientExchange,
    type: MessageType | undefined,
    response: Content,
    now: Instant,
  ): boolean {
    const state = exchange.qBlock;
    if (state === undefined) return false;
    if (state.download?.complete === false) this.#context.counters.incompleteNotifications++;
    delete state.download;
    if (qBlock2Of(response) === undefined || !isSuccessCode(response.code)) {
      this.#exchanges.waitForQBlocks(exchange, undefined);
      return false;
    }
    this.#receiver.begin(exchange, state, type !== 'NON', response, now);
    return true;
  }

  /**
   * Whether a later block of the response has come before the acknowledgement of the request, which brings the first (§4.4):
   * then the request is not stopped, as the acknowledgement would find it no more.
   */
  outruns(exchange: ClientExchange, response: Content): boolean {
    return exchange.qBlock !== undefined && exchange.outstanding && (qBlock2Of(response)?.num ?? 0) > 0;
  }

  /** The first block of a body has to wait (RFC 7252 §4.7): so does the clock. */
  held(id: ExchangeId): void {
    const exchange = this.#exchanges.table.get(id);
    if (exchange?.qBlock?.upload !== undefined) this.#exchanges.waitForQBlocks(exchange, undefined);
  }

  /** The first block of a body goes out, and those that wait for it. */
  started(id: ExchangeId, now: Instant): void {
    const exchange = this.#exchanges.table.get(id);
    const upload = exchange?.qBlock?.upload;
    if (exchange !== undefined && upload !== undefined) {
      this.#exchanges.waitForQBlocks(exchange, upload.restart(now));
    }
  }

  /** A message of a body was acknowledged; false when the Exchange has no such one. */
  acknowledged(exchange: ClientExchange, now: Instant): boolean {
    const state = exchange.qBlock;
    if (state === undefined || state.phase === 'asking' || state.phase === 'probing') return false;
    this.#sender.acknowledged(exchange, state, now);
    return true;
  }

  /** A message was reset; whether the request goes on in another way, as the server may not know Q-Block (§4.3). */
  reset(exchange: ClientExchange, now: Instant): boolean {
    const state = exchange.qBlock;
    if (state === undefined || state.confirmed || state.tries) return false;
    this.#fallBack(exchange, true, now);
    return true;
  }

  /** The endpoint is gone. */
  forgetPeer(peer: PeerKey): void {
    this.#support.forgetPeer(peer);
    this.#support.forgetPeer(proxyAt(peer));
  }

  handleTimeout(now: Instant): void {
    const { qBlockWaits } = this.#exchanges;
    for (let due = qBlockWaits.expire(now); due !== undefined; due = qBlockWaits.expire(now)) {
      if (due.qBlock !== undefined) this.#expire(due, due.qBlock, now);
    }
  }

  #expire(exchange: ClientExchange, state: QBlockState, now: Instant): void {
    const { upload, download } = state;
    if (upload !== undefined) {
      if (!this.#sender.expire(exchange, state, upload, now)) this.#timedOut(exchange, state);
    } else if (download !== undefined) this.#receiver.expire(exchange, state, download, now);
    else if (state.repeated >= this.#context.config.qBlock.nonMaxRetransmit) this.#timedOut(exchange, state);
    else {
      // As long as none of its blocks has come, all are missing (§7.2).
      state.repeated++;
      const { token } = exchange;
      this.#exchanges.renewToken(exchange);
      if (exchange.token !== token) this.#exchanges.table.claimFurther(exchange, token, furtherTokens);
      this.#request(exchange, state, now);
    }
  }

  /** Nothing came. The server may be another one than the one that spoke Q-Block. */
  #timedOut(exchange: ClientExchange, state: QBlockState): void {
    if (!state.confirmed) this.#support.forgetPeer(serverOf(exchange));
    this.#exchanges.timedOut(exchange);
  }

  /**
   * §4.1: any answer but 4.02 comes from a server that knows the option, unless it could not look at the request. That to a
   * request without a body is the response itself, when it is no block of a larger one.
   */
  #probed(
    exchange: ClientExchange,
    state: QBlockState,
    response: Content,
    now: Instant,
  ): Content | undefined {
    const isPlain = response.options.has(OptionNumber.Block2);
    if (isPlain && response.options.has(OptionNumber.Echo) && !exchange.repeatedForEcho) {
      // It sends no more to an address that nothing proves (RFC 9175 §2.4); the Echo does.
      this.#exchanges.repeatWithEcho(exchange, now);
      return undefined;
    }
    const hasUpload = exchange.payload.length > exchange.blockBytes;
    const isAnswer = !hasUpload && exchange.observation === undefined;
    if (isPlain || response.code >= Code.InternalServerError) {
      state.tries = false;
      state.phase = 'asking';
      if (isAnswer) return response;
      this.#fallBack(exchange, false, now);
      return undefined;
    }
    this.#confirm(exchange, state, now);
    if (isAnswer && !qBlock2Of(response)?.more) return withoutQBlocks(response);
    this.#exchanges.stop(exchange);
    this.#exchanges.renewToken(exchange);
    exchange.repeatedForEcho = false;
    if (hasUpload) this.#sender.begin(exchange, state, exchange.szx, now);
    else this.#request(exchange, state, now);
    return undefined;
  }

  #request(exchange: ClientExchange, state: QBlockState, now: Instant): void {
    state.phase = 'asking';
    this.#exchanges.transmit(exchange, requestMessage(exchange), now);
    // A Non-confirmable request that does no harm goes again when nothing comes.
    if (exchange.type === 'CON' || state.tries || !isSafeRequest(exchange.code)) return;
    this.#exchanges.waitForQBlocks(
      exchange,
      after(now, timeToWaitMs(this.#context.config.qBlock, state.repeated)),
    );
  }

  #receiveFirst(
    exchange: ClientExchange,
    state: QBlockState,
    token: Uint8Array,
    response: Content,
    now: Instant,
  ): Content | undefined {
    const isPlain = response.options.has(OptionNumber.Block2);
    // A server that cannot be asked now need not have looked at the options.
    if (!isPlain && response.code < Code.InternalServerError) this.#confirm(exchange, state, now);
    this.#exchanges.waitForQBlocks(exchange, undefined);
    // What it asks again with, once an Echo has proved our address, is the same request.
    if (!isPlain) {
      state.phase = 'downloading';
      if (exchange.observation === undefined) this.#exchanges.table.keepOnly(exchange, token);
    }
    return response;
  }

  #confirm(exchange: ClientExchange, state: QBlockState, now: Instant): void {
    if (state.confirmed) return;
    state.confirmed = true;
    state.tries = false;
    this.#support.learned(serverOf(exchange), true, now);
  }

  /** §4.1: the request goes in the blocks of RFC 7959, from its start. */
  #fallBack(exchange: ClientExchange, isLesson: boolean, now: Instant): void {
    if (isLesson) this.#support.learned(serverOf(exchange), false, now);
    this.#exchanges.stop(exchange);
    this.end(exchange);
    exchange.uploaded = false;
    exchange.repeatedForEcho = false;
    this.#exchanges.renewToken(exchange);
    this.#sendPlain(exchange, now);
  }
}

/** Whether bodies of a request may go and come in Q-Blocks, as far as the request itself tells. */
export function mayUseQBlock(request: ClientRequest): boolean {
  const { body, streamResponse, singleBlock, resumable, resume, forwarded, token, expectResponse, options } =
    request;
  // Blocks come in any order: nothing can be handed over, nor go on, block by block.
  if (body !== undefined || streamResponse || singleBlock !== undefined) return false;
  if (resumable || resume !== undefined || forwarded) return false;
  // Each block has a token of its own, and needs answers.
  if (token !== undefined || expectResponse === false || mayBeSilent(options)) return false;
  return !callersOptions.some((number) => options.has(number));
}

/** Who gives these speaks of blocks himself (§4.1: no mix of both kinds), or names his bodies himself (§4.3). */
const callersOptions: readonly number[] = [
  OptionNumber.Block1,
  OptionNumber.Block2,
  OptionNumber.QBlock1,
  OptionNumber.QBlock2,
  OptionNumber.RequestTag,
];

/** §4.1: the methods for which the options are of use. */
const qBlockMethods: ReadonlySet<Code> = new Set([
  Code.Get,
  Code.Post,
  Code.Put,
  Code.Fetch,
  Code.Patch,
  Code.IPatch,
]);

/** What speaks Q-Block or not: a proxy may for its own resources, and not for what it passes on (docs/decisions/037). */
function serverOf({ peer, options }: ClientExchange): PeerKey {
  const isProxied = options.has(OptionNumber.ProxyUri) || options.has(OptionNumber.ProxyScheme);
  return isProxied ? proxyAt(peer) : peer;
}

function proxyAt(peer: PeerKey): PeerKey {
  return `${peer}\nproxy`;
}
