/**
 * What a fleet will do: for each device the events of its life in order, in seconds of simulated time. The same seed gives the
 * same plan; nothing here knows sockets or clocks.
 *
 * @module
 */

import type { MessagePurpose } from 'coapsule';
import type { SleepApproach } from '../figures/deep-sleep-presets.ts';
import { randomStream } from './fleet-random.ts';

/** A message. */
export interface SendEvent {
  readonly kind: 'send';
  readonly at: number;
  /** `upload`: a body in blocks, Confirmable, that goes on where it stopped (RFC 7959). */
  readonly purpose: MessagePurpose | 'upload';
  readonly path: string;
  readonly payload: string;
  readonly contentFormat: string;
}

/** Something that happens to a device. */
export type FleetEvent =
  | SendEvent
  /** It comes from another address from now on. */
  | { readonly kind: 'roam'; readonly at: number }
  /** It loses its power for a while, and with it, unless it keeps its state, its security association. */
  | { readonly kind: 'die'; readonly at: number; readonly forSeconds: number; readonly keepsState: boolean };

/** How a sleeping device protects its messages. */
export type SleepWay = Extract<SleepApproach, 'broken-reuse' | 'oscore' | 'saved-session'>;

/** Those that can be asked for, by a word each. */
export const sleepWays: Readonly<Record<string, readonly SleepWay[]>> = {
  all: ['broken-reuse', 'oscore', 'saved-session'],
  broken: ['broken-reuse'],
  oscore: ['oscore'],
  session: ['saved-session'],
};

/** One device. */
export interface DevicePlan {
  /** Its identity. */
  readonly id: string;
  /** Where it is counted in the report. */
  readonly group: string;
  /** Without it, it is awake all the time and keeps one association. */
  readonly sleep?: SleepWay;
  /** What it observes from its first second on. */
  readonly observes: readonly string[];
  /** What it must be allowed besides what every device is. */
  readonly rules: readonly string[];
  /** In order of time. Each call begins anew, with the same events. */
  readonly events: () => Iterable<FleetEvent>;
}

/** What a scenario plans with. */
export interface PlanInputs {
  /** Identities, one for each device. */
  readonly ids: readonly string[];
  readonly seed: number;
  readonly durationSeconds: number;
  /** For sleeping devices; in turn. */
  readonly ways: readonly SleepWay[];
}

/** A kind of fleet. */
export interface Scenario {
  readonly name: string;
  /** One line for the help. */
  readonly summary: string;
  readonly defaults: {
    readonly devices: number;
    readonly durationSeconds: number;
    /** Every so many-th reading is Confirmable; 0 none. */
    readonly confirmEvery: number;
  };
  /**
   * PROBING_RATE (RFC 7252 §4.7) in bytes a second of simulated time: what a device sends without hearing anything. The default
   * of 1 would hold back a reading of 100 bytes each minute.
   */
  readonly probingRate: number;
  /** Identities it needs for so many devices; there may be one more that steers the others. */
  identities(devices: number): number;
  plan(inputs: PlanInputs): readonly DevicePlan[];
  /** Its devices find the gateway first: by a multicast group, or in its list of resources. */
  readonly discovers: boolean;
  /** Its devices change their address. */
  readonly roams: boolean;
}

/** Devices that die and come back. */
export interface Churn {
  /** Share of the devices, 0 … 1, that die within an hour of simulated time. */
  readonly perHour: number;
  /** Whether they keep their state: of `mixed`, half of the time. */
  readonly state: 'keep' | 'lose' | 'mixed';
}

/** Down times: long enough to miss readings, short enough to come back within a run. */
const downSeconds = { least: 30, most: 300 } as const;

/** The same devices, of which some die now and then. */
export function withChurn(
  devices: readonly DevicePlan[],
  churn: Churn | undefined,
  seed: number,
  durationSeconds: number,
): readonly DevicePlan[] {
  if (churn === undefined || churn.perHour === 0) return devices;
  return devices.map((device, index) => ({
    ...device,
    events: () => merged(device.events(), deaths(churn, seed, index, durationSeconds)),
  }));
}

function* deaths(churn: Churn, seed: number, device: number, durationSeconds: number): Generator<FleetEvent> {
  const random = randomStream(seed, device, 'churn');
  for (let at = 0; ; ) {
    // Deaths come as they come: exponentially distributed, with the mean that the share gives.
    at += (-Math.log(1 - random.fraction()) * 3600) / churn.perHour;
    const forSeconds =
      downSeconds.least + Math.floor(random.fraction() * (downSeconds.most - downSeconds.least));
    const keepsState = churn.state === 'keep' || (churn.state === 'mixed' && random.fraction() < 0.5);
    if (at >= durationSeconds) return;
    yield { kind: 'die', at, forSeconds, keepsState };
    at += forSeconds;
  }
}

/** Events of two sources in order of time. */
export function* merged(one: Iterable<FleetEvent>, other: Iterable<FleetEvent>): Generator<FleetEvent> {
  const [first, second] = [one[Symbol.iterator](), other[Symbol.iterator]()];
  let [left, right] = [first.next(), second.next()];
  while (left.done !== true || right.done !== true) {
    if (right.done === true || (left.done !== true && left.value.at <= right.value.at)) {
      yield left.value as FleetEvent;
      left = first.next();
    } else {
      yield right.value;
      right = second.next();
    }
  }
}

/** Times of something periodic: it begins anywhere within its first period, and each time is late or early by a little. */
export function* periodicTimes(
  random: { fraction(): number },
  periodSeconds: number,
  durationSeconds: number,
): Generator<number> {
  const offset = random.fraction() * periodSeconds;
  for (let count = 0; ; count++) {
    // A clock of a cheap crystal: within 1 % of the period.
    const jitter = (random.fraction() - 0.5) * 0.02 * periodSeconds;
    const at = Math.max(0, offset + count * periodSeconds + jitter);
    if (at >= durationSeconds) return;
    yield at;
  }
}

/** SenML (RFC 8428) of some values under one name, in JSON. */
export function senml(
  baseName: string,
  values: readonly (readonly [name: string, value: number, unit?: string])[],
): string {
  return JSON.stringify(
    values.map(([name, value, unit], index) => ({
      ...(index === 0 && { bn: baseName }),
      n: name,
      ...(unit !== undefined && { u: unit }),
      v: value,
    })),
  );
}

/** Content formats by their names. */
export const format = { senml: 'application/senml+json', text: 'text/plain' } as const;
