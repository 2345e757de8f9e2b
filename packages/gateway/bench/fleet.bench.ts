/**
 * A fleet on one gateway: 10,000 DTLS sessions that together send 1,000 readings a second, each stored on disk before it is
 * acknowledged; `coapsule serve` and the generator share two cores.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { report } from '../../coapsule/bench/figure.ts';
import { bound, goals } from './goals.ts';
import { hasGenerator, type LoadFigures, load } from './load-generator.ts';
import { MeasuredServer, onCores, secret } from './servers.ts';

const short = process.argv.includes('--short');
const sessions = short ? 1000 : 10_000;
const rate = 1000;
const identity = 'sensor-042';
const node = [
  process.execPath,
  '--conditions=@coapsule/source',
  join(import.meta.dirname, '../src/cli/main.ts'),
];

if (hasGenerator()) for (const workers of [1, 2]) await measure(workers);
else report({ name: 'fleet, without the generator: nothing is measured', value: 0, unit: 'sessions' });

async function measure(workers: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coapsule-bench-'));
  const server = await gateway(folder, workers);
  try {
    const figures = await load(server, {
      ...{ clients: sessions, seconds: short ? 2 : 10, warmUpSeconds: short ? 1 : 3, rate },
      ...{ path: `sensors/${identity}/load`, payload: '22.5 Cel' },
    });
    tell(workers, figures);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function tell(workers: number, figures: LoadFigures): void {
  const { p50, p99, p999, cpuMicroseconds, failed, connect } = figures;
  const who = `${sessions.toLocaleString('en-US')} sessions and ${rate.toLocaleString('en-US')} readings a second, ${workers} ${workers === 1 ? 'worker' : 'workers'}`;
  report({ name: who, value: figures.rate, unit: 'a second', ...bound(goals.fleetRate) });
  report({ name: `${who}: p50`, value: p50, unit: 'ms' });
  report({ name: `${who}: p99`, value: p99, unit: 'ms', ...bound(goals.fleetP99Milliseconds) });
  report({ name: `${who}: p99.9`, value: p999, unit: 'ms' });
  report({
    name: `${who}: CPU of the gateway`,
    value: (cpuMicroseconds * figures.rate) / 10_000,
    unit: '% of a core',
  });
  report({ name: `${who}: handshakes`, value: connect.rate, unit: 'a second' });
  if (failed > 0) report({ name: `${who}: not stored`, value: failed, unit: 'readings' });
}

/** A gateway that knows the clients of the generator. */
async function gateway(data: string, workers: number): Promise<MeasuredServer> {
  // The key is published: so it is said on the command line, and for nothing but a load from this machine.
  const add = ['device', 'add', identity, '--psk', secret, '--data', data];
  const { status, stderr } = spawnSync(node[0] ?? '', [...node.slice(1), ...add], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  const endpoints = ['--coap', 'off', '--coaps', '127.0.0.1:0', '--workers', String(workers)];
  const [program = '', ...args] = onCores('0,1', [...node, 'serve', ...endpoints, '--data', data]);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line')) as [string];
  const { coaps } = JSON.parse(line.slice('ready '.length)) as { coaps: string };
  const port = Number(coaps.split(':').at(-1));
  return new MeasuredServer('coapsule serve', port, { kind: 'psk' }, '0,1', child, lines);
}
