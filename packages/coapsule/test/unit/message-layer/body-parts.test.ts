/** Bodies in several Non-confirmable requests, and PROBING_RATE (RFC 9177 §7.2). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  defaultTransmissionParameters,
  nonProbingWaitMs,
} from '../../../src/core/coap/transmission-parameters.ts';
import { after, instant } from '../../../src/core/foundation/instant.ts';
import { CongestionControl, laneOf } from '../../../src/core/message-layer/congestion.ts';
import type { BodyPart } from '../../../src/core/message-layer/message-layer-output.ts';

interface Item {
  readonly name: string;
  readonly priority: 'normal';
  readonly part: BodyPart | undefined;
}

const peer = 'peer';
const start = instant(0);

function item(name: string, body?: number, first = false): Item {
  return { name, priority: 'normal', part: body === undefined ? undefined : { body, first } };
}

/** Puts an item into its lane, and lets go what may. */
class Lanes {
  readonly control = new CongestionControl<Item>(defaultTransmissionParameters);
  readonly sent: string[] = [];

  add(one: Item, now = start): void {
    this.control.enqueue(peer, laneOf('NON', false, one.part), one);
    this.serve(now);
  }

  serve(now = start, bytes = 1000): void {
    for (;;) {
      const next = (['non-block', 'non-request'] as const)
        .map((lane) => ({ lane, ready: this.control.ready(peer, lane, now) }))
        .find(({ ready }) => ready !== undefined);
      if (next?.ready === undefined) return;
      this.control.begin(peer, next.lane, next.ready, bytes, now);
      this.sent.push(next.ready.name);
    }
  }
}

test('NON_PROBING_WAIT is 248 s by default, with the longest NON_TIMEOUT_RANDOM (RFC 9177 §7.2, Table 3)', () => {
  assert.equal(nonProbingWaitMs(defaultTransmissionParameters), 248_000);
});

test('all parts of a body go when its first may, and an ordinary request waits for their bytes', () => {
  const lanes = new Lanes();
  for (let i = 0; i < 10; i++) lanes.add(item(`a${i}`, 1, i === 0));
  lanes.add(item('other'));
  assert.deepEqual(lanes.sent, ['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9']);
  lanes.serve(after(start, 247_999));
  assert.equal(lanes.sent.length, 10);
  lanes.serve(after(start, 248_001));
  assert.equal(lanes.sent.at(-1), 'other');
});

test('parts of a body whose first waits do not overtake it', () => {
  const lanes = new Lanes();
  lanes.add(item('a0', 1, true));
  for (let i = 0; i < 3; i++) lanes.add(item(`b${i}`, 2, i === 0));
  assert.deepEqual(lanes.sent, ['a0']);
  assert.equal(lanes.control.waitingIn(peer, 'non-block'), 2);
  lanes.add(item('a1', 1));
  assert.deepEqual(lanes.sent, ['a0', 'a1'], 'that of a body which has begun goes');
  assert.equal(lanes.control.heardFrom(peer, start), true);
  lanes.serve();
  assert.deepEqual(lanes.sent, ['a0', 'a1', 'b0', 'b1', 'b2']);
  assert.equal(lanes.control.size, 0, 'nothing is left');
});

test('parts that are given up while their first waits leave nothing, and neither do those of a peer that is forgotten', () => {
  const lanes = new Lanes();
  lanes.add(item('a0', 1, true));
  const [first, second, third] = [item('b0', 2, true), item('b1', 2), item('b2', 2)] as const;
  for (const one of [first, second, third]) lanes.add(one);
  lanes.control.withdraw(peer, 'non-block', third);
  lanes.control.withdraw(peer, 'non-request', first);
  lanes.control.withdraw(peer, 'non-block', second);
  assert.equal(lanes.control.size, 0);
  for (const one of [first, second, third]) lanes.add(one);
  assert.deepEqual(
    lanes.control.forgetPeer(peer).map(({ name }) => name),
    ['b0', 'b1', 'b2'],
  );
  assert.equal(lanes.control.size + lanes.control.probed, 0);
});
