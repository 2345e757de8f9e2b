/**
 * Responses and notifications that tell of a state that is past: what goes in the place of their retransmission.
 *
 * RFC 7641 §4.4 and §4.5.2. When a state is past is known in `request-response/observe-server.ts`, when a message would be
 * sent once more in `message-layer/`; here the one is told to the other.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { TransmissionId } from '../message-layer/message-layer.ts';
import type { ExchangeId, RequestResponseOutput } from '../request-response/request-response-layer.ts';
import type { EndpointLayers } from './endpoint-layers.ts';

/** The message that went last for an Exchange is not to be sent once more as it is. */
export function outdateResponse({ messages, requests }: EndpointLayers, exchange: ExchangeId): void {
  const latest = requests.transmissionsOf(exchange).at(-1);
  if (latest !== undefined) messages.outdate(latest);
}

/** A message that is out of date would be sent now: whose it is makes another one, or it ends. */
export function outdatedResponseDue(
  layers: EndpointLayers,
  transmission: TransmissionId,
  now: Instant,
): void {
  const owner = layers.requests.ownerOf(transmission);
  if (owner?.role === 'server' && layers.exchanges.responseDue(owner.exchange, now)) return;
  stop(layers, transmission);
}

/**
 * The notification that goes in the place of one that was due. Its acknowledgement proves what that of the other would.
 *
 * @returns false when the other was acknowledged while this one was on its way here, for a store or the Leisure: it goes by
 *          itself.
 */
export function sendInPlace(
  { messages, requests }: EndpointLayers,
  { exchange, message }: Extract<RequestResponseOutput, { kind: 'send-response' }>,
  now: Instant,
): boolean {
  const latest = requests.transmissionsOf(exchange).at(-1);
  if (latest === undefined) return true; // the observation is over
  if (!messages.isHeld(latest)) return false;
  messages.renew(latest, message, now);
  return true;
}

/** Nothing goes in the place of what was due for an Exchange: it ends. */
export function stopDueResponses(layers: EndpointLayers, exchange: ExchangeId): void {
  for (const transmission of layers.requests.transmissionsOf(exchange)) {
    if (layers.messages.isHeld(transmission)) stop(layers, transmission);
  }
}

function stop({ messages, requests }: EndpointLayers, transmission: TransmissionId): void {
  messages.stop(transmission);
  requests.settled(transmission);
  requests.takeProof(transmission);
}
