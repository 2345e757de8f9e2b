/**
 * What became of the messages of a fleet, by groups of devices, and when.
 *
 * @module
 */

import { LatencyHistogram } from '../load/latency-histogram.ts';
import { TrafficCount } from './traffic-count.ts';

/** What can become of a message. */
export type MessageOutcome =
  /** Answered 2.xx. */
  | 'acknowledged'
  /** Non-confirmable: on its way, and that is all that is known. */
  | 'unconfirmed'
  /** Answered 4.xx or 5.xx. */
  | 'refused'
  /** No answer, or no association to send it by. */
  | 'lost'
  /** A newer reading of the same resource took its place before it was sent. */
  | 'superseded'
  /** Its device was without power when it was due. */
  | 'missed'
  /** Still under way when the run was over. */
  | 'unfinished';

/** All of them, in the order of reports. */
const messageOutcomes: readonly MessageOutcome[] = [
  'acknowledged',
  'unconfirmed',
  'refused',
  'lost',
  'superseded',
  'missed',
  'unfinished',
];

/** Of devices that are counted together. */
export class GroupTally {
  devices = 0;
  readonly outcomes: Record<MessageOutcome, number> = {
    acknowledged: 0,
    unconfirmed: 0,
    refused: 0,
    lost: 0,
    superseded: 0,
    missed: 0,
    unfinished: 0,
  };
  readonly purposes: Map<string, number> = new Map();
  /** Codes of what was refused. */
  readonly codes: Map<string, number> = new Map();
  /** Why messages were lost, by error code. */
  readonly failures: Map<string, number> = new Map();
  /** From sending a Confirmable message to its answer, without the handshake where it needed one. */
  readonly latencies: LatencyHistogram = new LatencyHistogram();
  readonly handshakes: LatencyHistogram = new LatencyHistogram();
  /** From a command to its notification at a device that observes. */
  readonly settings: LatencyHistogram = new LatencyHistogram();
  notifications = 0;
  deaths = 0;
  /** Returns that went on with the association from before. */
  statesKept = 0;
  addressChanges = 0;
  /** Largest association that was saved, in bytes. */
  largestState = 0;
  lostDatagrams = 0;
  readonly traffic: TrafficCount = new TrafficCount();

  /** Messages that were due. */
  get due(): number {
    return Object.values(this.outcomes).reduce((sum, count) => sum + count, 0);
  }

  /** Messages that were handed to CoAP. */
  get sent(): number {
    return this.due - this.outcomes.missed - this.outcomes.superseded;
  }

  /** Adds another group. */
  add(other: GroupTally): void {
    this.devices += other.devices;
    for (const outcome of messageOutcomes) this.outcomes[outcome] += other.outcomes[outcome];
    addCounts(this.purposes, other.purposes);
    addCounts(this.codes, other.codes);
    addCounts(this.failures, other.failures);
    this.latencies.add(other.latencies);
    this.handshakes.add(other.handshakes);
    this.settings.add(other.settings);
    this.notifications += other.notifications;
    this.deaths += other.deaths;
    this.statesKept += other.statesKept;
    this.addressChanges += other.addressChanges;
    this.largestState = Math.max(this.largestState, other.largestState);
    this.lostDatagrams += other.lostDatagrams;
    this.traffic.add(other.traffic);
  }
}

/** Counts one more. */
export function count(counts: Map<string, number>, key: string, more = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + more);
}

function addCounts(counts: Map<string, number>, others: ReadonlyMap<string, number>): void {
  for (const [key, more] of others) count(counts, key, more);
}

/** A slice of simulated time. */
export interface TimeSlice {
  sent: number;
  acknowledged: number;
  lost: number;
}

/** Slices of a run. */
const slices = 60;

/** All groups, and how the run went. */
export class FleetTally {
  readonly groups: Map<string, GroupTally> = new Map();
  readonly timeline: readonly TimeSlice[] = Array.from({ length: slices }, () => ({
    sent: 0,
    acknowledged: 0,
    lost: 0,
  }));
  readonly #durationSeconds: number;

  constructor(durationSeconds: number) {
    this.#durationSeconds = durationSeconds;
  }

  group(name: string): GroupTally {
    let group = this.groups.get(name);
    if (group === undefined) {
      group = new GroupTally();
      this.groups.set(name, group);
    }
    return group;
  }

  /** All groups together. */
  total(): GroupTally {
    const total = new GroupTally();
    for (const group of this.groups.values()) total.add(group);
    return total;
  }

  /** Counts the fate of a message in the slice that it was due in. */
  at(seconds: number, what: keyof TimeSlice): void {
    const slice = Math.floor((slices * seconds) / this.#durationSeconds);
    const kept = this.timeline[Math.min(slices - 1, Math.max(0, slice))];
    if (kept !== undefined) kept[what]++;
  }
}
