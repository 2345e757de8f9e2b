/**
 * Deadlines and outputs in order, and time as a value.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { after, earliest, elapsedMs, instant } from '../../../src/core/foundation/instant.ts';
import { OutputQueue } from '../../../src/core/foundation/output-queue.ts';
import { TimerQueue } from '../../../src/core/foundation/timer-queue.ts';

describe('TimerQueue', () => {
  it('expires what is due, soonest first, and nothing that is later than now', () => {
    const timers = new TimerQueue<string>();
    timers.set('c', instant(30));
    timers.set('a', instant(10));
    timers.set('b', instant(20));
    assert.equal(timers.next(), 10);
    assert.equal(timers.expire(instant(9.9)), undefined);
    assert.equal(timers.expire(instant(20)), 'a');
    assert.equal(timers.expire(instant(20)), 'b');
    assert.equal(timers.expire(instant(20)), undefined);
    assert.equal(timers.size, 1);
  });

  it('equal deadlines expire in the order they were set', () => {
    const timers = new TimerQueue<number>();
    for (let key = 0; key < 20; key++) timers.set(key, instant(5));
    timers.set(0, instant(5));
    const expired = Array.from({ length: 20 }, () => timers.expire(instant(5)));
    assert.deepEqual(expired, [...Array.from({ length: 19 }, (_, index) => index + 1), 0]);
  });

  it('setting a key again moves its timer, cancelling forgets it', () => {
    const timers = new TimerQueue<string>();
    timers.set('a', instant(10));
    timers.set('a', instant(40));
    timers.set('b', instant(20));
    assert.equal(timers.deadline('a'), 40);
    assert.equal(timers.size, 2);
    timers.cancel('b');
    timers.cancel('b');
    assert.equal(timers.deadline('b'), undefined);
    assert.equal(timers.next(), 40);
  });

  it('does what a sorted list does, for any sequence of operations', () => {
    const operation = fc.record({
      kind: fc.constantFrom('set', 'set', 'cancel', 'expire'),
      key: fc.integer({ min: 0, max: 12 }),
      time: fc.integer({ min: 0, max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
        const timers = new TimerQueue<number>();
        let list: { key: number; time: number }[] = [];
        for (const { kind, key, time } of operations) {
          if (kind === 'expire') {
            const due = list.toSorted((a, b) => a.time - b.time)[0];
            const expected = due !== undefined && due.time <= time ? due.key : undefined;
            assert.equal(timers.expire(instant(time)), expected);
            list = list.filter((timer) => timer.key !== expected);
          } else {
            list = list.filter((timer) => timer.key !== key);
            if (kind === 'set') {
              timers.set(key, instant(time));
              list.push({ key, time });
            } else {
              timers.cancel(key);
            }
          }
          assert.equal(timers.size, list.length);
          assert.equal(
            timers.next(),
            list.length === 0 ? undefined : Math.min(...list.map((timer) => timer.time)),
          );
        }
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});

describe('OutputQueue', () => {
  it('does what a list does, for any sequence of pushes and shifts', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 400 })), { maxLength: 20 });
    fc.assert(
      fc.property(steps, (sequence) => {
        const queue = new OutputQueue<number>();
        const list: number[] = [];
        let next = 0;
        for (const [push, times] of sequence) {
          for (let i = 0; i < times; i++) {
            if (push) {
              queue.push(next);
              list.push(next++);
            } else {
              assert.equal(queue.shift(), list.shift());
            }
            assert.equal(queue.length, list.length);
          }
        }
      }),
      { seed: 5 },
    );
  });
});

describe('Instant', () => {
  it('is moved by milliseconds and compared', () => {
    assert.equal(after(instant(5), 2.5), 7.5);
    assert.equal(elapsedMs(instant(5), instant(7)), 2);
    assert.equal(elapsedMs(instant(7), instant(5)), -2);
  });

  it('the earlier of two, where undefined is never', () => {
    assert.equal(earliest(instant(1), instant(2)), 1);
    assert.equal(earliest(instant(2), instant(1)), 1);
    assert.equal(earliest(undefined, instant(2)), 2);
    assert.equal(earliest(instant(2), undefined), 2);
    assert.equal(earliest(undefined, undefined), undefined);
  });
});
