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

/**
 * A message of ours was answered by an acknowledgement, Empty or with a piggybacked response, or by a Reset.
 */
export function transmissionAnswered(
  layers: EndpointLayers,
  transmission: TransmissionId,
  by: 'acknowledgement' | 'reset',
  now: Instant,
): void {
  const { exchanges, requests } = layers;
  proveByAnswer(layers, transmission, now);
  const owner = requests.ownerOf(transmission);
  if (owner === undefined) return;
  requests.settled(transmission);
  noteAnswered(layers, owner.peer, transmission);
  switch (owner.role) {
    case 'client':
      if (by === 'reset') exchanges.requestReset(owner.exchange, now);
      else exchanges.requestAcknowledged(owner.exchange, now);
      return;
    case 'server':
      if (by === 'reset') exchanges.responseReset(owner.exchange, now);
      else exchanges.responseAcknowledged(owner.exchange, now);
      return;
    case 'ping':
      // A Reset is the right answer (RFC 7252 §4.3), but who acknowledges is alive as well.
      answerPing(layers, owner.peer, owner.request);
      return;
    case 'probe':
      return;
  }
}
