import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CapturedDatagram } from 'coapsule';
import fc from 'fast-check';
import { type TrafficItem, TrafficRing } from '../../src/traffic/traffic-ring.ts';

const local = { key: '192.0.2.1:5683', host: '192.0.2.1', port: 5683 };
const remote = { key: '192.0.2.2:40001', host: '192.0.2.2', port: 40_001 };

function datagram(first: number, length = 100, wallTimeMs = 0): CapturedDatagram {
  const bytes = new Uint8Array(length);
  bytes[0] = first;
  return { direction: 'received', local, remote, datagram: bytes, wallTimeMs };
}

const numbers = (items: readonly TrafficItem[]): readonly number[] => items.map(({ number }) => number);

describe('the ring of traffic', () => {
  test('keeps the newest within its bytes, and counts what it forgets', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1500 }), { maxLength: 300 }), (lengths) => {
        const ring = new TrafficRing({ maxBytes: 64 * 1024 });
        for (const length of lengths) ring.add(datagram(0x40, length));
        const { items, bytes, passed, forgotten } = ring.counts;
        assert.ok(bytes <= 48 * 1024);
        assert.deepEqual([passed, items + forgotten], [lengths.length, lengths.length]);
        const kept = numbers(ring.items());
        assert.deepEqual(
          kept,
          Array.from({ length: items }, (_, index) => lengths.length - items + index + 1),
        );
      }),
      { numRuns: 100, seed: 3 },
    );
  });

  test('a hundred thousand datagrams pass through it, and it holds what it held before', () => {
    const ring = new TrafficRing({ maxBytes: 64 * 1024 });
    for (let count = 0; count < 100_000; count++) ring.add(datagram(0x40));
    assert.equal(ring.counts.items, Math.floor((48 * 1024) / 300));
    assert.equal(ring.items().at(-1)?.number, 100_000);
  });

  test('handshakes outlast the traffic behind them, within a share of their own', () => {
    const ring = new TrafficRing({ maxBytes: 64 * 1024 });
    ring.add(datagram(22, 100, 1000));
    for (let count = 0; count < 1000; count++) ring.add(datagram(23, 100, 5000 + count));
    assert.equal(ring.items()[0]?.number, 1);
    assert.deepEqual(numbers(ring.items({ sinceMs: 5998 })), [1, 1000, 1001]);
    for (let count = 0; count < 1000; count++) ring.add(datagram(22));
    assert.equal(ring.items()[0]?.number, 1001 - Math.floor((48 * 1024) / 300) + 1);
  });

  test('gives those behind a number, and the newest of many', () => {
    const ring = new TrafficRing({ maxBytes: 64 * 1024 });
    for (let count = 0; count < 10; count++) ring.add(datagram(0x40));
    assert.deepEqual(numbers(ring.items({ after: 8 })), [9, 10]);
    assert.deepEqual(numbers(ring.items({ after: 3, most: 2 })), [9, 10]);
  });

  test('who watches is told of each until he leaves; one that throws is told nothing more, and disturbs nobody', () => {
    const ring = new TrafficRing({ maxBytes: 64 * 1024 });
    const seen: number[] = [];
    let calls = 0;
    ring.watch(() => {
      calls++;
      throw new Error('it fails');
    });
    const leave = ring.watch(({ number }) => seen.push(number));
    ring.add(datagram(0x40));
    ring.add(datagram(0x40));
    leave();
    ring.add(datagram(0x40));
    assert.deepEqual([seen, calls], [[1, 2], 1]);
  });

  test('secrets are kept only where that was said, and not without end', () => {
    const closed = new TrafficRing({ maxBytes: 64 * 1024 });
    closed.addSecret('CLIENT_RANDOM 00 11');
    assert.deepEqual([closed.keepsSecrets, closed.secrets], [false, []]);
    const open = new TrafficRing({ maxBytes: 64 * 1024, keepSecrets: true });
    for (let count = 0; count < 25_000; count++) open.addSecret(String(count));
    assert.ok(open.secrets.length <= 10_000);
    assert.equal(open.secrets.at(-1), '24999');
  });
});

test('who reads secrets as they come misses none of those that are kept, also when the oldest have gone', () => {
  const ring = new TrafficRing({ maxBytes: 64 * 1024, keepSecrets: true });
  const seen: string[] = [];
  let passed = 0;
  const read = (): void => {
    const since = ring.secretsSince(passed);
    seen.push(...since.lines);
    ({ passed } = since);
  };
  for (let count = 0; count < 25_000; count++) {
    ring.addSecret(String(count));
    if (count % 700 === 0) read();
  }
  read();
  assert.deepEqual(
    seen,
    Array.from({ length: 25_000 }, (_, count) => String(count)),
  );
  for (let count = 0; count < 25_000; count++) ring.addSecret('later');
  assert.equal(ring.secretsSince(passed).lines.length, ring.secrets.length);
  assert.deepEqual(new TrafficRing({ maxBytes: 64 * 1024 }).secretsSince(0).lines, []);
});
