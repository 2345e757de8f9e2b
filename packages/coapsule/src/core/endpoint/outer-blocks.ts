/**
 * The roads of OSCORE messages in Outer blocks: through the request/response layer as the proxy's own, then to OSCORE.
 *
 *   in   a request in Outer blocks → whole → `oscore-path.ts`; the first block of a response → the rest → `oscore-path.ts`
 *   out  the answer to such a request → the Exchange that it came by, which cuts it
 *
 * RFC 8613 §4.1.3.4.2, §8.2.1, §8.4.1; bodies of at most `maxUnfragmentedSize` bytes. Nobody vouches for a block: memory is
 * bounded as for plain requests of the same peer, and a request of ours has one fetch at a time. A notification goes to a
 * proxy in one message, which is never longer than an Inner block and what protects it.
 *
 * @module
 */

import { decodeBlock } from '../coap/block-option.ts';
import { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import type { OscoreContent } from '../oscore/plaintext.ts';
import { type ExchangeId, maxUnfragmentedSize, type ReceivedMessage } from '../request-response/exchange.ts';
import { isForwardRequest } from '../request-response/proxying.ts';
import type { RequestResponseOutput } from '../request-response/request-response-layer.ts';
import type { OscoreCarrier } from './oscore-carrier.ts';
import { isUnderOscore } from './oscore-peers.ts';
import type { NotedReply, OscoreVia, ProtectedArrival, ProtectedRequest } from './protected-messages.ts';

/** Whether a request is a block of an OSCORE message, or wants its answer in blocks. */
export function isInOuterBlocks({ options }: ReceivedMessage): boolean {
  return (
    options.has(OptionNumber.Block1) ||
    options.has(OptionNumber.Block2) ||
    options.has(OptionNumber.QBlock1) ||
    options.has(OptionNumber.QBlock2)
  );
}

/** §8.2.1: the blocks of a request are put together before it is verified. Q-Blocks are refused, as one response is all. */
export function receiveOuterBlock<Via extends OscoreVia>(
  { exchanges }: OscoreCarrier<Via>,
  via: Via,
  message: ReceivedMessage,
  handle: unknown,
  now: Instant,
): void {
  const { type, code, token, options, payload } = message;
  const kind = { oneResponse: true, isCiphertext: true, ...(type === undefined ? {} : { type }) };
  exchanges.receiveRequest(via.key, { code, token, options, payload, ...kind }, handle, now);
}

/**
 * A request of the proxy's is whole: what is inside can be verified.
 *
 * @returns nothing for any other request.
 */
export function wholeRequest<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  output: Extract<RequestResponseOutput, { kind: 'request' }>,
): ProtectedArrival<Via> | undefined {
  const { oscore } = carrier;
  const { code, token, payload, options } = output.request;
  if (!oscore.serves || isUnderOscore(output.peer)) return undefined;
  if (!options.has(OptionNumber.Oscore) || isForwardRequest(options)) return undefined;
  const via = carrier.peerBehind(output.peer);
  if (via === undefined) return undefined;
  const message = { code, token, payload, options: withoutBlocks({ code, payload, options }).options };
  // Of its own: the handle is that of the Exchange outside.
  const reply = { ...(output.reply as NotedReply) };
  oscore.outer.requestWhole(output.exchange, reply);
  return { via, message, reply };
}

/**
 * The answer to a request in Outer blocks goes by the Exchange that it came by.
 *
 * @returns false when the request came in one piece.
 */
export function answerOutside<Via extends OscoreVia>(
  { exchanges, oscore }: OscoreCarrier<Via>,
  reply: unknown,
  { code, options, payload }: OscoreContent,
  now: Instant,
): boolean {
  const exchange = oscore.outer.exchangeOf(reply);
  if (exchange === undefined) return false;
  oscore.outer.answeredWith(exchange, options.first(OptionNumber.Observe));
  exchanges.respond(exchange, { code, options, payload, keepAnswer: true }, now);
  return true;
}

/**
 * A request in Outer blocks gets no response, as its No-Response option says (RFC 7967), or as none can be protected.
 *
 * @returns false when the request came in one piece.
 */
export function leaveUnansweredOutside<Via extends OscoreVia>(
  { exchanges, oscore }: OscoreCarrier<Via>,
  reply: unknown,
  now: Instant,
): boolean {
  const exchange = oscore.outer.exchangeOf(reply);
  if (exchange === undefined) return false;
  oscore.outer.silence(exchange);
  const nothing = { code: Code.Changed, options: new OptionSet(), payload: noBytes, keepAnswer: false };
  exchanges.respond(exchange, nothing, now);
  return true;
}

/**
 * §8.4.1: a response to `pending` is the first block of more, the rest of which is fetched before it is verified.
 *
 * @returns false when it is whole.
 */
export function fetchOuterBlocks<Via extends OscoreVia>(
  { exchanges, oscore }: OscoreCarrier<Via>,
  via: Via,
  pending: ProtectedRequest,
  message: ReceivedMessage,
  now: Instant,
): boolean {
  const value = message.options.first(OptionNumber.Block2);
  const block = value === undefined ? undefined : decodeBlock(value, true);
  if (block === undefined || !block.more || block.num > 0) return false;
  const request = oscore.outer.sentAs(pending);
  if (request === undefined) return false;
  const former = oscore.outer.fetchFor(pending.dispatch.exchange);
  if (former !== undefined) {
    oscore.outer.fetchEnded(former);
    exchanges.cancel(former, now);
  }
  const { code, options, payload } = message;
  const fetch = { via, pending, first: message };
  const id = exchanges.continueResponse(
    via.key,
    request,
    { code, options, payload },
    maxUnfragmentedSize,
    now,
  );
  oscore.outer.fetchBegun(id, fetch);
  return true;
}

/** The answer of an Exchange outside, with the options that are not the request/response layer's to set. */
export function outerAnswer<Via extends OscoreVia>(
  { oscore }: OscoreCarrier<Via>,
  output: Extract<RequestResponseOutput, { kind: 'send-response' }>,
): Extract<RequestResponseOutput, { kind: 'send-response' }> {
  const observe = oscore.outer.observeOf(output.exchange);
  if (observe === undefined) return output;
  const options = OptionSet.from(output.message.options.entries()).add(OptionNumber.Observe, observe);
  return { ...output, message: { ...output.message, options } };
}

/** The application is done with an Exchange: nothing is fetched for it any more. */
export function stopFetching<Via extends OscoreVia>(
  { exchanges, oscore }: OscoreCarrier<Via>,
  exchange: ExchangeId,
  now: Instant,
): void {
  const fetch = oscore.outer.fetchFor(exchange);
  if (fetch === undefined) return;
  oscore.outer.fetchEnded(fetch);
  exchanges.cancel(fetch, now);
}

/** A message as it was before it was cut. */
export function withoutBlocks<Content extends OscoreContent>(message: Content): Content {
  const options = OptionSet.from(message.options.entries());
  for (const number of [OptionNumber.Block1, OptionNumber.Block2, OptionNumber.Size1, OptionNumber.Size2])
    options.delete(number);
  return { ...message, options };
}
