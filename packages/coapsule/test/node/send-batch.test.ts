/** Datagrams that leave together at the end of a turn of the event loop, and those that do not wait. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { SendBatch } from '../../src/node/send-batch.ts';

const peer = ipAddress('192.0.2.1', 5683);
const other = ipAddress('192.0.2.2', 5683);

function batchInto(sent: string[], now: () => number = () => 0): SendBatch {
  const clock = { now: () => now() as Instant };
  return new SendBatch((datagram, to) => sent.push(`${datagram.toString()} to ${to.host}`), clock);
}

test('what is sent in a turn in which nothing came goes at once', () => {
  const sent: string[] = [];
  batchInto(sent).add(Buffer.from('a'), peer);
  assert.deepEqual(sent, ['a to 192.0.2.1']);
});

test('what is sent while datagrams are handled, and by promises behind them, leaves in its order when the turn is over', async () => {
  const sent: string[] = [];
  const batch = batchInto(sent);
  for (const [text, to] of [
    ['a', peer],
    ['b', other],
  ] as const) {
    batch.received();
    batch.add(Buffer.from(text), to);
    batch.handled();
  }
  await Promise.resolve();
  batch.add(Buffer.from('c'), peer);
  assert.deepEqual(sent, []);
  await turn();
  assert.deepEqual(sent, ['a to 192.0.2.1', 'b to 192.0.2.2', 'c to 192.0.2.1']);
  batch.add(Buffer.from('d'), peer);
  assert.equal(sent.length, 4);
});

test('nothing waits longer than for the datagram that is handled when a millisecond is over', () => {
  const sent: string[] = [];
  let now = 0;
  const batch = batchInto(sent, () => now);
  batch.received();
  batch.add(Buffer.from('a'), peer);
  now = 0.9;
  batch.handled();
  assert.equal(sent.length, 0);
  batch.received();
  batch.add(Buffer.from('b'), peer);
  now = 40;
  batch.handled();
  assert.equal(sent.length, 2);
});

test('many that one datagram brings about do not wait, and flush leaves nothing behind', () => {
  const sent: string[] = [];
  const batch = batchInto(sent);
  batch.received();
  for (let i = 0; i < 1000; i++) batch.add(Buffer.from(String(i)), peer);
  assert.ok(sent.length > 900);
  batch.flush();
  assert.equal(sent.length, 1000);
  assert.deepEqual(
    sent,
    Array.from({ length: 1000 }, (_, i) => `${i} to 192.0.2.1`),
  );
});
