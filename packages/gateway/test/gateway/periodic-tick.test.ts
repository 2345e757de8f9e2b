import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTick, type TickTimer } from '../../src/resources/periodic-tick.ts';

/** Time that stands still until it is moved, with timers that can be late. */
class ManualTimer implements TickTimer {
  time = 0;
  #due: { at: number; action: () => void } | undefined;

  now(): number {
    return this.time;
  }

  after(delayMs: number, action: () => void): () => void {
    const due = { at: this.time + delayMs, action };
    this.#due = due;
    return () => {
      if (this.#due === due) this.#due = undefined;
    };
  }

  get nextAt(): number | undefined {
    return this.#due?.at;
  }

  /** Let the timer fire at this time, which may be later or a little earlier than it asked for. */
  fireAt(time: number): void {
    this.time = time;
    const due = this.#due;
    this.#due = undefined;
    due?.action();
  }
}

test('a tick that comes late does not move the ones after it', () => {
  const timer = new ManualTimer();
  const ticks: [tick: number, at: number][] = [];
  startTick(2000, (tick) => ticks.push([tick, timer.time]), timer);
  for (const late of [0, 30, 700, 1999, 0]) timer.fireAt((timer.nextAt as number) + late);
  assert.deepEqual(ticks, [
    [1, 2000],
    [2, 4030],
    [3, 6700],
    [4, 9999],
    [5, 10000],
  ]);
});

test('ticks missed by whole periods are left out, and the cadence stays', () => {
  const timer = new ManualTimer();
  const ticks: number[] = [];
  startTick(2000, (tick) => ticks.push(tick), timer);
  timer.fireAt(9000);
  assert.equal(timer.nextAt, 10_000);
  timer.fireAt(10_000);
  assert.deepEqual(ticks, [4, 5]);
});

test('a timer that fires too early waits for the rest', () => {
  const timer = new ManualTimer();
  const ticks: number[] = [];
  startTick(2000, (tick) => ticks.push(tick), timer);
  timer.fireAt(1999.5);
  assert.deepEqual([ticks, timer.nextAt], [[], 2000]);
});

test('a stopped tick does not come', () => {
  const timer = new ManualTimer();
  const ticks: number[] = [];
  const stop = startTick(2000, (tick) => ticks.push(tick), timer);
  timer.fireAt(2000);
  stop();
  assert.equal(timer.nextAt, undefined);
  assert.deepEqual(ticks, [1]);
});
