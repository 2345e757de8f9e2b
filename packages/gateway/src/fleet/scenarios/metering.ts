/**
 * Metering: electricity meters that tell their register every 15 minutes, and once a day upload the load profile of the day, which
 * goes in blocks (RFC 7959).
 *
 * @module
 */

import { type FleetEvent, format, merged, periodicTimes, type Scenario, senml } from '../fleet-plan.ts';
import { randomStream } from '../fleet-random.ts';

const periodSeconds = 900;
const profileSeconds = 86_400;
/** Of a day, and so of a profile. */
const periodsPerProfile = profileSeconds / periodSeconds;

/** 100 meters. */
export const metering: Scenario = {
  name: 'metering',
  summary: 'meters, every 15 minutes, with a load profile of the day in blocks',
  defaults: { devices: 100, durationSeconds: 86_400, confirmEvery: 4 },
  identities: (devices) => devices,
  probingRate: 10,
  discovers: false,
  roams: false,
  plan: ({ ids, seed, durationSeconds }) =>
    ids.map((id, index) => ({
      ...{ id, group: 'meters', observes: [], rules: [] },
      events: () =>
        merged(registers(id, seed, index, durationSeconds), profiles(id, seed, index, durationSeconds)),
    })),
};

function* registers(id: string, seed: number, index: number, durationSeconds: number): Generator<FleetEvent> {
  const random = randomStream(seed, index, 'values');
  let wattHours = 1_000_000 + random.integer(9_000_000);
  let number = 0;
  for (const at of periodicTimes(random, periodSeconds, durationSeconds)) {
    wattHours += consumption(random, at);
    yield {
      ...{ kind: 'send', purpose: 'telemetry', contentFormat: format.senml, at },
      path: `/sensors/${id}/register`,
      payload: senml(`${id}/`, [
        ['energy', wattHours, 'Wh'],
        ['seq', ++number],
      ]),
    };
  }
}

/** One a day, at a time of each meter's own. */
function* profiles(id: string, seed: number, index: number, durationSeconds: number): Generator<FleetEvent> {
  const random = randomStream(seed, index, 'occasions');
  for (const at of periodicTimes(random, profileSeconds, durationSeconds)) {
    const lines = Array.from({ length: periodsPerProfile }, (_, period) => {
      const wattHours = consumption(random, period * periodSeconds);
      return `${period},${wattHours},${(230 + 4 * (random.fraction() - 0.5)).toFixed(1)},${Math.round(wattHours * 0.12)}`;
    });
    yield {
      ...{ kind: 'send', purpose: 'upload', contentFormat: format.text, at },
      path: `/sensors/${id}/load-profile`,
      payload: `period,active Wh,V,reactive varh;day ${Math.floor(at / profileSeconds)}\n${lines.join('\n')}\n`,
    };
  }
}

/** In a quarter of an hour: little at night, much in the evening. */
function consumption(random: { fraction(): number }, at: number): number {
  const hour = (at / 3600) % 24;
  const usual = 60 + 40 * Math.cos(((hour - 19) / 24) * 2 * Math.PI);
  return Math.round(usual * (0.7 + 0.6 * random.fraction()));
}
