import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { decoded, incoming, LayerUnderTest, peer } from './layer-under-test.ts';

function messageIdOf(datagram: Uint8Array | undefined): number {
  return decoded(datagram as Uint8Array).messageId;
}

test('a second Confirmable request waits for the acknowledgement of the first, and shows in a counter', () => {
  const layer = new LayerUnderTest();
  layer.send('CON', Code.Get);
  layer.send('CON', Code.Put);
  const [first, ...more] = layer.transmitted();
  assert.deepEqual(more, []);
  assert.equal(layer.layer.counters.queued, 1);
  layer.receive(incoming('ACK', Code.Empty, messageIdOf(first)));
  const [second] = layer.transmitted();
  assert.equal(decoded(second as Uint8Array).code, Code.Put);
  assert.equal(layer.layer.counters.queued, 0);
});

test('NSTART counts for each peer, and is configurable', () => {
  const layer = new LayerUnderTest({ parameters: { nstart: 3 } });
  for (let i = 0; i < 5; i++) layer.send('CON', Code.Get);
  layer.send('CON', Code.Get, '192.0.2.2:5683');
  assert.equal(layer.transmitted().length, 4);
  assert.equal(layer.layer.counters.queued, 2);
});

test('a ping counts for NSTART like a request', () => {
  const layer = new LayerUnderTest();
  const ping = layer.layer.ping(peer, layer.now);
  layer.send('CON', Code.Get);
  const [pingDatagram, ...more] = layer.transmitted();
  assert.deepEqual(more, []);
  layer.receive(incoming('RST', Code.Empty, messageIdOf(pingDatagram)));
  const outputs = layer.outputs();
  assert.deepEqual(outputs[0], { kind: 'reset', transmission: ping });
  assert.equal(outputs[1]?.kind, 'transmit');
});

test('a request that is given up lets the next one go, if something came from the peer meanwhile', () => {
  const layer = new LayerUnderTest();
  layer.send('CON', Code.Get);
  layer.send('CON', Code.Put);
  layer.clock.advanceBy(1);
  layer.receive(incoming('NON', Code.Content, 1));
  const log = layer.run(200_000);
  const puts = log.filter(
    ({ output }) => output.kind === 'transmit' && decoded(output.datagram).code === Code.Put,
  );
  const timeouts = log.filter(({ output }) => output.kind === 'timed-out');
  assert.equal(puts.length, 5);
  assert.equal(puts[0]?.atMs, timeouts[0]?.atMs);
});

test('a request that is stopped lets the next one go, at the time of the next call, not of the last one', () => {
  const layer = new LayerUnderTest();
  const first = layer.send('CON', Code.Get);
  layer.send('CON', Code.Put);
  layer.transmitted();
  layer.clock.advanceBy(1000);
  layer.layer.stop(first);
  const due = layer.layer.nextTimeout();
  assert.ok(due !== undefined && due <= layer.now);
  layer.layer.handleTimeout(layer.now);
  assert.equal(layer.transmitted().length, 1);
  const next = layer.layer.nextTimeout();
  assert.ok(next !== undefined && next >= layer.now + 2000);
});

test('a waiting request that is stopped is never sent', () => {
  const layer = new LayerUnderTest();
  layer.send('CON', Code.Get);
  const second = layer.send('CON', Code.Put);
  const [first] = layer.transmitted();
  layer.layer.stop(second);
  layer.receive(incoming('ACK', Code.Empty, messageIdOf(first)));
  assert.deepEqual(layer.transmitted(), []);
  assert.equal(layer.layer.counters.queued, 0);
});

test('an unacknowledged request of ours does not hold up our replies to the same peer', () => {
  const layer = new LayerUnderTest();
  layer.send('CON', Code.Get);
  const handle = layer.accept(incoming('CON', Code.Get, 1));
  layer.layer.acknowledge(handle, layer.now);
  layer.reply(handle, Code.Content);
  assert.deepEqual(
    layer.transmitted().map((datagram) => decoded(datagram).code),
    [Code.Get, Code.Empty, Code.Content],
  );
});

test('Confirmable notifications to a peer go one after the other', () => {
  const layer = new LayerUnderTest();
  layer.send('CON', Code.Content);
  layer.send('CON', Code.Content);
  const [first, ...more] = layer.transmitted();
  assert.deepEqual(more, []);
  layer.receive(incoming('ACK', Code.Empty, messageIdOf(first)));
  assert.equal(layer.transmitted().length, 1);
});

test('Non-confirmable requests to a peer that never answers do not exceed PROBING_RATE on average', () => {
  const layer = new LayerUnderTest();
  for (let i = 0; i < 500; i++) layer.send('NON', Code.Post);
  const log = layer.run(1_000_000);
  const bytes = log.reduce(
    (sum, { output }) => sum + (output.kind === 'transmit' ? output.datagram.length : 0),
    0,
  );
  // 1 byte/s over 1,000 s, and what EXCHANGE_LIFETIME lets go at once.
  assert.ok(bytes > 1000 && bytes <= 1000 + 247 + 6, `${bytes} bytes`);
  assert.ok(layer.layer.counters.probingDelays > 0);
  assert.ok(layer.layer.counters.queued > 0);
});

test('one message from a peer lifts PROBING_RATE', () => {
  const layer = new LayerUnderTest();
  for (let i = 0; i < 60; i++) layer.send('NON', Code.Post);
  const before = layer.transmitted().length;
  assert.ok(before < 60);
  layer.receive(incoming('NON', Code.Content, 1));
  assert.equal(before + layer.transmitted().length, 60);
});

test('Non-confirmable notifications are not subject to PROBING_RATE', () => {
  const layer = new LayerUnderTest();
  for (let i = 0; i < 500; i++) layer.send('NON', Code.Content);
  assert.equal(layer.transmitted().length, 500);
});

test('a notification that is given up takes those with it that wait for it, not the requests to the same peer', () => {
  const layer = new LayerUnderTest();
  const notifications = [layer.send('CON', Code.Content), layer.send('CON', Code.Content)];
  layer.clock.advanceBy(1);
  layer.layer.handleTimeout(layer.now);
  layer.clock.advanceBy(60_000);
  layer.send('CON', Code.Get);
  const ended = layer
    .run(33_000)
    .flatMap(({ output }) => (output.kind === 'timed-out' ? [output.transmission] : []));
  assert.deepEqual(ended, notifications);
});

test('a request that would have to wait beyond the bound is refused at once; to other peers they go', () => {
  const layer = new LayerUnderTest({ limits: { queuedMessages: 2 } });
  for (let i = 0; i < 3; i++) layer.send('CON', Code.Get);
  layer.outputs();
  const refused = layer.send('CON', Code.Get);
  assert.deepEqual(layer.outputs(), [
    { kind: 'discarded', peer, reason: 'queue-full' },
    { kind: 'refused', transmission: refused, reason: 'queue-full' },
  ]);
  assert.equal(layer.layer.counters.refused, 1);
  layer.send('CON', Code.Get, 'other');
  layer.send('CON', Code.Content);
  assert.equal(layer.transmitted().length, 2);
});

test('a peer that acknowledges nothing fills its own share of waiting replies, not that of others', () => {
  const layer = new LayerUnderTest();
  for (let i = 0; i < 1000; i++) layer.send('CON', Code.Content, 'silent');
  assert.equal(layer.layer.counters.queuedReplies, 256);
  assert.equal(layer.layer.counters.refused, 1000 - 257);
  layer.transmitted();
  layer.send('CON', Code.Content);
  layer.send('CON', Code.Content);
  assert.equal(layer.transmitted().length, 1);
  assert.equal(layer.layer.counters.queuedReplies, 257);
});

test('waiting replies are bounded in total, without harm to those that need not wait', () => {
  const layer = new LayerUnderTest({ limits: { queuedReplies: 10 } });
  for (let i = 0; i < 100; i++) for (let n = 0; n < 2; n++) layer.send('CON', Code.Content, `peer ${i}`);
  assert.equal(layer.layer.counters.queuedReplies, 10);
  assert.equal(layer.transmitted().length, 100);
});

test('one address that floods with Non-confirmable requests takes no room from the others', () => {
  const layer = new LayerUnderTest();
  for (let i = 0; i < 140_000; i++) {
    const handle = layer.accept(
      incoming('NON', Code.Get, i % 65_536, { token: Uint8Array.of(i >> 16) }),
      'spoofed',
    );
    layer.reply(handle, Code.Content);
    layer.outputs();
  }
  assert.equal(layer.layer.counters.queued, 0);
  layer.send('CON', Code.Content);
  layer.send('NON', Code.Content);
  layer.send('CON', Code.Get);
  assert.equal(layer.transmitted().length, 3);
});

test('at full speed the 65,537th notification within NON_LIFETIME is refused, and no Message ID comes twice', () => {
  const layer = new LayerUnderTest();
  const lastUse = new Map<number, number>();
  let sent = 0;
  let refused = 0;
  const look = (): void => {
    for (const output of layer.outputs()) {
      if (output.kind === 'refused') refused++;
      if (output.kind !== 'transmit') continue;
      const { datagram } = output;
      const { messageId } = decoded(datagram);
      const last = lastUse.get(messageId);
      assert.ok(last === undefined || layer.now - last >= 145_000, `#${messageId} reused`);
      lastUse.set(messageId, layer.now);
      sent++;
    }
  };
  for (let i = 0; i < 70_000; i++) {
    layer.send('NON', Code.Content);
    look();
  }
  assert.deepEqual([sent, refused], [65_536, 70_000 - 65_536]);
  assert.equal(layer.layer.counters.queued, 0);
  assert.ok(layer.layer.counters.messageIdsExhausted > 0);
  layer.clock.advanceBy(144_999);
  layer.send('NON', Code.Content);
  look();
  assert.equal(sent, 65_536);
  layer.clock.advanceBy(1 + 247_000 / 64);
  layer.send('NON', Code.Content);
  look();
  assert.equal(sent, 65_537);
});

test('a Message ID that is used again belongs to the new message, also before the timeout of the old one ran', () => {
  const layer = new LayerUnderTest({ limits: { trackedNonConfirmable: 65_536 } });
  for (let i = 0; i < 65_536; i++) layer.send('NON', Code.Content);
  const [first] = layer.transmitted();
  layer.clock.advanceBy(150_000);
  const transmission = layer.send('CON', Code.Get);
  const [again] = layer.transmitted();
  assert.equal(messageIdOf(again), messageIdOf(first));
  layer.layer.handleTimeout(layer.now);
  layer.receive(incoming('ACK', Code.Empty, messageIdOf(again)));
  assert.deepEqual(layer.outputs(), [{ kind: 'acknowledged', transmission }]);
});

test('a Non-confirmable message that was stopped is no longer matched with a Reset', () => {
  const layer = new LayerUnderTest();
  const transmission = layer.send('NON', Code.Get);
  const [datagram] = layer.transmitted();
  layer.layer.stop(transmission);
  layer.receive(incoming('RST', Code.Empty, messageIdOf(datagram)));
  assert.deepEqual(layer.outputs(), [{ kind: 'discarded', peer, reason: 'unmatched-reset' }]);
});

test('Confirmable messages at full speed: back-pressure at 65,536 and no Message ID twice within 247 s', () => {
  const layer = new LayerUnderTest();
  const lastUse = new Map<number, number>();
  for (let i = 0; i < 70_000; i++) {
    layer.send('CON', Code.Get);
    for (let [datagram] = layer.transmitted(); datagram; [datagram] = layer.transmitted()) {
      const { messageId } = decoded(datagram);
      const last = lastUse.get(messageId);
      assert.ok(last === undefined || layer.now - last >= 247_000, `#${messageId} reused`);
      lastUse.set(messageId, layer.now);
      layer.receive(incoming('ACK', Code.Empty, messageId));
    }
    if (i % 1000 === 0) {
      layer.clock.advanceBy(10);
      layer.layer.handleTimeout(layer.now);
    }
  }
  assert.equal(lastUse.size, 65_536);
  assert.equal(layer.layer.counters.queued, 70_000 - 65_536);
  assert.equal(layer.layer.counters.outstanding, 0);
});

test('nothing is left of a peer once every lifetime is over', () => {
  const layer = new LayerUnderTest();
  layer.send('CON', Code.Get);
  layer.send('CON', Code.Content);
  layer.send('NON', Code.Get);
  layer.send('NON', Code.Content);
  layer.layer.ping(peer, layer.now);
  layer.accept(incoming('CON', Code.Post, 1));
  layer.run(600_000);
  assert.equal(layer.layer.transmissionState, 0);
  assert.equal(layer.layer.counters.deduplicationBytes, 0);
  assert.equal(layer.layer.nextTimeout(), undefined);
});
