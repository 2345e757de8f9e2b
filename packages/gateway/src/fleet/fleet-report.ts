/**
 * The report of a run as data: a stable schema (fields are added, none changes), from which text and HTML are made.
 *
 * @module
 */

import { radioCost, stepRadio } from '../figures/radio-energy.ts';
import type { LatencyHistogram } from '../load/latency-histogram.ts';
import { type ComparedFigure, comparedFigures } from './compared-figures.ts';
import type { FleetResult } from './fleet-run.ts';
import { type GroupTally, type MessageOutcome, messageOutcomes, type TimeSlice } from './fleet-tally.ts';

/** What was asked for. */
export interface ReportedRun {
  readonly scenario: string;
  readonly uri: string;
  readonly devices: number;
  readonly seed: number;
  readonly speed: number;
  /** Simulated. */
  readonly durationSeconds: number;
  readonly link: string | null;
  readonly lossRate: number | null;
  readonly churnPerHour: number;
  readonly confirmEvery: number;
}

/** What its devices found before they began. */
export interface Discovery {
  readonly by: string;
  readonly servers: number;
  readonly resources: number;
  /** Why nothing was found. */
  readonly problem?: string;
}

/** Latencies in ms. */
export interface ReportedLatency {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly 'p99.9': number;
  readonly max: number;
}

/** One group of devices, or all. */
export interface ReportedGroup {
  readonly group: string;
  readonly devices: number;
  readonly messages: Readonly<Record<MessageOutcome, number>> & {
    readonly due: number;
    readonly sent: number;
    readonly byPurpose: Readonly<Record<string, number>>;
    readonly refusedCodes: Readonly<Record<string, number>>;
    readonly lostCauses: Readonly<Record<string, number>>;
  };
  readonly notifications: number;
  readonly latencyMs: ReportedLatency;
  readonly settingMs: ReportedLatency;
  readonly handshakes: {
    readonly full: number;
    readonly resumed: number;
    /** Associations that went on without a handshake. */
    readonly takenOver: number;
    readonly ms: ReportedLatency;
  };
  readonly bytes: {
    readonly sent: number;
    readonly received: number;
    readonly payload: number;
    readonly coap: number;
    readonly dtls: number;
    readonly oscore: number;
    readonly handshake: number;
  };
  readonly datagrams: {
    readonly sent: number;
    readonly received: number;
    /** Of both ways, those without handshakes. */
    readonly withMessages: number;
    readonly lostOnTheLink: number;
  };
  readonly retransmissions: number;
  readonly churn: {
    readonly deaths: number;
    readonly statesKept: number;
    readonly addressChanges: number;
    readonly largestStateBytes: number;
  };
  /** Of the radio alone: 200 kbit/s, 20 mA to send, 15.4 mA to receive, 3.3 V. */
  readonly energy: {
    readonly millijoulesPerDevice: number;
    readonly handshakeMillijoulesPerDevice: number;
  };
}

/** The whole. */
export interface FleetReport extends ReportedRun {
  readonly schema: 1;
  readonly interrupted: boolean;
  readonly elapsedSeconds: number;
  readonly total: ReportedGroup;
  readonly groups: readonly ReportedGroup[];
  readonly discovery: Discovery | null;
  readonly timeline: readonly TimeSlice[];
  readonly latencyRanges: ReturnType<LatencyHistogram['ranges']>;
  readonly figures: readonly ComparedFigure[];
}

/** Makes the report. */
export function fleetReport(
  run: ReportedRun,
  { tally, elapsedSeconds, interrupted }: FleetResult,
  discovery: Discovery | undefined,
): FleetReport {
  const total = tally.total();
  const groups = [...tally.groups].map(([name, group]) => reportedGroup(name, group));
  const all = reportedGroup('all', total);
  return {
    schema: 1,
    ...run,
    interrupted,
    elapsedSeconds: round(elapsedSeconds, 3),
    total: all,
    groups,
    discovery: discovery ?? null,
    timeline: tally.timeline,
    latencyRanges: total.latencies.ranges(),
    figures: comparedFigures(run, groups, all),
  };
}

function reportedGroup(name: string, group: GroupTally): ReportedGroup {
  const { traffic, outcomes } = group;
  const devices = Math.max(1, group.devices);
  // Of a handshake about as much is sent as received.
  const handshake = radioCost(stepRadio, {
    sentBytes: traffic.handshakeBytes / 2,
    receivedBytes: traffic.handshakeBytes / 2,
  });
  return {
    group: name,
    devices: group.devices,
    messages: {
      due: group.due,
      sent: group.sent,
      ...(Object.fromEntries(messageOutcomes.map((outcome) => [outcome, outcomes[outcome]])) as Record<
        MessageOutcome,
        number
      >),
      byPurpose: Object.fromEntries(group.purposes),
      refusedCodes: Object.fromEntries(group.codes),
      lostCauses: Object.fromEntries(group.failures),
    },
    notifications: group.notifications,
    latencyMs: latency(group.latencies),
    settingMs: latency(group.settings),
    handshakes: {
      full: traffic.fullHandshakes,
      resumed: traffic.resumedHandshakes,
      takenOver: traffic.takenOver,
      ms: latency(group.handshakes),
    },
    bytes: {
      sent: traffic.sentBytes,
      received: traffic.receivedBytes,
      payload: traffic.payloadBytes,
      coap: traffic.coapBytes,
      dtls: traffic.recordBytes,
      oscore: traffic.oscoreBytes,
      handshake: traffic.handshakeBytes,
    },
    datagrams: {
      sent: traffic.datagramsSent,
      received: traffic.datagramsReceived,
      withMessages: traffic.messageDatagrams,
      lostOnTheLink: group.lostDatagrams,
    },
    retransmissions: traffic.retransmissions,
    churn: {
      deaths: group.deaths,
      statesKept: group.statesKept,
      addressChanges: group.addressChanges,
      largestStateBytes: group.largestState,
    },
    energy: {
      millijoulesPerDevice: round(
        radioCost(stepRadio, { sentBytes: traffic.sentBytes, receivedBytes: traffic.receivedBytes })
          .millijoules / devices,
        4,
      ),
      handshakeMillijoulesPerDevice: round(handshake.millijoules / devices, 4),
    },
  };
}

function latency(histogram: LatencyHistogram): ReportedLatency {
  const quantile = (share: number): number => round(histogram.quantileMs(share), 3);
  return {
    count: histogram.count,
    mean: round(histogram.meanMs, 3),
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    'p99.9': quantile(0.999),
    max: round(histogram.maxMs, 3),
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
