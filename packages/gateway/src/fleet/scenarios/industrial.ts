/**
 * A line of machines behind one serial line: one controller with one identity, which tells the state of each machine every
 * second, and alarms.
 *
 * @module
 */

import { type FleetEvent, format, merged, periodicTimes, type Scenario, senml } from '../fleet-plan.ts';
import { randomStream, Wandering } from '../fleet-random.ts';

const periodSeconds = 1;
const alarmShare = 0.01;
/** Behind one controller, so that their messages fit the line. */
const machines = 8;

/** One controller with eight machines; over UDP there may be more of them. */
export const industrial: Scenario = {
  name: 'industrial',
  summary: `controllers with ${machines} machines each, every second: over a serial line, which has room for one`,
  defaults: { devices: 1, durationSeconds: 60, confirmEvery: 10 },
  identities: (devices) => devices,
  probingRate: 2000,
  discovers: false,
  roams: false,
  plan: ({ ids, seed, durationSeconds }) =>
    ids.map((id, index) => ({
      ...{ id, group: 'controllers', observes: [], rules: [] },
      events: () =>
        Array.from({ length: machines }, (_, number) =>
          machine(id, number + 1, seed, index * machines + number, durationSeconds),
        ).reduce((all, one) => merged(all, one)),
    })),
};

function* machine(
  id: string,
  name: number,
  seed: number,
  index: number,
  durationSeconds: number,
): Generator<FleetEvent> {
  const random = randomStream(seed, index, 'values');
  const vibration = new Wandering(random, { from: 1, to: 3, least: 0, most: 15, step: 0.4, digits: 2 });
  const bearing = new Wandering(random, { from: 40, to: 55, least: 15, most: 110, step: 0.5, digits: 1 });
  let number = 0;
  for (const at of periodicTimes(random, periodSeconds, durationSeconds)) {
    const isTrip = random.fraction() < alarmShare;
    const state = [
      ['vib', vibration.next() + (isTrip ? 12 : 0), 'm/s2'],
      ['bearing', bearing.next(), 'Cel'],
      ['seq', ++number],
    ] as const;
    yield {
      ...{ kind: 'send', purpose: 'telemetry', contentFormat: format.senml, at },
      path: `/sensors/${id}/m${name}`,
      payload: senml(`${id}/m${name}/`, state),
    };
    if (!isTrip) continue;
    yield {
      ...{ kind: 'send', purpose: 'alert', contentFormat: format.senml, at },
      path: `/sensors/${id}/m${name}/trip`,
      payload: senml(`${id}/m${name}/`, state),
    };
  }
}
