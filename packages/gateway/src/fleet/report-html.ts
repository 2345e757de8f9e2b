/**
 * The report of a run as one HTML file with plots: it needs nothing else, loads nothing and runs nothing.
 *
 * @module
 */

import { barPlot, escaped, linePlot, stackedBars } from './report-plots.ts';
import type { FleetReport, ReportedGroup } from './report-schema.ts';
import { duration, interruption, latencyText } from './report-text.ts';

/** The document. */
export function reportHtml(report: FleetReport): string {
  const { scenario, uri, devices, speed, seed, durationSeconds, elapsedSeconds } = report;
  const title = `${scenario}: ${number(devices)} devices`;
  const groups = report.groups.length > 1 ? [...report.groups, report.total] : report.groups;
  const run = [
    ['server', uri],
    ['simulated', `${duration(durationSeconds)} at ${speed} times the speed`],
    ['took', `${elapsedSeconds.toFixed(1)} s${interruption(report)}`],
    ['seed', String(seed)],
    [
      'link',
      `${report.link ?? 'direct'}${report.lossRate === null ? '' : `, loss ${(100 * report.lossRate).toFixed(1)} %`}`,
    ],
    ['churn', report.churnPerHour === 0 ? 'none' : `${(100 * report.churnPerHour).toFixed(1)} % an hour`],
    ...(report.discovery === null
      ? []
      : [
          [
            'discovery',
            report.discovery.problem ??
              `${report.discovery.servers} servers, ${report.discovery.resources} resources by ${report.discovery.by}`,
          ],
        ]),
  ];
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<dl>${run.map(([name = '', text = '']) => `<dt>${escaped(name)}</dt><dd>${escaped(text)}</dd>`).join('')}</dl>
<h2>Messages over the run</h2>
${linePlot(
  report.timeline.map((slice) => [slice.sent, slice.acknowledged, slice.lost]),
  ['sent', 'acknowledged', 'lost'],
  duration(durationSeconds),
)}
<h2>Latency of acknowledged messages</h2>
<p>${escaped(latencyText(report.total.latencyMs))}</p>
${barPlot(
  report.latencyRanges.map(({ toMs, count }) => ({
    label: `${toMs < 10 ? toMs.toFixed(2) : Math.round(toMs)}`,
    value: count,
  })),
  'ms or less',
)}
<h2>Bytes by layer</h2>
${stackedBars(
  groups.map(({ group, bytes }) => ({
    label: group,
    parts: [bytes.payload, bytes.coap, bytes.dtls, bytes.oscore, bytes.handshake],
  })),
  ['payload', 'CoAP', 'DTLS', 'OSCORE', 'handshakes'],
)}
<h2>Groups</h2>
${groupTable(groups)}
${figureTable(report)}
</body>
</html>
`;
}

function groupTable(groups: readonly ReportedGroup[]): string {
  const columns: readonly (readonly [string, (group: ReportedGroup) => string])[] = [
    ['group', ({ group }) => group],
    ['devices', ({ devices }) => number(devices)],
    ['sent', ({ messages }) => number(messages.sent)],
    ['acknowledged', ({ messages }) => number(messages.acknowledged)],
    ['Non-confirmable', ({ messages }) => number(messages.unconfirmed)],
    ['lost', ({ messages }) => number(messages.lost)],
    ['refused', ({ messages }) => number(messages.refused)],
    ['superseded', ({ messages }) => number(messages.superseded)],
    ['missed', ({ messages }) => number(messages.missed)],
    ['p50 ms', ({ latencyMs }) => latencyMs.p50.toFixed(2)],
    ['p99 ms', ({ latencyMs }) => latencyMs.p99.toFixed(2)],
    ['handshakes', ({ handshakes }) => number(handshakes.full + handshakes.resumed)],
    ['went on', ({ handshakes }) => number(handshakes.takenOver)],
    ['retransmissions', (group) => number(group.retransmissions)],
    ['address changes', ({ churn }) => number(churn.addressChanges)],
    ['deaths', ({ churn }) => number(churn.deaths)],
    ['bytes', ({ bytes }) => number(bytes.sent + bytes.received)],
    ['radio mJ a device', ({ energy }) => energy.millijoulesPerDevice.toFixed(2)],
  ];
  const head = columns.map(([name]) => `<th>${escaped(name)}</th>`).join('');
  const rows = groups.map(
    (group) => `<tr>${columns.map(([, of]) => `<td>${escaped(of(group))}</td>`).join('')}</tr>`,
  );
  return `<div class="wide"><table><tr>${head}</tr>${rows.join('')}</table></div>`;
}

function figureTable({ figures }: FleetReport): string {
  if (figures.length === 0) return '';
  const rows = figures.map(
    ({ name, printed, corrected, measured, note }) =>
      `<tr>${[name, printed, corrected, measured, note].map((text) => `<td>${escaped(text ?? '')}</td>`).join('')}</tr>`,
  );
  const head = ['figure', 'printed', 'right', 'measured', 'why'].map((name) => `<th>${name}</th>`).join('');
  return `<h2>Beside the figures that are in circulation</h2>
<div class="wide"><table class="text"><tr>${head}</tr>${rows.join('')}</table></div>`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

const style = `
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{opacity:.7}dd{margin:0}
svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:currentColor}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #8884}
th:first-child,td:first-child,table.text th,table.text td{text-align:left;vertical-align:top}
.c0{fill:#2b6cb0;stroke:#2b6cb0}.c1{fill:#2f855a;stroke:#2f855a}.c2{fill:#c53030;stroke:#c53030}
.c3{fill:#b7791f;stroke:#b7791f}.c4{fill:#6b46c1;stroke:#6b46c1}
.line{fill:none;stroke-width:2}.bar{stroke:none}.axis{stroke:currentColor;stroke-width:1;opacity:.4}
`;
