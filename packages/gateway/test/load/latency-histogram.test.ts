import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LatencyHistogram } from '../../src/load/latency-histogram.ts';

test('a histogram without latencies has none of anything', () => {
  const histogram = new LatencyHistogram();
  assert.deepEqual(
    [histogram.count, histogram.meanMs, histogram.maxMs, histogram.quantileMs(0.5)],
    [0, 0, 0, 0],
  );
  assert.deepEqual(histogram.ranges(), []);
});

test('a quantile is never below the true one, and at most a 64th of it and a microsecond above', () => {
  const latencies = fc.array(fc.double({ min: 0, max: 3_000_000, noNaN: true }), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(
    fc.property(latencies, fc.double({ min: 0.001, max: 1, noNaN: true }), (values, share) => {
      const histogram = new LatencyHistogram();
      for (const value of values) histogram.record(value);
      const sorted = values.toSorted((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] as number;
      const found = histogram.quantileMs(share);
      assert.ok(found >= exact, `${found} for ${exact}`);
      assert.ok(found <= exact * (1 + 1 / 64) + 0.001, `${found} for ${exact}`);
    }),
  );
});

test('ranges follow each other, hold every latency once, and their bounds enclose it', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 100_000, noNaN: true })), (values) => {
      const histogram = new LatencyHistogram();
      for (const value of values) histogram.record(value);
      let end = 0;
      let count = 0;
      for (const range of histogram.ranges()) {
        assert.ok(range.fromMs >= end && range.toMs > range.fromMs);
        end = range.toMs;
        count += range.count;
        const inside = values.filter((value) => {
          const whole = Math.floor(value * 1000) / 1000;
          return whole >= range.fromMs && whole < range.toMs;
        });
        assert.equal(range.count, inside.length);
      }
      assert.equal(count, values.length);
    }),
  );
});

test('what takes longer than an hour is kept as the maximum', () => {
  const histogram = new LatencyHistogram();
  histogram.record(5_000_000);
  assert.equal(histogram.maxMs, 5_000_000);
  assert.equal(histogram.count, 1);
});
