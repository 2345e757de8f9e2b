/**
 * The report of a run for people to read on a terminal.
 *
 * @module
 */

import type { FleetReport, ReportedGroup, ReportedLatency } from './report-schema.ts';

/** Lines, each with its line feed. */
export function reportText(report: FleetReport): string {
  const { scenario, uri, speed, durationSeconds, elapsedSeconds, seed } = report;
  const head = [
    `${scenario}: ${grouped(report.devices)} devices at ${uri}`,
    `${duration(durationSeconds)} of simulated time at ${speed} times the speed, seed ${seed}; ${elapsedSeconds.toFixed(1)} s${interruption(report)}`,
    ...wayLines(report),
    ...(report.discovery === null ? [] : [discoveryLine(report.discovery)]),
  ];
  const groups = report.groups.length > 1 ? [...report.groups, report.total] : report.groups;
  const figures =
    report.figures.length === 0
      ? []
      : ['', 'Beside the figures that are in circulation', ...figureLines(report)];
  return `${[...head, ...groups.flatMap(groupLines), ...figures].join('\n')}\n`;
}

function wayLines({ link, lossRate, churnPerHour }: FleetReport): readonly string[] {
  const parts = [
    ...(link === null ? [] : [`link ${link}`]),
    ...(lossRate === null ? [] : [`loss ${percent(lossRate)}`]),
    ...(churnPerHour === 0 ? [] : [`${percent(churnPerHour)} of the devices die in an hour`]),
  ];
  return parts.length === 0 ? [] : [parts.join(', ')];
}

function discoveryLine({ by, servers, resources, problem }: NonNullable<FleetReport['discovery']>): string {
  const found = `${servers} ${servers === 1 ? 'server' : 'servers'} with ${resources} resources`;
  return `discovery by ${by}: ${problem === undefined ? found : `nothing (${problem})`}`;
}

function groupLines(group: ReportedGroup): readonly string[] {
  const { messages, bytes, handshakes, churn, datagrams, energy } = group;
  const shares = [
    `${grouped(messages.acknowledged)} acknowledged`,
    ...(messages.unconfirmed > 0 ? [`${grouped(messages.unconfirmed)} Non-confirmable`] : []),
    ...(messages.refused > 0
      ? [`${grouped(messages.refused)} refused (${listed(messages.refusedCodes)})`]
      : []),
    `${grouped(messages.lost)} lost${messages.lost > 0 ? ` (${listed(messages.lostCauses)})` : ''}`,
    ...(messages.superseded > 0 ? [`${grouped(messages.superseded)} superseded by newer ones`] : []),
    ...(messages.missed > 0 ? [`${grouped(messages.missed)} due while their device was down`] : []),
    ...(messages.unfinished > 0 ? [`${grouped(messages.unfinished)} under way at the end`] : []),
  ];
  return [
    '',
    `${group.group} (${grouped(group.devices)})`,
    row('messages', `${grouped(messages.sent)} sent: ${shares.join(', ')}`),
    row('purposes', listed(messages.byPurpose)),
    row('latency', latencyText(group.latencyMs)),
    ...(group.notifications > 0
      ? [
          row(
            'observed',
            `${grouped(group.notifications)} notifications; from command to device ${latencyText(group.settingMs)}`,
          ),
        ]
      : []),
    row(
      'handshakes',
      `${grouped(handshakes.full)} full, ${grouped(handshakes.resumed)} resumed, ${grouped(handshakes.takenOver)} associations went on without; ${latencyText(handshakes.ms)}`,
    ),
    row(
      'bytes',
      `${grouped(bytes.sent)} sent, ${grouped(bytes.received)} received: payload ${grouped(bytes.payload)}, CoAP ${grouped(bytes.coap)}, DTLS ${grouped(bytes.dtls)}, OSCORE ${grouped(bytes.oscore)}, handshakes ${grouped(bytes.handshake)}`,
    ),
    row(
      'datagrams',
      `${grouped(datagrams.sent)} sent, ${grouped(datagrams.received)} received, ${grouped(datagrams.lostOnTheLink)} lost on the link; ${grouped(group.retransmissions)} retransmissions`,
    ),
    ...(churn.deaths + churn.addressChanges + churn.largestStateBytes > 0
      ? [
          row(
            'devices',
            `${grouped(churn.deaths)} deaths, ${grouped(churn.statesKept)} returns with their state, ${grouped(churn.addressChanges)} address changes, largest saved state ${churn.largestStateBytes} bytes`,
          ),
        ]
      : []),
    row(
      'radio',
      `${energy.millijoulesPerDevice.toFixed(2)} mJ a device, handshakes ${energy.handshakeMillijoulesPerDevice.toFixed(2)} mJ (200 kbit/s, 20 mA, 3.3 V)`,
    ),
  ];
}

function figureLines({ figures }: FleetReport): readonly string[] {
  return figures.flatMap(({ name, printed, corrected, measured, note }) => [
    `  ${name}`,
    ...(printed === null ? [] : [`    printed    ${printed}`]),
    ...(corrected === null ? [] : [`    right      ${corrected}`]),
    ...(measured === null ? [] : [`    measured   ${measured}`]),
    `    ${note}`,
  ]);
}

/** `p50 1.2, p90 …, max 5 ms`. */
export function latencyText(latency: ReportedLatency): string {
  if (latency.count === 0) return 'none';
  const quantiles = (['p50', 'p90', 'p99', 'p99.9'] as const).map((name) => `${name} ${ms(latency[name])}`);
  return `${quantiles.join(', ')}, max ${ms(latency.max)} ms`;
}

/** Behind how long a run took. */
export function interruption({
  interrupted,
  simulatedSeconds,
}: Pick<FleetReport, 'interrupted' | 'simulatedSeconds'>): string {
  return interrupted ? `, interrupted after ${duration(simulatedSeconds)} of simulated time` : '';
}

/** `1 h 30 min`. */
export function duration(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'min'],
    [Number((seconds % 60).toFixed(1)), 's'],
  ] as const;
  const told = parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`);
  return told.length === 0 ? '0 s' : told.join(' ');
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(11)} ${text}`;
}

function listed(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts);
  return entries.length === 0
    ? 'none'
    : entries.map(([name, count]) => `${name} ${grouped(count)}`).join(', ');
}

function ms(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(1);
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(2))} %`;
}

function grouped(number: number): string {
  return number.toLocaleString('en-US');
}
