/**
 * The anti-replay window (RFC 6347 §4.1.2.6), against a slow twin that remembers every number.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { AntiReplayWindow, replayWindowWidth } from '../../../../src/core/dtls/record/anti-replay-window.ts';
import { maxSequenceNumber } from '../../../../src/core/dtls/record/record-header.ts';

/** The rule as it is written: new is what is not seen and not left of the window. */
class SlowWindow {
  readonly seen: Set<number> = new Set();
  highest = -1;

  check(sequenceNumber: number): boolean {
    return sequenceNumber > this.highest - replayWindowWidth && !this.seen.has(sequenceNumber);
  }

  markReceived(sequenceNumber: number): void {
    this.seen.add(sequenceNumber);
    this.highest = Math.max(this.highest, sequenceNumber);
  }
}

suite('AntiReplayWindow', () => {
  test('agrees with the slow twin for any order of numbers, at any height', () => {
    const near = fc.integer({ min: -80, max: 80 });
    const far = fc.integer({ min: -5_000_000_000, max: 5_000_000_000 });
    const edge = fc.constantFrom(-65, -64, -63, -33, -32, -31, -1, 0, 1, 31, 32, 33, 63, 64, 65);
    fc.assert(
      fc.property(
        fc.constantFrom(0, 40, 2 ** 31 - 10, 2 ** 32 - 40, 2 ** 33, 2 ** 47, maxSequenceNumber - 60),
        fc.array(
          fc.tuple(
            fc.oneof({ weight: 6, arbitrary: near }, { weight: 4, arbitrary: edge }, far),
            fc.boolean(),
          ),
          { maxLength: 200 },
        ),
        (start, steps) => {
          const window = new AntiReplayWindow();
          const twin = new SlowWindow();
          let current = start;
          for (const [step, authentic] of steps) {
            current = Math.min(maxSequenceNumber, Math.max(0, current + step));
            const expected = twin.check(current);
            assert.equal(window.check(current), expected);
            if (!authentic) continue;
            window.markReceived(current);
            twin.markReceived(current);
            assert.equal(window.check(current), false);
            assert.equal(window.highest, twin.highest);
          }
        },
      ),
      { seed: 20_260_101, numRuns: 300 },
    );
  });

  test('checking changes nothing: a forged record with the largest number does not move the window', () => {
    const window = new AntiReplayWindow();
    window.markReceived(5);
    for (const forged of [maxSequenceNumber, 6, 1000, 2 ** 32]) assert.equal(window.check(forged), true);
    assert.equal(window.highest, 5);
    assert.equal(window.check(4), true);
    assert.equal(window.check(5), false);
  });

  test('a fresh window takes number 0, once', () => {
    const window = new AntiReplayWindow();
    assert.equal(window.highest, -1);
    assert.equal(window.check(0), true);
    window.markReceived(0);
    assert.equal(window.check(0), false);
    assert.equal(window.check(1), true);
  });

  test('the 64th number from the right edge is the last that is taken', () => {
    const window = new AntiReplayWindow();
    window.markReceived(1000);
    assert.equal(window.check(1000 - 63), true);
    assert.equal(window.check(1000 - 64), false);
    window.markReceived(1000 - 63);
    assert.equal(window.check(1000 - 63), false);
    window.markReceived(1001);
    assert.equal(window.check(1000 - 63), false);
    assert.equal(window.check(1000 - 62), true);
  });

  test('numbers above 2^32 keep their distance to those 2^32 below', () => {
    const window = new AntiReplayWindow();
    const base = 3 * 2 ** 32;
    window.markReceived(base);
    assert.equal(window.check(base + 2 ** 32), true);
    assert.equal(window.check(base - 2 ** 32), false);
    assert.equal(window.check(base - 1), true);
    window.markReceived(base + 2 ** 32);
    assert.equal(window.check(base), false);
    assert.equal(window.check(base + 2 ** 32 - 1), true);
  });
});
