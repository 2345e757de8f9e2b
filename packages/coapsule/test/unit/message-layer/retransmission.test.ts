import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { defaultTransmissionParameters } from '../../../src/core/coap/transmission-parameters.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { Retransmission } from '../../../src/core/message-layer/retransmission.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { constantRandom, decoded, incoming, LayerUnderTest, peer, token } from './layer-under-test.ts';

test('with the lowest random number: 5 transmissions at 0, 2, 6, 14 and 30 s, given up at 62 s', () => {
  const layer = new LayerUnderTest({ random: constantRandom(0) });
  layer.send('CON', Code.Get);
  assert.deepEqual(layer.timeline(100_000), [
    '0 transmit',
    '2 transmit',
    '6 transmit',
    '14 transmit',
    '30 transmit',
    '62 timed-out',
  ]);
});

test('with the highest random number: 5 transmissions at 0, 3, 9, 21 and 45 s, given up at 93 s', () => {
  const layer = new LayerUnderTest({ random: constantRandom(0xff) });
  layer.send('CON', Code.Get);
  assert.deepEqual(layer.timeline(100_000), [
    '0 transmit',
    '3 transmit',
    '9 transmit',
    '21 transmit',
    '45 transmit',
    '93 timed-out',
  ]);
});

test('initial timeouts are spread evenly over 2 to 3 s', () => {
  const random = new SeededRandom(5);
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const { initialTimeoutMs } = new Retransmission(defaultTransmissionParameters, random, instant(0));
    assert.ok(initialTimeoutMs >= 2000 && initialTimeoutMs < 3000);
    const bucket = Math.floor((initialTimeoutMs - 2000) / 100);
    buckets[bucket] = (buckets[bucket] as number) + 1;
  }
  for (const count of buckets) assert.ok(count > 850 && count < 1150, `${buckets}`);
});

test('the parameters of RFC 7252 §4.8 can be changed', () => {
  const layer = new LayerUnderTest({
    random: constantRandom(0xff),
    parameters: { ackTimeoutMs: 1000, ackRandomFactor: 1, maxRetransmit: 2 },
  });
  layer.send('CON', Code.Get);
  assert.deepEqual(layer.timeline(60_000), ['0 transmit', '1 transmit', '3 transmit', '7 timed-out']);
});

test('without retransmissions a Confirmable message is given up after its first timeout', () => {
  const layer = new LayerUnderTest({ random: constantRandom(0), parameters: { maxRetransmit: 0 } });
  layer.send('CON', Code.Get);
  assert.deepEqual(layer.timeline(60_000), ['0 transmit', '2 timed-out']);
});

test('each retransmission is told with its number, and has the bytes of the first transmission', () => {
  const layer = new LayerUnderTest();
  const transmission = layer.send('CON', Code.Get);
  const log = layer.run(100_000).map(({ output }) => output);
  const datagrams = log.flatMap((output) => (output.kind === 'transmit' ? [output.datagram] : []));
  assert.equal(datagrams.length, 5);
  for (const datagram of datagrams) assert.deepEqual(datagram, datagrams[0]);
  assert.deepEqual(
    log.filter((output) => output.kind === 'retransmitted'),
    [1, 2, 3, 4].map((attempt) => ({ kind: 'retransmitted', transmission, attempt })),
  );
});

test('a host that slept past one deadline makes up for it, with ACK_TIMEOUT before the next', () => {
  const retransmission = new Retransmission(defaultTransmissionParameters, constantRandom(0), instant(0));
  assert.equal(retransmission.deadline, 2000);
  assert.equal(retransmission.expire(instant(5500)), 'retransmit');
  assert.equal(retransmission.deadline, 7500);
  assert.equal(retransmission.expire(instant(7500)), 'retransmit');
  assert.equal(retransmission.deadline, 14_000);
});

test('a host that slept past MAX_TRANSMIT_SPAN misses its retransmissions and waits for the give-up', () => {
  const retransmission = new Retransmission(defaultTransmissionParameters, constantRandom(0), instant(0));
  assert.equal(retransmission.expire(instant(45_001)), 'wait');
  assert.equal(retransmission.deadline, 62_000);
  assert.equal(retransmission.expire(instant(62_000)), 'give-up');
});

for (const ending of ['an ACK', 'a Reset', 'a piggybacked response', 'stop', 'forgetPeer'] as const) {
  test(`retransmissions end with ${ending}`, () => {
    const layer = new LayerUnderTest();
    const transmission = layer.send('CON', Code.Get);
    const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
    layer.run(4000);
    const outcome = {
      'an ACK': () => layer.receive(incoming('ACK', Code.Empty, messageId)),
      'a Reset': () => layer.receive(incoming('RST', Code.Empty, messageId)),
      'a piggybacked response': () => layer.receive(incoming('ACK', Code.Content, messageId, { token })),
      stop: () => layer.layer.stop(transmission),
      forgetPeer: () => layer.layer.forgetPeer(peer, layer.now),
    };
    const received = outcome[ending]();
    const outputs = layer.outputs();
    const expected = {
      'an ACK': [{ kind: 'acknowledged', transmission }],
      'a Reset': [{ kind: 'reset', transmission }],
      'a piggybacked response': [],
      stop: [],
      forgetPeer: [],
    };
    assert.deepEqual(outputs, expected[ending]);
    if (ending === 'a piggybacked response') {
      assert.ok(received && received.kind === 'response' && received.transmission === transmission);
    }
    assert.deepEqual(layer.run(300_000), []);
    assert.equal(layer.layer.counters.outstanding, 0);
    assert.equal(layer.layer.transmissionState, 0);
  });
}

test('a second end of a transmission changes nothing', () => {
  const layer = new LayerUnderTest();
  const transmission = layer.send('CON', Code.Get);
  const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
  layer.receive(incoming('ACK', Code.Empty, messageId));
  layer.outputs();
  layer.layer.stop(transmission);
  layer.layer.stop(transmission);
  assert.deepEqual(layer.receive(incoming('RST', Code.Empty, messageId)), {
    kind: 'absorbed',
    reason: 'unmatched-reset',
  });
  assert.equal(layer.layer.counters.outstanding, 0);
  layer.send('CON', Code.Get);
  assert.equal(layer.transmitted().length, 1);
});

test('when the link is there again what is not acknowledged goes at once, its schedule stays, within MAX_TRANSMIT_SPAN', () => {
  const transmissions = (restoredAtMs: number): string[] => {
    const layer = new LayerUnderTest({ random: constantRandom(0) });
    layer.send('CON', Code.Get);
    const before = layer.timeline(restoredAtMs);
    layer.layer.linkRestored(layer.now);
    return [...before, ...layer.timeline(100_000)];
  };
  assert.deepEqual(transmissions(8000), [
    '0 transmit',
    '2 transmit',
    '6 transmit',
    // From here on counted from 8 s.
    '0 transmit',
    '6 transmit',
    '22 transmit',
    '54 timed-out',
  ]);
  // RFC 7252 §4.2: none after 45 s, whatever happens.
  assert.equal(transmissions(44_000).length, 7);
  assert.equal(transmissions(46_000).length, 6);
});

test('a link that is there again sends nothing that was acknowledged, and nothing Non-confirmable', () => {
  const layer = new LayerUnderTest({ random: constantRandom(0) });
  layer.send('NON', Code.Get);
  layer.send('CON', Code.Get);
  const [, sent] = layer.transmitted();
  layer.receive(incoming('ACK', Code.Empty, decoded(sent as Uint8Array).messageId));
  layer.layer.linkRestored(layer.now);
  assert.deepEqual(layer.transmitted(), []);
});
