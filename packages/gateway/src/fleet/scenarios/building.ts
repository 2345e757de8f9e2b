/**
 * Buildings: HVAC units with setpoints of their own, and lights of which a room has one level. Both find the gateway, observe what
 * a controller sets (RFC 7641), and tell what they do.
 *
 * The controller is a device as well, with an identity of its own, the last one; it writes below its own path and nowhere else,
 * and the others may read there.
 *
 * @module
 */

import {
  type DevicePlan,
  type FleetEvent,
  format,
  type PlanInputs,
  periodicTimes,
  type Scenario,
  senml,
} from '../fleet-plan.ts';
import { randomStream, Wandering } from '../fleet-random.ts';

interface Building {
  readonly group: string;
  readonly reportSeconds: number;
  /** The controller sets one of its resources this often, in turn. */
  readonly commandSeconds: number;
  readonly roomSize: number;
  readonly setting: (random: { fraction(): number }) => string;
  readonly report: (id: string, values: Wandering, number: number) => string;
  readonly values: ConstructorParameters<typeof Wandering>[1];
  readonly resource: string;
}

/** 50 units. */
export const hvac: Scenario = building(
  'hvac',
  'HVAC units: discovery, observed setpoints, reports every minute',
  50,
  {
    group: 'units',
    reportSeconds: 60,
    commandSeconds: 20,
    roomSize: 1,
    setting: (random) => (18 + 0.5 * Math.floor(random.fraction() * 13)).toFixed(1),
    values: { from: 19, to: 23, least: 14, most: 28, step: 0.2, digits: 1 },
    report: (id, values, number) =>
      senml(`${id}/`, [
        ['temp', values.next(), 'Cel'],
        ['seq', number],
      ]),
    resource: 'climate',
  },
);

/** 100 lights in rooms of ten. */
export const lighting: Scenario = building(
  'lighting',
  'lights in rooms of ten: discovery, observed levels, reports every 15 minutes',
  100,
  {
    group: 'lights',
    reportSeconds: 900,
    commandSeconds: 30,
    roomSize: 10,
    setting: (random) => String(10 * Math.floor(random.fraction() * 11)),
    values: { from: 20, to: 60, least: 0, most: 100, step: 8, digits: 0 },
    report: (id, values, number) =>
      senml(`${id}/`, [
        ['power', values.next(), 'W'],
        ['seq', number],
      ]),
    resource: 'lamp',
  },
);

function building(name: string, summary: string, devices: number, kind: Building): Scenario {
  return {
    ...{ name, summary, probingRate: 10, discovers: true, roams: false },
    defaults: { devices, durationSeconds: 3600, confirmEvery: 10 },
    identities: (count) => count + 1,
    plan: (inputs) => planBuilding(kind, inputs),
  };
}

function planBuilding(kind: Building, { ids, seed, durationSeconds }: PlanInputs): readonly DevicePlan[] {
  const units = ids.slice(0, -1);
  const controller = ids.at(-1) ?? '';
  const below = `/sensors/${controller}`;
  const rooms = Math.ceil(units.length / kind.roomSize);
  const settingOf = (room: number): string => `${below}/room-${room + 1}`;
  return [
    ...units.map((id, index) => ({
      ...{ id, group: kind.group, rules: [`GET:${below}/*`] },
      observes: [settingOf(Math.floor(index / kind.roomSize))],
      events: () => reports(kind, id, seed, index, durationSeconds),
    })),
    {
      ...{ id: controller, group: 'controller', observes: [], rules: [] },
      events: () => commands(kind, settingOf, rooms, seed, units.length, durationSeconds),
    },
  ];
}

function* reports(
  kind: Building,
  id: string,
  seed: number,
  index: number,
  durationSeconds: number,
): Generator<FleetEvent> {
  const random = randomStream(seed, index, 'values');
  const values = new Wandering(random, kind.values);
  let number = 0;
  for (const at of periodicTimes(random, kind.reportSeconds, durationSeconds)) {
    yield {
      ...{ kind: 'send', purpose: 'telemetry', contentFormat: format.senml, at },
      path: `/sensors/${id}/${kind.resource}`,
      payload: kind.report(id, values, ++number),
    };
  }
}

/** First all rooms, so that there is something to observe, then one after the other. */
function* commands(
  { setting, commandSeconds }: Building,
  settingOf: (room: number) => string,
  rooms: number,
  seed: number,
  index: number,
  durationSeconds: number,
): Generator<FleetEvent> {
  const random = randomStream(seed, index, 'values');
  const command = (at: number, room: number): FleetEvent => ({
    ...{ kind: 'send', purpose: 'command', contentFormat: format.text, at },
    path: settingOf(room),
    payload: setting(random),
  });
  for (let room = 0; room < rooms; room++) yield command(0, room);
  for (let count = 1; count * commandSeconds < durationSeconds; count++) {
    yield command(count * commandSeconds, random.integer(rooms));
  }
}
