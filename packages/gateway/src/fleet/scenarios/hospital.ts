/**
 * A hospital: monitors of vital signs, each with heart rate, oxygen saturation and temperature every 30 s, and alarms.
 *
 * What matters is that nothing is in clear, that alarms arrive (Confirmable, before all readings), and that a reading that is
 * lost is made up for by the next one.
 *
 * @module
 */

import { type FleetEvent, format, periodicTimes, type Scenario, senml } from '../fleet-plan.ts';
import { randomStream, Wandering } from '../fleet-random.ts';

const periodSeconds = 30;
/** Share of the readings with an episode that raises an alarm. */
const alarmShare = 0.005;

/** 200 monitors. */
export const hospital: Scenario = {
  name: 'hospital',
  summary: 'monitors of vital signs, every 30 s, with alarms',
  defaults: { devices: 200, durationSeconds: 3600, confirmEvery: 10 },
  identities: (devices) => devices,
  probingRate: 10,
  discovers: false,
  roams: false,
  plan: ({ ids, seed, durationSeconds }) =>
    ids.map((id, index) => ({
      id,
      group: 'monitors',
      observes: [],
      rules: [],
      events: () => monitor(id, seed, index, durationSeconds),
    })),
};

function* monitor(id: string, seed: number, index: number, durationSeconds: number): Generator<FleetEvent> {
  const random = randomStream(seed, index, 'values');
  const heartRate = new Wandering(random, { from: 60, to: 90, least: 40, most: 180, step: 4, digits: 0 });
  const saturation = new Wandering(random, { from: 95, to: 99, least: 80, most: 100, step: 0.6, digits: 0 });
  const temperature = new Wandering(random, {
    ...{ from: 36.3, to: 37.4, least: 35, most: 41, step: 0.05, digits: 1 },
  });
  let number = 0;
  for (const at of periodicTimes(random, periodSeconds, durationSeconds)) {
    const isEpisode = random.fraction() < alarmShare;
    const vitals = [
      ['hr', heartRate.next() + (isEpisode ? 70 : 0), 'beat/min'],
      ['spo2', saturation.next() - (isEpisode ? 12 : 0), '%'],
      ['temp', temperature.next(), 'Cel'],
      ['seq', ++number],
    ] as const;
    const base = `${id}/`;
    yield {
      ...{ kind: 'send', purpose: 'telemetry', contentFormat: format.senml, at },
      path: `/sensors/${id}/vitals`,
      payload: senml(base, vitals),
    };
    if (!isEpisode) continue;
    yield {
      ...{ kind: 'send', purpose: 'alert', contentFormat: format.senml, at },
      path: `/sensors/${id}/alarm`,
      payload: senml(base, vitals),
    };
  }
}
