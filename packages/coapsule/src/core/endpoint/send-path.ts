/**
 * The road of a request or a response from the application to the network, from top to bottom.
 *
 *   1 request → association, after a handshake where one is needed   (RFC 7252 §9.1)
 *   2 → Exchange: token, blocks, Observe                             (RFC 7252 §5, 7641, 7959)
 *   3 → Message: type, Message ID, retransmission                    (RFC 7252 §4)
 *   4 → bytes → record                                               (RFC 6347)
 *   5 → datagram
 *
 * @module
 */

import type { AssociationId } from '../dtls/dtls-layer.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { MessageLayerOutput, ReplyHandle } from '../message-layer/message-layer.ts';
import type { RequestResponseOutput } from '../request-response/request-response-layer.ts';
import { type EndpointLayers, traceDiscarded } from './endpoint-layers.ts';
import type { OutgoingGroupRequest, OutgoingRequest, RequestError, RequestId } from './outputs.ts';
import type { Peer } from './peer.ts';

/**
 * Step 1: a request, or a ping when `content` is absent, to `address`. On a secured endpoint it waits for
 * the handshake, which the first one starts; there is no way from here to an unsecured message.
 */
export function sendRequest(
  layers: EndpointLayers,
  address: PeerAddress,
  serverName: string | undefined,
  content: OutgoingRequest | undefined,
  now: Instant,
): RequestId {
  const request = layers.requests.newRequest();
  const { dtls } = layers;
  if (dtls === undefined) {
    startExchange(layers, layers.peers.atAddress(address), request, content, now);
    return request;
  }
  const association =
    dtls.associationAt(address) ?? dtls.connect(address, serverName === undefined ? {} : { serverName }, now);
  if (dtls.association(association)?.established) {
    startExchange(layers, layers.peers.ofAssociation(association, address), request, content, now);
  } else {
    layers.requests.wait({ request, association, content });
  }
  return request;
}

/** Steps 1 and 2 of a request to a group: there is no association, and no security (RFC 7252 §8.1). */
export function sendGroupRequest(
  layers: EndpointLayers,
  group: PeerAddress,
  content: OutgoingGroupRequest,
  now: Instant,
): RequestId {
  const request = layers.requests.newRequest();
  const exchange = layers.exchanges.groupRequest(group.key, content, now);
  layers.requests.bind(request, exchange, layers.peers.atAddress(group), { ...content, type: 'NON' });
  return request;
}

/** Step 1, after the handshake: all that waited for it goes on, in order. */
export function sendWaiting(layers: EndpointLayers, association: AssociationId, now: Instant): void {
  const address = layers.dtls?.association(association)?.address;
  if (address === undefined) return;
  const peer = layers.peers.ofAssociation(association, address);
  for (const { request, content } of layers.requests.takeWaiting(association)) {
    startExchange(layers, peer, request, content, now);
  }
}

/** Step 1, after a handshake that failed. */
export function failWaiting(layers: EndpointLayers, association: AssociationId, error: RequestError): void {
  for (const { request } of layers.requests.takeWaiting(association)) {
    layers.outputs.push({ kind: 'request-failed', request, error });
  }
}

/** Step 2. */
function startExchange(
  layers: EndpointLayers,
  peer: Peer,
  request: RequestId,
  content: OutgoingRequest | undefined,
  now: Instant,
): void {
  if (content === undefined) {
    layers.requests.sentPing(layers.messages.ping(peer.key, now), peer.key, request);
    return;
  }
  const secure = peer.association !== undefined;
  const exchange = layers.exchanges.request(peer.key, { ...content, secure }, now);
  layers.requests.bind(request, exchange, peer, content);
}

/** Step 3: what the request/response layer wants sent. */
export function sendFromExchange(
  layers: EndpointLayers,
  output: Extract<
    RequestResponseOutput,
    { kind: 'send-request' | 'send-response' | 'suppress-response' | 'acknowledge' | 'stop-request' }
  >,
  now: Instant,
): void {
  switch (output.kind) {
    case 'send-request': {
      const transmission = layers.messages.send(output.peer, output.type, output.message, now);
      layers.requests.sent(transmission, { role: 'client', peer: output.peer, exchange: output.exchange });
      return;
    }
    case 'send-response': {
      const { message, type, keepAnswer } = output;
      const transmission =
        output.reply === undefined
          ? layers.messages.send(output.peer, type ?? 'CON', message, now)
          : layers.messages.reply(
              output.reply as ReplyHandle,
              message,
              type === undefined ? { keepAnswer } : { type, keepAnswer },
              now,
            );
      if (transmission !== undefined) {
        layers.requests.sent(transmission, { role: 'server', peer: output.peer, exchange: output.exchange });
      }
      return;
    }
    case 'suppress-response':
      layers.messages.suppressReply(output.reply as ReplyHandle, output.keepAnswer, now);
      return;
    case 'acknowledge':
      layers.messages.acknowledge(output.reply as ReplyHandle, now);
      return;
    case 'stop-request':
      for (const transmission of layers.requests.transmissionsOf(output.exchange)) {
        layers.messages.stop(transmission);
      }
      return;
  }
}

/** Steps 4 and 5: one encoded message to the network. */
export function transmitMessage(
  layers: EndpointLayers,
  output: Extract<MessageLayerOutput, { kind: 'transmit' }>,
  now: Instant,
): void {
  const peer = layers.peers.withKey(output.peer);
  if (peer === undefined) {
    layers.counters.unsendable++;
    return;
  }
  layers.exchanges.transmitted(output.peer, now);
  const { address } = peer;
  if (layers.config.trace) {
    const secure = layers.dtls !== undefined;
    layers.outputs.push({
      kind: 'trace',
      event: { kind: 'message', direction: 'sent', address, secure, bytes: output.datagram },
    });
  }
  if (layers.dtls === undefined) {
    layers.outputs.push({ kind: 'transmit', address, datagram: output.datagram });
    return;
  }
  const result =
    peer.association === undefined
      ? 'no-association'
      : layers.dtls.send(peer.association, output.datagram, now);
  if (result === 'sent') return;
  layers.counters.unsendable++;
  const reason =
    result === 'too-large' ? 'the peer takes no record of this length' : 'the association is closed';
  traceDiscarded(layers, 'dtls', address, reason);
}
