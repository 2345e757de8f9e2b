/**
 * What arrives over a link that loses messages, Confirmable or not, and what that costs (RFC 7252 §4.2, §4.3).
 *
 * Pure functions. Losses are independent of each other, and the same both ways.
 *
 * @module
 */

import { amplification } from './retransmission-schedule.ts';

/** Odds of one message. */
export interface DeliveryOdds {
  /** Share of Non-confirmable messages that arrive. */
  readonly nonConfirmableDelivered: number;
  /** Share of Confirmable messages of which any transmission arrives. */
  readonly confirmableDelivered: number;
  /** Share of Confirmable messages whose sender gets to know it. */
  readonly confirmableAcknowledged: number;
  /** Transmissions of a Confirmable message, until its acknowledgement or the last. */
  readonly transmissions: number;
}

/**
 * The odds on a link.
 *
 * @param loss Share of messages lost on one way, 0 … 1.
 * @param maxRetransmit MAX_RETRANSMIT, 4 by default: five transmissions.
 */
export function deliveryOdds(loss: number, maxRetransmit = 4): DeliveryOdds {
  const most = maxRetransmit + 1;
  const roundTrip = (1 - loss) ** 2;
  return {
    nonConfirmableDelivered: 1 - loss,
    confirmableDelivered: 1 - loss ** most,
    confirmableAcknowledged: 1 - (1 - roundTrip) ** most,
    transmissions: amplification(loss, { maxRetransmit }).bothLost,
  };
}
