/**
 * The roads of protected messages: from the message layer through OSCORE to the request/response layer, and back.
 *
 *   in   3 ½ a request with an OSCORE option, a response to a protected request → verified, or answered, or dropped
 *   out  2 ½ a request or response for a peer under OSCORE → protected
 *
 * RFC 8613 §8. Where they join the plot is in `receive-path.ts` and `settle-layers.ts`. What a proxy has cut takes a way round
 * by `outer-blocks.ts`.
 *
 * @module
 */

import { codeText } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { Instant } from '../foundation/instant.ts';
import { peerText } from '../foundation/peer-text.ts';
import { decodeUtf8 } from '../foundation/utf8.ts';
import type { OscoreOutput } from '../oscore/oscore-layer.ts';
import type { OscoreContent } from '../oscore/plaintext.ts';
import type { ReceivedMessage } from '../request-response/exchange.ts';
import { isForwardRequest } from '../request-response/proxying.ts';
import type { RequestResponseOutput, ResponseFate } from '../request-response/request-response-layer.ts';
import { asksToBackOff } from './back-off.ts';
import type { OscoreCarrier } from './oscore-carrier.ts';
import { endsExchange } from './oscore-exchanges.ts';
import { isUnderOscore } from './oscore-peers.ts';
import {
  answerOutside,
  fetchOuterBlocks,
  isInOuterBlocks,
  leaveUnansweredOutside,
  outerAnswer,
  receiveOuterBlock,
  stopFetching,
  wholeRequest,
  withoutBlocks,
} from './outer-blocks.ts';
import type {
  NotedReply,
  OscoreVia,
  ProtectedArrival,
  ProtectedDispatch,
  ProtectedRequest,
} from './protected-messages.ts';

/**
 * Step 3 ½ for a request. The verified one comes out of `followOscore`, which answers the others.
 *
 * @param handle What the request/response layer answers by, when that is another object.
 * @returns false for a request that is not for OSCORE here: without the option, or on its way through a proxy.
 */
export function receiveProtectedRequest<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  via: Via,
  message: ReceivedMessage,
  reply: NotedReply,
  now: Instant,
  handle: object = reply,
): boolean {
  const { oscore } = carrier;
  if (!oscore.serves || !message.options.has(OptionNumber.Oscore) || isForwardRequest(message.options))
    return false;
  if (isInOuterBlocks(message)) {
    receiveOuterBlock(carrier, via, message, handle, now);
    return true;
  }
  oscore.layer.receiveRequest(message, { via, message, reply }, now);
  return true;
}

/**
 * Step 3 ½ for a response.
 *
 * @returns what the request/response layer made of it; `undefined` when its token is of no protected request.
 */
export function receiveProtectedResponse<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  via: Via,
  message: ReceivedMessage,
  now: Instant,
): ResponseFate | undefined {
  const { exchanges, oscore } = carrier;
  const pending = oscore.pendingAt(via, message.token);
  const isProtected = message.options.has(OptionNumber.Oscore);
  if (pending.length === 0 || (!isProtected && exchanges.exchangeOf(via.key, message.token) !== undefined))
    return undefined;
  const [newest] = pending;
  if (newest !== undefined && fetchOuterBlocks(carrier, via, newest, message, now)) return 'matched';
  let detail = '';
  for (const request of pending) {
    const outcome = oscore.layer.receiveResponse(request, message);
    switch (outcome.kind) {
      case 'verified': {
        const { code } = outcome.response;
        if (asksToBackOff(code)) carrier.backOff(request.dispatch, { ...outcome.response, code }, now);
        oscore.responseVerified(via, request, outcome.final);
        return exchanges.receiveResponse(
          request.dispatch.peer,
          { ...headerOf(message), ...outcome.response },
          now,
        );
      }
      case 'repeated':
        return 'matched';
      case 'unprotected':
        return receiveUnprotected(carrier, via, request, message);
      case 'discarded':
        detail ||= outcome.detail;
    }
  }
  carrier.discarded(via, detail);
  // RFC 8613 §8.4.2: an error ends no observation, as a Reset would. The message is acknowledged, and no more.
  return 'matched';
}

/** An error of OSCORE, of a proxy, or of anybody: it ends a request, since no better answer will come, but no observation. */
function receiveUnprotected<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  via: Via,
  { binding, dispatch }: ProtectedRequest,
  { code, payload }: ReceivedMessage,
): ResponseFate {
  const detail =
    `an answer without OSCORE: ${codeText(code)} ${peerText(decodeUtf8(payload) ?? '')}`.trimEnd();
  carrier.discarded(via, detail);
  const isObservation = binding.notificationNumber !== undefined || binding.nonceSeen;
  if (!isObservation) carrier.exchanges.requestFailed(dispatch.exchange, 'unprotected-response', detail);
  return 'matched';
}

/**
 * Step 2 ½: protects what goes to a peer under OSCORE; the message comes out of `followOscore`.
 *
 * @returns false when it goes as it is.
 */
export function protectOutput<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  output: RequestResponseOutput,
  now: Instant,
): boolean {
  if (followOutside(carrier, output, now)) return true;
  if (output.kind !== 'send-request' && output.kind !== 'send-response') return false;
  // By the key alone: a peer that was forgotten, as there are too many, must not be answered in the open instead.
  if (!isUnderOscore(output.peer)) return false;
  const peer = carrier.peerUnderOscore(output.peer);
  const { layer } = carrier.oscore;
  if (peer === undefined) cannotSend(carrier, output, now, 'the peer was forgotten, as there are too many');
  else if (output.kind === 'send-request') {
    if (peer.client === undefined) cannotSend(carrier, output, now, 'the peer is known as a client only');
    else layer.sendRequest(peer.client, output.message, output);
  } else {
    const binding = carrier.oscore.bindingOf(output);
    if (binding === undefined) cannotSend(carrier, output, now, 'nothing is known of the request');
    else {
      const message = layer.sendResponse(binding, output.message, output);
      if (message === undefined) carrier.oscore.protectingResponse(output.exchange);
      else sendResponse(carrier, peer.via, output, message, now);
    }
  }
  return true;
}

/** Sends a response that is protected. @returns false where it goes by the Exchange of its request's blocks. */
function sendResponse<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  via: Via,
  dispatch: Extract<ProtectedDispatch, { kind: 'send-response' }>,
  { code, options, payload }: OscoreContent,
  now: Instant,
): boolean {
  const { reply, message: plain } = dispatch;
  const message = { code, options, payload, token: plain.token };
  if (carrier.oscore.outer.exchangeOf(reply) !== undefined) {
    carrier.vouchedFor(via, message);
    answerOutside(carrier, reply, message, now);
    return false;
  }
  // A copy of the request would be taken for a replay: it gets the stored answer, also one of a safe method.
  carrier.send({ ...dispatch, peer: via.key, message, keepAnswer: true }, now);
  return true;
}

/** What the request/response layer has of messages in Outer blocks. @returns false for all else. */
function followOutside<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  output: RequestResponseOutput,
  now: Instant,
): boolean {
  const { outer } = carrier.oscore;
  if (endsExchange(output)) stopFetching(carrier, output.exchange, now);
  switch (output.kind) {
    case 'request': {
      const arrival = wholeRequest(carrier, output);
      if (arrival !== undefined) carrier.oscore.layer.receiveRequest(arrival.message, arrival, now);
      return arrival !== undefined;
    }
    case 'send-response':
      if (!outer.isRequest(output.exchange)) return false;
      if (outer.isSilent(output.exchange)) carrier.leaveUnanswered(output.reply as object, now);
      else carrier.send(outerAnswer(carrier, output), now);
      return true;
    case 'exchange-ended': {
      if (!outer.isRequest(output.exchange)) return false;
      outer.requestEnded(output.exchange);
      carrier.endedOutside(output.exchange);
      return true;
    }
    // The Exchange outside has its Empty ACK by itself.
    case 'acknowledge':
      return outer.exchangeOf(output.reply) !== undefined;
    case 'suppress-response':
      return leaveUnansweredOutside(carrier, output.reply, now);
    case 'response':
    case 'failed': {
      const fetch = outer.fetchOf(output.exchange);
      if (fetch === undefined) return false;
      outer.fetchEnded(output.exchange);
      carrier.endedOutside(output.exchange);
      const { first, pending, via } = fetch;
      if (output.kind === 'response')
        receiveProtectedResponse(
          carrier,
          via,
          { ...headerOf(first), ...withoutBlocks(output.response) },
          now,
        );
      else outerBlocksLost(carrier, via, pending, `${output.error} ${output.detail ?? ''}`.trimEnd());
      return true;
    }
    default:
      return false;
  }
}

/** The rest of a response could not be had: the next notification may, but a request has no other response. */
function outerBlocksLost<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  via: Via,
  { binding, dispatch }: ProtectedRequest,
  reason: string,
): void {
  const detail = `the rest of a response in Outer blocks: ${reason}`;
  carrier.discarded(via, detail);
  const isObservation = binding.notificationNumber !== undefined || binding.nonceSeen;
  if (!isObservation) carrier.exchanges.requestFailed(dispatch.exchange, 'unprotected-response', detail);
}

/** What the OSCORE layer has for the layers above and below it. */
export function followOscore<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  output: OscoreOutput<ProtectedArrival<Via>, ProtectedDispatch>,
  now: Instant,
): void {
  const { exchanges, oscore } = carrier;
  switch (output.kind) {
    case 'request': {
      const { arrival, binding, request } = output;
      oscore.requestVerified(arrival.reply, binding);
      carrier.verified(arrival.reply);
      // §7.4: one response to a request is accepted, so bodies do not go in sets of blocks (RFC 9177).
      const { type, token } = arrival.message;
      const { code, options, payload } = request;
      const plain = { code, token, options, payload, oneResponse: true };
      const message = type === undefined ? plain : { ...plain, type };
      const key = carrier.keyUnderOscore(arrival.via, output.security);
      exchanges.receiveRequest(key, message, arrival.reply, now);
      return;
    }
    case 'refused':
      carrier.discarded(output.arrival.via, `${output.fault}: ${output.detail}`);
      return;
    case 'answer': {
      const { arrival, message } = output;
      if (answerOutside(carrier, arrival.reply, message, now)) return;
      carrier.answer(arrival, { ...message, token: arrival.message.token }, now);
      return;
    }
    case 'passed-over': {
      const { arrival, message } = output;
      carrier.discarded(arrival.via, 'too many requests that may be replays wait for the store');
      if (answerOutside(carrier, arrival.reply, message, now)) return;
      carrier.passOver(arrival, { ...message, token: arrival.message.token }, now);
      return;
    }
    case 'send-request': {
      const { dispatch } = output.pending;
      const via = carrier.peerUnderOscore(dispatch.peer)?.via;
      const { token } = dispatch.message;
      // It may have ended while it waited for the store.
      if (via === undefined || exchanges.exchangeOf(dispatch.peer, token) !== dispatch.exchange) return;
      oscore.requestSent(via, output.pending);
      oscore.outer.requestSent(output.pending, output.message);
      carrier.send({ ...dispatch, peer: via.key, message: { ...output.message, token } }, now);
      return;
    }
    case 'send-response': {
      const { dispatch, message } = output;
      const isLate = oscore.responseProtected(dispatch.exchange);
      const via = carrier.peerUnderOscore(dispatch.peer)?.via;
      if (via === undefined || dispatch.kind !== 'send-response') return;
      const isSent = sendResponse(carrier, via, dispatch, message, now);
      if (isSent && isLate) carrier.endedOutside(dispatch.exchange);
      return;
    }
    case 'unsendable': {
      const { detail, dispatch, reason } = output;
      if (dispatch.kind === 'send-response') oscore.responseProtected(dispatch.exchange);
      const isForNow = reason === 'store-failed' || reason === 'too-many-waiting';
      const why = detail === undefined ? unsendable[reason] : `${unsendable[reason]} (${detail})`;
      cannotSend(carrier, dispatch, now, why, isForNow);
      return;
    }
    case 'run-begun':
      oscore.runBegun(output.security, now);
      return;
    case 'store':
      carrier.store(output);
      return;
  }
}

const unsendable = {
  exhausted:
    'the Sender Sequence Numbers of the Security Context are used up: it needs a new one (RFC 8613 §7.2.1)',
  closed: 'the Security Context is closed',
  'store-failed': 'the record of the Security Context could not be stored: a number might be used twice',
  'too-many-waiting': 'too many messages wait for the record of the Security Context to be stored',
} as const;

/**
 * A message that must not go unprotected. A CON request that has no answer gets its Empty ACK.
 *
 * @param isForNow Whether a later one may go: then observers stay on the list, and are told later.
 */
function cannotSend<Via extends OscoreVia>(
  carrier: OscoreCarrier<Via>,
  dispatch: ProtectedDispatch,
  now: Instant,
  detail: string,
  isForNow = false,
): void {
  const { exchanges } = carrier;
  const via = carrier.peerUnderOscore(dispatch.peer)?.via;
  if (via !== undefined) carrier.discarded(via, detail);
  const { exchange } = dispatch;
  if (dispatch.kind === 'send-request') {
    exchanges.requestFailed(exchange, 'cannot-protect', detail);
    return;
  }
  const { reply } = dispatch;
  if (reply !== undefined && !leaveUnansweredOutside(carrier, reply, now))
    carrier.leaveUnanswered(reply as object, now);
  carrier.stopDue(exchange);
  if (isForNow) exchanges.responseRefused(exchange, now);
  else exchanges.responseTimedOut(exchange, now);
}

/** What a message has besides what OSCORE protects. */
function headerOf({ type, token }: ReceivedMessage): Pick<ReceivedMessage, 'type' | 'token'> {
  return type === undefined ? { token } : { type, token };
}
