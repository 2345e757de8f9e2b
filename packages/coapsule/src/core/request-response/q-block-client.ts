/**
 * The client's side of Q-Block: whether a server speaks it, request bodies that go in sets of blocks, and response bodies
 * that come so.
 *
 * RFC 9177. Which blocks go, and which to ask for, is decided in `q-block1-upload.ts` and `q-block2-download.ts`; what a
 * response means that is not one of Q-Block's, in `client-role.ts`. Not over reliable transports, not to groups (§4.8), and
 * not for bodies that are handed over (docs/decisions/041).
 *
 * @module
 */

import { type BlockOption, blockSize, decodeBlock, maxBlockNumber } from '../coap/block-option.ts';
import { Code, isSafeRequest, isSuccessCode } from '../coap/code.ts';
import type { MessageType } from '../coap/message-view.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { OptionReader } from '../coap/option-set.ts';
import { equalBytes } from '../foundation/bytes.ts';
import { after, type Instant } from '../foundation/instant.ts';
import { randomBytes, randomFraction } from '../foundation/random-source.ts';
import { byteKey } from './byte-key.ts';
import type { ClientExchange, QBlockState } from './client-exchange.ts';
import { type ClientExchanges, notification } from './client-exchanges.ts';
import type { ClientRequest, Content, PeerKey, ReceivedMessage } from './exchange.ts';
import { decodeMissingBlocks, missingBlocksFormat } from './missing-blocks.ts';
import { nonTimeoutRandomMs, timeToWaitMs } from './q-block-parameters.ts';
import { QBlockSupport } from './q-block-support.ts';
import { QBlock1Upload } from './q-block1-upload.ts';
import { QBlock2Download, type QDownloadStep, qBlock2Of, withoutQBlocks } from './q-block2-download.ts';
import { missingBlocksRequest, qBlockMessage, qBlockProbe, requestMessage } from './request-message.ts';
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
  /** The Request-Tag of the next body (§4.3). */
  #tag: number | undefined;

  constructor(
    context: RoleContext,
    exchanges: ClientExchanges,
    sendPlain: (exchange: ClientExchange, now: Instant) => void,
  ) {
    this.#context = context;
    this.#exchanges = exchanges;
    this.#sendPlain = sendPlain;
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
    const probes = tries && exchange.type === 'NON' && (hasUpload || isSafeRequest(code));
    const state: QBlockState = {
      phase: 'probing',
      ...{ tries, confirmed: false, outstanding: false, repeated: 0 },
      ...{ sent: new Map<string, number>(), echoed: new Set<number>() },
    };
    exchange.qBlock = state;
    delete exchange.upload;
    if (probes) this.#exchanges.transmit(exchange, qBlockProbe(exchange), now);
    else if (hasUpload) this.#upload(exchange, state, szx, now);
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
    if (response.options.has(OptionNumber.QBlock1) || response.options.has(OptionNumber.QBlock2)) {
      this.#confirm(exchange, state, now);
    }
    if (response.code === Code.BadOption && !state.confirmed && state.phase !== 'downloading') {
      this.#fallBack(exchange, true, now);
      return undefined;
    }
    switch (state.phase) {
      case 'probing':
        return this.#probed(exchange, state, response, now);
      case 'uploading':
        return this.#receiveForUpload(exchange, state, token, response, now);
      case 'asking':
        return this.#receiveFirst(exchange, state, token, response, now);
      case 'downloading':
        return this.#receiveLater(exchange, state, message, response, now);
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
      this.#arm(exchange, undefined);
      return false;
    }
    this.#download(exchange, state, type !== 'NON', response, now);
    return true;
  }

  /** A message of a body was acknowledged; false when the Exchange has no such one. */
  acknowledged(exchange: ClientExchange, now: Instant): boolean {
    const state = exchange.qBlock;
    if (state === undefined || state.phase === 'asking' || state.phase === 'probing') return false;
    state.upload?.acknowledged(now);
    if (state.upload !== undefined) this.#arm(exchange, state.upload.deadline);
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
      const numbers = upload.expire(now);
      if (numbers === undefined) this.#timedOut(exchange, state);
      else this.#send(exchange, state, upload, numbers, now);
    } else if (download !== undefined) this.#step(exchange, state, download.expire(now), now);
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
    if (isAnswer && !qBlock2Of(response)?.more) return withoutOptions(response);
    this.#exchanges.stop(exchange);
    this.#exchanges.renewToken(exchange);
    exchange.repeatedForEcho = false;
    if (hasUpload) this.#upload(exchange, state, exchange.szx, now);
    else this.#request(exchange, state, now);
    return undefined;
  }

  #request(exchange: ClientExchange, state: QBlockState, now: Instant): void {
    state.phase = 'asking';
    this.#exchanges.transmit(exchange, requestMessage(exchange), now);
    // A Non-confirmable request that does no harm goes again when nothing comes.
    if (exchange.type === 'CON' || state.tries || !isSafeRequest(exchange.code)) return;
    this.#arm(exchange, after(now, timeToWaitMs(this.#context.config.qBlock, state.repeated)));
  }

  #upload(exchange: ClientExchange, state: QBlockState, szx: number, now: Instant): void {
    const { config, random } = this.#context;
    const { code, payload, type } = exchange;
    const requestTag = this.#nextTag();
    const upload = new QBlock1Upload(payload, {
      parameters: config.qBlock,
      requestTag,
      szx,
      confirmable: type === 'CON',
      tries: state.tries,
      pauseMs: nonTimeoutRandomMs(config.qBlock, randomFraction(random)),
      patienceMs: config.responseTimeoutMs,
      mayRepeat: code !== Code.Post && code !== Code.Patch,
    });
    state.phase = 'uploading';
    state.upload = upload;
    state.requestTag = requestTag;
    state.sent.clear();
    state.echoed.clear();
    exchange.uploaded = true;
    exchange.outstanding = true;
    this.#exchanges.waits.cancel(exchange);
    this.#send(exchange, state, upload, upload.begin(now), now);
  }

  /** §4.3: counts from a random number, and never comes again. */
  #nextTag(): Uint8Array {
    const { random } = this.#context;
    this.#tag ??= new DataView(randomBytes(random, requestTagBytes).buffer).getUint32(0);
    this.#tag = (this.#tag + 1) % 2 ** (8 * requestTagBytes);
    const tag = new DataView(new ArrayBuffer(requestTagBytes));
    tag.setUint32(0, this.#tag);
    return new Uint8Array(tag.buffer);
  }

  #send(
    exchange: ClientExchange,
    state: QBlockState,
    upload: QBlock1Upload,
    numbers: readonly number[],
    now: Instant,
  ): void {
    const { table } = this.#exchanges;
    for (const num of numbers) {
      const isFirst = state.sent.size === 0;
      const token = isFirst ? exchange.token : this.#exchanges.freshToken(exchange.peer, exchange.secure);
      if (!isFirst) table.claimFurther(exchange, token, furtherTokens);
      state.sent.set(byteKey(token), num);
      if (state.sent.size > furtherTokens) state.sent.delete([...state.sent.keys()][0] as string);
      const message = { ...qBlockMessage(exchange, upload, num), token };
      const part = exchange.type === 'NON' ? { first: isFirst } : undefined;
      this.#exchanges.transmitPart(exchange, exchange.type, message, now, part);
    }
    this.#arm(exchange, upload.deadline);
  }

  #receiveForUpload(
    exchange: ClientExchange,
    state: QBlockState,
    token: Uint8Array,
    response: Content,
    now: Instant,
  ): Content | undefined {
    const upload = state.upload as QBlock1Upload;
    const { code, options } = response;
    const block1 = qBlock1Of(options);
    const num = state.sent.get(byteKey(token));
    if (code === Code.Continue) {
      this.#confirm(exchange, state, now);
      const upTo = block1?.num ?? num;
      if (upTo !== undefined) this.#send(exchange, state, upload, upload.continued(upTo, now), now);
      return undefined;
    }
    if (
      code === Code.RequestEntityIncomplete &&
      options.uint(OptionNumber.ContentFormat) === missingBlocksFormat
    ) {
      this.#confirm(exchange, state, now);
      this.#sendMissing(exchange, state, upload, response.payload, now);
      return undefined;
    }
    const wantsEcho = code === Code.Unauthorized && options.has(OptionNumber.Echo);
    if (
      wantsEcho &&
      num !== undefined &&
      !state.echoed.has(num) &&
      !exchange.options.has(OptionNumber.Echo)
    ) {
      // RFC 9175 §2.3: this request once more, with the Echo. Each block is a request (§6).
      this.#context.counters.echoesRepeated++;
      state.echoed.add(num);
      this.#send(exchange, state, upload, upload.repeat(num), now);
      return undefined;
    }
    if (code === Code.RequestEntityTooLarge && block1 !== undefined && block1.szx < upload.manner.szx) {
      // RFC 7959 §2.9.3: a hint to try smaller blocks; they make another body.
      if (exchange.payload.length <= (maxBlockNumber + 1) * blockSize(block1.szx)) {
        this.#exchanges.stop(exchange);
        this.#exchanges.table.keepOnly(exchange, this.#exchanges.freshToken(exchange.peer, exchange.secure));
        this.#upload(exchange, state, block1.szx, now);
        return undefined;
      }
    }
    if (isSuccessCode(code)) this.#confirm(exchange, state, now);
    // §4.3: all tokens of the body go, but for the one that the response, and later notifications, come with.
    this.#exchanges.table.keepOnly(exchange, token);
    state.phase = 'downloading';
    delete state.upload;
    this.#arm(exchange, undefined);
    return options.has(OptionNumber.QBlock2) ? response : withoutOptions(response);
  }

  /** §5: a list that is not as it should be is silently dropped, and never a fatal error. */
  #sendMissing(
    exchange: ClientExchange,
    state: QBlockState,
    upload: QBlock1Upload,
    payload: Uint8Array,
    now: Instant,
  ): void {
    const listed = decodeMissingBlocks(payload);
    if (listed === undefined) {
      this.#context.outputs.push({
        kind: 'peer-fault',
        peer: exchange.peer,
        reason: 'a list of missing blocks that is none',
      });
      return;
    }
    const numbers = upload.missing(listed, now);
    if (numbers !== undefined) this.#send(exchange, state, upload, numbers, now);
    else this.#exchanges.fail(exchange, 'blockwise', `the server misses block ${listed[0]} again and again`);
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
    this.#arm(exchange, undefined);
    // What it asks again with, once an Echo has proved our address, is the same request.
    if (!isPlain) {
      state.phase = 'downloading';
      if (exchange.observation === undefined) this.#exchanges.table.keepOnly(exchange, token);
    }
    return response;
  }

  /** Blocks of a body that has begun, and what else comes while it comes. */
  #receiveLater(
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
      if (download?.complete === false) this.#abandon(exchange, state);
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
    this.#download(exchange, state, type !== 'NON', response, now);
    return undefined;
  }

  /** An error while later blocks are fetched is the answer to the request as it is now, but for 4.08 and 4.00. */
  #refused(exchange: ClientExchange, response: Content): Content | undefined {
    const { code } = response;
    if (code !== Code.RequestEntityIncomplete && code !== Code.BadRequest) return response;
    this.#exchanges.fail(exchange, 'blockwise', 'the server does not have the missing blocks any more');
    return undefined;
  }

  #download(
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

  #step(exchange: ClientExchange, state: QBlockState, step: QDownloadStep, now: Instant): void {
    switch (step.kind) {
      case 'wait':
        this.#arm(exchange, state.download?.deadline);
        return;
      case 'ask':
        this.#ask(exchange, state, step.blocks, now);
        return;
      case 'complete':
        this.#arm(exchange, undefined);
        if (exchange.observation === undefined) {
          this.#exchanges.finish(exchange, step.response);
          return;
        }
        this.#exchanges.table.releaseFurther(exchange);
        this.#exchanges.deliver(exchange, notification(exchange, step.response), false);
        return;
      case 'failed':
        if (exchange.observation === undefined) this.#exchanges.fail(exchange, step.error, step.detail);
        else this.#abandon(exchange, state);
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
    this.#arm(exchange, download?.deadline);
  }

  /** Gives up a notification: the next one, or the re-registration, will tell. */
  #abandon(exchange: ClientExchange, state: QBlockState): void {
    this.#context.counters.incompleteNotifications++;
    if (state.download !== undefined) state.former = state.download;
    delete state.download;
    this.#exchanges.table.releaseFurther(exchange);
    this.#arm(exchange, undefined);
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

  #arm(exchange: ClientExchange, deadline: Instant | undefined): void {
    const { qBlockWaits } = this.#exchanges;
    if (deadline === undefined) qBlockWaits.cancel(exchange);
    else qBlockWaits.set(exchange, deadline);
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

/** §4.3 suggests 8 or 4 bytes, that count from a random number. */
const requestTagBytes = 4;

/** Tokens of one Exchange in which an answer may come, beside its own: those of the latest sets. */
const furtherTokens = 64;

/** What speaks Q-Block or not: a proxy may for its own resources, and not for what it passes on (docs/decisions/037). */
function serverOf({ peer, options }: ClientExchange): PeerKey {
  const isProxied = options.has(OptionNumber.ProxyUri) || options.has(OptionNumber.ProxyScheme);
  return isProxied ? proxyAt(peer) : peer;
}

function proxyAt(peer: PeerKey): PeerKey {
  return `${peer}\nproxy`;
}

function qBlock1Of(options: OptionReader): BlockOption | undefined {
  const value = options.first(OptionNumber.QBlock1);
  return value === undefined ? undefined : decodeBlock(value);
}

function withoutOptions({ code, options, payload }: Content): Content {
  return { code, options: withoutQBlocks(options), payload };
}
