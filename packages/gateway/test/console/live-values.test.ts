/** Live values: coalesced, bounded, and at a cost that does not grow with how often devices write. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { content, Server } from 'coapsule';
import type { LiveEvents, LiveValue } from '../../src/console/api-types.ts';
import { LiveValues } from '../../src/console/live-values.ts';
import type { Reading } from '../../src/store/reading-table.ts';
import { VirtualTimer } from '../virtual-timer.ts';
import { eventsOf, startTestConsole } from './console-fixture.ts';

/** Devices that write, and what it costs to show it. */
function devices() {
  const timer = new VirtualTimer();
  const readings = new Map<string, Reading>();
  const cost = { reads: 0, paths: 0, watchers: 0 };
  let changed: (path: string) => void = () => {};
  const live = new LiveValues({
    watch(told) {
      changed = told;
      cost.watchers++;
      return () => void cost.watchers--;
    },
    latest: async (paths) => {
      cost.reads++;
      cost.paths += paths.length;
      return paths.map((path) => readings.get(path));
    },
    paths: async (limit) => [...readings.keys()].slice(0, limit),
    states: { begin() {}, end() {}, states: async () => [] },
    clock: () => timer.now(),
    timer,
    onError: (error) => assert.fail(String(error)),
  });
  const write = (path: string, value: string): void => {
    readings.set(path, {
      ...{ path, value: new TextEncoder().encode(value), contentFormat: 0, identity: 'd' },
      ...{ peerAddress: '', receivedAtMs: timer.now() },
    });
    changed(path);
  };
  /** Lets time pass, and what waits be read. */
  const pass = async (ms: number): Promise<void> => {
    timer.advance(ms);
    await new Promise(setImmediate);
  };
  return { live, write, pass, cost };
}

test('200 devices with 10 updates a second cost one open console four reads a second, whatever they write, and no update is uncounted', async () => {
  const { live, write, pass, cost } = devices();
  for (let device = 0; device < 200; device++) write(`/sensors/${device}/t`, '0');
  const reader = live.open(undefined);
  await pass(0);
  const first = reader.take() ?? assert.fail('there is no snapshot');
  assert.deepEqual([first.event, (first.data as LiveEvents['snapshot']).values.length], ['snapshot', 200]);
  cost.reads = 0;
  cost.paths = 0;
  let updates = 0;
  let sent = 0;
  let last: LiveValue | undefined;
  for (let tick = 0; tick < 100; tick++) {
    for (let device = 0; device < 200; device++) write(`/sensors/${device}/t`, String(tick));
    await pass(100);
    for (let event = reader.take(); event !== undefined; event = reader.take()) {
      for (const value of (event.data as LiveEvents['values']).values) {
        updates += value.updates;
        sent++;
        last = value;
      }
    }
  }
  await pass(1000);
  for (const value of (reader.take()?.data as LiveEvents['values'] | undefined)?.values ?? []) {
    updates += value.updates;
    sent++;
    last = value;
  }
  assert.equal(updates, 20_000);
  assert.ok(cost.reads <= 42, `${cost.reads} reads`);
  assert.ok(cost.paths <= 42 * 200 && sent <= 42 * 200, `${cost.paths} paths, ${sent} values`);
  assert.equal(last?.value, 99);
  reader.close();
  assert.equal(cost.watchers, 0, 'nothing is watched while nobody looks');
});

test('a reader who does not read keeps the newest of 5,000 values at most, and holds nobody up', async () => {
  const { live, write, pass } = devices();
  const slow = live.open(undefined);
  const quick = live.open('/sensors/1');
  await pass(0);
  slow.take();
  quick.take();
  for (let round = 0; round < 3; round++) {
    for (let path = 0; path < 8000; path++) write(`/sensors/${path}`, String(round));
    await pass(250);
  }
  const { values } = (slow.take() ?? assert.fail('nothing waits')).data as LiveEvents['values'];
  assert.equal(values.length, 5000);
  assert.deepEqual([values[0]?.value, values[0]?.updates], [2, 3]);
  assert.equal(slow.take(), undefined, 'and it is taken once');
  const own = ((quick.take() ?? assert.fail('nothing waits')).data as LiveEvents['values']).values;
  assert.deepEqual(
    own.map(({ path, value, updates }) => [path, value, updates]),
    [['/sensors/1', 2, 3]],
  );
});

test('what devices write is seen in the console, of SenML each value with its unit, and of what is no text its length', async (t) => {
  const { admin, client, coaps } = await startTestConsole(t, {
    psks: [{ identity: 'a', key: new TextEncoder().encode('key of sensor a.') }],
  });
  const device = client('a', 'key of sensor a.');
  await device.put(`${coaps}/sensors/a`, { payload: '1', contentFormat: 'text/plain' });
  const user = await admin();
  const events = eventsOf(await user.ask('GET', '/api/live?path=/sensors'));
  const next = async () => (await events.next()).value ?? assert.fail('the stream is over');
  const snapshot = (await next()).data as LiveEvents['snapshot'];
  assert.deepEqual(
    snapshot.values.map(({ path, value, identity }) => [path, value, identity]),
    [['/sensors/a', 1, 'a']],
  );
  const seen = new Map<string, LiveValue>();
  const wait = async (count: number): Promise<void> => {
    while (seen.size < count)
      for (const value of ((await next()).data as LiveEvents['values']).values)
        seen.set(`${value.path} ${value.name}`, value);
  };
  await device.put(`${coaps}/sensors/a/senml`, {
    payload: '[{"bn":"x/","n":"t","u":"Cel","v":22.5},{"n":"h","u":"%RH","v":40}]',
    contentFormat: 'application/senml+json',
  });
  await wait(2);
  assert.deepEqual(
    [...seen.values()].map(({ name, value, unit }) => [name, value, unit]),
    [
      ['x/t', 22.5, 'Cel'],
      ['x/h', 40, '%RH'],
    ],
  );
  await device.put(`${coaps}/sensors/a/raw`, {
    payload: Uint8Array.of(0, 255, 254),
    contentFormat: 'application/octet-stream',
  });
  await wait(3);
  assert.equal(seen.get('/sensors/a/raw ')?.value, '3 bytes');
  await events.return(undefined);
});

test('without the demo, what somebody observes at another server is a live value, and is not observed there for the console alone', async (t) => {
  const lamp = { state: '20.5' };
  const upstream = new Server().resource('/lamp', {
    get: () => content(lamp.state),
    observable: true,
  });
  const { uri } = await upstream.listen('coap://127.0.0.1:0');
  t.after(() => upstream.close());
  const { admin, client, coaps } = await startTestConsole(t, {
    upstreams: [{ path: '/cloud', uri, client: {} }],
  });
  const user = await admin();
  const key = 'key of the panel';
  await user.json('POST', '/api/devices', {
    id: 'panel',
    credential: { kind: 'psk', keyHex: Buffer.from(key).toString('hex') },
    rules: ['GET:/cloud/*'],
  });
  const stream = await user.ask('GET', '/api/live');
  const events = eventsOf(stream);
  const next = async () => (await events.next()).value ?? assert.fail('the stream is over');
  assert.deepEqual(((await next()).data as LiveEvents['snapshot']).values, []);
  assert.equal(upstream.observers().length, 0);
  const panel = client('panel', key).observe(`${coaps}/cloud/lamp`)[Symbol.asyncIterator]();
  await panel.next();
  const seen: unknown[] = [];
  const following = async (value: number): Promise<void> => {
    for (;;) {
      const { values } = (await next()).data as LiveEvents['values'];
      seen.push(...values.map(({ path }) => path));
      if (values.some((one) => one.value === value)) return;
    }
  };
  await following(20.5);
  lamp.state = '21.5';
  upstream.notify('/lamp');
  await following(21.5);
  assert.deepEqual([...new Set(seen)], ['/cloud/lamp']);
  assert.equal(upstream.observers().length, 1, 'the console is told what the panel is told');
  await panel.return?.();
  // The console still looks.
  while (upstream.observers().length > 0) await sleep(20);
  await events.return(undefined);
});
