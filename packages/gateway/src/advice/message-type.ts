/**
 * Confirmable or Non-confirmable, with what it does to energy and reliability.
 *
 * The choice itself is the library's (`chooseMessageType`); here are the figures beside it.
 *
 * @module
 */

import { chooseMessageType, type TypeAdvice, type TypeQuestion } from 'coapsule/message';
import { type DeliveryOdds, deliveryOdds } from '../figures/delivery-odds.ts';

/** Losses are known: the shares 0.05 and 0.1 unless said otherwise. */
export type MessageTypeQuestion = Omit<TypeQuestion, 'networkLoss'> & { readonly networkLoss?: number };

/** The choice, with figures. */
export interface MessageTypeAdvice extends TypeAdvice {
  /** How likely messages of both types arrive. */
  readonly odds: DeliveryOdds;
  /** Share that is delivered with the type that was chosen. */
  readonly delivered: number;
  /** Whether the share that is lost is acceptable. */
  readonly isLossAcceptable: boolean;
  /** Messages sent and received for one that is Confirmable, over those for one that is not. */
  readonly messagesOverNonConfirmable: number;
  /** How long the radio is on for a Confirmable message over a Non-confirmable one, under the assumption below. */
  readonly radioTimeOverNonConfirmable: number;
}

/** Under which battery life differs by five: 5 ms to send a message, 20 ms in which the radio listens for its ACK. */
export const radioAssumption = { sendMs: 5, listenMs: 20 } as const;

/** The type of a message, and what it comes to. */
export function adviseMessageType(question: MessageTypeQuestion): MessageTypeAdvice {
  const { acceptableLoss = 0.05, networkLoss = 0.1 } = question;
  const advice = chooseMessageType({ ...question, acceptableLoss, networkLoss });
  const odds = deliveryOdds(networkLoss);
  const delivered = advice.type === 'CON' ? odds.confirmableDelivered : odds.nonConfirmableDelivered;
  const { sendMs, listenMs } = radioAssumption;
  return {
    ...advice,
    odds,
    delivered,
    isLossAcceptable: 1 - delivered <= acceptableLoss + Number.EPSILON,
    messagesOverNonConfirmable: 2 * odds.transmissions,
    radioTimeOverNonConfirmable: (odds.transmissions * (sendMs + listenMs)) / sendMs,
  };
}
