/** The diagnosis of a line that never ends: what it remembers has bounds, and what it counts goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FoundFaults } from '../../src/diagnosis/found-faults.ts';
import { NumberRanges } from '../../src/diagnosis/number-ranges.ts';

test('ranges of numbers hold what a set holds', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60 })), (numbers) => {
      const ranges = new NumberRanges();
      const set = new Set<number>();
      for (const number of numbers) {
        assert.equal(ranges.has(number), set.has(number));
        ranges.add(number);
        set.add(number);
      }
      for (let number = -1; number <= 61; number++) assert.equal(ranges.has(number), set.has(number));
    }),
  );
});

test('beyond 1,024 gaps the lowest numbers are forgotten, the newest never', () => {
  const ranges = new NumberRanges();
  for (let number = 0; number < 5000; number++) ranges.add(2 * number);
  assert.equal(ranges.has(0), false);
  for (let number = 5000 - 1024; number < 5000; number++) assert.equal(ranges.has(2 * number), true);
});

test('a fault that goes on names its first ten frames and counts all', () => {
  const faults = new FoundFaults();
  for (let frame = 1; frame <= 100_000; frame++) faults.note('token-unknown', 'a → b', [frame], 'seen');
  const [finding] = faults.findings();
  assert.deepEqual(finding?.frames, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(finding?.count, 100_000);
});
