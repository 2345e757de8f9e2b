/**
 * The road of a datagram from the network to the application, from top to bottom.
 *
 *   1 datagram → DTLS: record opened, or handshake, or dropped      (RFC 6347)
 *   2 bytes → Message; out again, when it is for the other of two
 *     endpoints that are one to their peers (`peer-share.ts`)       (RFC 7252 §3)
 *   3 Message → new, or duplicate answered here, or ACK/RST, whose
 *     meaning is in `transmission-answers.ts`                       (RFC 7252 §4)
 * 3 ½ under OSCORE: verified, in `oscore-path.ts`                   (RFC 8613 §8)
 *   4 response: token → Exchange; request: options checked,
 *     blocks put together                                           (RFC 7252 §5, 7641, 7959)
 *   5 → output for the application
 *
 * Nothing in it throws for what a peer sent. Roads of their own have what was sent to a group (`group-datagram.ts`), and
 * what may be old after a crash (`doubtful-data.ts`).
 *
 * @module
 */

import { Code, isRequestCode } from '../coap/code.ts';
import { decodeMessage, isDecodeFault } from '../coap/message-codec.ts';
import type { MessageView } from '../coap/message-view.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import type { DtlsOutput } from '../dtls/dtls-layer.ts';
import { noBytes } from '../foundation/bytes.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { ReplyHandle, TransmissionId } from '../message-layer/message-layer.ts';
import { missingBlocksFormat } from '../request-response/missing-blocks.ts';
import type { RequestResponseOutput } from '../request-response/request-response-layer.ts';
import { noteGuess, proveByEcho } from './address-proof.ts';
import {
  askAtNewAddress,
  askForSignOfLife,
  followPeer,
  forgetRenewal,
  noteUnmatchedAnswer,
  renewAssociation,
} from './association-care.ts';
import { endAssociation } from './association-end.ts';
import { asksToBackOff } from './back-off.ts';
import { receiveDoubtfulData } from './doubtful-data.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { traceDiscarded, traceDtls, traceMessage } from './endpoint-trace.ts';
import { receiveFromGroup } from './group-datagram.ts';
import { incomingRequest } from './incoming-request.ts';
import { peerRestored } from './link-restoration.ts';
import { receiveProtectedRequest, receiveProtectedResponse } from './oscore-path.ts';
import { stopDueResponses } from './outdated-responses.ts';
import type { RequestError } from './outputs.ts';
import type { Peer } from './peer.ts';
import { isElsewhere } from './peer-share.ts';
import { failWaiting, holdQueued, sendWaiting } from './send-path.ts';
import { transmissionAnswered } from './transmission-answers.ts';
import { requestHandedOver } from './waiting-requests.ts';

/** Step 1: one datagram from the network. `datagram` may be decrypted in place. `group` is where it was sent to, if to a group. */
export function receiveDatagram(
  layers: EndpointLayers,
  address: PeerAddress,
  datagram: Uint8Array,
  now: Instant,
  group?: PeerAddress,
): void {
  layers.amplification?.received(address.key, datagram.length);
  if (group !== undefined) receiveFromGroup(layers, address, datagram, group, now);
  else if (layers.dtls) layers.dtls.handle({ address, datagram }, now);
  else receiveMessage(layers, layers.peers.atAddress(address), datagram, now);
}

/** Step 1, back from the DTLS layer: what its records held or changed. */
export function receiveFromDtls(
  layers: EndpointLayers,
  output: Exclude<DtlsOutput, { kind: 'transmit' }>,
  now: Instant,
): void {
  switch (output.kind) {
    case 'application-data': {
      const peer = layers.peers.ofAssociation(output.association, output.address);
      peer.heardAt = now;
      askAtNewAddress(layers, peer, now);
      receiveMessage(layers, peer, output.data, now);
      return;
    }
    case 'connected':
      layers.outputs.push(output);
      traceDtls(layers, output);
      sendWaiting(layers, output.association, now);
      return;
    case 'handshake-failed':
      layers.outputs.push(output);
      traceDtls(layers, output);
      forgetRenewal(layers, output.association);
      failWaiting(layers, output.association, { kind: 'handshake', failure: output.failure });
      return;
    case 'closed': {
      layers.outputs.push(output);
      const { was: _, ...event } = output;
      traceDtls(layers, event);
      endAssociation(layers, output, now);
      return;
    }
    case 'psk-lookup':
    case 'verify-peer':
    case 'keylog':
    case 'keep-association':
    case 'reserve-sequence':
    case 'advance-edge':
      layers.outputs.push(output);
      return;
    case 'doubtful-data':
      receiveDoubtfulData(layers, output, now);
      return;
    case 'handshake-trace':
      traceDtls(layers, output);
      return;
    case 'address-changed':
      followPeer(layers, output, now);
      layers.outputs.push(output);
      traceDtls(layers, output);
      return;
    case 'amplification-limit':
      layers.counters.keptBack++;
      traceDtls(layers, output);
      return;
    case 'renew-association':
      renewAssociation(layers, output, now);
      traceDtls(layers, output);
      return;
    case 'keep-alive-due':
      askForSignOfLife(layers, output.association, now);
      return;
    case 'out-of-step':
      layers.outputs.push(output);
      traceDtls(layers, output);
      return;
    case 'discarded': {
      const { droppedByDtls } = layers.counters;
      droppedByDtls[output.reason] = (droppedByDtls[output.reason] ?? 0) + 1;
      traceDiscarded(layers, 'dtls', output.address, output.reason);
      return;
    }
  }
}

/** Steps 2 and 3: one CoAP message, decrypted if it was encrypted. */
function receiveMessage(layers: EndpointLayers, peer: Peer, bytes: Uint8Array, now: Instant): void {
  const message = decodeMessage(bytes, layers.config.maxTokenLength);
  if (isDecodeFault(message)) {
    layers.counters.malformedMessages++;
    traceDiscarded(layers, 'message', peer.address, message.reason);
    layers.messages.receiveFault(peer.key, message, now);
    return;
  }
  if (layers.config.role === 'client' && isRequestCode(message.code)) {
    // RFC 7252 §4.2, §4.3: who lacks the context to process a message rejects it.
    const { type, messageId } = message;
    const reason = 'this endpoint serves no requests';
    traceDiscarded(layers, 'message', peer.address, reason);
    const fault = { kind: 'decode-fault', layer: 'coap', offset: 1, reason, type, messageId } as const;
    layers.messages.receiveFault(peer.key, fault, now);
    return;
  }
  if (isElsewhere(layers.config.share, message)) {
    layers.outputs.push({ kind: 'message-elsewhere', peer, datagram: bytes });
    return;
  }
  traceMessage(layers, 'received', peer.address, bytes);
  if (asksToBackOff(message.code)) noteBackOff(layers, peer, message, now);
  const received = layers.messages.receive(peer.key, message, now);
  switch (received.kind) {
    case 'request':
      proveByEcho(layers, peer, message, now);
      if (message.token.length > layers.config.maxTokenLength) {
        refuseToken(layers, message, received.reply, now);
        return;
      }
      if (receiveProtectedRequest(layers.carrier, peer, message, received.reply, now)) return;
      layers.exchanges.receiveRequest(peer.key, message, received.reply, now, received.repeat);
      return;
    case 'response':
      receiveResponse(layers, peer, message, received.transmission, now);
      return;
    case 'overloaded':
      refuseOverloaded(layers, message, received.reply, now);
      return;
    case 'absorbed': {
      const { reason } = received;
      if (reason === 'ping') peerRestored(layers, peer, now);
      // These three did their work; only the others were dropped.
      if (reason === 'acknowledgement' || reason === 'reset' || reason === 'ping') return;
      if (message.type === 'ACK' || message.type === 'RST') {
        noteUnmatchedAnswer(layers, peer, message);
        noteGuess(layers, peer, message, now);
      }
      traceDiscarded(layers, 'message', peer.address, reason);
      return;
    }
  }
}

/**
 * A server asks for time. It is noted before the message layer takes the message, because an acknowledgement lets the
 * next message of the queue go at once.
 */
function noteBackOff(layers: EndpointLayers, peer: Peer, message: MessageView, now: Instant): void {
  const exchange = layers.exchanges.exchangeOf(peer.key, message.token);
  const bound = exchange === undefined ? undefined : layers.requests.requestOf(exchange);
  if (bound === undefined || !asksToBackOff(message.code)) return;
  layers.backOff.note(peer.address, bound.content, { code: message.code, options: message.options }, now);
  holdQueued(layers, peer, now);
}

/** Step 4 for a response: only the token and the peer say whose it is (RFC 7252 §5.3.2). */
function receiveResponse(
  layers: EndpointLayers,
  peer: Peer,
  message: MessageView,
  acknowledged: TransmissionId | undefined,
  now: Instant,
): void {
  if (acknowledged !== undefined) {
    transmissionAnswered(layers, acknowledged, 'acknowledgement', now);
  }
  const fate =
    receiveProtectedResponse(layers.carrier, peer, message, now) ??
    layers.exchanges.receiveResponse(peer.key, message, now);
  const matched = fate === 'matched';
  if (fate === 'unmatched') {
    layers.counters.unmatchedResponses++;
    traceDiscarded(layers, 'request-response', peer.address, 'no exchange has this token');
  }
  if (fate === 'rejected') {
    traceDiscarded(layers, 'request-response', peer.address, 'a critical option is not understood');
  }
  // Most NON messages that belong to nothing are ignored (RFC 7252 §4.3).
  if (message.type === 'NON' && (matched || !isWorthReset(message))) return;
  if (message.type === 'ACK') return;
  if (matched) layers.messages.acknowledgeResponse(peer.key, message, now);
  else layers.messages.resetResponse(peer.key, message, now);
}

/**
 * Whether a Reset for a response that belongs to nothing ends something: an observation that this side has forgotten (RFC
 * 7641 §3.6), or a body in Q-Blocks that it has given up (RFC 9177 §4.3).
 */
function isWorthReset({ code, options }: MessageView): boolean {
  if (options.has(OptionNumber.Observe) || options.has(OptionNumber.QBlock2)) return true;
  return (
    code === Code.RequestEntityIncomplete && options.uint(OptionNumber.ContentFormat) === missingBlocksFormat
  );
}

/** Step 5: what the request/response layer has for the application. */
export function deliver(
  layers: EndpointLayers,
  output: Extract<
    RequestResponseOutput,
    {
      kind:
        | 'request'
        | 'response'
        | 'stateless-response'
        | 'request-body'
        | 'response-body'
        | 'response-body-aborted'
        | 'body-wanted'
        | 'body-released'
        | 'sent'
        | 'window-ended'
        | 'failed'
        | 'exchange-ended'
        | 'peer-fault';
    }
  >,
  now: Instant,
): void {
  switch (output.kind) {
    case 'request': {
      const peer = layers.peers.withKey(output.peer);
      if (peer === undefined) return;
      const { messageId, type } = output.reply as ReplyHandle;
      if (peer.oscore !== undefined) layers.oscore.exchangeBegun(output.exchange, output.reply);
      const request = incomingRequest(output, messageId, type === 'CON');
      layers.outputs.push({ kind: 'request', exchange: output.exchange, peer, request });
      return;
    }
    case 'response': {
      const bound = layers.requests.requestOf(output.exchange);
      if (output.final) layers.requests.end(output.exchange);
      if (bound) {
        const { request } = bound;
        const { response, final, bodyFollows } = output;
        // A device of the group that was asked: the group is not silent, and PROBING_RATE lets go (groupcomm-bis §3.6).
        if (output.peer !== bound.peer.key) layers.messages.heardFrom(bound.peer.key, now);
        const peer = layers.peers.withKey(output.peer) ?? bound.peer;
        const { state } = bound.content;
        if (state !== undefined) {
          layers.outputs.push({ kind: 'stateless-response', request, peer, state, response });
          return;
        }
        const more = bodyFollows === true ? { bodyFollows } : {};
        layers.outputs.push({ kind: 'response', request, peer, response, final, ...more });
      }
      return;
    }
    case 'stateless-response': {
      const { kind, state, response } = output;
      const peer = layers.peers.withKey(output.peer);
      if (peer !== undefined) layers.outputs.push({ kind, peer, state, response });
      return;
    }
    case 'response-body': {
      const bound = layers.requests.requestOf(output.exchange);
      const { kind, payload, last, final } = output;
      if (final) layers.requests.end(output.exchange);
      if (bound) layers.outputs.push({ kind, request: bound.request, payload, last, final });
      return;
    }
    case 'response-body-aborted': {
      const bound = layers.requests.requestOf(output.exchange);
      if (bound) layers.outputs.push({ kind: output.kind, request: bound.request, detail: output.detail });
      return;
    }
    case 'request-body':
    case 'body-wanted':
    case 'body-released':
      layers.outputs.push(output);
      return;
    case 'sent':
      requestHandedOver(layers, output.exchange);
      return;
    case 'window-ended': {
      const bound = layers.requests.requestOf(output.exchange);
      layers.requests.end(output.exchange);
      if (bound) layers.outputs.push({ kind: 'window-ended', request: bound.request });
      return;
    }
    case 'failed': {
      const bound = layers.requests.requestOf(output.exchange);
      layers.requests.end(output.exchange);
      if (bound === undefined) return;
      const { error: failure, detail, upload } = output;
      const error: RequestError = {
        kind: 'exchange',
        failure,
        ...(detail === undefined ? {} : { detail }),
        ...(upload === undefined ? {} : { upload }),
      };
      layers.outputs.push({ kind: 'request-failed', request: bound.request, error });
      return;
    }
    case 'peer-fault': {
      const peer = layers.peers.withKey(output.peer);
      if (peer) traceDiscarded(layers, 'request-response', peer.address, output.reason);
      return;
    }
    case 'exchange-ended':
      stopDueResponses(layers, output.exchange);
      layers.requests.end(output.exchange);
      layers.outputs.push({ kind: 'exchange-ended', exchange: output.exchange });
      return;
  }
}

/**
 * RFC 8974 §2.2.2: a token that is longer than this side takes is no format error, which would say that no long one is
 * taken. The answer echoes it all the same.
 */
function refuseToken(layers: EndpointLayers, { token }: MessageView, reply: ReplyHandle, now: Instant): void {
  const response = { code: Code.BadRequest, token, options: new OptionSet(), payload: noBytes };
  layers.messages.reply(reply, response, { keepAnswer: false }, now);
}

/** RFC 7252 §5.9.3.4: 5.03 with Max-Age says when to try again. Nothing was processed, so nothing is stored. */
function refuseOverloaded(
  layers: EndpointLayers,
  message: MessageView,
  reply: ReplyHandle,
  now: Instant,
): void {
  layers.counters.overloaded++;
  const options = new OptionSet().add(OptionNumber.MaxAge, 30);
  const response = { code: Code.ServiceUnavailable, token: message.token, options, payload: noBytes };
  layers.messages.reply(reply, response, { keepAnswer: false }, now);
}
