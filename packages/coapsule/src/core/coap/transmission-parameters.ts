/**
 * The transmission parameters of CoAP and the times derived from them, in milliseconds.
 *
 * RFC 7252 §4.8. A parameter is changed under the conditions of §4.8.1 only; the ranges here are what
 * those conditions allow.
 *
 * | name                     | unit  | default | allowed   | RFC 7252 |
 * |--------------------------|-------|---------|-----------|----------|
 * | ackTimeoutMs             | ms    | 2000    | > 0       | §4.8     |
 * | ackRandomFactor          | –     | 1.5     | ≥ 1       | §4.8.1   |
 * | maxRetransmit            | –     | 4       | 0 … 20    | §4.8     |
 * | nstart                   | –     | 1       | ≥ 1       | §4.7     |
 * | defaultLeisureMs         | ms    | 5000    | ≥ 0       | §8.2     |
 * | probingRateBytesPerSecond| B/s   | 1       | > 0       | §4.7     |
 * | maxLatencyMs             | ms    | 100000  | ≥ 0       | §4.8.2   |
 * | processingDelayMs        | ms    | 2000    | ≥ 0       | §4.8.2   |
 * | maxPayloads              | –     | 10      | 1 … 64    | RFC 9177 §7.2 |
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import type { DurationMs } from '../foundation/instant.ts';

/** The parameters of RFC 7252 §4.8 (Table 2), the two assumptions of §4.8.2, and MAX_PAYLOADS of RFC 9177. */
export interface TransmissionParameters {
  /** ACK_TIMEOUT: shortest time before the first retransmission. */
  readonly ackTimeoutMs: DurationMs;
  /** ACK_RANDOM_FACTOR: the first timeout is drawn from ACK_TIMEOUT to ACK_TIMEOUT times this. */
  readonly ackRandomFactor: number;
  /** MAX_RETRANSMIT: retransmissions after the first transmission. */
  readonly maxRetransmit: number;
  /** NSTART: outstanding interactions with one endpoint (§4.7). */
  readonly nstart: number;
  /** DEFAULT_LEISURE: time to spread answers to a multicast request over (§8.2). */
  readonly defaultLeisureMs: DurationMs;
  /** PROBING_RATE: average rate to an endpoint that does not answer (§4.7). */
  readonly probingRateBytesPerSecond: number;
  /** MAX_LATENCY: longest time a datagram is expected to take (§4.8.2). */
  readonly maxLatencyMs: DurationMs;
  /** PROCESSING_DELAY: time a node takes to turn around a message; ACK_TIMEOUT by default (§4.8.2). */
  readonly processingDelayMs: DurationMs;
  /**
   * MAX_PAYLOADS: messages of a body in Q-Blocks that are sent at any one time; both endpoints must have the same value. The
   * other parameters of Q-Block follow from those here (RFC 9177 §7.2).
   */
  readonly maxPayloads: number;
}

/** The default values of RFC 7252 §4.8 and §4.8.2. */
export const defaultTransmissionParameters: TransmissionParameters = Object.freeze({
  ackTimeoutMs: 2000,
  ackRandomFactor: 1.5,
  maxRetransmit: 4,
  nstart: 1,
  defaultLeisureMs: 5000,
  probingRateBytesPerSecond: 1,
  maxLatencyMs: 100_000,
  processingDelayMs: 2000,
  maxPayloads: 10,
});

/**
 * The defaults with `changes`, frozen. PROCESSING_DELAY follows a changed ACK_TIMEOUT unless given
 * (RFC 7252 §4.8.2). Throws `ApiMisuseError` for a value outside the table of the module comment.
 */
export function transmissionParameters(
  changes: Partial<TransmissionParameters> = {},
): TransmissionParameters {
  const parameters = { ...defaultTransmissionParameters };
  if (changes.ackTimeoutMs !== undefined) parameters.processingDelayMs = changes.ackTimeoutMs;
  for (const name of Object.keys(changes) as (keyof TransmissionParameters)[]) {
    const value = changes[name];
    if (value === undefined) continue;
    const rule = rules[name];
    if (rule === undefined) throw new ApiMisuseError(`transmission parameter "${name}" is unknown`);
    if (!Number.isFinite(value) || !rule.allows(value)) {
      throw new ApiMisuseError(`${name} is ${value}; expected ${rule.expected}`);
    }
    parameters[name] = value;
  }
  return Object.freeze(parameters);
}

const positive = { expected: 'a number above 0', allows: (value: number) => value > 0 };
const notNegative = { expected: 'a number of 0 or more', allows: (value: number) => value >= 0 };

const rules: Readonly<
  Record<keyof TransmissionParameters, { expected: string; allows: (value: number) => boolean }>
> = {
  ackTimeoutMs: positive,
  ackRandomFactor: { expected: 'a number of 1 or more (RFC 7252 §4.8.1)', allows: (value) => value >= 1 },
  maxRetransmit: {
    expected: 'a whole number of 0 to 20',
    allows: (value) => Number.isInteger(value) && value >= 0 && value <= 20,
  },
  nstart: {
    expected: 'a whole number of 1 or more',
    allows: (value) => Number.isInteger(value) && value >= 1,
  },
  defaultLeisureMs: notNegative,
  probingRateBytesPerSecond: positive,
  maxLatencyMs: notNegative,
  processingDelayMs: notNegative,
  maxPayloads: {
    expected: 'a whole number of 1 to 64 (RFC 9177 §7.2)',
    allows: (value) => Number.isInteger(value) && value >= 1 && value <= 64,
  },
};

/** MAX_TRANSMIT_SPAN: longest time from the first transmission to the last retransmission; 45 s (RFC 7252 §4.8.2). */
export function maxTransmitSpanMs(parameters: TransmissionParameters): DurationMs {
  return parameters.ackTimeoutMs * (2 ** parameters.maxRetransmit - 1) * parameters.ackRandomFactor;
}

/** MAX_TRANSMIT_WAIT: longest time from the first transmission until a sender gives up; 93 s (RFC 7252 §4.8.2). */
export function maxTransmitWaitMs(parameters: TransmissionParameters): DurationMs {
  return parameters.ackTimeoutMs * (2 ** (parameters.maxRetransmit + 1) - 1) * parameters.ackRandomFactor;
}

/** MAX_RTT: longest round trip; 202 s (RFC 7252 §4.8.2). */
export function maxRttMs(parameters: TransmissionParameters): DurationMs {
  return 2 * parameters.maxLatencyMs + parameters.processingDelayMs;
}

/** EXCHANGE_LIFETIME: how long the Message ID of a Confirmable message stays in use; 247 s (RFC 7252 §4.8.2). */
export function exchangeLifetimeMs(parameters: TransmissionParameters): DurationMs {
  return maxTransmitSpanMs(parameters) + maxRttMs(parameters);
}

/** NON_LIFETIME: how long the Message ID of a Non-confirmable message stays in use; 145 s (RFC 7252 §4.8.2). */
export function nonLifetimeMs(parameters: TransmissionParameters): DurationMs {
  return maxTransmitSpanMs(parameters) + parameters.maxLatencyMs;
}

/**
 * NON_PROBING_WAIT: longest time that PROBING_RATE holds back a body, with the longest NON_TIMEOUT_RANDOM; 248 s
 * (RFC 9177 §7.2).
 */
export function nonProbingWaitMs(parameters: TransmissionParameters): DurationMs {
  const longestDelayMs = parameters.ackTimeoutMs * parameters.ackRandomFactor;
  return maxTransmitSpanMs(parameters) + 2 * parameters.maxLatencyMs + longestDelayMs;
}
