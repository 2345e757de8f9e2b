/** Rates, alerts, the delay of the event loop and the door to the store, on virtual time (requirements I10, J16, L11). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AlertPattern, isAlert, parseAlert } from '../../src/overload/alerts.ts';
import { LoadWatch } from '../../src/overload/load-watch.ts';
import { PriorityGate, type Urgency } from '../../src/overload/priority-gate.ts';
import { burstOf, RequestRates } from '../../src/overload/request-rate.ts';
import { VirtualTimer } from '../virtual-timer.ts';

test('an identity has its burst, then its rate, and is told how many seconds to wait', () => {
  const rates = new RequestRates();
  const rate = { perSecond: 0.5, burst: 3 };
  for (let i = 0; i < 3; i++) assert.equal(rates.take('a', rate, 0), undefined);
  assert.equal(rates.take('a', rate, 0), 2);
  assert.equal(rates.take('a', rate, 1500), 1, 'a quarter of a token is missing: half a second');
  assert.equal(rates.take('a', rate, 2000), undefined);
  assert.equal(rates.take('a', rate, 2000), 2);
  assert.equal(rates.take('b', rate, 2000), undefined, 'another one has a bucket of his own');
});

test('over a long time exactly the rate gets through, whoever asks as fast as he can', () => {
  const rates = new RequestRates();
  const rate = { perSecond: 20, burst: 100 };
  let passed = 0;
  for (let ms = 0; ms < 60_000; ms++) if (rates.take('a', rate, ms) === undefined) passed++;
  assert.ok(Math.abs(passed - (100 + 60 * 20)) <= 1, String(passed));
});

test('there are never more buckets than the bound, and the one used longest ago goes first', () => {
  const rates = new RequestRates(2);
  const rate = { perSecond: 0.001, burst: 1 };
  assert.equal(rates.take('a', rate, 0), undefined);
  assert.equal(rates.take('b', rate, 0), undefined);
  assert.notEqual(rates.take('a', rate, 0), undefined);
  assert.equal(rates.take('c', rate, 0), undefined);
  assert.notEqual(rates.take('a', rate, 0), undefined, 'a was used since b');
  assert.equal(rates.take('b', rate, 0), undefined, 'b went, and begins anew');
});

test('a clock that stands still or a rate that changes never gives more than the burst', () => {
  const rates = new RequestRates();
  assert.equal(rates.take('a', { perSecond: 1000, burst: 1000 }, 0), undefined);
  assert.equal(rates.take('a', { perSecond: 1, burst: 1 }, 0), undefined);
  assert.equal(rates.take('a', { perSecond: 1, burst: 1 }, 0), 1);
  assert.equal(burstOf(0.1), 10);
  assert.equal(burstOf(20), 100);
});

test('alerts are known by path or by identity, and nothing else is one', () => {
  const patterns = ['/sensors/*/alarm', '/alerts/*', 'icu-*', 'fire-panel'].map(parseAlert) as AlertPattern[];
  const ask = (identity: string | undefined, path: string): boolean =>
    isAlert(patterns, { identity, segments: path.split('/').slice(1) });
  assert.ok(ask(undefined, '/sensors/7/alarm'));
  assert.ok(ask(undefined, '/alerts/smoke/2'));
  assert.ok(ask('icu-4', '/sensors/icu-4/heart-rate'));
  assert.ok(ask('fire-panel', '/anything'));
  assert.ok(!ask('fire-panel-2', '/anything'));
  assert.ok(!ask('ward-1', '/sensors/7/temperature'));
  assert.ok(!ask('ward-1', '/sensors/7/8/alarm'));
  assert.ok(!ask('ward-1', '/alerts'));
  for (const text of ['', '*', '/*', '/a%zz']) assert.equal(typeof parseAlert(text), 'string', text);
});

test('one late tick is a pause; a loop that stays late is load, and one that is in time again is not', () => {
  const timer = new VirtualTimer();
  const watch = new LoadWatch(timer);
  timer.advance(10_000);
  assert.equal(watch.delayMs, 0);
  timer.block(3000);
  assert.equal(watch.latestMs, 2750);
  assert.equal(watch.delayMs, 0, 'once is not load');
  timer.block(1500);
  assert.equal(watch.delayMs, 1250);
  timer.advance(250);
  assert.equal(watch.delayMs, 0);
  assert.equal(watch.takeLongestMs(), 2750);
  assert.equal(watch.takeLongestMs(), 0);
  watch.stop();
});

/** A door for two at a time, and work that ends when it is told to. */
class Door {
  readonly gate = new PriorityGate({ atWork: 2, waiting: 4, waitingBytes: 1000 });
  readonly begun: string[] = [];
  readonly refused: string[] = [];
  readonly #ends = new Map<string, () => void>();

  ask(name: string, urgency: Urgency, bytes = 10): void {
    const work = (): Promise<true> => {
      this.begun.push(name);
      return new Promise((resolve) => this.#ends.set(name, () => resolve(true)));
    };
    void this.gate.pass(urgency, bytes, work).then((done) => {
      if (done === undefined) this.refused.push(name);
    });
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    await settled();
  }
}

/** All that follows from what is done already has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('an alarm overtakes queued telemetry, and what is Confirmable goes before what is not', async () => {
  const door = new Door();
  door.ask('one', 'confirmable');
  door.ask('two', 'other');
  door.ask('non', 'other');
  door.ask('con', 'confirmable');
  door.ask('alarm-non', 'alert');
  door.ask('alarm', 'alert-confirmable');
  assert.deepEqual(door.begun, ['one', 'two']);
  for (const name of ['one', 'two', 'alarm', 'alarm-non', 'con', 'non']) await door.end(name);
  assert.deepEqual(door.begun, ['one', 'two', 'alarm', 'alarm-non', 'con', 'non']);
  assert.deepEqual([door.gate.atWork, door.gate.waiting], [0, 0]);
});

test('where there is no room to wait, what is least urgent and came last gives way, an alarm last of all', async () => {
  const door = new Door();
  for (const name of ['one', 'two']) door.ask(name, 'confirmable');
  for (const name of ['a', 'b', 'c', 'd']) door.ask(name, 'other');
  door.ask('con', 'confirmable');
  await settled();
  assert.deepEqual(door.refused, ['d']);
  for (const name of ['alarm-1', 'alarm-2', 'alarm-3']) door.ask(name, 'alert-confirmable');
  await settled();
  assert.deepEqual(door.refused, ['d', 'c', 'b', 'a']);
  door.ask('alarm-4', 'alert-confirmable');
  door.ask('alarm-5', 'alert-confirmable');
  await settled();
  assert.deepEqual(door.refused, ['d', 'c', 'b', 'a', 'con', 'alarm-5']);
  assert.equal(door.gate.fullness, 1);
});

test('the room to wait is bounded in bytes too', async () => {
  const door = new Door();
  for (const name of ['one', 'two']) door.ask(name, 'confirmable');
  door.ask('large', 'other', 900);
  door.ask('con', 'confirmable', 200);
  await settled();
  assert.deepEqual(door.refused, ['large']);
  assert.equal(door.gate.fullness, 0.25);
});

test('work that fails gives its place on', async () => {
  const gate = new PriorityGate({ atWork: 1, waiting: 1, waitingBytes: 1000 });
  const failing = gate.pass('other', 1, () => Promise.reject(new Error('disk full')));
  const next = gate.pass('other', 1, () => Promise.resolve('done'));
  await assert.rejects(failing, /disk full/);
  assert.equal(await next, 'done');
  assert.equal(gate.atWork, 0);
});
