/**
 * Requests of ours that wait for their turn, in the message layer or for a handshake: those that expect no response end
 * when they go, a later one may take the place of one that waits, and what was never sent can go another way.
 *
 * RFC 7252 §4.7. The order in which they go is that of `message-layer/lane-queue.ts`.
 *
 * @module
 */

import type { AssociationId } from '../dtls/dtls-layer.ts';
import type { Instant } from '../foundation/instant.ts';
import type { TransmissionId } from '../message-layer/message-layer.ts';
import type { ExchangeId } from '../request-response/request-response-layer.ts';
import { missProof } from './address-proof.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import type { OutgoingRequest, RequestError, RequestId } from './outputs.ts';
import type { Peer } from './peer.ts';
import { failPing } from './pings.ts';

/** A request needs nothing more than to be sent: it ends now if it was, or when it goes out. */
export function requestHandedOver(layers: EndpointLayers, exchange: ExchangeId): void {
  const { messages, requests } = layers;
  const bound = requests.requestOf(exchange);
  if (bound === undefined) return;
  if (bound.state === 'refused') {
    failHandedOver(layers, exchange, { kind: 'exchange', failure: 'too-many-exchanges' });
  } else if (requests.transmissionsOf(exchange).some((id) => messages.state(id) === 'waiting')) {
    bound.state = 'handed-over';
  } else endAsSent(layers, exchange);
}

/** A request that had to wait goes out. */
export function transmissionStarted(
  layers: EndpointLayers,
  transmission: TransmissionId,
  now: Instant,
): void {
  const owner = layers.requests.ownerOf(transmission);
  if (owner?.role !== 'client') return;
  if (layers.requests.requestOf(owner.exchange)?.state === 'handed-over') endAsSent(layers, owner.exchange);
  else layers.exchanges.requestStarted(owner.exchange, now);
}

function endAsSent(layers: EndpointLayers, exchange: ExchangeId): void {
  const bound = layers.requests.requestOf(exchange);
  layers.requests.end(exchange);
  if (bound) layers.outputs.push({ kind: 'sent', request: bound.request });
}

/** Fails a request that was handed over. */
function failHandedOver(layers: EndpointLayers, exchange: ExchangeId, error: RequestError): void {
  const bound = layers.requests.requestOf(exchange);
  layers.requests.end(exchange);
  if (bound) layers.outputs.push({ kind: 'request-failed', request: bound.request, error });
}

/** The association is gone: what was handed over, and waits, fails here. */
export function failUnsent(layers: EndpointLayers, peer: Peer, error: RequestError): void {
  const { requests } = layers;
  for (const { exchange } of requests.boundTo(peer.key)) {
    if (requests.requestOf(exchange)?.state === 'handed-over') failHandedOver(layers, exchange, error);
  }
}

/** Gives up a request that was handed over and still waits; false for any other. */
export function cancelUnsent(layers: EndpointLayers, request: RequestId): boolean {
  const { messages, requests } = layers;
  const exchange = requests.exchangeOf(request);
  if (exchange === undefined || requests.requestOf(exchange)?.state !== 'handed-over') return false;
  for (const transmission of requests.transmissionsOf(exchange)) messages.stop(transmission);
  requests.end(exchange);
  return true;
}

/** A later request took the place of one that waited in the message layer. */
export function transmissionSuperseded(
  layers: EndpointLayers,
  transmission: TransmissionId,
  now: Instant,
): void {
  const owner = layers.requests.ownerOf(transmission);
  if (owner?.role !== 'client') return;
  const bound = layers.requests.requestOf(owner.exchange);
  layers.requests.end(owner.exchange);
  layers.exchanges.cancel(owner.exchange, now);
  if (bound) supersede(layers, bound.request);
}

/** A later request takes the place of one that waits for the same handshake. */
export function supersedeWaiting(layers: EndpointLayers, association: AssociationId, replaces: string): void {
  for (const { request, content } of layers.requests.waitingFor(association)) {
    if (content?.replaces !== replaces) continue;
    layers.requests.stopWaiting(request);
    supersede(layers, request);
  }
}

function supersede(layers: EndpointLayers, request: RequestId): void {
  layers.outputs.push({ kind: 'request-failed', request, error: { kind: 'superseded' } });
}

/** Takes out the requests to a peer of which no message was sent yet, in their order. */
export function takeUnsent(
  layers: EndpointLayers,
  peer: Peer,
): { readonly request: RequestId; readonly content: OutgoingRequest }[] {
  const { messages, requests } = layers;
  const unsent = requests.boundTo(peer.key).filter(({ exchange }) => {
    const transmissions = requests.transmissionsOf(exchange);
    return transmissions.length > 0 && transmissions.every((id) => messages.state(id) === 'waiting');
  });
  for (const { exchange } of unsent) requests.end(exchange);
  return unsent;
}

/** A message of ours could not even wait to be sent: too much waits already. It says nothing about the peer. */
export function transmissionRefused(
  layers: EndpointLayers,
  transmission: TransmissionId,
  now: Instant,
): void {
  missProof(layers, transmission, now);
  const owner = layers.requests.ownerOf(transmission);
  layers.requests.settled(transmission);
  switch (owner?.role) {
    case 'client':
      layers.exchanges.requestRefused(owner.exchange, now);
      return;
    case 'server':
      layers.exchanges.responseRefused(owner.exchange, now);
      return;
    case 'ping':
      failPing(layers, owner.request, { kind: 'exchange', failure: 'too-many-exchanges' });
      return;
    case 'probe':
      layers.requests.endProbe(owner.peer);
      return;
    case undefined:
      return;
  }
}
