/**
 * `npm test [-- folder or file …]`: installs what is missing and runs every test of the workspace.
 *
 * Tests that stay inside one process run together in a single one; those that start processes, open many sockets or
 * build packages run one file after the other in processes of their own. A file that holds no test, a group without
 * a file and a run that ends without a summary count as failures. The last line is the count of the whole run.
 *
 * COAPSULE_LONG=1 (`npm run test:long`) asks the tests for their full counts; COAPSULE_REQUIRE_PEERS=1 turns a missing
 * peer program from a skip into a failure.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import { ensureInstalled, root, workspaceNode } from './install.js';

if (process.argv.includes('--long')) process.env.COAPSULE_LONG = '1';
const long = process.env.COAPSULE_LONG === '1';
const only = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith('--'))
  .map((path) => resolve(path));

/** In order; a test file belongs to the first group whose pattern its path matches. */
const groups = [
  {
    name: 'one process',
    pattern: /^packages\/coapsule\/test\/(?!packaging\/|node\/|api\/).*|^packages\/gateway\/test\/unit\//,
    isolated: false,
    timeoutMs: 120_000,
  },
  {
    name: 'library on real sockets',
    pattern: /^packages\/coapsule\/test\/(node|api)\//,
    isolated: true,
    timeoutMs: 120_000,
  },
  {
    name: 'gateway and command line',
    pattern: /^packages\/gateway\/test\/(?!interop\/|packaging\/)/,
    isolated: true,
    timeoutMs: 180_000,
  },
  {
    name: 'interoperation',
    pattern: /^packages\/gateway\/test\/interop\//,
    isolated: true,
    timeoutMs: 180_000,
  },
  { name: 'packaging', pattern: /\/test\/packaging\//, isolated: true, timeoutMs: 180_000 },
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
    if (chosen.length > 0) run(group, chosen);
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
 * Runs one group and adds its counts to the total.
 *
 * @param {(typeof groups)[number]} group
 * @param {string[]} files paths relative to the workspace
 */
function run(group, files) {
  const start = performance.now();
  const summaryFile = join(scratch, `${rows.length}.json`);
  const { status, signal } = spawnSync(
    node,
    [
      '--conditions=@coapsule/source',
      '--disable-warning=ExperimentalWarning',
      ...(group.isolated ? [`--import=${join(root, 'scripts/test-memory.js')}`] : []),
      '--test',
      ...(group.isolated ? ['--test-concurrency=1'] : ['--test-isolation=none']),
      `--test-timeout=${long ? 1_800_000 : group.timeoutMs}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${join(root, 'scripts/test-reporter.js')}`,
      `--test-reporter-destination=${summaryFile}`,
      ...files,
    ],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, COAPSULE_TEST_MEMORY: join(scratch, 'memory') },
    },
  );
  rmSync(join(scratch, 'memory'), { force: true });
  /** @type {import('./test-reporter.js').Summary | undefined} */
  let summary;
  try {
    summary = JSON.parse(readFileSync(summaryFile, 'utf8'));
  } catch {
    complain(`"${group.name}" ended without a summary (${signal ?? `exit code ${status}`})`);
    rows.push(`${group.name}: no summary, ${seconds(start)} s`);
    return;
  }
  for (const key of ['passed', 'failed', 'skipped']) total[key] += summary[key];
  const silent = files.filter((file) => !summary.files.includes(resolve(root, file)));
  for (const file of silent) complain(`no test ran in ${file}`);
  if (status !== 0 && summary.failed === 0)
    complain(`"${group.name}" ended with ${signal ?? `exit code ${status}`}`);
  const slowest = summary.slowest.map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s`);
  rows.push(
    `${group.name}: ${files.length} files, ${summary.passed} passed, ${summary.failed} failed, ${summary.skipped} skipped, ` +
      `${seconds(start)} s, peak ${summary.peakMebibytes} MiB in one process`,
    `  slowest: ${slowest.slice(0, 3).join(' · ')}`,
  );
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
