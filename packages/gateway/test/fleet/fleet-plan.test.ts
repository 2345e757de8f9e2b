/** What fleets plan: the same seed the same plan, in order of time, with the rates of the requirements. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Churn,
  type DevicePlan,
  type FleetEvent,
  type SendEvent,
  sleepWays,
  withChurn,
} from '../../src/fleet/fleet-plan.ts';
import { streamSeed } from '../../src/fleet/fleet-random.ts';
import { scenarios } from '../../src/fleet/scenarios/index.ts';

function planned(
  name: string,
  { seed = 1, devices = 3, churn, ...choice }: PlanChoice = {},
): readonly DevicePlan[] {
  const scenario = scenarios.find((one) => one.name === name) ?? assert.fail();
  const { durationSeconds = Math.min(3600, scenario.defaults.durationSeconds) } = choice;
  const ids = Array.from({ length: scenario.identities(devices) }, (_, index) => `d${index + 1}`);
  const plans = scenario.plan({ ids, seed, durationSeconds, ways: sleepWays['all'] ?? [] });
  return withChurn(plans, churn, seed, durationSeconds);
}

interface PlanChoice {
  readonly seed?: number;
  readonly devices?: number;
  readonly durationSeconds?: number;
  readonly churn?: Churn;
}

function eventsOf(plans: readonly DevicePlan[]): readonly (readonly FleetEvent[])[] {
  return plans.map((plan) => [...plan.events()]);
}

function sends(plan: DevicePlan | undefined, purpose?: SendEvent['purpose']): readonly SendEvent[] {
  return [...(plan?.events() ?? [])].filter(
    (event): event is SendEvent =>
      event.kind === 'send' && (purpose === undefined || event.purpose === purpose),
  );
}

describe('every scenario', () => {
  for (const { name } of scenarios) {
    test(`${name}: the same seed gives the same events, another one others, and each call the same again`, () => {
      const once = planned(name);
      assert.deepEqual(eventsOf(once), eventsOf(planned(name)));
      assert.deepEqual(eventsOf(once), eventsOf(once));
      assert.notDeepEqual(eventsOf(once), eventsOf(planned(name, { seed: 2 })));
    });

    test(`${name}: events are in order, within the time, and no two payloads of a path are the same`, () => {
      for (const plan of planned(name, { churn: { perHour: 1, state: 'mixed' } })) {
        let before = 0;
        for (const { at } of plan.events()) {
          assert.ok(at >= before && at < 3600, `${at} after ${before}`);
          before = at;
        }
        const readings = sends(plan, 'telemetry').map(({ path, payload }) => `${path} ${payload}`);
        assert.equal(new Set(readings).size, readings.length);
      }
    });

    test(`${name}: more devices do not change what a device of a fleet does`, () => {
      const [few] = eventsOf(planned(name, { devices: 2 }));
      const [many] = eventsOf(planned(name, { devices: 40 }));
      // The controller of a building has more rooms then; devices are the same.
      assert.deepEqual(few, many);
    });
  }
});

test('hospital: a monitor tells three vitals every 30 s, and raises alarms for one reading in two hundred', () => {
  const plans = planned('hospital', { devices: 200 });
  const readings = plans.flatMap((plan) => sends(plan, 'telemetry'));
  assert.equal(readings.length, 200 * 120);
  const [first] = readings;
  assert.deepEqual(
    JSON.parse(first?.payload ?? '').map(({ n }: { n: string }) => n),
    ['hr', 'spo2', 'temp', 'seq'],
  );
  const alarms = plans.flatMap((plan) => sends(plan, 'alert')).length;
  assert.ok(alarms > 60 && alarms < 200, String(alarms));
});

test('agriculture: a sensor wakes 24 times a day, and the three ways take turns', () => {
  const plans = planned('agriculture', { devices: 6, durationSeconds: 86_400 });
  assert.deepEqual(
    plans.map((plan) => sends(plan).length),
    [24, 24, 24, 24, 24, 24],
  );
  assert.deepEqual(
    plans.map(({ sleep }) => sleep),
    ['broken-reuse', 'oscore', 'saved-session', 'broken-reuse', 'oscore', 'saved-session'],
  );
});

test('metering: 96 registers a day, and a load profile that needs blocks', () => {
  const [plan] = planned('metering', { durationSeconds: 86_400 });
  assert.equal(sends(plan, 'telemetry').length, 96);
  const profiles = sends(plan, 'upload');
  assert.equal(profiles.length, 1);
  assert.ok((profiles[0]?.payload.length ?? 0) > 1024);
  assert.equal(profiles[0]?.payload.trim().split('\n').length, 97);
});

test('lighting: ten lights observe one room, which the controller has set before they begin', () => {
  const plans = planned('lighting', { devices: 25 });
  const controller = plans.at(-1);
  assert.equal(new Set(plans.flatMap(({ observes }) => observes)).size, 3);
  const first = sends(controller, 'command').filter(({ at }) => at === 0);
  assert.deepEqual(
    first.map(({ path }) => path),
    ['/sensors/d26/room-1', '/sensors/d26/room-2', '/sensors/d26/room-3'],
  );
  assert.deepEqual(plans[0]?.rules, ['GET:/sensors/d26/*']);
});

test('wearables change their address about six times an hour', () => {
  const moves = eventsOf(planned('wearables', { devices: 100 }))
    .flat()
    .filter(({ kind }) => kind === 'roam').length;
  assert.ok(moves > 500 && moves < 700, String(moves));
});

test('churn: its share of devices dies in an hour, and values stay what they were', () => {
  const churn: Churn = { perHour: 0.2, state: 'mixed' };
  const plans = planned('hospital', { devices: 200, churn });
  const deaths = eventsOf(plans)
    .flat()
    .filter((event) => event.kind === 'die');
  assert.ok(deaths.length > 25 && deaths.length < 60, String(deaths.length));
  assert.ok(deaths.some(({ keepsState }) => keepsState) && deaths.some(({ keepsState }) => !keepsState));
  assert.deepEqual(
    plans.map((plan) => sends(plan)),
    planned('hospital', { devices: 200 }).map((plan) => sends(plan)),
  );
  for (const state of ['keep', 'lose'] as const) {
    const chosen = eventsOf(planned('hospital', { devices: 50, churn: { perHour: 1, state } })).flat();
    assert.ok(chosen.every((event) => event.kind !== 'die' || event.keepsState === (state === 'keep')));
  }
});

test('streams of devices and purposes have seeds of their own', () => {
  const seeds = Array.from({ length: 1000 }, (_, device) =>
    (['values', 'churn', 'occasions', 'link'] as const).map((stream) => streamSeed(7, device, stream)),
  ).flat();
  assert.equal(new Set(seeds).size, seeds.length);
});
