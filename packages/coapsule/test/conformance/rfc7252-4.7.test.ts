/**
 * RFC 7252 §4.7 and §4.8: how much may be on its way to a peer, and the times of retransmission. Each test is named by
 * the sentence it proves.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import {
  defaultTransmissionParameters,
  exchangeLifetimeMs,
  maxRttMs,
  maxTransmitSpanMs,
  maxTransmitWaitMs,
  nonLifetimeMs,
  transmissionParameters,
} from '../../src/core/coap/transmission-parameters.ts';
import { Pair, serverAddress } from '../../src/testing/pair.ts';
import {
  constantRandom,
  decoded,
  incoming,
  LayerUnderTest,
  peer,
} from '../unit/message-layer/layer-under-test.ts';

test('§4.7: clients MUST strictly limit the number of simultaneous outstanding interactions to NSTART, by default 1', () => {
  for (const nstart of [1, 3]) {
    const layer = new LayerUnderTest({ parameters: { nstart } });
    const outstanding = new Set<number>();
    let most = 0;
    for (let i = 0; i < 10; i++) layer.send('CON', Code.Get);
    for (let open = true; open; ) {
      for (const datagram of layer.transmitted()) outstanding.add(decoded(datagram).messageId);
      most = Math.max(most, outstanding.size);
      const [first] = outstanding;
      open = first !== undefined;
      if (first === undefined) continue;
      outstanding.delete(first);
      layer.receive(incoming('ACK', Code.Empty, first));
    }
    assert.equal(most, nstart);
  }
  assert.equal(defaultTransmissionParameters.nstart, 1);
});

test('§4.7: an interaction is outstanding until an Acknowledgment or a response has been received', () => {
  const pair = new Pair({ handler: () => undefined });
  pair.request('/first');
  pair.request('/second');
  pair.run(400);
  assert.equal(pair.served.length, 1);
  // The Empty ACK of a slow server ends it for the message layer, and the next request goes.
  pair.run(400);
  assert.equal(pair.served.length, 2);
});

test('§4.7: Non-confirmable requests to an endpoint that does not respond MUST NOT exceed PROBING_RATE on average', () => {
  const pair = new Pair();
  pair.network.detach(serverAddress);
  for (let i = 0; i < 300; i++) {
    pair.request('/temperature', { code: Code.Put, type: 'NON', expectResponse: false });
    pair.run(5_000);
  }
  const seconds = 300 * 5;
  assert.ok(pair.network.sentBytes <= seconds + 247 + 30, `${pair.network.sentBytes} bytes in ${seconds} s`);
  assert.ok(pair.network.sentBytes >= seconds * 0.9);
});

test('§4.7: no answer is expected for ever: what waits for an endpoint that does not respond ends after three rounds', () => {
  const layer = new LayerUnderTest();
  for (let i = 0; i < 3; i++) layer.send('CON', Code.Get);
  layer.run(280_000);
  assert.deepEqual(
    [layer.layer.counters.timedOut, layer.layer.counters.queued, layer.layer.counters.outstanding],
    [3, 0, 0],
  );
});

test('§4.2: a Reset ends a Confirmable message at once, and the next one goes', () => {
  const layer = new LayerUnderTest();
  const first = layer.send('CON', Code.Get);
  layer.send('CON', Code.Put);
  const [datagram] = layer.transmitted();
  layer.receive(incoming('RST', Code.Empty, decoded(datagram as Uint8Array).messageId));
  const outputs = layer.outputs();
  assert.deepEqual(outputs[0], { kind: 'reset', transmission: first });
  assert.equal(outputs[1]?.kind, 'transmit');
});

test('§4.3: a Non-confirmable message is sent once, at once, and never again', () => {
  const layer = new LayerUnderTest();
  layer.send('NON', Code.Put);
  assert.deepEqual(layer.timeline(300_000), ['0 transmit']);
});

test('§4.8, Table 2: the default parameters', () => {
  const {
    ackTimeoutMs,
    ackRandomFactor,
    maxRetransmit,
    nstart,
    defaultLeisureMs,
    probingRateBytesPerSecond,
  } = defaultTransmissionParameters;
  assert.deepEqual(
    [ackTimeoutMs, ackRandomFactor, maxRetransmit, nstart, defaultLeisureMs, probingRateBytesPerSecond],
    [2000, 1.5, 4, 1, 5000, 1],
  );
});

test('§4.8.2, Table 3: the derived times', () => {
  const parameters = defaultTransmissionParameters;
  assert.deepEqual(
    [maxTransmitSpanMs, maxTransmitWaitMs, maxRttMs, exchangeLifetimeMs, nonLifetimeMs].map(
      (derived) => derived(parameters) / 1000,
    ),
    [45, 93, 202, 247, 145],
  );
});

test('§4.8.1: ACK_RANDOM_FACTOR MUST NOT be decreased below 1.0', () => {
  assert.throws(() => transmissionParameters({ ackRandomFactor: 0.99 }), { name: 'ApiMisuseError' });
  assert.equal(transmissionParameters({ ackRandomFactor: 1 }).ackRandomFactor, 1);
});

test('§4.2: the times of all five transmissions and of the give-up, for the shortest and the longest initial timeout', () => {
  const timeline = (byte: number): string[] => {
    const layer = new LayerUnderTest({ random: constantRandom(byte) });
    layer.send('CON', Code.Get, peer);
    return layer
      .timeline(93_000)
      .map((line) => line.replace(/^([\d.]+)/, (at) => `${Math.round(Number(at))}`));
  };
  const expected = (times: number[]): string[] =>
    times.map((at, i) => `${at} ${i < 5 ? 'transmit' : 'timed-out'}`);
  assert.deepEqual(timeline(0), expected([0, 2, 6, 14, 30, 62]));
  assert.deepEqual(timeline(255), expected([0, 3, 9, 21, 45, 93]));
});
