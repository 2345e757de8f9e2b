/** The report of a fleet as JSON, text and HTML. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetReport } from '../../src/fleet/fleet-report.ts';
import { FleetTally } from '../../src/fleet/fleet-tally.ts';
import { reportHtml } from '../../src/fleet/report-html.ts';
import type { FleetReport } from '../../src/fleet/report-schema.ts';
import { duration, reportText } from '../../src/fleet/report-text.ts';

function report(scenario: string, change: (tally: FleetTally) => void = () => {}): FleetReport {
  const tally = new FleetTally(86_400);
  const broken = tally.group('broken-reuse');
  broken.devices = 2;
  broken.outcomes.acknowledged = 2;
  broken.outcomes.lost = 46;
  broken.failures.set('ERR_TIMEOUT', 46);
  broken.traffic.fullHandshakes = 2;
  broken.traffic.handshakeBytes = 720;
  broken.traffic.sentBytes = 4000;
  broken.traffic.receivedBytes = 1000;
  broken.traffic.messageBytes = 3000;
  broken.traffic.payloadBytes = 1500;
  const oscore = tally.group('oscore');
  oscore.devices = 2;
  oscore.outcomes.acknowledged = 48;
  for (let ms = 1; ms <= 48; ms++) oscore.latencies.record(ms);
  tally.at(0, 'sent');
  tally.at(86_399, 'lost');
  change(tally);
  return fleetReport(
    {
      ...{ scenario, uri: 'coaps://<b>&"', devices: 4, seed: 7, speed: 3600, durationSeconds: 86_400 },
      ...{ link: 'wifi', lossRate: 0.2, churnPerHour: 0, confirmEvery: 1 },
    },
    { tally, elapsedSeconds: 24.1234, simulatedSeconds: 86_400, interrupted: false },
    undefined,
  );
}

test('the JSON has a version, totals that are the sum of the groups, and bytes by layer that add up', () => {
  const { schema, total, groups, timeline, elapsedSeconds } = report('agriculture');
  assert.equal(schema, 1);
  assert.equal(elapsedSeconds, 24.123);
  assert.equal(total.messages.sent, 96);
  assert.equal(
    total.messages.acknowledged,
    groups.reduce((sum, { messages }) => sum + messages.acknowledged, 0),
  );
  const { sent, received, payload, coap, dtls, oscore, handshake } = total.bytes;
  assert.equal(payload + coap + dtls + oscore + handshake, sent + received);
  assert.deepEqual([payload, coap, dtls, handshake], [1500, 1500, 1280, 720]);
  assert.equal(timeline.length, 60);
  assert.deepEqual([timeline[0]?.sent, timeline[59]?.lost], [1, 1]);
  assert.equal(total.latencyMs.count, 48);
  assert.deepEqual(total.messages.lostCauses, { ERR_TIMEOUT: 46 });
});

test('agriculture is told beside the printed figures: 95 % rejected, 43 mJ a day, 18 months, and what is right', () => {
  const text = reportText(report('agriculture'));
  assert.match(
    text,
    /printed {4}95 %\n {4}right {6}23 of 24: 95\.833 %\n {4}measured {3}46 of 48: 95\.833 %/,
  );
  assert.match(
    text,
    /OSCORE\n {4}printed {4}43 mJ\/day, 18 months\n {4}right {6}43\.2 mJ\/day, which is 1,520 years; in joules 18\.2 months/,
  );
  assert.match(text, /measured {3}43\.2 mJ\/day: 0\.00 handshakes and 24\.0 messages a device/);
  assert.match(text, /handshake at every wake\n {4}printed {4}6 months\n {4}right {6}1123\.2 mJ\/day/);
});

test('loss is told beside its odds, and a handshake beside its presets', () => {
  const text = reportText(report('hospital'));
  assert.match(text, /at 20 % loss each way\n {4}right {6}99\.395 % with 1\.553 transmissions/);
  assert.match(text, /0\.064 mAh\n {4}right {6}0\.064 µAh, 0\.2304 mAs, 0\.76 mJ\n {4}measured {3}360 bytes/);
});

test('the HTML loads nothing and runs nothing, and text of others stands in it as text', () => {
  const html = reportHtml(report('agriculture'));
  assert.doesNotMatch(html, /https?:|\ssrc=|\shref=|<script|url\(|@import/i);
  assert.match(html, /default-src 'none'/);
  assert.match(html, /coaps:\/\/&lt;b&gt;&amp;&quot;/);
  assert.match(html, /<polyline class="line c0"/);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
});

test('a run without a single message has a report as well', () => {
  const tally = new FleetTally(60);
  const empty = fleetReport(
    {
      ...{ scenario: 'hospital', uri: 'coap://h', devices: 1, seed: 1, speed: 1, durationSeconds: 60 },
      ...{ link: null, lossRate: null, churnPerHour: 0, confirmEvery: 0 },
    },
    { tally, elapsedSeconds: 0, simulatedSeconds: 0, interrupted: true },
    { by: 'coap://224.0.1.187', servers: 0, resources: 0, problem: 'nobody answered' },
  );
  assert.match(reportText(empty), /interrupted[\s\S]*nothing \(nobody answered\)/);
  assert.doesNotMatch(reportHtml(empty), /NaN|undefined|Infinity/);
});

test('an interrupted run is measured by the time that it had, not by the time that it was to have', () => {
  const tally = new FleetTally(86_400);
  const oscore = tally.group('oscore');
  oscore.devices = 2;
  oscore.outcomes.acknowledged = 24;
  const half = fleetReport(
    {
      ...{ scenario: 'agriculture', uri: 'coaps://h', devices: 2, seed: 1, speed: 3600 },
      ...{ durationSeconds: 86_400, link: null, lossRate: null, churnPerHour: 0, confirmEvery: 1 },
    },
    { tally, elapsedSeconds: 12, simulatedSeconds: 43_200, interrupted: true },
    undefined,
  );
  assert.equal(half.simulatedSeconds, 43_200);
  assert.match(reportText(half), /12\.0 s, interrupted after 12 h of simulated time/);
  assert.match(reportText(half), /measured {3}43\.2 mJ\/day: 0\.00 handshakes and 12\.0 messages a device/);
});

test('durations are told in hours, minutes and seconds', () => {
  assert.deepEqual([0, 59.5, 3600, 5400, 86_461].map(duration), [
    '0 s',
    '59.5 s',
    '1 h',
    '1 h 30 min',
    '24 h 1 min 1 s',
  ]);
});
