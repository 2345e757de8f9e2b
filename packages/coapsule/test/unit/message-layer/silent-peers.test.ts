/**
 * What happens to requests that wait when the one before them is given up (RFC 7252 §4.7), and PROBING_RATE for
 * Confirmable requests.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { decoded, incoming, LayerUnderTest, peer } from './layer-under-test.ts';

const other = '192.0.2.2:5683';
const body = { payload: new Uint8Array(200) };

interface Sent {
  readonly atMs: number;
  readonly code: number;
  readonly messageId: number;
  readonly bytes: number;
}

function sentIn(log: ReturnType<LayerUnderTest['run']>): Sent[] {
  return log.flatMap(({ atMs, output }) => {
    if (output.kind !== 'transmit' || output.peer !== peer) return [];
    const { code, messageId } = decoded(output.datagram);
    return [{ atMs, code, messageId, bytes: output.datagram.length }];
  });
}

function givenUpIn(log: ReturnType<LayerUnderTest['run']>): number[] {
  return log.flatMap(({ output }) => (output.kind === 'timed-out' ? [output.transmission] : []));
}

suite('a request that is given up in silence', () => {
  test('does not take those with it that wait: a ping asks whether the peer is there, and they go when it answers', () => {
    const layer = new LayerUnderTest();
    const first = layer.send('CON', Code.Get);
    layer.send('CON', Code.Put);
    layer.send('CON', Code.Post);
    const log = layer.run(93_000);
    assert.deepEqual(givenUpIn(log), [first]);
    const ping = sentIn(log).find(({ code }) => code === Code.Empty) as Sent;
    assert.equal(ping.bytes, 4);
    assert.equal(layer.layer.traffic(peer, layer.now).isSilent, true);
    layer.receive(incoming('RST', Code.Empty, ping.messageId));
    const outputs = layer.outputs();
    // Nobody above knows of the ping; the next request goes, and the one after it has its turn.
    assert.deepEqual(
      outputs.map((output) => (output.kind === 'transmit' ? decoded(output.datagram).code : output.kind)),
      [Code.Put],
    );
    const [put] = outputs.flatMap((output) => (output.kind === 'transmit' ? [output.datagram] : []));
    layer.receive(incoming('ACK', Code.Empty, decoded(put as Uint8Array).messageId));
    assert.equal(decoded(layer.transmitted()[0] as Uint8Array).code, Code.Post);
    assert.deepEqual(layer.layer.traffic(peer, layer.now), {
      waitingRequests: 0,
      waitingReplies: 0,
      outstandingRequests: 1,
      nstart: 1,
      isSilent: false,
      lossRate: undefined,
      roundTripMs: 0,
      timeoutMs: 2000,
    });
  });

  test('anything that comes from the peer lets the others go, not only the answer to the ping', () => {
    const layer = new LayerUnderTest();
    layer.send('CON', Code.Get);
    layer.send('CON', Code.Put);
    layer.run(93_000);
    layer.receive(incoming('NON', Code.Content, 1));
    // The ping still counts for NSTART until it is answered or given up.
    const later = sentIn(layer.run(93_000));
    assert.equal(later.filter(({ code }) => code === Code.Put).length > 0, true);
  });

  test('after three rounds without a sound, the request and two pings, what waited is given up together', () => {
    const layer = new LayerUnderTest();
    const transmissions = Array.from({ length: 5 }, () => layer.send('CON', Code.Get));
    const elsewhere = layer.send('CON', Code.Get, other);
    const log = layer.run(280_000);
    const ended = log.flatMap(({ atMs, output }) =>
      output.kind === 'timed-out' ? [{ atMs, id: output.transmission }] : [],
    );
    const here = ended.filter(({ id }) => id !== elsewhere);
    assert.deepEqual(
      here.map(({ id }) => id),
      transmissions,
    );
    assert.ok((here[0]?.atMs ?? 0) >= 62_000 && (here[0]?.atMs ?? 0) <= 93_000);
    assert.equal(new Set(here.slice(1).map(({ atMs }) => atMs)).size, 1);
    assert.ok((here[1]?.atMs ?? 0) >= 186_000 && (here[1]?.atMs ?? 0) <= 279_000);
    assert.equal(layer.layer.counters.queued, 0);
    assert.equal(sentIn(log).filter(({ code }) => code === Code.Get).length, 5);
    assert.equal(sentIn(log).filter(({ code }) => code === Code.Empty).length, 10);
  });

  test('a request that comes meanwhile has a round of its own, and no longer than any other', () => {
    const layer = new LayerUnderTest();
    layer.send('CON', Code.Get);
    layer.send('CON', Code.Get);
    layer.run(170_000);
    const late = layer.send('CON', Code.Put);
    const until = layer.run(400_000).filter(({ output }) => output.kind === 'timed-out');
    const end = until.find(({ output }) => output.kind === 'timed-out' && output.transmission === late);
    assert.ok(end !== undefined && end.atMs >= 62_000 && end.atMs <= 186_000, `${end?.atMs}`);
  });

  test('to a peer that does not respond goes no more than PROBING_RATE, however large the requests are', () => {
    const layer = new LayerUnderTest();
    const first = sentIn(layer.run(0));
    assert.deepEqual(first, []);
    layer.send('CON', Code.Post, peer, {}, body);
    const begun = sentIn(layer.run(93_000));
    assert.equal(begun.length, 5);
    // From now on the application tries again, every minute, for hours.
    let bytes = 0;
    let pings = 0;
    for (let minute = 0; minute < 240; minute++) {
      layer.send('CON', Code.Post, peer, {}, body);
      for (const sent of sentIn(layer.run(60_000))) {
        bytes += sent.bytes;
        if (sent.code === Code.Empty) pings++;
      }
    }
    assert.ok(pings > 100, `${pings} pings`);
    assert.ok(bytes <= 240 * 60, `${bytes} bytes in four hours`);
    assert.ok(layer.layer.counters.queued < 10, `${layer.layer.counters.queued} wait`);
  });

  test('the peer is forgotten EXCHANGE_LIFETIME after the last round began; then a request goes without a ping', () => {
    const layer = new LayerUnderTest();
    layer.send('CON', Code.Get);
    layer.run(240_000);
    layer.send('CON', Code.Put);
    assert.deepEqual(
      layer.transmitted().map((datagram) => decoded(datagram).code),
      [Code.Empty],
    );
    const next = new LayerUnderTest();
    next.send('CON', Code.Get);
    next.run(248_000);
    next.send('CON', Code.Put);
    assert.deepEqual(
      next.transmitted().map((datagram) => decoded(datagram).code),
      [Code.Put],
    );
    layer.run(1_000_000);
    assert.equal(layer.layer.transmissionState, 0);
  });

  test('with NSTART 3 those under way end one round together', () => {
    const layer = new LayerUnderTest({ parameters: { nstart: 3 } });
    const transmissions = Array.from({ length: 5 }, () => layer.send('CON', Code.Get));
    const log = layer.run(93_000);
    assert.deepEqual(givenUpIn(log).sort(), transmissions.slice(0, 3));
    assert.equal(layer.layer.traffic(peer, layer.now).waitingRequests, 2);
    assert.deepEqual(givenUpIn(layer.run(200_000)), transmissions.slice(3));
  });

  test('a ping of the application goes at once to a silent peer, and asks for all', () => {
    const layer = new LayerUnderTest();
    layer.send('CON', Code.Get);
    layer.run(93_000);
    const ping = layer.layer.ping(peer, layer.now);
    const [datagram] = layer.transmitted();
    layer.receive(incoming('RST', Code.Empty, decoded(datagram as Uint8Array).messageId));
    assert.deepEqual(layer.outputs(), [{ kind: 'reset', transmission: ping }]);
    assert.equal(layer.layer.traffic(peer, layer.now).isSilent, false);
  });

  test('ten thousand silent peers are not all remembered, and those that were forgotten get their requests', () => {
    const layer = new LayerUnderTest();
    for (let i = 0; i < 10_000; i++) layer.send('CON', Code.Get, `peer ${i}`);
    layer.run(93_000);
    for (let i = 0; i < 10_000; i++) layer.send('CON', Code.Put, `peer ${i}`);
    const codes = layer.transmitted().map((datagram) => decoded(datagram).code);
    assert.equal(codes.filter((code) => code === Code.Empty).length, 8192);
    assert.equal(codes.filter((code) => code === Code.Put).length, 10_000 - 8192);
    layer.run(1_000_000);
    assert.equal(layer.layer.transmissionState, 0);
  });
});
