/** Fleets that are started from the console: watched, ended, and gone with their devices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DevicesPage, ScenariosView, SimulationView } from '../../src/console/api-types.ts';
import { eventsOf, problemOf, startTestConsole } from './console-fixture.ts';

const scenario = { scenario: 'hospital', devices: 3, durationSeconds: 60, speed: 60, seed: 7 };

test('a fleet runs against this gateway with keys of its own, is watched as a stream, and leaves no devices', async (t) => {
  const { admin } = await startTestConsole(t);
  const user = await admin();
  const { scenarios, most } = await user.json<ScenariosView>('GET', '/api/simulations/scenarios');
  assert.ok(scenarios.some(({ name }) => name === 'hospital') && most.devices >= 100);
  const started = await user.json<SimulationView>('POST', '/api/simulations', scenario);
  assert.deepEqual([started.state, started.devices, started.startedBy], ['running', 3, '(link)']);
  let last: SimulationView | undefined;
  let during = 0;
  for await (const { event, data } of eventsOf(
    await user.ask('GET', `/api/simulations/${started.id}/events`),
  )) {
    if (event === 'end') break;
    last = data as SimulationView;
    if (last.state === 'running') {
      const { devices } = await user.json<DevicesPage>('GET', '/api/devices?search=sim-hospital');
      during = Math.max(during, devices.length);
    }
  }
  assert.equal(last?.state, 'ended', JSON.stringify(last?.problem));
  assert.ok(during >= 3);
  const { acknowledged = 0, unconfirmed = 0, refused, lost } = last?.outcomes ?? {};
  assert.ok(acknowledged + unconfirmed > 0, JSON.stringify(last?.outcomes));
  assert.deepEqual([refused, lost], [0, 0]);
  assert.ok((last?.groups.length ?? 0) > 0 && (last?.timeline.length ?? 0) > 0);
  const left = await user.json<DevicesPage>('GET', '/api/devices?search=sim-hospital');
  assert.deepEqual(
    left.devices.filter(({ isStored }) => isStored),
    [],
  );
});

test('a fleet can be ended, runs once at a time, and is for admins alone', async (t) => {
  const { admin, as } = await startTestConsole(t);
  const user = await admin();
  const long = { ...scenario, durationSeconds: 3600, speed: 1 };
  const { id } = await user.json<SimulationView>('POST', '/api/simulations', long);
  const again = await user.ask('POST', '/api/simulations', long);
  assert.deepEqual([again.status, (await problemOf(again)).code], [409, 'conflict']);
  const unknown = await user.ask('POST', '/api/simulations', { scenario: 'none' });
  assert.equal(unknown.status, 400);
  const operator = await as('operate');
  assert.equal((await operator.ask('POST', '/api/simulations', scenario)).status, 403);
  const events = eventsOf(await operator.ask('GET', `/api/simulations/${id}/events`));
  await events.next();
  await user.json('DELETE', `/api/simulations/${id}`);
  let state = '';
  for await (const { event, data } of events) {
    if (event === 'progress') ({ state } = data as SimulationView);
  }
  assert.equal(state, 'stopped');
});
