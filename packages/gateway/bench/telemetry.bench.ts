/**
 * What a reading costs that is stored before it is acknowledged: CPU time of the gateway, commits, and how long devices wait, at
 * several rates. The gateway is `coapsule serve` with its database on disk, the load `coapsule bench`, on a core each.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { report } from '../../coapsule/bench/figure.ts';
import { bound, counts, goals } from './goals.ts';
import { MeasuredServer, onCores } from './servers.ts';

const short = process.argv.includes('--short');
const main = join(import.meta.dirname, '../src/cli/main.ts');
const node = [process.execPath, '--conditions=@coapsule/source', main];
const rates = short ? [100, 1000] : [10, 100, 1000, 3000];
const seconds = short ? 2 : 5;

/** What the gateway did for each reading at one rate. */
interface Cost {
  readonly rate: number;
  readonly cpuMicroseconds: number;
  readonly commits: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
}

const folder = mkdtempSync(join(tmpdir(), 'coapsule-bench-'));
const server = await gateway(folder);
try {
  const numbers = ['-e', '22.5 Cel', '-t', '0'];
  // What the first readings load and compile is none of the cost.
  await cost(server, 500, numbers, 1);
  const costs: Cost[] = [];
  for (const rate of rates) costs.push(await cost(server, rate, numbers, seconds));
  for (const { rate, cpuMicroseconds, commits, p50, p99, failed } of costs) {
    const row = `readings stored at ${rate.toLocaleString('en-US')} a second`;
    report({ name: `${row}: CPU`, value: cpuMicroseconds, unit: 'µs each' });
    report({ name: `${row}: commits`, value: commits, unit: 'a second' });
    report({ name: `${row}: p50`, value: p50, unit: 'ms' });
    report({ name: `${row}: p99`, value: p99, unit: 'ms' });
    if (failed > 0) report({ name: `${row}: not stored`, value: failed, unit: 'readings' });
  }
  const [first, last] = [costs[0] as Cost, costs.at(-1) as Cost];
  if (counts(goals.storedReadingAtFullRate)) {
    report({
      name: `CPU of a reading at ${last.rate} a second, over that at ${first.rate}`,
      value: last.cpuMicroseconds / first.cpuMicroseconds,
      unit: 'times',
      ...bound(goals.storedReadingAtFullRate),
    });
  }
  const opaque = await cost(server, 1000, ['-e', '22.5 Cel', '-t', '42'], seconds);
  const valued = await cost(server, 1000, numbers, seconds);
  report({
    name: 'CPU of a reading with a value, over that of one without',
    value: valued.cpuMicroseconds / opaque.cpuMicroseconds,
    unit: 'times',
    ...bound(goals.valueOverOpaque),
  });
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function gateway(data: string): Promise<MeasuredServer> {
  const options = [
    '--coap',
    '127.0.0.1:0',
    '--coaps',
    'off',
    '--data',
    data,
    '--dangerously-allow-plain-writes',
  ];
  const [program = '', ...args] = onCores('0', [...node, 'serve', ...options]);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line')) as [string];
  const { coap } = JSON.parse(line.slice('ready '.length)) as { coap: string };
  return new MeasuredServer(
    'coapsule serve',
    Number(coap.split(':').at(-1)),
    { kind: 'plain' },
    '0',
    child,
    lines,
  );
}

async function cost(
  measured: MeasuredServer,
  rate: number,
  payload: readonly string[],
  duration: number,
): Promise<Cost> {
  const uri = `coap://127.0.0.1:${measured.port}/sensors/load`;
  const clients = String(Math.min(256, Math.max(10, rate / 5)));
  const load = [
    'bench',
    uri,
    '-m',
    'put',
    ...payload,
    '--rate',
    String(rate),
    '--clients',
    clients,
    '--json',
  ];
  const time = ['--seconds', String(duration), '--warm-up', '0'];
  const [program = '', ...args] = onCores('1', [...node, ...load, ...time]);
  const [cpu, commits] = [measured.cpuMicroseconds(), commitsIn(folder)];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await once(child, 'close');
  const { answered, failed, codes, latencyMs } = JSON.parse(text) as {
    answered: number;
    failed: number;
    codes: Record<string, number>;
    latencyMs: { p50: number; p99: number };
  };
  const stored = (codes['2.01'] ?? 0) + (codes['2.04'] ?? 0);
  return {
    rate,
    cpuMicroseconds: (measured.cpuMicroseconds() - cpu) / Math.max(1, stored),
    commits: (commitsIn(folder) - commits) / duration,
    p50: latencyMs.p50,
    p99: latencyMs.p99,
    failed: failed + answered - stored,
  };
}

/** Transactions so far: the change counter in the header of the write-ahead log's index. */
function commitsIn(data: string): number {
  return readFileSync(join(data, 'coapsule.db-shm')).readUInt32LE(8);
}
