import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { EvictionOrder } from '../../../src/core/dtls/eviction-order.ts';
import { KeyedDigest } from '../../../src/core/foundation/keyed-digest.ts';
import { systemRandom } from '../../../src/node/system-random.ts';

suite('the order in which associations are given up', () => {
  test('always begins with the quietest slot of a host that has the most, after any events', () => {
    const event = fc.record({
      kind: fc.constantFrom('add', 'add', 'touch', 'touch', 'remove', 'evict'),
      slot: fc.nat(60),
      host: fc.nat(8),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const order = new EvictionOrder(new KeyedDigest(systemRandom));
        /** By slot, the quietest in front. */
        const model = new Map<number, number>();
        for (const { kind, slot, host } of events) {
          const known = model.get(slot);
          if (kind === 'add' && known === undefined) {
            order.add(slot, `${host}`);
            model.set(slot, host);
          } else if (kind === 'touch' && known !== undefined) {
            order.touch(slot);
            model.delete(slot);
            model.set(slot, known);
          } else if (kind === 'remove') {
            order.remove(slot);
            model.delete(slot);
          } else if (kind === 'evict') {
            const first = order.first();
            if (first !== undefined) order.remove(first);
            if (first !== undefined) model.delete(first);
          }
          const first = order.first();
          assert.equal(first === undefined, model.size === 0);
          if (first === undefined) continue;
          const chosen = model.get(first);
          const counts = new Map<number, number>();
          for (const one of model.values()) counts.set(one, (counts.get(one) ?? 0) + 1);
          assert.equal(counts.get(chosen as number), Math.max(...counts.values()));
          assert.equal([...model].find(([, one]) => one === chosen)?.[0], first);
        }
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  test('where each host has one, begins with the one that was quiet for the longest time', () => {
    const order = new EvictionOrder(new KeyedDigest(systemRandom));
    for (let slot = 0; slot < 1000; slot++) order.add(slot, `host ${slot}`);
    for (let slot = 0; slot < 1000; slot += 2) order.touch(slot);
    const given: (number | undefined)[] = [];
    for (let i = 0; i < 1000; i++) {
      given.push(order.first());
      order.remove(order.first() as number);
    }
    const odd = Array.from({ length: 500 }, (_, i) => 2 * i + 1);
    assert.deepEqual(given, [...odd, ...odd.map((slot) => slot - 1)]);
    assert.equal(order.first(), undefined);
  });

  test('is found without a look at all: 150,000 associations, each record and each choice in microseconds', () => {
    for (const host of [(slot: number) => `${slot}`, () => 'one']) {
      const order = new EvictionOrder(new KeyedDigest(systemRandom));
      for (let slot = 0; slot < 150_000; slot++) order.add(slot, host(slot));
      const start = performance.now();
      for (let i = 0; i < 100_000; i++) {
        order.touch((i * 7919) % 150_000);
        const first = order.first() as number;
        order.remove(first);
        order.add(first, host(first));
      }
      // A scan of all takes 17 ms: 100,000 of them half an hour.
      assert.ok(performance.now() - start < 5000);
    }
  });
});
