/**
 * Round trips, loss and timeouts for each peer: RFC 6298 and draft-ietf-core-cocoa-03.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { defaultTransmissionParameters } from '../../../src/core/coap/transmission-parameters.ts';
import { type Instant, instant } from '../../../src/core/foundation/instant.ts';
import { PathEstimates } from '../../../src/core/message-layer/path-estimates.ts';
import { Retransmission } from '../../../src/core/message-layer/retransmission.ts';
import { RoundTripEstimator } from '../../../src/core/message-layer/round-trip-estimator.ts';
import { constantRandom, decoded, incoming, LayerUnderTest, peer } from './layer-under-test.ts';

const start = instant(0);

function cocoa(): PathEstimates {
  return new PathEstimates('cocoa', 2000, 100);
}

suite('RFC 6298', () => {
  test('§2.2: the first sample R makes SRTT = R, RTTVAR = R / 2, RTO = SRTT + K · RTTVAR', () => {
    assert.equal(new RoundTripEstimator(4).take(800), 800 + 4 * 400);
    assert.equal(new RoundTripEstimator(1).take(800), 800 + 400);
  });

  test('§2.3: later samples move RTTVAR by 1/4 and then SRTT by 1/8; G is the least that variation counts for', () => {
    const estimator = new RoundTripEstimator(4);
    estimator.take(800);
    // RTTVAR = 3/4 · 400 + 1/4 · |800 − 1600| = 500; SRTT = 7/8 · 800 + 1/8 · 1600 = 900.
    assert.equal(estimator.take(1600), 900 + 4 * 500);
    assert.equal(estimator.smoothedMs, 900);
    for (let i = 0; i < 200; i++) estimator.take(10);
    assert.ok(Math.abs(estimator.take(10) - 110) < 1);
  });
});

suite('CoCoA', () => {
  test('§4.1: before the first sample the timeout is ACK_TIMEOUT times the messages under way', () => {
    const paths = cocoa();
    assert.deepEqual(
      [0, 1, 2].map((underWay) => paths.pace(peer, underWay, start).timeoutMs),
      [2000, 4000, 6000],
    );
  });

  test('§4.2: a strong sample counts one half, a weak one a quarter, and after the third retransmission none', () => {
    const paths = cocoa();
    paths.learn(peer, { transmissions: 1, roundTripMs: 400 }, start);
    // 0.5 · (400 + 4 · 200) + 0.5 · 2000
    assert.equal(paths.pace(peer, 0, start).timeoutMs, 1600);
    paths.learn(peer, { transmissions: 3, roundTripMs: 2400 }, start);
    // 0.25 · (2400 + 1 · 1200) + 0.75 · 1600
    assert.equal(paths.pace(peer, 0, start).timeoutMs, 2100);
    paths.learn(peer, { transmissions: 4, roundTripMs: 9000 }, start);
    paths.learn(peer, { transmissions: 5, roundTripMs: undefined }, start);
    assert.equal(paths.pace(peer, 0, start).timeoutMs, 2100);
    assert.equal(paths.roundTripMs(peer), 400);
  });

  test('§4.2.1: the back-off is 3 below 1 s, 1.5 above 3 s, otherwise 2; no interval is longer than 32 s', () => {
    const paths = cocoa();
    const after = (roundTripMs: number): [number, number] => {
      const name = `${roundTripMs}`;
      for (let i = 0; i < 50; i++) paths.learn(name, { transmissions: 1, roundTripMs }, start);
      const { timeoutMs, backOff, longestMs } = paths.pace(name, 0, start);
      assert.equal(longestMs, 32_000);
      return [Math.round(timeoutMs), backOff];
    };
    assert.deepEqual(after(20), [120, 3]);
    assert.deepEqual(after(1500), [1600, 2]);
    assert.deepEqual(after(5000), [5100, 1.5]);
    assert.deepEqual(after(60_000), [32_000, 1.5]);
  });

  test('§4.3: an estimate below 1 s doubles after 16 times itself, one above 3 s goes towards 2 s after 4 times', () => {
    const paths = cocoa();
    for (let i = 0; i < 60; i++) paths.learn('near', { transmissions: 1, roundTripMs: 150 }, start);
    for (let i = 0; i < 60; i++) paths.learn('far', { transmissions: 1, roundTripMs: 7900 }, start);
    const at = (name: string, ms: number): number => Math.round(paths.pace(name, 0, instant(ms)).timeoutMs);
    assert.deepEqual([at('near', 3900), at('near', 4100)], [250, 500]);
    assert.equal(at('near', 4100 + 8000), 1000);
    assert.equal(at('near', 10_000_000), 1000, 'from 1 s on it stays');
    assert.deepEqual([at('far', 31_900), at('far', 32_100)], [8000, 5000]);
    assert.equal(at('far', 10_000_000), 2750); // 5000 → 3500 → 2750
  });

  test('each timeout is drawn up to ACK_RANDOM_FACTOR times the estimate, and backs off by its factor', () => {
    const pace = { timeoutMs: 200, backOff: 3, longestMs: 32_000 };
    const times = (byte: number): number[] => {
      const clock = new Retransmission(defaultTransmissionParameters, constantRandom(byte), start, pace);
      const found: number[] = [];
      for (;;) {
        found.push(Math.round(clock.deadline));
        if (clock.expire(clock.deadline) === 'give-up') return found;
      }
    };
    assert.deepEqual(times(0), [200, 800, 2600, 8000, 24_200]);
    assert.deepEqual(times(255), [300, 1200, 3900, 12_000, 36_300]);
  });

  test('whatever the estimate, nothing is sent after MAX_TRANSMIT_SPAN and all is over by MAX_TRANSMIT_WAIT', () => {
    for (const timeoutMs of [100, 900, 1000, 2000, 3001, 5000, 10_000, 32_000]) {
      for (const byte of [0, 128, 255]) {
        const backOff = timeoutMs < 1000 ? 3 : timeoutMs > 3000 ? 1.5 : 2;
        const pace = { timeoutMs, backOff, longestMs: 32_000 };
        const clock = new Retransmission(defaultTransmissionParameters, constantRandom(byte), start, pace);
        let sent = 0;
        for (;;) {
          const due = clock.deadline;
          const step = clock.expire(due);
          if (step === 'retransmit') {
            sent++;
            assert.ok(due <= 45_000, `${timeoutMs}: sent after ${due} ms`);
          }
          if (step === 'give-up') {
            assert.ok(due <= 93_000 && sent >= 1, `${timeoutMs}: ${due} ms, ${sent} times`);
            break;
          }
        }
      }
    }
  });

  test('the layer learns from acknowledgements: the second request to a near peer is repeated within half a second', () => {
    const layer = new LayerUnderTest({ congestionControl: 'cocoa', random: constantRandom(0) });
    for (let i = 0; i < 20; i++) {
      layer.send('CON', Code.Get);
      const [datagram] = layer.transmitted();
      layer.clock.advanceBy(40);
      layer.receive(incoming('ACK', Code.Empty, decoded(datagram as Uint8Array).messageId));
    }
    const traffic = layer.layer.traffic(peer, layer.now);
    assert.ok(traffic.timeoutMs < 200 && traffic.roundTripMs === 40, JSON.stringify(traffic));
    layer.send('CON', Code.Get);
    const [first, second] = layer.timeline(500);
    assert.equal(first, '0 transmit');
    assert.ok(second !== undefined && Number.parseFloat(second) < 0.2, second);
  });

  test('with rfc7252 nothing that was learnt changes a timeout', () => {
    const timeline = (roundTripMs: number): string[] => {
      const layer = new LayerUnderTest({ random: constantRandom(0) });
      for (let i = 0; i < 20; i++) {
        layer.send('CON', Code.Get);
        const [datagram] = layer.transmitted();
        layer.clock.advanceBy(roundTripMs);
        layer.receive(incoming('ACK', Code.Empty, decoded(datagram as Uint8Array).messageId));
      }
      layer.send('CON', Code.Get);
      return layer.timeline(93_000);
    };
    const expected = ['0', '2', '6', '14', '30'].map((at) => `${at} transmit`).concat('62 timed-out');
    assert.deepEqual(timeline(5), expected);
    assert.deepEqual(timeline(1900), expected);
  });
});

suite('loss', () => {
  test('is told after four messages, for one way, and follows the path', () => {
    const paths = new PathEstimates('rfc7252', 2000, 100);
    let now = start;
    const learn = (transmissions: number, times: number): void => {
      for (let i = 0; i < times; i++) {
        now = (now + 100) as Instant;
        paths.learn(peer, { transmissions, roundTripMs: 50 }, now);
      }
    };
    learn(1, 3);
    assert.equal(paths.lossRate(peer), undefined);
    learn(1, 1);
    assert.equal(paths.lossRate(peer), 0);
    learn(2, 100); // every second transmission answered: (1 − p)² = 1/2
    assert.ok(Math.abs((paths.lossRate(peer) ?? 0) - (1 - Math.SQRT1_2)) < 0.01);
    learn(1, 100);
    assert.ok((paths.lossRate(peer) ?? 1) < 0.01);
  });

  test('a peer that is not there is no path that loses', () => {
    const layer = new LayerUnderTest();
    for (let i = 0; i < 6; i++) layer.send('CON', Code.Get);
    layer.run(1_000_000);
    assert.equal(layer.layer.traffic(peer, layer.now).lossRate, undefined);
  });

  test('of more peers than the bound, the one used longest ago is forgotten', () => {
    const paths = new PathEstimates('cocoa', 2000, 3);
    for (const name of ['a', 'b', 'c', 'a', 'd']) {
      paths.learn(name, { transmissions: 1, roundTripMs: 50 }, start);
    }
    assert.equal(paths.size, 3);
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((name) => paths.roundTripMs(name)),
      [50, undefined, 50, 50],
    );
  });
});
