/** The families of metrics, and their text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DurationHistogram,
  durationBoundsSeconds,
  durationSum,
} from '../../src/operations/duration-histogram.ts';
import { MetricsText } from '../../src/operations/metrics-text.ts';

test('a duration is counted in the range that it falls in, its bound included', () => {
  const histogram = new DurationHistogram();
  for (const ms of [0, 0.5, 0.6, 1000, 60_000]) histogram.add(ms);
  const { counts, sumSeconds } = histogram.counts();
  assert.equal(counts[0], 2);
  assert.equal(counts[1], 1);
  assert.equal(counts[durationBoundsSeconds.indexOf(1)], 1);
  assert.equal(counts.at(-1), 1);
  assert.ok(Math.abs(sumSeconds - 61.0011) < 1e-9);
  const twice = durationSum([histogram.counts(), histogram.counts()]);
  assert.equal(twice.counts[0], 4);
});

test('the text form has help, type, cumulative ranges and escaped labels, each series once', async () => {
  const histogram = new DurationHistogram();
  for (const ms of [0.2, 3, 20_000]) histogram.add(ms);
  const metrics = new MetricsText(async () => [
    {
      kind: 'counter',
      name: 'a_things',
      help: 'Things.',
      points: [{ labels: { kind: 'a"b\\c' }, value: 3 }],
    },
    { kind: 'gauge', name: 'b_now', help: 'Now.', points: [{ labels: {}, value: 0.5 }] },
    {
      kind: 'histogram',
      name: 'c_seconds',
      help: 'How long.',
      points: [{ labels: {}, durations: histogram.counts() }],
    },
  ]);
  const text = await metrics.text();
  assert.equal(await metrics.text(), text, 'nothing is added up from one scrape to the next');
  assert.ok(text.startsWith('# HELP a_things_total Things.\n# TYPE a_things_total counter\n'));
  assert.ok(text.includes('a_things_total{kind="a\\"b\\\\c"} 3\n'));
  assert.ok(text.includes('# TYPE b_now gauge\nb_now 0.5\n'));
  assert.ok(text.includes('c_seconds_bucket{le="0.0005"} 1\n'));
  assert.ok(text.includes('c_seconds_bucket{le="0.005"} 2\n'));
  assert.ok(text.includes('c_seconds_bucket{le="10"} 2\n'));
  assert.ok(text.includes('c_seconds_bucket{le="+Inf"} 3\n'));
  assert.ok(text.includes('c_seconds_count 3\n'));
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const names = series.map((line) => line.slice(0, line.lastIndexOf(' ')));
  assert.equal(new Set(names).size, names.length);
  await metrics.close();
});
