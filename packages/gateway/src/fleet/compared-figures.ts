/**
 * What a run measured beside the figures that are in circulation for its scenario, and beside what is right about those.
 *
 * @module
 */

import { rejectedShare, sleepBattery, sleepFigures, sleepPresets } from '../figures/deep-sleep-presets.ts';
import { deliveryOdds } from '../figures/delivery-odds.ts';
import { fleetTraffic } from '../figures/fleet-traffic.ts';
import { handshakePresets, radioCost, stepRadio } from '../figures/radio-energy.ts';
import type { ComparedFigure, FleetReport, ReportedGroup, ReportedRun } from './report-schema.ts';

/** A run, and how much of it there was. */
type MeasuredRun = ReportedRun & Pick<FleetReport, 'simulatedSeconds'>;

/** The lines for a scenario. */
export function comparedFigures(
  run: MeasuredRun,
  groups: readonly ReportedGroup[],
  total: ReportedGroup,
): readonly ComparedFigure[] {
  return [
    ...handshakeFigures(total),
    ...(run.lossRate === null ? [] : [deliveryFigure(run.lossRate, total)]),
    ...(run.scenario === 'hospital' ? hospitalFigures(run, total) : []),
    ...(run.scenario === 'agriculture' ? sleepLines(run, groups) : []),
  ];
}

function handshakeFigures({ handshakes, bytes }: ReportedGroup): readonly ComparedFigure[] {
  const count = handshakes.full + handshakes.resumed;
  if (count === 0) return [];
  const each = bytes.handshake / count;
  const energy = radioCost(stepRadio, { sentBytes: each / 2, receivedBytes: each / 2 });
  const measured = `${Math.round(each)} bytes, ${energy.millijoules.toFixed(2)} mJ`;
  return handshakePresets.map(({ name, radio, sentBytes, receivedBytes, printed, reason }) => {
    const cost = radioCost(radio, { sentBytes, receivedBytes });
    return {
      name: `handshake, ${name}`,
      printed,
      corrected: `${cost.microampHours.toFixed(3)} µAh, ${cost.milliampSeconds.toFixed(4)} mAs, ${cost.millijoules.toFixed(2)} mJ`,
      measured,
      note: `${reason}; measured bytes count at the radio of 200 kbit/s, 20 mA and 3.3 V`,
    };
  });
}

function deliveryFigure(lossRate: number, { messages }: ReportedGroup): ComparedFigure {
  const odds = deliveryOdds(lossRate);
  const told = messages.acknowledged + messages.lost;
  return {
    name: `Confirmable messages acknowledged at ${percent(lossRate)} loss each way`,
    printed: null,
    corrected: `${percent(odds.confirmableAcknowledged)} with ${odds.transmissions.toFixed(3)} transmissions`,
    measured: told === 0 ? null : `${percent(messages.acknowledged / told)} of ${told}`,
    note: `${percent(odds.nonConfirmableDelivered)} of the Non-confirmable ones arrive; one frame a message`,
  };
}

function hospitalFigures(run: MeasuredRun, total: ReportedGroup): readonly ComparedFigure[] {
  const traffic = fleetTraffic({
    ...{ devices: run.devices, periodSeconds: 30, overheadBytes: 29, handshakeBytes: 360 },
  });
  const readings = total.messages.byPurpose['telemetry'] ?? 0;
  const seconds = run.simulatedSeconds;
  const records = total.datagrams.withMessages;
  return [
    {
      name: 'readings a second of the fleet',
      printed: '6.67 (200 devices)',
      corrected: traffic.messagesPerSecond.toFixed(2),
      measured: seconds === 0 ? null : `${(readings / seconds).toFixed(2)} of simulated time`,
      note: `${run.devices} devices, one reading in 30 s; ${traffic.messagesPerDay.toLocaleString('en-US')} a day`,
    },
    {
      name: 'bytes of protection a message',
      printed: '+29',
      corrected: '29 with AES-128-CCM-8, 37 with GCM and CCM; with a Connection ID its length and 1 more',
      measured: records === 0 ? null : `${(total.bytes.dtls / records).toFixed(1)} a record on average`,
      note: `83,520 bytes a device and day at 29, ${Math.round(traffic.overheadBytesPerDay / 1e5) / 10} MB a day for this fleet`,
    },
    {
      name: 'handshakes of all devices at once',
      printed: '200 × 360 = 72,000 bytes',
      corrected: `${traffic.handshakeBytesAtOnce.toLocaleString('en-US')} bytes at 360 each`,
      measured: `${total.handshakes.full} handshakes, ${total.bytes.handshake.toLocaleString('en-US')} bytes`,
      note: 'over a day 0.125 bytes a message, since one handshake lasts',
    },
  ];
}

function sleepLines(run: MeasuredRun, groups: readonly ReportedGroup[]): readonly ComparedFigure[] {
  const days = run.simulatedSeconds / 86_400;
  const broken = groups.find(({ group }) => group === 'broken-reuse');
  return [
    ...(broken === undefined ? [] : [rejectedLine(broken)]),
    ...sleepPresets.map(({ approach }): ComparedFigure => {
      const { preset, millijoulesPerDay, years, monthsInJoules, impliedMicroamps } = sleepFigures(approach);
      const group = groups.find((one) => one.group === approach);
      const printedEnergy =
        preset.printedMillijoulesPerDay === undefined ? '' : `${preset.printedMillijoulesPerDay} mJ/day, `;
      return {
        name: `battery of 1,800 mAh, ${preset.title}`,
        printed: `${printedEnergy}${preset.printedMonths} months`,
        corrected:
          millijoulesPerDay === undefined
            ? `${preset.printedMonths} months mean ${Math.round(impliedMicroamps)} µA on average`
            : `${millijoulesPerDay.toFixed(1)} mJ/day, which is ${Math.round(years ?? 0).toLocaleString('en-US')} years; in joules ${(monthsInJoules ?? 0).toFixed(1)} months; the printed ones mean ${Math.round(impliedMicroamps)} µA`,
        measured: group === undefined || days === 0 ? null : measuredEnergy(group, days),
        note: preset.reason,
      };
    }),
  ];
}

/** By the energies of the table: 45 mJ for each handshake that was made, 1.8 mJ for each message that was sent. */
function measuredEnergy({ devices, handshakes, messages }: ReportedGroup, days: number): string {
  const each = Math.max(1, devices);
  const made = (handshakes.full + handshakes.resumed) / each;
  const sent = messages.sent / each;
  const { handshakeMillijoules, protectedMessageMillijoules } = sleepBattery;
  const perDay = (made * handshakeMillijoules + sent * protectedMessageMillijoules) / days;
  return `${perDay.toFixed(1)} mJ/day: ${made.toFixed(2)} handshakes and ${sent.toFixed(1)} messages a device`;
}

function rejectedLine({ messages, devices }: ReportedGroup): ComparedFigure {
  const each = messages.sent / Math.max(1, devices);
  return {
    name: 'messages rejected after the first wake, keys kept and numbers forgotten',
    printed: '95 %',
    corrected: `23 of 24: ${percent(rejectedShare(24))}`,
    measured:
      messages.sent === 0
        ? null
        : `${messages.lost} of ${messages.sent}: ${percent(messages.lost / messages.sent)}; ${each.toFixed(1)} messages a device`,
    note: 'the server takes a record number once (RFC 6347 §4.1.2.6): all but the first message of each handshake repeat one',
  };
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(3))} %`;
}
