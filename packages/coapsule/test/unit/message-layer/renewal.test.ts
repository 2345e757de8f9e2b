/**
 * Confirmable messages that are out of date when they would be sent once more, and those that go in their place
 * (RFC 7641 §4.5.2).
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { constantRandom, decoded, incoming, LayerUnderTest, outgoing, peer } from './layer-under-test.ts';

const state = (value: number) => outgoing(Code.Content, { payload: Uint8Array.of(value) });

/** The least initial timeout, 2 s: retransmissions 2, 6, 14 and 30 s after the start, and the end after 62 s. */
function newLayer(): LayerUnderTest {
  return new LayerUnderTest({ random: constantRandom(0) });
}

/** What `run` sees, by time and kind; of a datagram also its Message ID and payload. */
function seen(layer: LayerUnderTest, durationMs: number): string[] {
  return layer.run(durationMs).map(({ atMs, output }) => {
    if (output.kind !== 'transmit') return `${atMs / 1000} ${output.kind}`;
    const { messageId, payload } = decoded(output.datagram);
    return `${atMs / 1000} #${messageId} ${payload[0]}`;
  });
}

/** A notification of state 1 that is out of date and, as it was due, held. */
function heldNotification(): { layer: LayerUnderTest; transmission: number; messageId: number } {
  const layer = newLayer();
  const transmission = layer.layer.send(peer, 'CON', state(1), layer.now);
  const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
  layer.layer.outdate(transmission);
  assert.deepEqual(seen(layer, 2000), ['2 renewal-due']);
  assert.ok(layer.layer.isHeld(transmission));
  return { layer, transmission, messageId };
}

test('what goes in the place of a message has a Message ID of its own, and goes on with counter and timeout', () => {
  const { layer, transmission, messageId } = heldNotification();
  layer.layer.renew(transmission, state(2), layer.now);
  assert.deepEqual(seen(layer, 4000), [`0 #${messageId + 1} 2`, `4 #${messageId + 1} 2`, '4 retransmitted']);
  layer.layer.outdate(transmission);
  assert.deepEqual(seen(layer, 8000), ['8 renewal-due']);
  layer.layer.renew(transmission, state(3), layer.now);
  assert.deepEqual(seen(layer, 60_000), [
    `0 #${messageId + 2} 3`,
    `16 #${messageId + 2} 3`,
    '16 retransmitted',
    '48 timed-out',
  ]);
  assert.equal(layer.layer.counters.renewed, 2);
  assert.equal(layer.layer.counters.outstanding, 0);
});

test('what takes its time to come is waited for, and its timeout begins when it goes', () => {
  const { layer, transmission, messageId } = heldNotification();
  assert.deepEqual(seen(layer, 10_000), [], 'nothing goes that is out of date');
  layer.layer.renew(transmission, state(2), layer.now);
  assert.deepEqual(seen(layer, 70_000), [
    `0 #${messageId + 1} 2`,
    `4 #${messageId + 1} 2`,
    '4 retransmitted',
    `12 #${messageId + 1} 2`,
    '12 retransmitted',
    `28 #${messageId + 1} 2`,
    '28 retransmitted',
    '60 timed-out',
  ]);
});

test('an acknowledgement before it was due, or while it is held, ends it', () => {
  const early = newLayer();
  const transmission = early.layer.send(peer, 'CON', state(1), early.now);
  const { messageId } = decoded(early.transmitted()[0] as Uint8Array);
  early.layer.outdate(transmission);
  early.receive(incoming('ACK', Code.Empty, messageId));
  assert.deepEqual(early.outputs(), [{ kind: 'acknowledged', transmission }]);
  const held = heldNotification();
  held.layer.receive(incoming('ACK', Code.Empty, held.messageId));
  assert.deepEqual(held.layer.outputs(), [{ kind: 'acknowledged', transmission: held.transmission }]);
  held.layer.layer.renew(held.transmission, state(2), held.layer.now);
  assert.deepEqual(held.layer.outputs(), [], 'there is nothing in whose place it could go');
  assert.deepEqual(seen(held.layer, 100_000), []);
});

test('an acknowledgement of a former content does not end the transmission, and says at its end that the peer is there', () => {
  const { layer, transmission, messageId } = heldNotification();
  layer.layer.renew(transmission, state(2), layer.now);
  assert.equal(layer.transmitted().length, 1);
  layer.receive(incoming('ACK', Code.Empty, messageId));
  assert.deepEqual(layer.outputs(), []);
  assert.equal(layer.layer.counters.unmatched, 0);
  const [end] = layer.run(100_000).slice(-1);
  assert.deepEqual(end?.output, { kind: 'timed-out', transmission, formerAcknowledged: true });
});

test('an acknowledgement of the new content ends it, and one of the former then belongs to nothing', () => {
  const { layer, transmission, messageId } = heldNotification();
  layer.layer.renew(transmission, state(2), layer.now);
  layer.transmitted();
  layer.receive(incoming('ACK', Code.Empty, messageId + 1));
  assert.deepEqual(layer.outputs(), [{ kind: 'acknowledged', transmission }]);
  layer.receive(incoming('ACK', Code.Empty, messageId));
  assert.equal(layer.layer.counters.unmatched, 1);
});

test('a Reset of a former content ends the transmission', () => {
  const { layer, transmission, messageId } = heldNotification();
  layer.layer.renew(transmission, state(2), layer.now);
  layer.transmitted();
  layer.receive(incoming('RST', Code.Empty, messageId));
  assert.deepEqual(layer.outputs(), [{ kind: 'reset', transmission }]);
  assert.deepEqual(seen(layer, 100_000), []);
});

test('a message that is out of date before its turn comes is held when it comes, and goes with its new content', () => {
  const layer = newLayer();
  layer.layer.send(peer, 'CON', state(1), layer.now);
  const waiting = layer.layer.send(peer, 'CON', state(2), layer.now);
  layer.layer.send(peer, 'CON', state(9), layer.now);
  const { messageId } = decoded(layer.transmitted()[0] as Uint8Array);
  layer.layer.outdate(waiting);
  layer.receive(incoming('ACK', Code.Empty, messageId));
  assert.deepEqual(
    layer.outputs().map(({ kind }) => kind),
    ['acknowledged', 'renewal-due'],
  );
  layer.layer.renew(waiting, state(3), layer.now);
  assert.deepEqual(seen(layer, 2000), [`0 #${messageId + 1} 3`, `2 #${messageId + 1} 3`, '2 retransmitted']);
  layer.receive(incoming('ACK', Code.Empty, messageId + 1));
  assert.deepEqual(seen(layer, 0), ['0 acknowledged', `0 #${messageId + 2} 9`]);
});

test('one that is held and stopped makes room for the next, and leaves nothing behind', () => {
  const { layer, transmission, messageId } = heldNotification();
  const next = layer.layer.send(peer, 'CON', state(2), layer.now);
  assert.equal(layer.layer.state(next), 'waiting', 'NSTART is 1');
  layer.layer.stop(transmission);
  assert.deepEqual(seen(layer, 0), [`0 #${messageId + 1} 2`]);
  layer.receive(incoming('ACK', Code.Empty, messageId + 1));
  layer.run(400_000);
  assert.equal(layer.layer.counters.outstanding, 0);
  assert.equal(layer.layer.transmissionState, 0);
});

test('a peer that is forgotten takes what is held with it, under all its Message IDs', () => {
  const { layer, transmission } = heldNotification();
  layer.layer.renew(transmission, state(2), layer.now);
  layer.layer.outdate(transmission);
  layer.run(4000);
  assert.ok(layer.layer.isHeld(transmission));
  layer.layer.forgetPeer(peer, layer.now);
  layer.run(400_000);
  assert.equal(layer.layer.counters.outstanding, 0);
  assert.equal(layer.layer.transmissionState, 0);
});

test('when the link is there again, what is out of date does not go, and what took its place goes once', () => {
  const { layer, transmission, messageId } = heldNotification();
  layer.layer.linkRestored(layer.now);
  assert.deepEqual(seen(layer, 0), [], 'it is held');
  layer.layer.renew(transmission, state(2), layer.now);
  assert.equal(layer.transmitted().length, 1);
  layer.layer.linkRestored(layer.now);
  assert.deepEqual(seen(layer, 0), [`0 #${messageId + 1} 2`, '0 retransmitted']);
  layer.layer.outdate(transmission);
  layer.layer.linkRestored(layer.now);
  assert.deepEqual(seen(layer, 0), []);
  assert.deepEqual(seen(layer, 4000), ['4 renewal-due']);
});

test('the time for which a message is held is no round trip', () => {
  const layer = new LayerUnderTest({ random: constantRandom(0), congestionControl: 'cocoa' });
  const transmission = layer.layer.send(peer, 'CON', state(1), layer.now);
  layer.layer.outdate(transmission);
  while (!layer.layer.isHeld(transmission)) layer.run(100);
  layer.run(30_000);
  layer.layer.renew(transmission, state(2), layer.now);
  const last = decoded(layer.transmitted().at(-1) as Uint8Array);
  layer.run(100);
  layer.receive(incoming('ACK', Code.Empty, last.messageId));
  const { timeoutMs } = layer.layer.traffic(peer, layer.now);
  assert.ok(timeoutMs > 1_000 && timeoutMs < 5_000, `${timeoutMs}`);
});
