/**
 * The queue of outputs: order, and room that is given back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OutputQueue } from '../../../src/core/foundation/output-queue.ts';

test('outputs come out in the order in which they went in, whatever is taken meanwhile', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -60, max: 60 }), { maxLength: 60 }), (steps) => {
      const queue = new OutputQueue<number>();
      const expected: number[] = [];
      let next = 0;
      for (const step of steps) {
        for (let i = 0; i < step; i++) {
          queue.push(next);
          expected.push(next++);
        }
        for (let i = 0; i > step; i--) assert.equal(queue.shift(), expected.shift());
        assert.equal(queue.length, expected.length);
      }
      while (expected.length > 0) assert.equal(queue.shift(), expected.shift());
      assert.equal(queue.shift(), undefined);
    }),
  );
});

test('a queue that was long works on when it was emptied', () => {
  const queue = new OutputQueue<number>();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 5000; i++) queue.push(i);
    for (let i = 0; i < 5000; i++) assert.equal(queue.shift(), i);
    assert.equal(queue.length, 0);
    queue.push(round);
    assert.equal(queue.shift(), round);
  }
});
