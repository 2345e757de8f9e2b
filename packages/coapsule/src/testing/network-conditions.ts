/**
 * How a simulated line treats its datagrams.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';

/** How a direction treats its datagrams. Rates are probabilities of 0 … 1. */
export interface NetworkConditions {
  /** Probability that a frame is lost, each by itself. A datagram of n frames arrives with (1 − p)^n. */
  readonly lossRate: number;
  /** Further loss, of frames in a row; none by default. */
  readonly burstLoss: BurstLoss | undefined;
  readonly duplicateRate: number;
  /** Probability that a datagram is overtaken by the next one of its direction. */
  readonly reorderRate: number;
  readonly delayMs: number;
  /** Each datagram is delayed by up to this much more, drawn for each, so that it may overtake. */
  readonly jitterMs: number;
  /** Largest datagram in bytes; longer ones vanish and are counted in `droppedForMtu`. */
  readonly mtu: number;
  /**
   * Bytes of a datagram that one frame of the link carries. Longer datagrams go in several frames, of which none is
   * repeated: one lost frame loses the datagram (6LoWPAN, RFC 4944 §5.3).
   */
  readonly frameBytes: number;
  /** Bits that the line takes for a second; a datagram waits until those before it are through. */
  readonly bitsPerSecond: number;
  /** Bits on the line for each byte: 8, or 10 on a serial line with start and stop bit. */
  readonly bitsPerByte: number;
  /** Bytes that the line adds to each frame: its own header and trailer. */
  readonly frameOverheadBytes: number;
  /**
   * Bytes, headers included, that may wait in front of the line and on it. A datagram that finds no room is dropped
   * (tail drop) and counted in `droppedForQueue`. One that comes to an empty queue always goes.
   */
  readonly queueBytes: number;
}

/** Loss in bursts (Gilbert's model): a direction is good or bad, and in the bad state loses each frame. */
export interface BurstLoss {
  /** Share of frames lost in the long run, 0 … less than 1. */
  readonly rate: number;
  /** Frames that a burst takes on average; 1 or more. */
  readonly meanLength: number;
}

/** A perfect line with 10 ms one way. */
export const perfectConditions: NetworkConditions = Object.freeze({
  lossRate: 0,
  burstLoss: undefined,
  duplicateRate: 0,
  reorderRate: 0,
  delayMs: 10,
  jitterMs: 0,
  mtu: 65_507,
  frameBytes: Infinity,
  bitsPerSecond: Infinity,
  bitsPerByte: 8,
  frameOverheadBytes: 0,
  queueBytes: Infinity,
});

/** Frames that a datagram takes: 1 or more. */
export function framesOf(datagramBytes: number, frameBytes: number): number {
  return Math.max(1, Math.ceil(datagramBytes / frameBytes));
}

/**
 * Probability that a datagram is lost when each of its frames is lost with `frameLossRate`: 1 − (1 − p)^n. With 5 %
 * and frames of 80 bytes, 1024 bytes take 13 frames, and 48.7 % of them are lost.
 */
export function datagramLossRate(frameLossRate: number, frames: number): number {
  return 1 - (1 - frameLossRate) ** frames;
}

/** Refuses conditions that no line has, by name. */
export function checkConditions(conditions: Partial<NetworkConditions>): void {
  for (const [name, value] of Object.entries(conditions)) {
    if (!(name in rules)) throw new ApiMisuseError(`network condition "${name}" is unknown`);
    if (name === 'burstLoss' && value === undefined) continue;
    const rule = rules[name as keyof NetworkConditions];
    if (rule.allows(value as never)) continue;
    throw new ApiMisuseError(`${name} is ${JSON.stringify(value)}; expected ${rule.expected}`);
  }
}

interface Rule<Value> {
  readonly expected: string;
  readonly allows: (value: Value) => boolean;
}

const probability: Rule<number> = { expected: '0 to 1', allows: (value) => value >= 0 && value <= 1 };
const finite: Rule<number> = {
  expected: 'a finite number of 0 or more',
  allows: (value) => value >= 0 && value < Infinity,
};
const notNegative: Rule<number> = { expected: 'a number of 0 or more', allows: (value) => value >= 0 };
const positive: Rule<number> = { expected: 'a number above 0', allows: (value) => value > 0 };

const rules: { readonly [Name in keyof NetworkConditions]: Rule<NonNullable<NetworkConditions[Name]>> } = {
  lossRate: probability,
  burstLoss: {
    expected:
      'a rate of 0 to less than 1 and a meanLength of 1 or more, such that bursts may begin that often',
    // A burst begins with rate · leave / (1 − rate), which has to be a probability.
    allows: ({ rate, meanLength }) =>
      rate >= 0 && rate < 1 && meanLength >= 1 && rate / (meanLength * (1 - rate)) <= 1,
  },
  duplicateRate: probability,
  reorderRate: probability,
  delayMs: finite,
  jitterMs: finite,
  mtu: notNegative,
  frameBytes: positive,
  bitsPerSecond: positive,
  bitsPerByte: positive,
  frameOverheadBytes: finite,
  queueBytes: notNegative,
};
