/**
 * A client's request body in sets of Q-Block1: how each block is sent, and what the answers to them mean.
 *
 * RFC 9177 §4.3, §5. Which blocks go, and when again, is decided in `q-block1-upload.ts`; what a response to the whole body
 * means, in `client-role.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize, decodeBlock, maxBlockNumber } from '../coap/block-option.ts';
import { Code, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { OptionReader } from '../coap/option-set.ts';
import type { Instant } from '../foundation/instant.ts';
import { randomBytes, randomFraction } from '../foundation/random-source.ts';
import { byteKey } from './byte-key.ts';
import type { ClientExchange, QBlockState } from './client-exchange.ts';
import type { ClientExchanges } from './client-exchanges.ts';
import type { Content } from './exchange.ts';
import { decodeMissingBlocks, missingBlocksFormat } from './missing-blocks.ts';
import { furtherTokens, nonTimeoutRandomMs } from './q-block-parameters.ts';
import { QBlock1Upload } from './q-block1-upload.ts';
import { withoutQBlocks } from './q-block2-download.ts';
import { qBlockMessage } from './request-message.ts';
import type { RoleContext } from './role-context.ts';

/** See the module comment. */
export class QBlock1Sender {
  readonly #context: RoleContext;
  readonly #exchanges: ClientExchanges;
  readonly #confirm: (exchange: ClientExchange, state: QBlockState, now: Instant) => void;
  /** The Request-Tag of the next body (§4.3). */
  #tag: number | undefined;

  /** `confirm` is told when an answer shows that the server speaks Q-Block. */
  constructor(
    context: RoleContext,
    exchanges: ClientExchanges,
    confirm: (exchange: ClientExchange, state: QBlockState, now: Instant) => void,
  ) {
    this.#context = context;
    this.#exchanges = exchanges;
    this.#confirm = confirm;
  }

  /** Begins a body, also once more in smaller blocks. */
  begin(exchange: ClientExchange, state: QBlockState, szx: number, now: Instant): void {
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

  /** The time of the upload has come; false when there is nothing left to try. */
  expire(exchange: ClientExchange, state: QBlockState, upload: QBlock1Upload, now: Instant): boolean {
    const numbers = upload.expire(now);
    if (numbers !== undefined) this.#send(exchange, state, upload, numbers, now);
    return numbers !== undefined;
  }

  /** A message of the body was acknowledged. */
  acknowledged(exchange: ClientExchange, { upload }: QBlockState, now: Instant): void {
    upload?.acknowledged(now);
    if (upload !== undefined) this.#exchanges.waitForQBlocks(exchange, upload.deadline);
  }

  /** Takes an answer to a block; returns what answers the whole request. */
  receive(
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
        this.begin(exchange, state, block1.szx, now);
        return undefined;
      }
    }
    if (isSuccessCode(code)) this.#confirm(exchange, state, now);
    // §4.3: all tokens of the body go, but for the one that the response, and later notifications, come with.
    this.#exchanges.table.keepOnly(exchange, token);
    state.phase = 'downloading';
    delete state.upload;
    this.#exchanges.waitForQBlocks(exchange, undefined);
    return options.has(OptionNumber.QBlock2) ? response : withoutQBlocks(response);
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
    this.#exchanges.waitForQBlocks(exchange, upload.deadline);
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

  /** §4.3: counts from a random number, and never comes again. */
  #nextTag(): Uint8Array {
    const { random } = this.#context;
    this.#tag ??= new DataView(randomBytes(random, requestTagBytes).buffer).getUint32(0);
    this.#tag = (this.#tag + 1) % 2 ** (8 * requestTagBytes);
    const tag = new DataView(new ArrayBuffer(requestTagBytes));
    tag.setUint32(0, this.#tag);
    return new Uint8Array(tag.buffer);
  }
}

/** §4.3 suggests 8 or 4 bytes, that count from a random number. */
const requestTagBytes = 4;

function qBlock1Of(options: OptionReader): BlockOption | undefined {
  const value = options.first(OptionNumber.QBlock1);
  return value === undefined ? undefined : decodeBlock(value);
}
