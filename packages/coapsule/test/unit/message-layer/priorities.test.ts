/**
 * Which message goes first when several wait for the same peer, and what a later reading does to one that waits.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { Code } from '../../../src/core/coap/code.ts';
import { LaneQueue } from '../../../src/core/message-layer/lane-queue.ts';
import { type MessagePriority, messagePriorities } from '../../../src/core/message-layer/message-layer.ts';
import { decoded, incoming, LayerUnderTest, peer } from './layer-under-test.ts';

function payloadOf(datagram: Uint8Array | undefined): number {
  return decoded(datagram as Uint8Array).payload[0] as number;
}

/** Acknowledges what goes out until nothing does, and returns the first byte of each payload. */
function drain(layer: LayerUnderTest): number[] {
  const order: number[] = [];
  for (let [datagram] = layer.transmitted(); datagram; [datagram] = layer.transmitted()) {
    order.push(payloadOf(datagram));
    layer.receive(incoming('ACK', Code.Empty, decoded(datagram).messageId));
  }
  return order;
}

function put(
  layer: LayerUnderTest,
  value: number,
  priority: Exclude<MessagePriority, 'ping'>,
  replaces?: string,
  type: 'CON' | 'NON' = 'CON',
): number {
  const queue = replaces === undefined ? { priority } : { priority, replaces };
  return layer.send(type, Code.Put, peer, queue, { payload: Uint8Array.of(value) });
}

suite('priority', () => {
  test('what is urgent overtakes what waits; within one priority the first goes first', () => {
    const layer = new LayerUnderTest();
    put(layer, 0, 'low'); // goes at once
    put(layer, 1, 'bulk');
    put(layer, 2, 'low');
    put(layer, 3, 'low');
    put(layer, 4, 'normal');
    put(layer, 5, 'high');
    put(layer, 6, 'urgent');
    put(layer, 7, 'urgent');
    assert.deepEqual(drain(layer), [0, 6, 7, 5, 4, 2, 3, 1]);
  });

  test('a queue gives its items by priority and age, whatever is put in and taken out', () => {
    const operation = fc.record({
      priority: fc.constantFrom(...messagePriorities),
      take: fc.option(fc.nat(40), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const queue = new LaneQueue<{ readonly priority: MessagePriority; readonly age: number }>();
        let model: { readonly priority: MessagePriority; readonly age: number }[] = [];
        for (const [age, { priority, take }] of operations.entries()) {
          const item = { priority, age };
          queue.add(item);
          model.push(item);
          const gone = take === undefined ? undefined : model[take];
          if (gone) {
            queue.delete(gone);
            queue.delete(gone);
            model = model.filter((other) => other !== gone);
          }
        }
        const rank = (item: { priority: MessagePriority }): number =>
          messagePriorities.indexOf(item.priority);
        const expected = model.toSorted((x, y) => rank(x) - rank(y) || x.age - y.age);
        assert.deepEqual([...queue], expected);
        assert.equal(queue.size, expected.length);
        assert.equal(queue.first(), expected[0]);
        for (const priority of messagePriorities) {
          const only = expected.filter((item) => item.priority === priority);
          assert.equal(queue.sizeOf(priority), only.length);
          assert.equal(queue.first(priority), only[0]);
        }
      }),
    );
  });
});

suite('a later reading', () => {
  test('takes the place of one with its name that waits, which ends as superseded', () => {
    const layer = new LayerUnderTest();
    put(layer, 0, 'low', 'temperature');
    const old = put(layer, 1, 'low', 'temperature');
    put(layer, 2, 'low', 'humidity');
    const [first, ...more] = layer.transmitted();
    assert.deepEqual([payloadOf(first), more.length], [0, 0]);
    put(layer, 3, 'low', 'temperature');
    assert.deepEqual(layer.outputs(), [{ kind: 'superseded', transmission: old }]);
    assert.equal(layer.layer.counters.superseded, 1);
    assert.equal(layer.layer.counters.queued, 2);
    layer.receive(incoming('ACK', Code.Empty, decoded(first as Uint8Array).messageId));
    assert.deepEqual(drain(layer), [3, 2]);
    assert.equal(layer.layer.transmissionState > 0, true);
    layer.run(600_000);
    assert.equal(layer.layer.transmissionState, 0);
  });

  test('does not touch one that is on its way, one of another peer, or one of the other type', () => {
    const layer = new LayerUnderTest();
    const queue = { priority: 'low', replaces: 'temperature' } as const;
    layer.send('CON', Code.Put, peer, queue);
    layer.send('CON', Code.Put, 'other', queue);
    layer.send('NON', Code.Put, peer, queue);
    layer.send('CON', Code.Put, peer, queue);
    assert.equal(layer.layer.counters.superseded, 0);
  });

  test('also where PROBING_RATE holds Non-confirmable readings back: the latest goes, and says when', () => {
    const layer = new LayerUnderTest();
    for (let i = 0; i < 100; i++) put(layer, i, 'low', 'temperature', 'NON');
    const before = layer.transmitted().map(payloadOf);
    assert.ok(before.length < 60);
    const last = put(layer, 200, 'low', 'temperature', 'NON');
    layer.outputs();
    layer.receive(incoming('NON', Code.Content, 1));
    assert.deepEqual(
      layer.outputs().map((output) => (output.kind === 'transmit' ? payloadOf(output.datagram) : output)),
      [200, { kind: 'started', transmission: last }],
    );
  });

  test('of many names the one that waits longest is dropped at the bound, and what has no name is not', () => {
    const layer = new LayerUnderTest({ limits: { queuedReadingsPerPeer: 3 } });
    put(layer, 0, 'low');
    put(layer, 9, 'low');
    const oldest = put(layer, 1, 'low', 'a');
    put(layer, 2, 'low', 'b');
    put(layer, 3, 'low', 'c');
    layer.outputs();
    put(layer, 4, 'low', 'd');
    put(layer, 5, 'normal');
    assert.deepEqual(layer.outputs(), [{ kind: 'superseded', transmission: oldest }]);
  });

  test('a stopped one, and those of a peer that is forgotten, are not found again', () => {
    const layer = new LayerUnderTest();
    put(layer, 0, 'low');
    layer.layer.stop(put(layer, 1, 'low', 'a'));
    put(layer, 2, 'low', 'a');
    layer.layer.forgetPeer(peer, layer.now);
    put(layer, 3, 'low');
    put(layer, 4, 'low', 'a');
    assert.equal(layer.layer.counters.superseded, 0);
  });
});
