import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import type { MessageView } from '../../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { encodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import { decoded, incoming, LayerUnderTest, peer } from './layer-under-test.ts';

const payload = encodeUtf8('22.5');
const post = (messageId = 1): MessageView => incoming('CON', Code.Post, messageId, { payload });

test('1,000 duplicates of a POST: it runs once, and each gets the bytes of the first answer', () => {
  const layer = new LayerUnderTest();
  const handle = layer.accept(post());
  const options = new OptionSet()
    .add(OptionNumber.LocationPath, 'sensors')
    .add(OptionNumber.LocationPath, '42');
  layer.reply(handle, Code.Created, true, { options, payload });
  const [answer] = layer.transmitted();
  for (let i = 0; i < 1000; i++) {
    layer.clock.advanceBy(200);
    assert.deepEqual(layer.receive(post()), { kind: 'absorbed', reason: 'duplicate-answered' });
    assert.deepEqual(layer.transmitted(), [answer]);
  }
  assert.equal(layer.layer.counters.duplicates, 1000);
});

test('an answer of 4 bytes and one with a payload are both repeated byte by byte', () => {
  for (const parts of [{}, { payload }]) {
    const layer = new LayerUnderTest();
    layer.reply(layer.accept(post()), Code.Changed, true, parts);
    const [answer] = layer.transmitted();
    layer.receive(post());
    assert.deepEqual(layer.transmitted(), [answer]);
  }
});

test('a duplicate is ignored while the handler runs', () => {
  const layer = new LayerUnderTest();
  layer.accept(post());
  assert.deepEqual(layer.receive(post()), { kind: 'absorbed', reason: 'duplicate-in-progress' });
  assert.deepEqual(layer.transmitted(), []);
});

test('a duplicate of a request with an Empty ACK gets the Empty ACK again, also after the separate response', () => {
  const layer = new LayerUnderTest();
  const handle = layer.accept(post(0x1234));
  layer.layer.acknowledge(handle, layer.now);
  layer.layer.acknowledge(handle, layer.now);
  assert.deepEqual(layer.summaries(), ['ACK 0 #4660']);
  assert.deepEqual(layer.receive(post(0x1234)), { kind: 'absorbed', reason: 'duplicate-acknowledged' });
  assert.deepEqual(layer.summaries(), ['ACK 0 #4660']);
  layer.reply(handle, Code.Changed);
  const [response] = layer.transmitted();
  assert.equal(decoded(response as Uint8Array).type, 'CON');
  layer.receive(incoming('ACK', Code.Empty, decoded(response as Uint8Array).messageId));
  layer.outputs();
  // RFC 7252 §4.2: the state to create the ACK is kept even if the response was acknowledged.
  layer.receive(post(0x1234));
  assert.deepEqual(layer.summaries(), ['ACK 0 #4660']);
});

for (const [name, code] of [
  ['GET', Code.Get],
  ['FETCH', Code.Fetch],
] as const) {
  test(`a duplicate of a ${name} whose answer is not kept is handed up again, but only after the first reply`, () => {
    const layer = new LayerUnderTest();
    const message = incoming('CON', code, 9);
    const handle = layer.accept(message);
    assert.equal(layer.receive(message).kind, 'absorbed');
    layer.reply(handle, Code.Content, false);
    assert.deepEqual(layer.summaries(), ['ACK 69 #9']);
    const again = layer.receive(message);
    assert.ok(again.kind === 'request' && again.repeat);
    assert.equal(layer.receive(message).kind, 'absorbed');
    layer.reply(again.reply, Code.Content, false);
    assert.deepEqual(layer.summaries(), ['ACK 69 #9']);
    assert.equal(layer.layer.counters.repeats, 1);
  });

  test(`a duplicate of a ${name} whose answer is kept gets the same answer`, () => {
    const layer = new LayerUnderTest();
    layer.reply(layer.accept(incoming('CON', code, 9)), Code.Content, true, { payload });
    const [answer] = layer.transmitted();
    assert.equal(layer.receive(incoming('CON', code, 9)).kind, 'absorbed');
    assert.deepEqual(layer.transmitted(), [answer]);
  });
}

for (const [name, code] of Object.entries({ Post: 2, Put: 3, Delete: 4, Patch: 6, IPatch: 7, unknown: 31 })) {
  test(`the answer to an unsafe request is stored for its copies, also one that had no effect (${name})`, () => {
    const layer = new LayerUnderTest();
    layer.reply(layer.accept(incoming('CON', code, 9)), Code.Changed, false);
    layer.transmitted();
    assert.equal(layer.receive(incoming('CON', code, 9)).kind, 'absorbed');
    assert.deepEqual(layer.summaries(), ['ACK 68 #9']);
  });
}

test('duplicates of a Non-confirmable request are silently absorbed, before and after the reply', () => {
  for (const code of [Code.Get, Code.Post]) {
    const layer = new LayerUnderTest();
    const message = incoming('NON', code, 9);
    const handle = layer.accept(message);
    assert.deepEqual(layer.receive(message), { kind: 'absorbed', reason: 'duplicate-non-confirmable' });
    layer.reply(handle, Code.Content);
    assert.equal(decoded(layer.transmitted()[0] as Uint8Array).type, 'NON');
    assert.deepEqual(layer.receive(message), { kind: 'absorbed', reason: 'duplicate-non-confirmable' });
    assert.deepEqual(layer.transmitted(), []);
  }
});

test('a duplicate of a Confirmable response is acknowledged again, or reset again, as the first was', () => {
  const layer = new LayerUnderTest();
  const known = incoming('CON', Code.Content, 5);
  assert.equal(layer.receive(known).kind, 'response');
  layer.layer.acknowledgeResponse(peer, known, layer.now);
  assert.deepEqual(layer.receive(known), { kind: 'absorbed', reason: 'duplicate-acknowledged' });
  const unknown = incoming('CON', Code.Content, 6);
  assert.equal(layer.receive(unknown).kind, 'response');
  layer.layer.resetResponse(peer, unknown, layer.now);
  assert.deepEqual(layer.receive(unknown), { kind: 'absorbed', reason: 'duplicate-reset' });
  assert.deepEqual(layer.summaries(), ['ACK 0 #5', 'ACK 0 #5', 'RST 0 #6', 'RST 0 #6']);
});

test('a duplicate of a Non-confirmable notification is absorbed, whatever the first got', () => {
  const layer = new LayerUnderTest();
  const message = incoming('NON', Code.Content, 6);
  assert.equal(layer.receive(message).kind, 'response');
  layer.layer.acknowledgeResponse(peer, message, layer.now);
  assert.deepEqual(layer.summaries(), []);
  layer.layer.resetResponse(peer, message, layer.now);
  assert.deepEqual(layer.summaries(), ['RST 0 #6']);
  assert.deepEqual(layer.receive(message), { kind: 'absorbed', reason: 'duplicate-non-confirmable' });
  assert.deepEqual(layer.summaries(), []);
});

test('a message counts as a duplicate only if peer, Message ID, token and content are those of the first', () => {
  const layer = new LayerUnderTest();
  layer.accept(post(1));
  layer.accept(post(2));
  layer.accept(post(1), '192.0.2.2:5683');
  layer.accept(incoming('CON', Code.Post, 1, { payload, token: Uint8Array.of(1) }));
  layer.accept(incoming('CON', Code.Post, 1, { payload: encodeUtf8('22.6') }));
  layer.accept(incoming('CON', Code.Put, 1, { payload }));
  layer.accept(incoming('NON', Code.Post, 1, { payload }));
  layer.accept(
    incoming('CON', Code.Post, 1, { payload, options: new OptionSet().add(OptionNumber.UriPath, 'a') }),
  );
  assert.equal(layer.receive(post(1)).kind, 'absorbed');
  assert.equal(layer.layer.counters.deduplicationEntries, 8);
  layer.layer.forgetPeer(peer, layer.now);
  assert.equal(layer.layer.counters.deduplicationEntries, 1);
});

for (const [type, lifetimeMs] of [
  ['CON', 247_000],
  ['NON', 145_000],
] as const) {
  test(`a ${type} is remembered for ${lifetimeMs / 1000} s and then taken for a new message`, () => {
    const layer = new LayerUnderTest();
    const message = incoming(type, Code.Post, 1);
    layer.accept(message);
    layer.clock.advanceBy(lifetimeMs - 1);
    assert.equal(layer.receive(message).kind, 'absorbed');
    layer.clock.advanceBy(1);
    layer.accept(message);
    layer.run(lifetimeMs + 1000);
    assert.equal(layer.layer.counters.deduplicationEntries, 0);
    assert.equal(layer.layer.counters.deduplicationBytes, 0);
  });
}

test('when stored answers of unsafe methods fill the store, unsafe requests are refused and none is dropped', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationBytes: 32 * 1024 } });
  const accepted: MessageView[] = [];
  let refused = 0;
  for (let id = 0; id < 1000; id++) {
    const received = layer.receive(post(id));
    if (received.kind === 'overloaded') {
      refused++;
      layer.outputs();
      layer.reply(received.reply, Code.ServiceUnavailable);
      assert.deepEqual(layer.summaries(), [`ACK 163 #${id}`]);
      continue;
    }
    assert.equal(received.kind, 'request');
    if (received.kind === 'request') layer.reply(received.reply, Code.Changed);
    accepted.push(post(id));
  }
  assert.ok(accepted.length > 50 && refused > 50);
  assert.equal(layer.layer.counters.overloaded, refused);
  layer.transmitted();
  for (const message of accepted) assert.equal(layer.receive(message).kind, 'absorbed');
  assert.ok(layer.layer.counters.deduplicationBytes <= 32 * 1024);
  for (let id = 5000; id < 5100; id++) layer.accept(incoming('CON', Code.Get, id));
  for (const message of accepted) assert.equal(layer.receive(message).kind, 'absorbed');
  // After EXCHANGE_LIFETIME there is room again.
  layer.run(250_000);
  layer.accept(post(6000));
});

test('without any room a safe request is handed up all the same, and answered, but not remembered', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationBytes: 100 } });
  for (let copy = 0; copy < 2; copy++) {
    layer.reply(layer.accept(incoming('CON', Code.Get, 7)), Code.Content, true);
    assert.deepEqual(layer.summaries(), ['ACK 69 #7']);
  }
  assert.equal(layer.receive(post()).kind, 'overloaded');
  assert.equal(layer.layer.counters.untracked, 2);
});

test('records of safe requests make room for unsafe ones, oldest first', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationBytes: 8 * 1024 } });
  for (let id = 0; id < 100; id++)
    layer.reply(layer.accept(incoming('CON', Code.Get, id)), Code.Content, true);
  const evicted = layer.layer.counters.evicted;
  assert.ok(evicted > 0);
  assert.equal(layer.receive(incoming('CON', Code.Get, 99)).kind, 'absorbed');
  for (let id = 200; id < 203; id++) layer.accept(post(id));
  assert.ok(layer.layer.counters.evicted > evicted);
  assert.ok(layer.layer.counters.deduplicationBytes <= 8 * 1024);
});

test('between a CON and a NON, the record with less of its lifetime left goes first', () => {
  for (const [waitMs, first, second] of [
    [110_000, 'CON', 'NON'],
    [90_000, 'NON', 'CON'],
  ] as const) {
    const layer = new LayerUnderTest({ limits: { deduplicationPeers: 2 } });
    layer.reply(layer.accept(incoming('CON', Code.Get, 1), 'CON'), Code.Content, true);
    layer.clock.advanceBy(waitMs);
    layer.reply(layer.accept(incoming('NON', Code.Get, 1), 'NON'), Code.Content, true);
    layer.accept(post(), 'newcomer');
    assert.equal(layer.receive(incoming(second, Code.Get, 1), second).kind, 'absorbed');
    assert.equal(layer.receive(incoming(first, Code.Get, 1), first).kind, 'request');
  }
});

test('one unauthenticated peer gets 1 MiB, and the others are served on', () => {
  const layer = new LayerUnderTest();
  let id = 0;
  for (; id < 10_000; id++) {
    const received = layer.receive(post(id));
    if (received.kind === 'overloaded') break;
    if (received.kind === 'request') layer.reply(received.reply, Code.Changed);
    layer.outputs();
  }
  assert.ok(id > 3_500 && id < 10_000, `${id}`);
  assert.ok(layer.layer.counters.deduplicationBytes <= 1025 * 1024);
  layer.accept(post(id), '192.0.2.2:5683');
});

test('an authenticated peer gets more than 1 MiB', () => {
  const layer = new LayerUnderTest({ authenticatedPeers: true });
  for (let id = 0; id < 20_000; id++) layer.reply(layer.accept(post(id)), Code.Changed);
  assert.equal(layer.layer.counters.overloaded, 0);
});

test('a body of 1 MiB in blocks passes with 64 KiB of room: answers 2.31 Continue make room for later ones', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationBytesPerPeer: 64 * 1024 } });
  const options = new OptionSet().add(OptionNumber.Block1, 0x0e);
  for (let block = 0; block < 1024; block++) {
    layer.reply(layer.accept(post(block)), Code.Continue, false, { options });
    const [answer] = layer.transmitted();
    assert.equal(layer.receive(post(block)).kind, 'absorbed');
    assert.deepEqual(layer.transmitted(), [answer]);
  }
  assert.equal(layer.layer.counters.overloaded, 0);
});

test('a large answer is stored although it passes the bound, since its request has been carried out', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationBytesPerPeer: 2048 } });
  layer.reply(layer.accept(post(1)), Code.Changed, true, { payload: new Uint8Array(4000) });
  const [answer] = layer.transmitted();
  layer.receive(post(1));
  assert.deepEqual(layer.transmitted(), [answer]);
  assert.equal(layer.receive(post(2)).kind, 'overloaded');
});

for (const [name, type, code] of [
  ['GET', 'CON', Code.Get],
  ['POST', 'CON', Code.Post],
  ['Non-confirmable POST', 'NON', Code.Post],
  ['notification', 'CON', Code.Content],
] as const) {
  test(`a ${name} from each of 100,000 spoofed addresses leaves a bounded store, and nothing after its lifetime`, () => {
    const layer = new LayerUnderTest();
    const message = incoming(type, code, 1);
    for (let i = 0; i < 100_000; i++) {
      const received = layer.receive(message, `spoofed ${i}`);
      if (received.kind === 'request' || received.kind === 'overloaded')
        layer.reply(received.reply, 0x45, code === Code.Post);
      if (received.kind === 'response') layer.layer.resetResponse(`spoofed ${i}`, message, layer.now);
      layer.outputs();
    }
    const { counters } = layer.layer;
    assert.ok(counters.deduplicationBytes <= 64 * 1024 * 1024);
    assert.ok(counters.deduplicationPeers <= 65_536);
    // Each tracked reply counts several times over: as itself, by its peer and among the timers.
    assert.ok(layer.layer.transmissionState <= 6 * 16_384 + 65_536, `${layer.layer.transmissionState}`);
    layer.run(600_000);
    assert.equal(counters.deduplicationBytes, 0);
    assert.equal(counters.deduplicationPeers, 0);
    assert.equal(layer.layer.transmissionState, 0);
    assert.equal(layer.layer.nextTimeout(), undefined);
  });
}

test('at the bound of peers the oldest safe records go; a peer with unsafe ones stays', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationPeers: 3 } });
  layer.reply(layer.accept(post(), 'a'), Code.Changed);
  layer.reply(layer.accept(incoming('CON', Code.Get, 1), 'b'), Code.Content, true);
  layer.reply(layer.accept(incoming('CON', Code.Get, 1), 'c'), Code.Content, true);
  layer.reply(layer.accept(post(), 'd'), Code.Changed);
  layer.reply(layer.accept(post(), 'e'), Code.Changed);
  assert.equal(layer.receive(post(), 'f').kind, 'overloaded');
  assert.equal(layer.layer.counters.deduplicationPeers, 3);
  assert.equal(layer.layer.counters.evicted, 2);
  for (const from of ['a', 'd', 'e']) assert.equal(layer.receive(post(), from).kind, 'absorbed');
});

test('a request that had no effect makes room for others, and its copies get its answer until then', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationBytesPerPeer: 64 * 1024 } });
  for (let id = 0; id < 5000; id++) {
    const handle = layer.accept(post(id));
    if (id % 2 === 0) layer.layer.acknowledge(handle, layer.now);
    layer.reply(handle, Code.NotFound, false);
    layer.outputs();
    const copy = layer.receive(post(id));
    assert.ok(copy.kind === 'absorbed' && copy.reason.startsWith('duplicate-a'));
  }
  assert.equal(layer.layer.counters.overloaded, 0);
  const kept = layer.accept(post(6000));
  layer.reply(kept, Code.Changed);
  for (let id = 7000; id < 9000; id++) layer.reply(layer.accept(post(id)), Code.NotFound, false);
  assert.equal(layer.receive(post(6000)).kind, 'absorbed', 'one with an effect stays');
});

test('a POST answered by 1 MiB in blocks passes in the room of a plain peer', () => {
  const layer = new LayerUnderTest();
  const block = { payload: new Uint8Array(1024) };
  layer.reply(layer.accept(post(0)), Code.Content, true, block);
  for (let id = 1; id < 1024; id++) {
    layer.reply(layer.accept(post(id)), Code.Content, false, block);
    layer.outputs();
  }
  layer.reply(layer.accept(post(2000)), Code.Changed);
  assert.equal(layer.layer.counters.overloaded, 0);
  assert.equal(layer.receive(post(0)).kind, 'absorbed');
});

test('at the bound of peers a new one replaces the longest silent, but not within MAX_TRANSMIT_SPAN of its last request', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationPeers: 100 } });
  for (let i = 0; i < 100; i++) layer.reply(layer.accept(post(), `peer ${i}`), Code.Changed);
  layer.clock.advanceBy(30_000);
  layer.reply(layer.accept(post(2), 'peer 0'), Code.Changed);
  layer.clock.advanceBy(15_000);
  assert.equal(layer.receive(post(), 'early').kind, 'overloaded');
  layer.clock.advanceBy(1);
  layer.accept(post(), 'newcomer');
  assert.equal(layer.layer.counters.deduplicationPeers, 100);
  layer.outputs();
  assert.equal(layer.receive(post(), 'peer 0').kind, 'absorbed', 'it sent something since');
  assert.equal(layer.receive(post(), 'peer 2').kind, 'absorbed');
});

test('a peer whose request is still being carried out is not replaced, and does not keep others from it', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationPeers: 100 } });
  for (let i = 0; i < 16; i++) layer.layer.acknowledge(layer.accept(post(), `slow ${i}`), layer.now);
  for (let i = 16; i < 100; i++) layer.reply(layer.accept(post(), `peer ${i}`), Code.Changed);
  layer.clock.advanceBy(45_001);
  for (let i = 0; i < 10; i++) layer.accept(post(), `newcomer ${i}`);
  for (let i = 0; i < 16; i++) assert.equal(layer.receive(post(), `slow ${i}`).kind, 'absorbed');
});

test('65,536 spoofed addresses cannot shut out a new peer for longer than MAX_TRANSMIT_SPAN', () => {
  const layer = new LayerUnderTest();
  for (let i = 0; i < 65_536; i++) {
    layer.reply(layer.accept(post(), `spoofed ${i}`), Code.Changed);
    layer.outputs();
  }
  assert.equal(layer.receive(post(), 'new').kind, 'overloaded');
  layer.clock.advanceBy(45_001);
  layer.accept(post(), 'new');
});

test('a reply still goes out when the record was forgotten meanwhile', () => {
  const layer = new LayerUnderTest();
  const handle = layer.accept(post(3));
  layer.layer.forgetPeer(peer, layer.now);
  layer.reply(handle, Code.Changed);
  assert.deepEqual(layer.summaries(), ['ACK 68 #3']);
  assert.equal(layer.layer.counters.deduplicationBytes, 0);
});

test('a request that may be forgotten is remembered until it is answered: a copy before is a copy (RFC 7252 §4.5)', () => {
  const layer = new LayerUnderTest({ limits: { deduplicationBytesPerPeer: 2000 } });
  const handle = layer.accept(post(1));
  layer.layer.mayForget(handle);
  // More than there is room for, all of which may go.
  for (let messageId = 100; messageId < 140; messageId++) {
    const message = incoming('CON', Code.Get, messageId);
    layer.receive(message);
  }
  assert.deepEqual(layer.receive(post(1)), { kind: 'absorbed', reason: 'duplicate-in-progress' });
  layer.reply(handle, Code.Changed);
  for (let messageId = 200; messageId < 240; messageId++) layer.receive(incoming('CON', Code.Get, messageId));
  assert.notEqual(layer.receive(post(1)).kind, 'absorbed', 'once it is answered it makes room');
});
