/**
 * The request messages of a client's Exchange: which options and which part of the body they carry.
 *
 * RFC 7959 §2.4, §2.10, §3.3 and §4, RFC 7641 §3.6. When they are sent is decided in `client-role.ts`.
 *
 * @module
 */

import { type BlockOption, decodeBlock, encodeBlock, isBlockSize, maxSzx } from '../coap/block-option.ts';
import { Code, isRequestCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { baseTokenLength } from '../coap/token-length.ts';
import { noBytes } from '../foundation/bytes.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { Block1Upload } from './block1-upload.ts';
import type { ClientExchange } from './client-exchange.ts';
import type { ClientRequest, Content } from './exchange.ts';
import { OutgoingBody } from './outgoing-body.ts';
import type { QBlock1Upload } from './q-block1-upload.ts';
import { targetOptions } from './resource-key.ts';
import { mayBeSilent } from './response-suppression.ts';
import { statelessOverhead } from './stateless-tokens.ts';

/**
 * Refuses a request that has no encoding, or contradicts itself, before anything is remembered of it. Options
 * are checked by `OptionSet`.
 *
 * @throws ApiMisuseError for a token of more than `maxTokenLength` bytes (RFC 7252 §3, RFC 8974), a code that is no request, or an
 *         observation without responses, or a part of a body that cannot be.
 */
export function checkRequest(request: ClientRequest, maxTokenLength: number = baseTokenLength): void {
  const { code, token, observe, expectResponse, body, options, singleBlock, resume, state } = request;
  if (token !== undefined && token.length > maxTokenLength) {
    throw new ApiMisuseError(`token has ${token.length} bytes; expected at most ${maxTokenLength}`);
  }
  if (token !== undefined && token.length > baseTokenLength && expectResponse === false) {
    // RFC 8974 §2.2.2: a server that does not know such tokens drops it without a sound.
    throw new ApiMisuseError('expectResponse is false with a token above 8 bytes; expected true');
  }
  if (!isRequestCode(code)) throw new ApiMisuseError(`code is ${code}; expected a request code, 1 to 31`);
  if (observe === true && expectResponse === false) {
    throw new ApiMisuseError('expectResponse is false for an observation; expected true');
  }
  if (state !== undefined) {
    if (statelessOverhead + state.length > maxTokenLength) {
      const most = Math.max(0, maxTokenLength - statelessOverhead);
      throw new ApiMisuseError(
        `state has ${state.length} bytes; expected at most ${most}, as tokens have ${maxTokenLength}`,
      );
    }
    // §4.1 for observations; the blocks of a body, and a repetition, need what is not kept.
    const needsState =
      observe === true || body !== undefined || singleBlock !== undefined || resume !== undefined;
    if (needsState || token !== undefined || mayBeSilent(options)) {
      throw new ApiMisuseError(
        'state: expected an ordinary request with one message, without a token of its own',
      );
    }
  }
  if (body !== undefined && (observe === true || options.has(OptionNumber.Block1))) {
    throw new ApiMisuseError(
      'body: got one that is handed over, expected a whole payload for an observation or an own Block1 option',
    );
  }
  if (singleBlock !== undefined && (observe === true || !isBlockSize(singleBlock.size))) {
    throw new ApiMisuseError('singleBlock: expected a block of 16 … 1024 bytes, and no observation');
  }
  if (resume !== undefined && !(isBlockSize(resume.blockSize) && resume.nextByte % resume.blockSize === 0)) {
    throw new ApiMisuseError(`resume: byte ${resume.nextByte} is no multiple of ${resume.blockSize} bytes`);
  }
}

/** Observe values in a request (RFC 7641 §2). */
export const observeRegister = 0;
export const observeDeregister = 1;

/** The upload a request needs; none for a body of one block of `size` bytes, or one the caller cuts by an own Block1 option. */
export function uploadFor(request: Content, options: OptionReader, size: number): Block1Upload | undefined {
  if (request.payload.length <= size || options.has(OptionNumber.Block1)) return undefined;
  return new Block1Upload(OutgoingBody.whole(request.payload), size);
}

/** The request, or the block of its body that is due. */
export function requestMessage(exchange: ClientExchange): Content {
  const { code, upload, szx, qBlock } = exchange;
  const options = OptionSet.from(exchange.options.entries());
  if (qBlock?.phase === 'asking') {
    // RFC 9177 §4.4: number 0 with M set is a request for the whole body.
    options.set(OptionNumber.QBlock2, encodeBlock({ num: 0, more: true, szx }));
    return { code, options, payload: exchange.payload };
  }
  if (upload !== undefined) {
    options.set(OptionNumber.Block1, encodeBlock(upload.block));
    const { length } = upload.body;
    if (upload.first && length !== undefined) options.set(OptionNumber.Size1, length);
    // RFC 7959 §2.10: If-None-Match must not be used with later blocks: the first one may have made the resource.
    if (!upload.first) options.delete(OptionNumber.IfNoneMatch);
  }
  // §2.4 early negotiation, with Block1 in the last block (§3.3, Figure 11).
  if (szx < maxSzx && (upload === undefined || upload.last) && !options.has(OptionNumber.Block2)) {
    options.set(OptionNumber.Block2, encodeBlock({ num: 0, more: false, szx }));
  }
  return { code, options, payload: upload === undefined ? exchange.payload : upload.payload };
}

/** The request for a block of the response: without Block1 and without payload (RFC 7959 §3.3), but from byte 0 on it is the whole request again. */
export function blockRequestMessage(exchange: ClientExchange, block: BlockOption): Content {
  const options = OptionSet.from(exchange.options.entries())
    .delete(OptionNumber.Observe)
    .delete(OptionNumber.Block1)
    .delete(OptionNumber.Size1)
    .set(OptionNumber.Block2, encodeBlock(block));
  return { code: exchange.code, options, payload: block.num === 0 ? exchange.payload : noBytes };
}

/** One block of a body in Q-Blocks (RFC 9177 §4.3, §4.6): all have the same options but for the number. */
export function qBlockMessage(exchange: ClientExchange, upload: QBlock1Upload, num: number): Content {
  const options = OptionSet.from(exchange.options.entries())
    .set(OptionNumber.QBlock1, encodeBlock(upload.block(num)))
    .set(OptionNumber.RequestTag, upload.manner.requestTag)
    .set(OptionNumber.Size1, upload.length);
  return { code: exchange.code, options, payload: upload.payload(num) };
}

/**
 * The request for blocks of the response (RFC 9177 §4.4): without Observe (§4.5), without ETag, which could be answered
 * 2.03, and, as in RFC 7959 §3.3, without the body, for which its Request-Tag stands (Figure 15).
 */
export function missingBlocksRequest(
  exchange: ClientExchange,
  blocks: readonly BlockOption[],
  requestTag: Uint8Array | undefined,
): Content {
  const options = OptionSet.from(exchange.options.entries())
    .delete(OptionNumber.Observe)
    .delete(OptionNumber.ETag)
    .delete(OptionNumber.ContentFormat);
  if (requestTag !== undefined) options.set(OptionNumber.RequestTag, requestTag);
  for (const block of blocks) options.add(OptionNumber.QBlock2, encodeBlock(block));
  return { code: exchange.code, options, payload: noBytes };
}

/**
 * The request for one block that finds out whether Q-Block is spoken (RFC 9177 §4.1): the request itself, or before a body
 * goes a GET of what it is for.
 */
export function qBlockProbe({ code, options: all, payload, blockBytes, szx }: ClientExchange): Content {
  const block = encodeBlock({ num: 0, more: false, szx });
  if (payload.length <= blockBytes) {
    const options = OptionSet.from(all.entries()).delete(OptionNumber.Observe);
    return { code, options: options.set(OptionNumber.QBlock2, block), payload };
  }
  const options = new OptionSet();
  for (const { number, value } of all.entries())
    if (targetOptions.includes(number)) options.add(number, value);
  return { code: Code.Get, options: options.set(OptionNumber.QBlock2, block), payload: noBytes };
}

/** The deregistration of an observation: all options as in the registration (RFC 7641 §3.6). */
export function deregistrationMessage(exchange: ClientExchange): Content {
  const { options, payload } = requestMessage(exchange);
  const changed = OptionSet.from(options.entries()).set(OptionNumber.Observe, observeDeregister);
  return { code: exchange.code, options: changed, payload };
}

/**
 * Whether a response is the first block of more. Not when the caller asked for a later block by an own
 * Block2 option: then the caller fetches block by block.
 */
export function isFirstOfMore(
  request: Pick<Content, 'options'> & { readonly singleBlock?: boolean; readonly bert?: boolean },
  response: Content,
): boolean {
  const value = response.options.first(OptionNumber.Block2);
  if (value === undefined || request.singleBlock === true) return false;
  const asked = request.options.first(OptionNumber.Block2);
  if (asked !== undefined && (decodeBlock(asked, request.bert)?.num ?? 0) > 0) return false;
  const block = decodeBlock(value, request.bert);
  return block === undefined || block.more || block.num > 0;
}
