/**
 * `npm test [-- folder or file …]`: installs what is missing and runs every test of the workspace.
 *
 * Tests that stay inside one process run together in a single one; those that start processes, open many sockets or
 * build packages run one file after the other, each in a process of its own. A file that holds no test, a group without
 * a file, a process that does not end and a run without a summary count as failures. The last line is the count of the
 * whole run.
 *
 * COAPSULE_LONG=1 (`npm run test:long`) asks the tests for their full counts; COAPSULE_REQUIRE_PEERS=1 turns a missing
 * peer program from a skip into a failure.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import { ensureInstalled, root, workspaceNode } from './install.js';

if (process.argv.includes('--long')) process.env.COAPSULE_LONG = '1';
const long = process.env.COAPSULE_LONG === '1';
/** With full counts one process may take this long. */
const longLimitMs = 3 * 3_600_000;
const only = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith('--'))
  .map((path) => resolve(path));

/** In order; a test file belongs to the first group whose pattern its path matches. The limit is for one process. */
const groups = [
  {
    name: 'one process',
    pattern: /^packages\/coapsule\/test\/(?!packaging\/|node\/|api\/)|^packages\/gateway\/test\/unit\//,
    processPerFile: false,
    limitMs: 600_000,
  },
  {
    name: 'library on real sockets',
    pattern: /^packages\/coapsule\/test\/(node|api)\//,
    processPerFile: true,
    limitMs: 240_000,
  },
  {
    name: 'gateway and command line',
    pattern: /^packages\/gateway\/test\/(?!interop\/|packaging\/)/,
    processPerFile: true,
    limitMs: 300_000,
  },
  {
    name: 'interoperation',
    pattern: /^packages\/gateway\/test\/interop\//,
    processPerFile: true,
    limitMs: 400_000,
  },
  { name: 'packaging', pattern: /\/test\/packaging\//, processPerFile: true, limitMs: 180_000 },
];

ensureInstalled();
const node = workspaceNode();
const scratch = mkdtempSync(join(tmpdir(), 'coapsule-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };
const complaints = [];
const rows = [];
const begin = performance.now();
try {
  const files = ['coapsule', 'gateway'].flatMap((name) => testFiles(join(root, 'packages', name, 'test')));
  for (const group of groups) {
    const members = files.filter((file) => groups.find(({ pattern }) => pattern.test(file)) === group);
    const chosen = members.filter(
      (file) => only.length === 0 || only.some((path) => within(resolve(root, file), path)),
    );
    if (members.length === 0) complain(`no test file for "${group.name}"`);
    if (chosen.length > 0) await runGroup(group, chosen);
  }
  const lost = files.filter((file) => !groups.some(({ pattern }) => pattern.test(file)));
  if (lost.length > 0) complain(`in no group: ${lost.join(', ')}`);
  if (rows.length === 0) complain('no test file matches');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

process.stdout.write(`\n${rows.join('\n')}\n`);
for (const complaint of complaints) process.stdout.write(`FAILED: ${complaint}\n`);
process.stdout.write(`${long ? 'full counts, ' : ''}${seconds(begin)} s in all\n`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/**
 * Runs one group, adds its counts to the total and keeps its closing lines.
 *
 * @param {(typeof groups)[number]} group
 * @param {string[]} files paths relative to the workspace
 */
async function runGroup(group, files) {
  const start = performance.now();
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const slowest = [];
  let peakMebibytes = 0;
  for (const share of group.processPerFile ? files.map((file) => [file]) : [files]) {
    if (group.processPerFile) process.stdout.write(`\n${share[0]}\n`);
    const summary = await runFiles(share, long ? longLimitMs : group.limitMs);
    if (summary === undefined) continue;
    for (const key of ['passed', 'failed', 'skipped']) sum[key] += summary[key];
    slowest.push(...summary.slowest);
    peakMebibytes = Math.max(peakMebibytes, summary.peakMebibytes);
    // A test made by a function of another file is told as one of that file; alone in its process, it is clear whose it is.
    const ran = summary.passed + summary.failed + summary.skipped > 0;
    const silent = share.filter((file) =>
      share.length === 1 ? !ran : !summary.files.includes(resolve(root, file)),
    );
    for (const file of silent) complain(`no test ran in ${file}`);
  }
  for (const key of ['passed', 'failed', 'skipped']) total[key] += sum[key];
  slowest.sort((one, other) => other[1] - one[1]);
  rows.push(
    `${group.name}: ${files.length} files, ${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped, ` +
      `${seconds(start)} s, peak ${peakMebibytes} MiB in one process`,
    `  slowest: ${slowest
      .slice(0, 3)
      .map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s`)
      .join(' · ')}`,
  );
}

/**
 * Runs test files together in one new process, with all it starts killed when the time is up.
 *
 * @param {string[]} files
 * @param {number} limitMs
 * @returns {Promise<import('./test-reporter.js').Summary | undefined>} undefined when it ended without a summary
 */
async function runFiles(files, limitMs) {
  const summaryFile = join(scratch, 'summary.json');
  rmSync(summaryFile, { force: true });
  const child = spawn(
    node,
    [
      '--conditions=@coapsule/source',
      '--disable-warning=ExperimentalWarning',
      '--test',
      '--test-isolation=none',
      `--test-timeout=${limitMs}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${join(root, 'scripts/test-reporter.js')}`,
      `--test-reporter-destination=${summaryFile}`,
      ...files,
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], detached: true },
  );
  const killAll = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // it has ended
    }
  };
  const interrupted = () => {
    killAll();
    process.exit(130);
  };
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killAll();
  }, limitMs);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(timer);
  process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  killAll(); // what the tests have left behind
  const name = files.length === 1 ? files[0] : `${files.length} files in one process`;
  const ending = late
    ? `did not end within ${limitMs / 1000} s`
    : `ended with ${signal ?? `exit code ${code}`}`;
  try {
    const summary = JSON.parse(readFileSync(summaryFile, 'utf8'));
    if (late || (code !== 0 && summary.failed === 0)) complain(`${name} ${ending}`);
    return summary;
  } catch {
    complain(`${name} ${ending}, without a summary`);
    return undefined;
  }
}

/** @param {string} complaint */
function complain(complaint) {
  complaints.push(complaint);
  total.failed += 1;
}

/** @param {string} folder @returns {string[]} paths with forward slashes, relative to the workspace, sorted */
function testFiles(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => relative(root, join(folder, name)).split(sep).join('/'))
    .sort();
}

/** @param {string} file @param {string} path file or folder */
function within(file, path) {
  return file === path || file.startsWith(path + sep);
}

/** @param {number} since */
function seconds(since) {
  return ((performance.now() - since) / 1000).toFixed(1);
}
