/**
 * How long the programs take to start: `coapsule get` as a whole process, and `coapsule serve` until it is ready; of the built
 * package as it is installed, with a warm compile cache, and from source beside it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { median, report } from '../../coapsule/bench/figure.ts';
import { bound, goals } from './goals.ts';
import { coapsuleServer } from './servers.ts';

const rounds = process.argv.includes('--short') ? 5 : 15;
const root = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'coapsule-bench-'));
// Elsewhere than in a source tree, so that the compiled files run.
const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'cache') };

try {
  const built = installBuilt();
  const source = join(root, 'packages/gateway/bin/coapsule.js');
  const server = await coapsuleServer({ kind: 'plain' });
  try {
    const uri = `coap://127.0.0.1:${server.port}/hello`;
    const get = (program: string): number => {
      const begin = performance.now();
      const { status, stderr } = spawnSync(process.execPath, [program, 'get', uri], {
        env,
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(stderr);
      return performance.now() - begin;
    };
    const name = 'coapsule get, whole process';
    report({ name, value: await typical(() => get(built)), unit: 'ms', ...bound(goals.getMilliseconds) });
    report({ name: `${name}, from source`, value: await typical(() => get(source)), unit: 'ms' });
  } finally {
    await server.stop();
  }
  const name = 'gateway ready';
  report({
    name,
    value: (await typical(() => ready(built))) / 1000,
    unit: 's',
    ...bound(goals.readySeconds),
  });
  report({ name: `${name}, from source`, value: (await typical(() => ready(source))) / 1000, unit: 's' });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The median, without the runs that fill the cache. */
async function typical(measure: () => number | Promise<number>): Promise<number> {
  await measure();
  await measure();
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) samples.push(await measure());
  return median(samples);
}

async function ready(program: string): Promise<number> {
  const data = join(folder, 'data');
  const begin = performance.now();
  const child = spawn(
    process.execPath,
    [program, ...['serve', '--demo', '--coap', '127.0.0.1:0', '--coaps', '127.0.0.1:0', '--data', data]],
    { env, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const closed = once(child, 'close');
  await once(createInterface({ input: child.stdout }), 'line');
  const elapsed = performance.now() - begin;
  child.kill('SIGTERM');
  await closed;
  rmSync(data, { recursive: true, force: true });
  return elapsed;
}

/** Builds, and lays the packages out as `npm install` does; what they depend on is that of the workspace. */
function installBuilt(): string {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/build.js')], { cwd: root });
  if (status !== 0) throw new Error('the packages cannot be built: run npm run build');
  const modules = join(folder, 'node_modules');
  const gateway = join(modules, '@coapsule/gateway');
  mkdirSync(join(modules, '@coapsule'), { recursive: true });
  for (const [name, target] of [
    ['coapsule', join(modules, 'coapsule')],
    ['gateway', gateway],
  ] as const) {
    for (const part of name === 'gateway' ? ['bin', 'dist', 'package.json'] : ['dist', 'package.json']) {
      cpSync(join(root, 'packages', name, part), join(target, part), { recursive: true });
    }
  }
  const manifest = readFileSync(join(root, 'packages/gateway/package.json'), 'utf8');
  const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> };
  for (const name of Object.keys(dependencies)) {
    if (name === 'coapsule') continue;
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  return join(gateway, 'bin/coapsule.js');
}
