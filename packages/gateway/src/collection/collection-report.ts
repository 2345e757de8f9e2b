/**
 * What came of collections, as text, as JSON and as JUnit XML. No secret stands in any of them.
 *
 * @module
 */

import { printable } from '../text/printable.ts';
import type { CollectionResult, RequestResult } from './run-collection.ts';

/** What came of one file. */
export interface FileResult extends CollectionResult {
  readonly file: string;
}

/** The schema is stable: fields are added, never renamed or removed. */
export interface CollectionReport {
  readonly files: readonly FileResult[];
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly holds: boolean;
}

const longest = 2000;

/** All files together. */
export function collectionReport(files: readonly FileResult[]): CollectionReport {
  const outcomes = files.flatMap(({ results }) => results.map(({ outcome }) => outcome));
  const count = (wanted: RequestResult['outcome']): number => outcomes.filter((one) => one === wanted).length;
  return {
    files,
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped'),
    holds: files.every(({ holds }) => holds),
  };
}

/** One request, on lines of its own. */
export function resultLines({
  outcome,
  name,
  section,
  method,
  uri,
  code,
  durationMs,
  checks,
  problem,
  line,
}: RequestResult): readonly string[] {
  const part = section === 'requests' ? '' : `${section}: `;
  const took =
    durationMs === null ? '' : `, ${durationMs < 10 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`;
  const came = code === null ? '' : ` (${code}${took})`;
  const lines = [
    `${{ passed: 'ok     ', failed: 'FAILED ', skipped: 'skipped' }[outcome]} ${part}${name}${came}`,
  ];
  if (outcome === 'failed') lines.push(`          line ${line}: ${method} ${uri}`);
  if (problem !== null) lines.push(`          ${problem}`);
  for (const { what, holds, found } of checks)
    if (!holds) lines.push(`          expected ${what}; found ${found}`);
  return lines.map((text) => printable(text, longest));
}

/** How many of what. */
export function summaryLine({ passed, failed, skipped }: CollectionReport): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** The form that continuous integration reads: a suite for each file, a case for each request. */
export function junitXml({ files, passed, failed, skipped }: CollectionReport): string {
  const total = passed + failed + skipped;
  const suites = files.map(({ file, name, results }) => {
    const count = (wanted: RequestResult['outcome']): number =>
      results.filter(({ outcome }) => outcome === wanted).length;
    return [
      `  <testsuite name="${xml(name ?? file)}" file="${xml(file)}" tests="${results.length}" failures="${count('failed')}" skipped="${count('skipped')}" time="${secondsOf(results)}">`,
      ...results.map((result) => testCase(file, result)),
      '  </testsuite>',
    ].join('\n');
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${total}" failures="${failed}" skipped="${skipped}" time="${secondsOf(files.flatMap(({ results }) => results))}">\n${suites.join('\n')}\n</testsuites>\n`;
}

function testCase(file: string, result: RequestResult): string {
  const { section, name, line, outcome, problem, checks } = result;
  const start = `    <testcase classname="${xml(section === 'requests' ? file : `${file} ${section}`)}" name="${xml(name)}" file="${xml(file)}" line="${line}" time="${secondsOf([result])}"`;
  if (outcome === 'passed') return `${start}/>`;
  if (outcome === 'skipped')
    return `${start}>\n      <skipped message="${xml(problem ?? '')}"/>\n    </testcase>`;
  const reasons = [
    ...(problem === null ? [] : [problem]),
    ...checks.filter(({ holds }) => !holds).map(({ what, found }) => `expected ${what}; found ${found}`),
  ];
  return `${start}>\n      <failure message="${xml(reasons[0] ?? '')}">${xml(reasons.join('\n'))}</failure>\n    </testcase>`;
}

function secondsOf(results: readonly RequestResult[]): string {
  return (results.reduce((sum, { durationMs }) => sum + (durationMs ?? 0), 0) / 1000).toFixed(3);
}

/** Characters that XML 1.0 has no place for are escaped as on a terminal. */
function xml(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, longest))
    .join('\n')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;');
}
