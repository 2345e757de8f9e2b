/**
 * A datagram that was sent to a multicast group: what of it is a request for this endpoint, and nothing else is answered.
 *
 * RFC 7252 §8.1. How a request to a group is answered, and when, is decided in the request/response layer.
 *
 * @module
 */

import { isRequestCode } from '../coap/code.ts';
import { decodeMessage, isDecodeFault } from '../coap/message-codec.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { traceDiscarded, traceMessage } from './endpoint-trace.ts';

/**
 * Steps 2 and 3 for a datagram that was sent to a group. RFC 7252 §8.1: it MUST be a request, and Non-confirmable;
 * nothing else is answered, and nothing ever by a Reset. There is no multicast with DTLS.
 */
export function receiveFromGroup(
  layers: EndpointLayers,
  address: PeerAddress,
  datagram: Uint8Array,
  group: PeerAddress,
  now: Instant,
): void {
  const { maxTokenLength } = layers.config;
  const message = layers.dtls === undefined ? decodeMessage(datagram, maxTokenLength) : undefined;
  const isRequest = message !== undefined && !isDecodeFault(message) && isRequestCode(message.code);
  if (!isRequest || message.type !== 'NON' || layers.config.role === 'client') {
    layers.counters.ignoredFromGroups++;
    const reason = isRequest ? `a ${message.type} request to a group` : 'no request, to a group';
    traceDiscarded(layers, 'message', address, reason);
    return;
  }
  const peer = layers.peers.atAddress(address);
  traceMessage(layers, 'received', address, datagram);
  const received = layers.messages.receive(peer.key, message, now);
  if (received.kind === 'request') {
    layers.exchanges.receiveRequest(peer.key, message, received.reply, now, received.repeat, group);
    return;
  }
  // Also when there is no room for it: an error is not told to who asked a group.
  const reason = received.kind === 'absorbed' ? received.reason : received.kind;
  traceDiscarded(layers, 'message', address, reason);
}
