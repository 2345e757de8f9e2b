/**
 * The response messages of a server's Exchange: one block of the application's response, with the options
 * of this layer.
 *
 * RFC 7959 §2.3, §2.4 and §2.6, RFC 7641 §4.4, RFC 8323 §6. When they are sent is decided in `server-role.ts`.
 *
 * @module
 */

import {
  type BlockOption,
  bertSzx,
  blockSize,
  encodeBlock,
  maxBlockNumber,
  maxSzx,
  szxOfBlock,
} from '../coap/block-option.ts';
import { Code, isSuccessCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import type { Instant } from '../foundation/instant.ts';
import { encodeUtf8 } from '../foundation/utf8.ts';
import type { Content, PeerKey, Representation, ServerExchange } from './exchange.ts';
import { type BodySlice, OutgoingBody } from './outgoing-body.ts';
import { responseBodyKey } from './resource-key.ts';
import type { BodyKeeper, BodyName } from './response-bodies.ts';

/** Options of a response that are this layer's to set. */
const ownOptions: readonly number[] = [
  OptionNumber.Observe,
  OptionNumber.QBlock1,
  OptionNumber.Block2,
  OptionNumber.Block1,
  OptionNumber.QBlock2,
];

/** A block behind the end does not exist; RFC 7959 names no code for it, 4.00 is what peers expect. */
const beyondEnd: Content = {
  code: Code.BadRequest,
  options: new OptionSet(),
  payload: encodeUtf8('block is beyond the end'),
};

/**
 * The message for the application's response. A body of more than one block goes into `bodies`.
 *
 * @param sequence Number for the Observe option; `undefined` for a response without it.
 * @param largest Bytes in the largest block we send: 16 … 1024, or a multiple of 1024 for BERT (RFC 8323 §6).
 */
export function responseMessage(
  exchange: ServerExchange,
  response: Representation,
  sequence: number | undefined,
  largest: number,
  bodies: BodyKeeper,
  now: Instant,
): Content {
  const { peer, block1, block2 } = exchange;
  let whole = withoutOwnOptions(response);
  const size = sizeOfBlock(largest, block2);
  // The client wanted another block of something else: the error is told from its start.
  const wish = isSuccessCode(response.code) ? block2 : undefined;
  const isOneBlock = response.body === undefined && response.payload.length <= size;
  if (!isOneBlock) {
    const sent = (wish === undefined ? 0 : wish.num * blockSize(wish.szx)) + size;
    whole = bodies.keep(bodyName(peer, exchange.code, exchange), peer, whole, sent, now);
  }
  const content = isOneBlock && wish === undefined ? whole : blockMessage(whole, wish, size);
  const asksSize = exchange.options.has(OptionNumber.Size2);
  if (sequence === undefined && block1 === undefined && !asksSize) return content;
  const options = OptionSet.from(content.options.entries());
  // RFC 7641 §4.4: the 24 least significant bits.
  if (sequence !== undefined) options.set(OptionNumber.Observe, sequence % 2 ** 24);
  if (block1 !== undefined)
    options.set(OptionNumber.Block1, acknowledgedBlock(block1, false, szxOfBlock(largest)));
  // RFC 7959 §4: the client asks for the size of the whole.
  const length = response.body === undefined ? response.payload.length : response.body.length;
  if (asksSize && length !== undefined) options.set(OptionNumber.Size2, length);
  return { code: content.code, options, payload: content.payload };
}

/** What names the response body to a request. A later block of a FETCH may come without its payload. */
export function bodyName(
  peer: PeerKey,
  code: Code,
  { options, payload }: { readonly options: OptionReader; readonly payload: Uint8Array },
): BodyName {
  const query = code === Code.Fetch && payload.length > 0 ? payload : undefined;
  return { key: responseBodyKey(peer, code, options), query };
}

/** The block `wish` of a response, which must be there, or 4.00. */
export function blockMessage(whole: Representation, wish: BlockOption | undefined, largest: number): Content {
  const slice = sliceResponse(whole, wish, largest);
  return slice.kind === 'slice' ? slice.content : beyondEnd;
}

/** A response cut to one block, or the reason it cannot be. */
type Slice =
  | { readonly kind: 'slice'; readonly content: Content; readonly more: boolean }
  /** The block lies behind the end of the body. */
  | { readonly kind: 'beyond-end' };

/**
 * The block `wish` of a response, of at most `largest` bytes (RFC 7959 §2.3). Without `wish` the first one; a body that
 * fits into one block then stays without Block2. The first of several blocks carries Size2 (§4).
 */
function sliceResponse(response: Representation, wish: BlockOption | undefined, largest: number): Slice {
  const { code, body = OutgoingBody.whole(response.payload) } = response;
  const offset = wish === undefined ? 0 : wish.num * blockSize(wish.szx);
  const size = heldSize(body, offset, sizeOfBlock(largest, wish));
  const szx = szxOfBlock(size);
  const num = offset / blockSize(szx);
  // A body too long for NUM's 20 bits cannot be had whole; what NUM cannot name is as if it were not there.
  if (num > maxBlockNumber || body.endsBefore(offset)) return { kind: 'beyond-end' };
  const { payload, more } = body.slice(offset, size) as BodySlice;
  if (offset > 0 && payload.length === 0) return { kind: 'beyond-end' };
  if (wish === undefined && !more) return { kind: 'slice', content: response, more };
  const options = OptionSet.from(response.options.entries());
  options.set(OptionNumber.Block2, encodeBlock({ num, more, szx }));
  if (more && offset === 0 && body.length !== undefined) options.set(OptionNumber.Size2, body.length);
  return { kind: 'slice', content: { code, options, payload }, more };
}

/**
 * `size`, or as much less as is held of a body that is handed over: since its block was asked for, a CSM may have come by which
 * the peer takes larger ones (RFC 8323 §5.3).
 */
function heldSize(body: OutgoingBody, offset: number, size: number): number {
  let held = size;
  while (held > blockSize(0) && !body.endsBefore(offset) && body.slice(offset, held) === undefined) {
    held = held > blockSize(maxSzx) ? held - blockSize(maxSzx) : held / 2;
  }
  return held;
}

/** Bytes in the block that answers `wish`: as many as it names, a BERT one as many as we send (RFC 8323 §6). */
export function sizeOfBlock(largest: number, wish: BlockOption | undefined): number {
  return wish === undefined || wish.szx === bertSzx ? largest : Math.min(largest, blockSize(wish.szx));
}

/**
 * Block1 of a response (RFC 7959 §2.3): the number as it was sent, and the size we prefer when it is smaller. SZX 7 counts
 * the same blocks as SZX 6 (RFC 8323 §6): who sent it is not asked for the other, which aiocoap takes for half the size.
 */
export function acknowledgedBlock(block: BlockOption, more: boolean, szx: number): Uint8Array {
  return encodeBlock({ num: block.num, more, szx: szx >= maxSzx ? block.szx : Math.min(block.szx, szx) });
}

/** The application's response without the options of this layer. */
export function withoutOwnOptions(response: Representation): Representation {
  const { code, options, payload, body } = response;
  if (!ownOptions.some((number) => options.has(number))) return response;
  const kept = OptionSet.from(options.entries());
  for (const number of ownOptions) kept.delete(number);
  return body === undefined ? { code, payload, options: kept } : { code, payload, body, options: kept };
}
