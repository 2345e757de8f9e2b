/**
 * Reporter of node:test that writes one JSON document when a run is over: counts, files that ran, slowest tests.
 *
 * scripts/test.js reads it, because the runner itself exits 0 when no test ran. Prints nothing for people.
 */
import { resolve } from 'node:path';

/**
 * @typedef {{ passed: number, failed: number, skipped: number, files: string[], slowest: [string, number][], peakMebibytes: number }} Summary
 */

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* report(events) {
  const files = new Set();
  const durations = [];
  let counts;
  let empty = 0;
  for await (const { type, data } of events) {
    if (type === 'test:pass' || type === 'test:fail') {
      // A file without tests is itself reported as a test that bears the file's name.
      const isFile = data.file !== undefined && resolve(data.name) === data.file;
      if (isFile && type === 'test:pass') {
        empty += 1;
        continue;
      }
      if (data.file !== undefined) files.add(data.file);
      if (data.details?.type !== 'suite')
        durations.push([data.name, Math.round(data.details?.duration_ms ?? 0)]);
    }
    if (type === 'test:summary' && data.file === undefined) counts = data.counts;
  }
  durations.sort((one, other) => other[1] - one[1]);
  yield JSON.stringify({
    passed: (counts?.passed ?? 0) - empty,
    failed: (counts?.failed ?? 0) + (counts?.cancelled ?? 0),
    skipped: (counts?.skipped ?? 0) + (counts?.todo ?? 0),
    files: [...files],
    slowest: durations.slice(0, 5),
    peakMebibytes: Math.round(process.resourceUsage().maxRSS / 1024),
  });
}
