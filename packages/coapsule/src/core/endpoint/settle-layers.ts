/**
 * What the layers of an endpoint say, taken to where it is told: the plot of receiving, of sending or of time, or a queue.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { endsExchange } from './oscore-exchanges.ts';
import { followOscore, protectOutput } from './oscore-path.ts';
import { outdatedResponseDue, outdateResponse, stopDueResponses } from './outdated-responses.ts';
import { deliver, receiveFromDtls } from './receive-path.ts';
import { sendFromExchange, transmitMessage } from './send-path.ts';
import { transmissionRepeated, transmissionTimedOut } from './timeout-path.ts';
import { transmissionAnswered } from './transmission-answers.ts';
import { transmissionRefused, transmissionStarted, transmissionSuperseded } from './waiting-requests.ts';

/** The layers speak until none has anything to say. */
export function settleLayers(layers: EndpointLayers, now: Instant): void {
  const { carrier } = layers;
  for (;;) {
    const fromDtls = layers.dtls?.poll();
    if (fromDtls) {
      if (fromDtls.kind === 'transmit') layers.outputs.push(fromDtls);
      else receiveFromDtls(layers, fromDtls, now);
      continue;
    }
    const fromOscore = layers.oscore.layer.poll();
    if (fromOscore) {
      followOscore(carrier, fromOscore, now);
      continue;
    }
    const fromExchange = layers.exchanges.poll();
    if (fromExchange) {
      if (endsExchange(fromExchange)) layers.oscore.exchangeEnded(fromExchange.exchange);
      if (protectOutput(carrier, fromExchange, now)) continue;
      switch (fromExchange.kind) {
        case 'send-request':
        case 'send-response':
        case 'suppress-response':
        case 'acknowledge':
        case 'stop-request':
        case 'ask-for-proof':
          sendFromExchange(layers, fromExchange, now);
          break;
        case 'response-outdated':
          outdateResponse(layers, fromExchange.exchange);
          break;
        case 'stop-response':
          stopDueResponses(layers, fromExchange.exchange);
          break;
        case 'observation-quiet':
          break; // only on reliable transports
        default:
          deliver(layers, fromExchange, now);
      }
      continue;
    }
    const fromMessage = layers.messages.poll();
    if (fromMessage === undefined) return;
    switch (fromMessage.kind) {
      case 'transmit':
        transmitMessage(layers, fromMessage, now);
        break;
      case 'acknowledged':
        transmissionAnswered(layers, fromMessage.transmission, 'acknowledgement', now);
        break;
      case 'reset':
        transmissionAnswered(layers, fromMessage.transmission, 'reset', now);
        break;
      case 'timed-out':
        transmissionTimedOut(layers, fromMessage, now);
        break;
      case 'renewal-due':
        outdatedResponseDue(layers, fromMessage.transmission, now);
        break;
      case 'started':
        transmissionStarted(layers, fromMessage.transmission, now);
        break;
      case 'superseded':
        transmissionSuperseded(layers, fromMessage.transmission, now);
        break;
      case 'refused':
        transmissionRefused(layers, fromMessage.transmission, now);
        break;
      case 'retransmitted':
        transmissionRepeated(layers, fromMessage.transmission, fromMessage.attempt);
        break;
      case 'discarded':
        break;
    }
  }
}
