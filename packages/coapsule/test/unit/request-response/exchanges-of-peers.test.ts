import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ExchangesOfPeers } from '../../../src/core/request-response/exchanges-of-peers.ts';

interface One {
  readonly peer: string;
  readonly id: number;
}

test('the Exchanges of a peer are those that were added and not deleted, the oldest first', () => {
  const step = fc.record({ add: fc.boolean(), peer: fc.constantFrom('a', 'b'), id: fc.nat(5) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const all = ['a', 'b'].flatMap((peer) => Array.from({ length: 6 }, (_, id): One => ({ peer, id })));
      const table = new ExchangesOfPeers<One>();
      const expected = new Map<string, Set<One>>([
        ['a', new Set()],
        ['b', new Set()],
      ]);
      for (const { add, peer, id } of steps) {
        const one = all.find((each) => each.peer === peer && each.id === id) as One;
        if (add) table.add(one);
        else table.delete(one);
        if (add) expected.get(peer)?.add(one);
        else expected.get(peer)?.delete(one);
        for (const [key, set] of expected) {
          assert.deepEqual(table.of(key), [...set]);
          assert.equal(table.count(key), set.size);
        }
      }
    }),
  );
});
