/**
 * The roads of protected messages: from the message layer through OSCORE to the request/response layer, and back.
 *
 *   in   3 ½ a request with an OSCORE option, a response to a protected request → verified, or answered, or dropped
 *   out  2 ½ a request or response for a peer under OSCORE → protected
 *
 * RFC 8613 §8. Where they join the plot is in `receive-path.ts` and `settle-layers.ts`. A request with Outer Block1, which a
 * proxy may make of a large one, is refused, and a response in Outer blocks does not verify: peers cut bodies in Inner ones.
 *
 * @module
 */

import { Code, codeText } from '../coap/code.ts';
import { encodedLength } from '../coap/message-codec.ts';
import type { MessageView } from '../coap/message-view.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import type { Instant } from '../foundation/instant.ts';
import { peerText } from '../foundation/peer-text.ts';
import { decodeUtf8, encodeUtf8 } from '../foundation/utf8.ts';
import type { ReplyHandle } from '../message-layer/message-layer.ts';
import type { OscoreOutput } from '../oscore/oscore-layer.ts';
import { isForwardRequest } from '../request-response/proxying.ts';
import type { RequestResponseOutput, ResponseFate } from '../request-response/request-response-layer.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { traceDiscarded } from './endpoint-trace.ts';
import type { ProtectedArrival, ProtectedDispatch, ProtectedRequest } from './oscore-exchanges.ts';
import { isUnderOscore, type Peer } from './peer.ts';
import { sendFromExchange } from './send-path.ts';

/**
 * Step 3 ½ for a request. The verified one comes out of `followOscore`, which answers the others.
 *
 * @returns false for a request that is not for OSCORE here: without the option, or on its way through a proxy.
 */
export function receiveProtectedRequest(
  layers: EndpointLayers,
  peer: Peer,
  message: MessageView,
  reply: ReplyHandle,
  now: Instant,
): boolean {
  const { oscore } = layers;
  if (!oscore.serves || !message.options.has(OptionNumber.Oscore) || isForwardRequest(message.options))
    return false;
  if (message.options.has(OptionNumber.Block1) || message.options.has(OptionNumber.QBlock1)) {
    const reason = 'Block1 outside of OSCORE';
    traceDiscarded(layers, 'oscore', peer.address, reason);
    const options = new OptionSet().add(OptionNumber.MaxAge, 0);
    const refusal = { code: Code.BadOption, token: message.token, options, payload: encodeUtf8(reason) };
    layers.messages.reply(reply, refusal, { keepAnswer: false }, now);
    return true;
  }
  oscore.layer.receiveRequest(message, { peer, message, reply });
  return true;
}

/**
 * Step 3 ½ for a response.
 *
 * @returns what the request/response layer made of it; `undefined` when its token is of no protected request.
 */
export function receiveProtectedResponse(
  layers: EndpointLayers,
  peer: Peer,
  message: MessageView,
  now: Instant,
): ResponseFate | undefined {
  const { exchanges, oscore } = layers;
  const pending = oscore.pendingAt(peer, message.token);
  const isProtected = message.options.has(OptionNumber.Oscore);
  if (pending.length === 0 || (!isProtected && exchanges.exchangeOf(peer.key, message.token) !== undefined))
    return undefined;
  let detail = '';
  for (const request of pending) {
    const outcome = oscore.layer.receiveResponse(request, message);
    switch (outcome.kind) {
      case 'verified': {
        oscore.responseVerified(peer, request, outcome.final);
        const { type, token } = message;
        return exchanges.receiveResponse(request.dispatch.peer, { type, token, ...outcome.response }, now);
      }
      case 'repeated':
        return 'matched';
      case 'unprotected':
        return receiveUnprotected(layers, request, message);
      case 'discarded':
        detail ||= outcome.detail;
    }
  }
  traceDiscarded(layers, 'oscore', peer.address, detail);
  // RFC 8613 §8.4.2: an error ends no observation, as a Reset would. The message is acknowledged, and no more.
  return 'matched';
}

/** An error of OSCORE, of a proxy, or of anybody: it ends a request, since no better answer will come, but no observation. */
function receiveUnprotected(
  layers: EndpointLayers,
  { binding, dispatch }: ProtectedRequest,
  { code, payload }: MessageView,
): ResponseFate {
  const detail =
    `an answer without OSCORE: ${codeText(code)} ${peerText(decodeUtf8(payload) ?? '')}`.trimEnd();
  const peer = layers.peers.withKey(dispatch.peer);
  if (peer) traceDiscarded(layers, 'oscore', peer.address, detail);
  const isObservation = binding.notificationNumber !== undefined || binding.nonceSeen;
  if (!isObservation) layers.exchanges.requestFailed(dispatch.exchange, 'unprotected-response', detail);
  return 'matched';
}

/**
 * Step 2 ½: protects what goes to a peer under OSCORE; the message comes out of `followOscore`.
 *
 * @returns false when it goes as it is.
 */
export function protectOutput(layers: EndpointLayers, output: RequestResponseOutput, now: Instant): boolean {
  if (output.kind !== 'send-request' && output.kind !== 'send-response') return false;
  // By the key alone: a peer that was forgotten, as there are too many, must not be answered in the open instead.
  if (!isUnderOscore(output.peer)) return false;
  const protection = layers.peers.withKey(output.peer)?.oscore;
  if (protection === undefined) {
    cannotSend(layers, output, 'the peer was forgotten', now);
    return true;
  }
  const { layer } = layers.oscore;
  if (output.kind === 'send-request') {
    if (protection.client === undefined)
      cannotSend(layers, output, 'the peer is known as a client only', now);
    else layer.sendRequest(protection.client, output.message, output);
    return true;
  }
  const binding = layers.oscore.bindingOf(output);
  if (binding === undefined) cannotSend(layers, output, 'nothing is known of the request', now);
  else layer.sendResponse(binding, output.message, output);
  return true;
}

/** What the OSCORE layer has for the layers above and below it. */
export function followOscore(
  layers: EndpointLayers,
  output: OscoreOutput<ProtectedArrival, ProtectedDispatch>,
  now: Instant,
): void {
  switch (output.kind) {
    case 'request': {
      const { arrival, binding, request } = output;
      const { type, token } = arrival.message;
      const peer = layers.peers.underOscore(arrival.peer, output.security);
      layers.oscore.requestVerified(arrival.reply, binding);
      // §7.4: one response to a request is accepted, so bodies do not go in sets of blocks (RFC 9177).
      const message = { type, token, ...request, oneResponse: true };
      layers.exchanges.receiveRequest(peer.key, message, arrival.reply, now);
      return;
    }
    case 'refused':
      traceDiscarded(layers, 'oscore', output.arrival.peer.address, `${output.fault}: ${output.detail}`);
      return;
    case 'answer': {
      const { reply, message } = output.arrival;
      const answer = { ...output.message, token: message.token };
      layers.messages.reply(reply, answer, { keepAnswer: false }, now);
      return;
    }
    case 'send-request': {
      const { dispatch } = output.pending;
      const via = layers.peers.withKey(dispatch.peer)?.oscore?.via;
      const { token } = dispatch.message;
      // It may have ended while it waited for the store.
      if (via === undefined || layers.exchanges.exchangeOf(dispatch.peer, token) !== dispatch.exchange)
        return;
      layers.oscore.requestSent(via, output.pending);
      sendFromExchange(layers, { ...dispatch, peer: via.key, message: { ...output.message, token } }, now);
      return;
    }
    case 'send-response': {
      const { dispatch } = output;
      const via = layers.peers.withKey(dispatch.peer)?.oscore?.via;
      if (via === undefined || dispatch.kind !== 'send-response') return;
      const message = { ...output.message, token: dispatch.message.token };
      layers.amplification?.vouchedFor(via.key, encodedLength(message));
      // A copy of the request would be taken for a replay: it gets the stored answer, also one of a safe method.
      sendFromExchange(layers, { ...dispatch, peer: via.key, message, keepAnswer: true }, now);
      return;
    }
    case 'unsendable':
      cannotSend(layers, output.dispatch, unsendable[output.reason], now);
      return;
    case 'store': {
      const { store, context, record } = output;
      layers.outputs.push({ kind: 'store-context', store, context, record });
      return;
    }
  }
}

const unsendable = {
  exhausted:
    'the Sender Sequence Numbers of the Security Context are used up: it needs a new one (RFC 8613 §7.2.1)',
  closed: 'the Security Context is closed',
  'store-failed': 'the record of the Security Context could not be stored: a number might be used twice',
  'too-many-waiting': 'too many messages wait for the record of the Security Context to be stored',
} as const;

/** A message that must not go unprotected. A CON request that has no answer gets its Empty ACK. */
function cannotSend(layers: EndpointLayers, dispatch: ProtectedDispatch, detail: string, now: Instant): void {
  const peer = layers.peers.withKey(dispatch.peer);
  if (peer) traceDiscarded(layers, 'oscore', peer.address, detail);
  if (dispatch.kind === 'send-request') {
    layers.exchanges.requestFailed(dispatch.exchange, 'cannot-protect', detail);
  } else if (dispatch.reply !== undefined) {
    layers.messages.suppressReply(dispatch.reply as ReplyHandle, false, now);
  }
}
