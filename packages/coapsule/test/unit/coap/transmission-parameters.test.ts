/**
 * Transmission parameters: RFC 7252 §4.8.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  defaultTransmissionParameters,
  exchangeLifetimeMs,
  maxRttMs,
  maxTransmitSpanMs,
  maxTransmitWaitMs,
  nonLifetimeMs,
  transmissionParameters,
} from '../../../src/core/coap/transmission-parameters.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';

it('the defaults are those of RFC 7252 Table 2', () => {
  const {
    ackTimeoutMs,
    ackRandomFactor,
    maxRetransmit,
    nstart,
    defaultLeisureMs,
    probingRateBytesPerSecond,
  } = transmissionParameters();
  assert.deepEqual(
    [ackTimeoutMs, ackRandomFactor, maxRetransmit, nstart, defaultLeisureMs, probingRateBytesPerSecond],
    [2000, 1.5, 4, 1, 5000, 1],
  );
});

it('the derived times are those of RFC 7252 Table 3', () => {
  const parameters = defaultTransmissionParameters;
  assert.equal(maxTransmitSpanMs(parameters), 45_000);
  assert.equal(maxTransmitWaitMs(parameters), 93_000);
  assert.equal(parameters.maxLatencyMs, 100_000);
  assert.equal(parameters.processingDelayMs, 2000);
  assert.equal(maxRttMs(parameters), 202_000);
  assert.equal(exchangeLifetimeMs(parameters), 247_000);
  assert.equal(nonLifetimeMs(parameters), 145_000);
});

it('PROCESSING_DELAY is ACK_TIMEOUT unless it is given', () => {
  assert.equal(transmissionParameters({ ackTimeoutMs: 300 }).processingDelayMs, 300);
  assert.equal(transmissionParameters({ processingDelayMs: 7, ackTimeoutMs: 300 }).processingDelayMs, 7);
});

it('parameters cannot be changed afterwards', () => {
  for (const parameters of [defaultTransmissionParameters, transmissionParameters({ nstart: 4 })]) {
    assert.ok(Object.isFrozen(parameters));
  }
});

it('values outside of what §4.8.1 allows are refused, naming the parameter', () => {
  const wrong = [
    { ackTimeoutMs: 0 },
    { ackTimeoutMs: Number.NaN },
    { ackRandomFactor: 0.99 },
    { maxRetransmit: -1 },
    { maxRetransmit: 1.5 },
    { nstart: 0 },
    { defaultLeisureMs: -1 },
    { probingRateBytesPerSecond: 0 },
    { maxLatencyMs: Number.POSITIVE_INFINITY },
    { processingDelayMs: -1 },
    { maxPayloads: 0 },
    { maxPayloads: 1.5 },
    { maxPayloads: 65 },
    { unknownName: 1 },
  ];
  for (const changes of wrong) {
    const [name] = Object.keys(changes) as [string];
    assert.throws(
      () => transmissionParameters(changes),
      (error) => error instanceof ApiMisuseError && error.message.includes(name),
    );
  }
});
