/**
 * What an acknowledgement or a Reset of a message of ours means for whom the message was sent.
 *
 * RFC 7252 §4.2, §4.3. What it means when neither comes is in `timeout-path.ts`.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { TransmissionId } from '../message-layer/message-layer.ts';
import { proveByAnswer } from './address-proof.ts';
import { noteAnswered } from './association-care.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { answerPing } from './pings.ts';

/** A Confirmable message of ours was acknowledged, by an Empty ACK or a piggybacked response. */
export function transmissionAcknowledged(
  layers: EndpointLayers,
  transmission: TransmissionId,
  now: Instant,
): void {
  proveByAnswer(layers, transmission, now);
  const owner = layers.requests.ownerOf(transmission);
  if (owner === undefined) return;
  layers.requests.settled(transmission);
  noteAnswered(layers, owner.peer, transmission);
  switch (owner.role) {
    case 'client':
      layers.exchanges.requestAcknowledged(owner.exchange, now);
      return;
    case 'server':
      layers.exchanges.responseAcknowledged(owner.exchange, now);
      return;
    case 'ping':
      // A Reset is the right answer (RFC 7252 §4.3), but who acknowledges is alive as well.
      answerPing(layers, owner.peer, owner.request);
      return;
    case 'probe':
      return;
  }
}

/** A message of ours was answered by a Reset. */
export function transmissionReset(layers: EndpointLayers, transmission: TransmissionId, now: Instant): void {
  proveByAnswer(layers, transmission, now);
  const owner = layers.requests.ownerOf(transmission);
  if (owner === undefined) return;
  layers.requests.settled(transmission);
  noteAnswered(layers, owner.peer, transmission);
  switch (owner.role) {
    case 'client':
      layers.exchanges.requestReset(owner.exchange, now);
      return;
    case 'server':
      layers.exchanges.responseReset(owner.exchange, now);
      return;
    case 'ping':
      answerPing(layers, owner.peer, owner.request);
      return;
    case 'probe':
      return;
  }
}
