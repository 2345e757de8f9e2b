/**
 * The report of a run as data: a stable schema. Fields are added, none changes. Types only.
 *
 * @module
 */

import type { LatencyHistogram } from '../load/latency-histogram.ts';
import type { MessageOutcome, TimeSlice } from './fleet-tally.ts';

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
  /** How much of `durationSeconds` was run: less of it in a run that was interrupted. */
  readonly simulatedSeconds: number;
  readonly total: ReportedGroup;
  readonly groups: readonly ReportedGroup[];
  readonly discovery: Discovery | null;
  readonly timeline: readonly TimeSlice[];
  readonly latencyRanges: ReturnType<LatencyHistogram['ranges']>;
  readonly figures: readonly ComparedFigure[];
}

/** A line of the comparison. */
export interface ComparedFigure {
  readonly name: string;
  /** As printed somewhere; `null` where nothing was. */
  readonly printed: string | null;
  /** What is right. */
  readonly corrected: string | null;
  readonly measured: string | null;
  /** Why they differ, or what is assumed. */
  readonly note: string;
}
