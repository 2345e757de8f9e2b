/** Birth and death of devices at the message broker, on virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DevicePresence } from '../../src/bridge/device-presence.ts';

const start = 1_700_000_000_000;

/** Timers that fire when the test says that it is time. */
class ManualTimer {
  #nowMs = 0;
  readonly #due = new Map<object, { readonly atMs: number; readonly action: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, action: () => void): () => void {
    const key = {};
    this.#due.set(key, { atMs: this.#nowMs + delayMs, action });
    return () => this.#due.delete(key);
  }

  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#due].sort(([, one], [, other]) => one.atMs - other.atMs)[0];
      if (next === undefined || next[1].atMs > end) break;
      this.#due.delete(next[0]);
      this.#nowMs = next[1].atMs;
      next[1].action();
      await new Promise(setImmediate);
    }
    this.#nowMs = end;
    await new Promise(setImmediate);
  }
}

function startPresence(refuse: () => boolean = () => false) {
  const timer = new ManualTimer();
  const told: string[] = [];
  const errors: unknown[] = [];
  const presence = new DevicePresence({
    base: 'site',
    silentMs: 60_000,
    publish: async (topic, payload) => {
      if (refuse()) throw new Error('the broker does not take it');
      const { status } = JSON.parse(new TextDecoder().decode(payload)) as { status: string };
      told.push(`${topic} ${status}`);
    },
    clock: () => start + timer.now(),
    timer,
    onError: (error) => errors.push(error),
  });
  return { timer, told, errors, presence };
}

test('a device is online with its first reading, once, and offline when nothing came for as long as it may be silent', async () => {
  const { timer, told, presence } = startPresence();
  presence.open();
  presence.seen('a/b', start);
  presence.seen('a/b', start);
  await timer.advance(50_000);
  presence.seen('a/b', start + 50_000);
  await timer.advance(59_000);
  assert.deepEqual(told, ['site/device/a%2Fb online']);
  await timer.advance(7_000);
  assert.deepEqual(told, ['site/device/a%2Fb online', 'site/device/a%2Fb offline']);
  presence.seen('a/b', start + timer.now());
  await timer.advance(0);
  assert.equal(told.at(-1), 'site/device/a%2Fb online');
  presence.stop();
});

test('readings that waited for the broker longer than a device may be silent are no birth', async () => {
  const { timer, told, presence } = startPresence();
  await timer.advance(600_000);
  presence.open();
  presence.seen('old', start);
  presence.seen('young', start + 570_000);
  await timer.advance(0);
  assert.deepEqual(told, ['site/device/young online']);
  await timer.advance(36_000);
  assert.deepEqual(told, ['site/device/young online', 'site/device/young offline']);
});

test('what an earlier process has told is learned from the broker, and taken back when the device stays silent', async () => {
  const { timer, told, presence } = startPresence();
  const retained = (status: string): Uint8Array => new TextEncoder().encode(JSON.stringify({ status }));
  presence.open();
  presence.learned('site/device/gone', retained('online'));
  presence.learned('site/device/back%21', retained('online'));
  presence.learned('site/device/dead', retained('offline'));
  presence.learned('site/device/%', retained('online'));
  presence.learned('site/device/other', new TextEncoder().encode('garbage'));
  await timer.advance(30_000);
  presence.seen('back!', start + 30_000);
  await timer.advance(36_000);
  assert.deepEqual(told, ['site/device/gone offline']);
});

test('what the broker does not take is told again, and all of it when the broker was away', async () => {
  let isRefused = true;
  const { timer, told, errors, presence } = startPresence(() => isRefused);
  presence.open();
  presence.seen('a', start);
  await timer.advance(0);
  assert.equal(errors.length, 1);
  isRefused = false;
  await timer.advance(6000);
  assert.deepEqual(told, ['site/device/a online']);
  presence.pause();
  presence.seen('b', start + 6000);
  await timer.advance(12_000);
  assert.equal(told.length, 1);
  presence.open();
  await timer.advance(0);
  assert.deepEqual(told.slice(1), ['site/device/a online', 'site/device/b online']);
});
