import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecencyMap } from '../../../src/core/foundation/recency-map.ts';

test('what was used longest ago goes first, and what is asked for without use keeps its place', () => {
  const map = new RecencyMap<number>();
  for (const [index, key] of ['a', 'b', 'c', 'd'].entries()) map.set(key, index);
  map.use('a');
  map.get('b');
  map.set('c', 20);
  map.keepLatest(4);
  assert.equal(map.size, 4);
  map.keepLatest(2);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => map.get(key)),
    [0, undefined, 20, undefined],
  );
  assert.equal(map.oldest(), 'a');
  map.keepLatest(0);
  assert.deepEqual([map.size, map.oldest()], [0, undefined]);
});
