/**
 * The parameters of Q-Block transfers.
 *
 * RFC 9177 §7.2, Table 3. Names and formulas are the RFC's.
 *
 * @module
 */

import { maxTransmitSpanMs, type TransmissionParameters } from '../coap/transmission-parameters.ts';

/**
 * | name | unit | default | RFC |
 * |---|---|---|---|
 * | maxPayloads | messages | 10 (MAX_PAYLOADS) | 9177 §7.2 |
 * | nonTimeoutMs | ms | 2 000 (NON_TIMEOUT) | 9177 §7.2 |
 * | nonTimeoutRandomFactor | – | 1.5 (ACK_RANDOM_FACTOR) | 9177 §7.2 |
 * | nonReceiveTimeoutMs | ms | 4 000 (NON_RECEIVE_TIMEOUT) | 9177 §7.2 |
 * | nonMaxRetransmit | requests | 4 (NON_MAX_RETRANSMIT) | 9177 §7.2 |
 * | nonPartialTimeoutMs | ms | 247 000 (NON_PARTIAL_TIMEOUT) | 9177 §7.2 |
 * | confirmableReceiveTimeoutMs | ms | 45 000 (MAX_TRANSMIT_SPAN) | 9177 §4.4 |
 */
export interface QBlockParameters {
  /** MAX_PAYLOADS: messages sent at any one time; both endpoints must have the same value. */
  readonly maxPayloads: number;
  /** NON_TIMEOUT: the least delay between two sets. */
  readonly nonTimeoutMs: number;
  /** NON_TIMEOUT_RANDOM lies between NON_TIMEOUT and this many times it. */
  readonly nonTimeoutRandomFactor: number;
  /** NON_RECEIVE_TIMEOUT: how long a missing block is waited for; twice as long each further time. */
  readonly nonReceiveTimeoutMs: number;
  /** NON_MAX_RETRANSMIT: how often missing blocks are asked for without an answer. */
  readonly nonMaxRetransmit: number;
  /** NON_PARTIAL_TIMEOUT: how long a body with missing blocks is kept. */
  readonly nonPartialTimeoutMs: number;
  /** How long a client waits for a missing Confirmable block before it asks: the server repeats it by itself. */
  readonly confirmableReceiveTimeoutMs: number;
}

/** The parameters of Q-Block that follow from those of messages (§7.2). */
export function qBlockParameters(parameters: TransmissionParameters): QBlockParameters {
  const { ackTimeoutMs, ackRandomFactor, maxRetransmit, maxLatencyMs, maxPayloads } = parameters;
  const nonTimeoutMs = ackTimeoutMs;
  const longestDelayMs = nonTimeoutMs * ackRandomFactor;
  return {
    maxPayloads,
    nonTimeoutMs,
    nonTimeoutRandomFactor: ackRandomFactor,
    // §7.2: more than NON_TIMEOUT_RANDOM by one second at least.
    nonReceiveTimeoutMs: Math.max(2 * nonTimeoutMs, longestDelayMs + 1000),
    nonMaxRetransmit: maxRetransmit,
    nonPartialTimeoutMs:
      nonTimeoutMs * (2 ** maxRetransmit - 1) * ackRandomFactor + 2 * maxLatencyMs + nonTimeoutMs,
    confirmableReceiveTimeoutMs: maxTransmitSpanMs(parameters),
  };
}

/** NON_TIMEOUT_RANDOM, for one body; `random` is a number from 0 to 1. */
export function nonTimeoutRandomMs(parameters: QBlockParameters, random: number): number {
  const { nonTimeoutMs, nonTimeoutRandomFactor } = parameters;
  return nonTimeoutMs * (1 + random * (nonTimeoutRandomFactor - 1));
}

/** Time-to-Wait before missing blocks are asked for, for the first time when `asked` is 0 (§7.2). */
export function timeToWaitMs({ nonReceiveTimeoutMs }: QBlockParameters, asked: number): number {
  return nonReceiveTimeoutMs * 2 ** asked;
}

/** Tokens of one Exchange in which an answer may come, beside its own: those of the latest sets. */
export const furtherTokens = 128;
