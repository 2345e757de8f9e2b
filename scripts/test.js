/**
 * `npm test [-- folder or file …]`: installs what is missing and runs every test of the workspace.
 *
 * Tests that stay inside one process run together in a single one; those that start processes, open many sockets or
 * build packages have a process for each file. Three processes run at once, as most of them wait most of the time; files
 * that need the machine for themselves (`alone`) come last, one after the other. What a process writes is printed when
 * it has ended, so that outputs do not mix. A file that holds no test, a group without a file, a process that does not
 * end and a run without a summary count as failures. The last line is the count of the whole run.
 *
 * After all of them some run once more with what is set otherwise (`again`): the gateway with several workers, and with full
 * counts everything without WebAssembly. Nothing of that runs when files are named: set the variable then.
 *
 * COAPSULE_LONG=1 (`npm run test:long`) asks the tests for their full counts; COAPSULE_REQUIRE_PEERS=1 turns a missing
 * peer program from a skip into a failure. Each process has COAPSULE_TEST_SLOT: 0, 1 or 2, never that of a process beside it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
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
    limitMs: 1_200_000,
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

/** Files that run once more with these variables, in a long run or in a short one. */
const again = [
  {
    name: 'with 2 workers, some',
    env: { COAPSULE_WORKERS: '2' },
    pattern: /^packages\/gateway\/test\/(server\/device-command|interop\/(openssl|fleet)\.test)/,
    inLong: false,
  },
  ...['2', '4'].map((count) => ({
    name: `with ${count} workers`,
    env: { COAPSULE_WORKERS: count },
    pattern: /^packages\/gateway\/test\/(server|gateway|cli|interop)\//,
    inLong: true,
  })),
  {
    name: 'without WebAssembly',
    env: { COAPSULE_CRYPTO: 'node' },
    pattern: /^packages\/[^/]+\/test\/(?!packaging\/)/,
    inLong: true,
  },
].map((one) => ({ ...one, processPerFile: true, limitMs: 400_000 }));

/**
 * Files beside which nothing may run.
 *
 * Those on the fixed ports of CoAP are not among them: their peers have an address of 127.0.0.0/8 or a network of their
 * own. Nor are most of those that measure: they measure the time of their own processor, or allow for a busy machine.
 */
const alone = [
  // Builds dist/ and writes examples among the sources: both are seen by whoever loads a package meanwhile.
  /\/test\/packaging\//,
  // A line that was pulled has two seconds to be there again at both ends before a client begins a new handshake.
  /^packages\/gateway\/test\/gateway\/serial-lines/,
  /^packages\/coapsule\/test\/api\/serial-requirements/,
];

/** Processes at a time, of those that are not alone. */
const slots = 3;

/** Files that take 40 s and more, the longest first: they begin before all others, so that none is left for the end. */
const longFiles = [
  'packages/gateway/test/interop/multicast.test.ts',
  'packages/gateway/test/interop/streams.test.ts',
  'packages/gateway/test/interop/libcoap-client.test.ts',
  'packages/gateway/test/cli/session.test.ts',
  'packages/gateway/test/interop/libcoap-server.test.ts',
  'packages/gateway/test/interop/serial-line.test.ts',
  'packages/gateway/test/cli/simulate.test.ts',
  'packages/gateway/test/interop/scandium-certificates.test.ts',
  'packages/gateway/test/server/start-up.test.ts',
  'packages/gateway/test/interop/rotation.test.ts',
  'packages/gateway/test/interop/sharing.test.ts',
  'packages/gateway/test/crash/kept-associations.test.ts',
  'packages/gateway/test/interop/fleet.test.ts',
  'packages/gateway/test/fleet/soak.test.ts',
];

/** @typedef {Omit<(typeof groups)[number], 'pattern'> & { env?: Record<string, string> }} Group */
/** @typedef {{ group: Group, files: string[], isAlone: boolean }} Share test files, by their paths from the workspace, that run in one process */
/** @typedef {{ summary: import('./test-reporter.js').Summary | undefined, complaints: string[], elapsedMs: number }} Outcome of one process */

ensureInstalled();
const node = workspaceNode();
const scratch = mkdtempSync(join(tmpdir(), 'coapsule-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };
const complaints = [];
const rows = [];
/** @type {Set<() => void>} for each process that runs, what kills it with all it has started */
const kills = new Set();
let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    isInterrupted = true;
    for (const kill of kills) kill();
  });
}
const begin = performance.now();
try {
  const files = ['coapsule', 'gateway'].flatMap((name) => testFiles(join(root, 'packages', name, 'test')));
  /** @type {Share[]} */
  const shares = [];
  for (const group of groups) {
    const members = files.filter((file) => groups.find(({ pattern }) => pattern.test(file)) === group);
    const chosen = members.filter(
      (file) => only.length === 0 || only.some((path) => within(resolve(root, file), path)),
    );
    if (members.length === 0) complain(`no test file for "${group.name}"`);
    if (chosen.length > 0) shares.push(...sharesOf(group, chosen));
  }
  const repeated = only.length > 0 ? [] : again.filter(({ inLong }) => inLong === long);
  for (const group of repeated) {
    shares.push(
      ...sharesOf(
        group,
        files.filter((file) => group.pattern.test(file)),
      ),
    );
  }
  const outcomes = await runAll(shares);
  if (!isInterrupted) for (const group of [...groups, ...repeated]) tell(group, outcomes);
  const lost = files.filter((file) => !groups.some(({ pattern }) => pattern.test(file)));
  if (lost.length > 0) complain(`in no group: ${lost.join(', ')}`);
  if (rows.length === 0) complain('no test file matches');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (isInterrupted) process.exit(130);

process.stdout.write(`\n${rows.join('\n')}\n`);
for (const complaint of complaints) process.stdout.write(`FAILED: ${complaint}\n`);
process.stdout.write(`${long ? 'full counts, ' : ''}${seconds(performance.now() - begin)} s in all\n`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/** @param {Group} group @param {string[]} files @returns {Share[]} */
function sharesOf(group, files) {
  if (!group.processPerFile) return [{ group, files, isAlone: false }];
  return files.map((file) => ({
    group,
    files: [file],
    isAlone: alone.some((pattern) => pattern.test(file)),
  }));
}

/**
 * Runs all shares, some at a time.
 *
 * @param {Share[]} shares
 * @returns {Promise<Map<Share, Outcome | undefined>>} in the order of `shares`, whichever ended first; undefined only after an
 *   interruption
 */
async function runAll(shares) {
  /** @type {Map<Share, Outcome>} */
  const outcomes = new Map(shares.map((share) => [share, undefined]));
  const work = async (queue, slot) => {
    while (queue.length > 0 && !isInterrupted) {
      const share = queue.shift();
      outcomes.set(share, await runShare(share, slot));
    }
  };
  const together = shares.filter(({ isAlone }) => !isAlone).sort((one, other) => rankOf(one) - rankOf(other));
  await Promise.all(Array.from({ length: slots }, (_, slot) => work(together, slot)));
  await work(
    shares.filter(({ isAlone }) => isAlone),
    0,
  );
  return outcomes;
}

/** Place among those that wait: many files in one process, then the long ones, then the others as they come. @param {Share} share */
function rankOf({ group, files }) {
  const place = longFiles.indexOf(files[0]);
  return !group.processPerFile ? -1 : place === -1 ? longFiles.length : place;
}

/**
 * Adds the counts of a group to the total and keeps its closing lines.
 *
 * @param {Group} group
 * @param {Map<Share, Outcome>} outcomes of all groups
 */
function tell(group, outcomes) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const slowest = [];
  let fileCount = 0;
  let elapsedMs = 0;
  let peakMebibytes = 0;
  for (const [share, outcome] of outcomes) {
    if (share.group !== group) continue;
    fileCount += share.files.length;
    elapsedMs += outcome.elapsedMs;
    for (const complaint of outcome.complaints) complain(complaint);
    const { summary } = outcome;
    if (summary === undefined) continue;
    for (const key of ['passed', 'failed', 'skipped']) sum[key] += summary[key];
    slowest.push(...summary.slowest);
    peakMebibytes = Math.max(peakMebibytes, summary.peakMebibytes);
    // A test made by a function of another file is told as one of that file; alone in its process, it is clear whose it is.
    const ran = summary.passed + summary.failed + summary.skipped > 0;
    const silent = share.files.filter((file) =>
      share.files.length === 1 ? !ran : !summary.files.includes(resolve(root, file)),
    );
    for (const file of silent) complain(`no test ran in ${file}`);
  }
  if (fileCount === 0) return;
  for (const key of ['passed', 'failed', 'skipped']) total[key] += sum[key];
  slowest.sort((one, other) => other[1] - one[1]);
  rows.push(
    `${group.name}: ${fileCount} files, ${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped, ` +
      `${seconds(elapsedMs)} s of processes, peak ${peakMebibytes} MiB in one process`,
    `  slowest: ${slowest
      .slice(0, 3)
      .map(([name, ms]) => `${name} ${seconds(ms)} s`)
      .join(' · ')}`,
  );
}

/**
 * Runs test files together in one new process, with all it starts killed when the time is up.
 *
 * @param {Share} share
 * @param {number} slot
 * @returns {Promise<Outcome>} without a summary when the process left none
 */
async function runShare({ group, files }, slot) {
  const { env = {} } = group;
  const limitMs = long ? longLimitMs : group.limitMs;
  const summaryFile = join(scratch, `summary-${slot}.json`);
  const outputFile = join(scratch, `output-${slot}`);
  rmSync(summaryFile, { force: true });
  // A file and no pipe: whatever a test leaves behind cannot keep it open.
  const output = openSync(outputFile, 'w');
  const start = performance.now();
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
    {
      cwd: root,
      stdio: ['ignore', output, output],
      detached: true,
      // Compiled once in a run: without it each of its processes strips the types of hundreds of files anew.
      env: {
        NODE_COMPILE_CACHE: join(scratch, 'compiled'),
        ...process.env,
        ...env,
        COAPSULE_TEST_SLOT: String(slot),
      },
    },
  );
  closeSync(output);
  const kill = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // it has ended
    }
  };
  kills.add(kill);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill();
  }, limitMs);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(timer);
  kills.delete(kill);
  kill(); // what the tests have left behind
  const how = Object.entries(env).map(([variable, value]) => ` ${variable}=${value}`);
  if (group.processPerFile) process.stdout.write(`\n${files[0]}${how.join('')}\n`);
  process.stdout.write(readFileSync(outputFile));
  const name = files.length === 1 ? files[0] : `${files.length} files in one process`;
  const ending = late
    ? `did not end within ${limitMs / 1000} s`
    : `ended with ${signal ?? `exit code ${code}`}`;
  const elapsedMs = performance.now() - start;
  try {
    const summary = JSON.parse(readFileSync(summaryFile, 'utf8'));
    const isWrong = late || (code !== 0 && summary.failed === 0);
    return { summary, complaints: isWrong ? [`${name} ${ending}`] : [], elapsedMs };
  } catch {
    return { summary: undefined, complaints: [`${name} ${ending}, without a summary`], elapsedMs };
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

/** @param {number} ms */
function seconds(ms) {
  return (ms / 1000).toFixed(1);
}
