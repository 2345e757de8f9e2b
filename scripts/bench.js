/**
 * `npm run bench [-- NAME…] [-- --short]`: measures, one after the other, and prints each figure beside its goal.
 *
 * A bench is a program `packages/…/bench/NAME.bench.ts`. It prints, besides what it likes, lines
 * `figure {"name":…,"value":…,"unit":…,"goal":…,"better":"lower"|"higher"}`; a figure without a goal is there to be read.
 * Absolute figures swing with the machine's load, so that goals are ratios within one run wherever that is possible. With
 * `--short` (in CI) only a figure that misses its goal by more than a factor of two fails; else one that misses it.
 *
 * All figures of a run are in `bench-results/`, as a table and as JSON.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureInstalled, root, workspaceNode } from './install.js';

const short = process.argv.includes('--short');
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const tolerance = short ? 2 : 1;

ensureInstalled();
const node = workspaceNode();
const benches = ['coapsule', 'gateway'].flatMap((name) => {
  const folder = join(root, 'packages', name, 'bench');
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith('.bench.ts'));
  return files.sort().map((file) => ({ name: file.slice(0, -'.bench.ts'.length), path: join(folder, file) }));
});
const unknown = names.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(`no bench ${unknown.join(', ')}; there are ${benches.map(({ name }) => name).join(', ')}`);
  process.exit(64);
}
let failures = 0;
/** Of this run. */
const measured = [];
for (const bench of benches) {
  if (names.length > 0 && !names.includes(bench.name)) continue;
  console.log(`\n== ${bench.name}`);
  const child = spawn(node, ['--conditions=@coapsule/source', bench.path, ...(short ? ['--short'] : [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  let figures = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('figure ')) {
      console.log(`  ${line}`);
      continue;
    }
    figures++;
    const { name, value, unit, goal, better } = JSON.parse(line.slice('figure '.length));
    if (goal === undefined) {
      measured.push({ bench: bench.name, name, value, unit });
      console.log(`  ${name}: ${value} ${unit}`);
      continue;
    }
    // A goal of 0 is met or missed, and nothing in between.
    const miss = better === 'lower' ? (value === goal ? 1 : value / goal) : goal / value;
    const verdict = miss <= 1 ? 'met' : miss <= tolerance ? 'missed, within the tolerance' : 'MISSED';
    if (!(miss <= tolerance)) failures++;
    const bound = better === 'lower' ? 'at most' : 'at least';
    measured.push({ bench: bench.name, name, value, unit, goal, better, isMet: miss <= 1 });
    console.log(`  ${name}: ${value} ${unit} (goal: ${bound} ${goal}) ${verdict}`);
  }
  const [code, signal] = await ended;
  if (code !== 0 || figures === 0) {
    failures++;
    console.log(`  FAILED: ${signal ?? `exit ${code}`}, ${figures} figures`);
  }
}
write(measured);
console.log(failures === 0 ? '\nall goals met' : `\n${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

/** The figures as JSON and as a Markdown table. */
function write(figures) {
  const folder = join(root, 'bench-results');
  mkdirSync(folder, { recursive: true });
  const about = { node: process.versions.node, platform: process.platform, arch: process.arch, short };
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify({ ...about, figures }, undefined, 2)}\n`);
  const rows = figures.map(({ name, value, unit, goal, better, isMet }) => {
    const wanted = goal === undefined ? '' : `${better === 'lower' ? 'at most' : 'at least'} ${goal}`;
    return `| ${name} | ${value} ${unit} | ${wanted} | ${isMet === undefined ? '' : isMet ? 'yes' : '**no**'} |`;
  });
  const table = ['| figure | measured | goal | met |', '|---|---|---|---|', ...rows].join('\n');
  writeFileSync(join(folder, 'results.md'), `${table}\n`);
  console.log('\nwritten to bench-results/results.md and results.json');
}
