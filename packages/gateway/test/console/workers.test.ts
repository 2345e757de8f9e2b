/** Sessions in the console of a gateway whose threads each have associations: the views are of all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AssociationsPage, HandshakesView, ObservationsView } from '../../src/console/api-types.ts';
import { startTestConsole } from './console-fixture.ts';

test('handshakes, and what is observed, are those of all threads', async (t) => {
  const { admin, client, coaps } = await startTestConsole(t, { demo: true, workers: 2 });
  const user = await admin();
  // Which thread a device comes to is its address's: so many come until both have one.
  const workers = new Set<number>();
  let devices = 0;
  const observing: AsyncIterator<unknown>[] = [];
  while (workers.size < 2) {
    assert.ok(devices < 64, 'one thread has got no device of 64');
    const states = client('sensor-042', 'MySecret16ByteK!').observe(`${coaps}/light`)[Symbol.asyncIterator]();
    await states.next();
    observing.push(states);
    devices++;
    const { associations } = await user.json<AssociationsPage>('GET', '/api/associations');
    for (const { worker } of associations) workers.add(worker);
  }
  const { resources, total } = await user.json<ObservationsView>('GET', '/api/observations');
  assert.equal(total, devices);
  assert.deepEqual(
    resources.map(({ resource, observers }) => ({ resource, observers })),
    [{ resource: '/light', observers: devices }],
  );
  const wrong = await Promise.allSettled(
    Array.from({ length: 12 }, () =>
      client('sensor-042', 'not the right key').get(`${coaps}/light`, { timeoutMs: 5000 }),
    ),
  );
  assert.ok(wrong.every(({ status }) => status === 'rejected'));
  const { handshakes } = await user.json<HandshakesView>('GET', '/api/traffic/handshakes');
  assert.equal(handshakes.filter(({ isOk }) => isOk).length, devices);
  const failed = handshakes.filter(({ isOk }) => !isOk);
  assert.ok(failed.length >= 12, String(failed.length));
  for (const { cause, nextStep } of failed) assert.ok(cause !== null && nextStep !== null, cause ?? '');
  assert.deepEqual(
    handshakes.map(({ atMs }) => atMs),
    handshakes.map(({ atMs }) => atMs).toSorted((one, other) => other - one),
  );
  for (const states of observing) await states.return?.();
});
