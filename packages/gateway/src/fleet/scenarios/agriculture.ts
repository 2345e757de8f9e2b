/**
 * A farm: soil sensors that sleep for an hour, wake, send one value and sleep again; in three ways to be secured.
 *
 * - `broken-reuse` keeps the keys of its first handshake and forgets how far its numbers were: after the first message of its
 *   life the server discards all others as repeated.
 * - `oscore` keeps the Sender Sequence Number and needs no handshake at all.
 * - `saved-session` keeps the whole association, in RTC memory for instance, and goes on with it at each wake.
 *
 * @module
 */

import { type FleetEvent, format, periodicTimes, type Scenario, senml } from '../fleet-plan.ts';
import { randomStream, Wandering } from '../fleet-random.ts';

const periodSeconds = 3600;

/** 500 sensors. */
export const agriculture: Scenario = {
  name: 'agriculture',
  summary: 'soil sensors that sleep for an hour, secured in three ways, with their batteries',
  defaults: { devices: 500, durationSeconds: 86_400, confirmEvery: 1 },
  identities: (devices) => devices,
  probingRate: 10,
  discovers: false,
  roams: false,
  plan: ({ ids, seed, durationSeconds, ways }) =>
    ids.map((id, index) => {
      const sleep = ways[index % ways.length]!;
      return {
        ...{ id, sleep, group: sleep, observes: [], rules: [] },
        events: () => sensor(id, seed, index, durationSeconds),
      };
    }),
};

function* sensor(id: string, seed: number, index: number, durationSeconds: number): Generator<FleetEvent> {
  const random = randomStream(seed, index, 'values');
  const moisture = new Wandering(random, { from: 20, to: 45, least: 5, most: 60, step: 1.5, digits: 1 });
  const battery = 100 - 10 * random.fraction();
  let number = 0;
  for (const at of periodicTimes(random, periodSeconds, durationSeconds)) {
    yield {
      ...{ kind: 'send', purpose: 'telemetry', contentFormat: format.senml, at },
      path: `/sensors/${id}/soil`,
      payload: senml(`${id}/`, [
        ['moisture', moisture.next(), '%RH'],
        ['battery', Number((battery - number * 0.01).toFixed(2)), '%EL'],
        ['seq', ++number],
      ]),
    };
  }
}
