/**
 * How the ping of an application ends: with a pong, or as a failed request.
 *
 * RFC 7252 §4.3. The pings that an endpoint sends by itself are in `association-care.ts`.
 *
 * @module
 */

import type { PeerKey } from '../message-layer/message-layer.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import type { RequestError, RequestId } from './outputs.ts';

/** The peer has answered. */
export function answerPing(layers: EndpointLayers, key: PeerKey, request: RequestId): void {
  const peer = layers.peers.withKey(key);
  layers.requests.endPing(request);
  if (peer) layers.outputs.push({ kind: 'pong', request, peer });
}

/** A ping gets no answer. */
export function failPing(layers: EndpointLayers, request: RequestId, error: RequestError): void {
  layers.requests.endPing(request);
  layers.outputs.push({ kind: 'request-failed', request, error });
}
