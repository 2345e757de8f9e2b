/**
 * Makes the report of a run, from which text and HTML are made.
 *
 * @module
 */

import { radioCost, stepRadio } from '../figures/radio-energy.ts';
import type { LatencyHistogram } from '../load/latency-histogram.ts';
import { comparedFigures } from './compared-figures.ts';
import type { FleetResult } from './fleet-run.ts';
import type { GroupTally } from './fleet-tally.ts';
import type { Discovery, FleetReport, ReportedGroup, ReportedLatency, ReportedRun } from './report-schema.ts';

/** Makes the report. */
export function fleetReport(
  run: ReportedRun,
  { tally, elapsedSeconds, simulatedSeconds, interrupted }: FleetResult,
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
    simulatedSeconds: round(simulatedSeconds, 3),
    total: all,
    groups,
    discovery: discovery ?? null,
    timeline: tally.timeline,
    latencyRanges: total.latencies.ranges(),
    figures: comparedFigures({ ...run, simulatedSeconds }, groups, all),
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
      ...outcomes,
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
