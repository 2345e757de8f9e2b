/**
 * When a Confirmable message is sent again, and when its sender gives up (RFC 7252 §4.2, §4.8); and what a sender with a fixed
 * interval does to the network instead.
 *
 * Pure functions, of time alone: they send nothing.
 *
 * @module
 */

import { defaultTransmissionParameters, type TransmissionParameters } from 'coapsule/message';

/** What decides when. */
export type BackOffParameters = Pick<
  TransmissionParameters,
  'ackTimeoutMs' | 'ackRandomFactor' | 'maxRetransmit'
>;

/** One transmission, with the first timeout at its shortest and at its longest. */
export interface Transmission {
  /** 0 for the first. */
  readonly retransmission: number;
  /** Since the one before; 0 for the first. */
  readonly afterMs: Range;
  /** Since the first. */
  readonly atMs: Range;
}

/** From one to the other, both included. */
export interface Range {
  readonly shortest: number;
  readonly longest: number;
}

/** All of them. */
export interface RetransmissionSchedule {
  readonly transmissions: readonly Transmission[];
  /** When the sender reports that nobody answers. Not when the last retransmission leaves: that is half of it. */
  readonly givesUpMs: Range;
}

/** The schedule of a message. */
export function retransmissionSchedule(
  parameters: BackOffParameters = defaultTransmissionParameters,
): RetransmissionSchedule {
  const { ackTimeoutMs, ackRandomFactor, maxRetransmit } = parameters;
  const timeout: Range = { shortest: ackTimeoutMs, longest: ackTimeoutMs * ackRandomFactor };
  const transmissions = Array.from({ length: maxRetransmit + 1 }, (_, retransmission): Transmission => {
    const interval = retransmission === 0 ? 0 : 2 ** (retransmission - 1);
    return {
      retransmission,
      afterMs: times(timeout, interval),
      atMs: times(timeout, 2 ** retransmission - 1),
    };
  });
  return { transmissions, givesUpMs: times(timeout, 2 ** (maxRetransmit + 1) - 1) };
}

/** How many transmissions there are of each message, on average. */
export interface Amplification {
  /** If only what is sent gets lost: the acknowledgement always arrives. */
  readonly requestsLost: number;
  /** If acknowledgements get lost as well. */
  readonly bothLost: number;
  /** Most of them, when nothing arrives. */
  readonly most: number;
}

/**
 * What retransmission makes of the traffic.
 *
 * @param loss Share of messages lost on one way, 0 … 1.
 */
export function amplification(
  loss: number,
  { maxRetransmit }: Pick<BackOffParameters, 'maxRetransmit'> = defaultTransmissionParameters,
): Amplification {
  const most = maxRetransmit + 1;
  return {
    requestsLost: expectedSends(1 - loss, most),
    bothLost: expectedSends((1 - loss) ** 2, most),
    most,
  };
}

/**
 * How often a sender with a fixed interval sends a message that is answered after `roundTripMs`, with no loss at all. With back-off
 * it is once, as long as the answer comes within the first timeout.
 */
export function fixedIntervalSends(intervalMs: number, roundTripMs: number, most = 5): number {
  return Math.min(most, Math.max(1, Math.ceil(roundTripMs / intervalMs)));
}

function expectedSends(success: number, most: number): number {
  return success === 0 ? most : (1 - (1 - success) ** most) / success;
}

function times({ shortest, longest }: Range, factor: number): Range {
  return { shortest: shortest * factor, longest: longest * factor };
}
