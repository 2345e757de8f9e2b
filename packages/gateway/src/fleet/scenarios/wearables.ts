/**
 * Wearables on the move: a reading a minute, and every few minutes another address, as when Wi-Fi hands over to a mobile network.
 * With a Connection ID (RFC 9146) the association goes on; without one each move would cost a handshake.
 *
 * @module
 */

import { type FleetEvent, format, merged, periodicTimes, type Scenario, senml } from '../fleet-plan.ts';
import { randomStream, Wandering } from '../fleet-random.ts';

const periodSeconds = 60;
/** Between two moves, on average. */
const roamSeconds = 600;

/** 100 wearables. */
export const wearables: Scenario = {
  name: 'wearables',
  summary: 'wearables that change their address, every minute, with Connection IDs',
  defaults: { devices: 100, durationSeconds: 3600, confirmEvery: 5 },
  identities: (devices) => devices,
  probingRate: 10,
  discovers: false,
  roams: true,
  plan: ({ ids, seed, durationSeconds }) =>
    ids.map((id, index) => ({
      ...{ id, group: 'wearables', observes: [], rules: [] },
      events: () => merged(readings(id, seed, index, durationSeconds), moves(seed, index, durationSeconds)),
    })),
};

function* readings(id: string, seed: number, index: number, durationSeconds: number): Generator<FleetEvent> {
  const random = randomStream(seed, index, 'values');
  const heartRate = new Wandering(random, { from: 60, to: 110, least: 45, most: 190, step: 8, digits: 0 });
  let steps = 0;
  let number = 0;
  for (const at of periodicTimes(random, periodSeconds, durationSeconds)) {
    steps += random.integer(120);
    yield {
      ...{ kind: 'send', purpose: 'telemetry', contentFormat: format.senml, at },
      path: `/sensors/${id}/activity`,
      payload: senml(`${id}/`, [
        ['hr', heartRate.next(), 'beat/min'],
        ['steps', steps],
        ['seq', ++number],
      ]),
    };
  }
}

function* moves(seed: number, index: number, durationSeconds: number): Generator<FleetEvent> {
  const random = randomStream(seed, index, 'occasions');
  for (let at = 0; ; ) {
    at += -Math.log(1 - random.fraction()) * roamSeconds;
    if (at >= durationSeconds) return;
    yield { kind: 'roam', at };
  }
}
