/**
 * What 1,000,000 ClientHellos with made-up addresses and cookies cost a gateway: resident memory, and the latency of a
 * device that is connected (robustness goals "Unauthenticated peer"). Short form: 100,000.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'coapsule';
import { quantile, report } from '../../coapsule/bench/figure.ts';

const short = process.argv.includes('--short');
const hellos = short ? 100_000 : 1_000_000;
/** Hellos a second: 8 Mbit/s of them, from 250 addresses. */
const rate = 8000;
const parts = short ? 4 : 10;
/** How long latencies are measured without the flood. */
const quietMs = short ? 4000 : 15_000;

const data = mkdtempSync(join(tmpdir(), 'coapsule-bench-'));
const gateway = spawn(
  process.execPath,
  [
    '--conditions=@coapsule/source',
    join(import.meta.dirname, '../src/cli/main.ts'),
    ...['serve', '--demo', '--coap', 'off', '--coaps', '127.0.0.1:0', '--data', data],
  ],
  { stdio: ['ignore', 'pipe', 'ignore'] },
);
try {
  const [line] = await once(gateway.stdout, 'data');
  const { coaps } = JSON.parse(String(line).replace(/^ready /, '')) as { coaps: string };
  const port = Number(coaps.slice(coaps.lastIndexOf(':') + 1));
  const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };
  const uri = `coaps://127.0.0.1:${port}/hello`;
  const latencies = async (until: () => boolean): Promise<number[]> => {
    const samples: number[] = [];
    while (!until()) {
      const begin = performance.now();
      await client.get(uri);
      samples.push(performance.now() - begin);
      // A device that asks 200 times a second: not a load of its own.
      await sleep(5);
    }
    return samples;
  };
  const during = (ms: number): (() => boolean) => {
    const end = performance.now() + ms;
    return () => performance.now() >= end;
  };
  // A gateway at work: V8 has given its heap the size that traffic of any kind makes it take.
  const warm = during(8000);
  while (!warm()) {
    // An association has 65,536 Message IDs for 247 s (RFC 7252 §4.4): one for everything would have to wait for more.
    await using busy = new Client({ psk });
    for (let round = 0; round < 500 && !warm(); round++) {
      await Promise.all(Array.from({ length: 32 }, () => busy.get(uri)));
    }
  }
  await using client = new Client({ psk });
  await client.get(uri);
  const flood = async (): Promise<number[]> => {
    const hosts = spawn(
      process.execPath,
      [join(import.meta.dirname, 'spoofed-hellos.ts'), String(port), String(hellos / parts), String(rate)],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    let isOver = false;
    const closed = once(hosts, 'close').then(([code]) => {
      isOver = true;
      if (code !== 0) throw new Error(`the flood ended with ${code}`);
    });
    await sleep(500);
    const samples = await latencies(() => isOver);
    await closed;
    return samples;
  };
  // By turns, so that whatever else the machine does falls on both alike.
  const idle: number[] = [];
  const busy: number[] = [];
  const before = residentMegabytes(gateway.pid ?? 0);
  for (let part = 0; part < parts; part++) {
    idle.push(...(await latencies(during(quietMs / parts))));
    busy.push(...(await flood()));
  }
  const after = residentMegabytes(gateway.pid ?? 0);
  console.log(
    `idle p50 ${quantile(idle, 0.5).toFixed(2)} ms, p99 ${quantile(idle, 0.99).toFixed(2)} ms; ` +
      `flooded p50 ${quantile(busy, 0.5).toFixed(2)} ms, p99 ${quantile(busy, 0.99).toFixed(2)} ms ` +
      `(${rate} hellos a second)`,
  );
  report({
    name: `resident memory added by ${hellos} spoofed ClientHellos`,
    value: Math.max(0, after - before),
    unit: 'MB',
    goal: 16,
    better: 'lower',
  });
  report({
    name: "p99 of a connected device's requests during the flood, over the p99 before it",
    value: quantile(busy, 0.99) / quantile(idle, 0.99),
    unit: 'times',
    goal: 3,
    better: 'lower',
  });
} finally {
  gateway.kill('SIGTERM');
  await once(gateway, 'close');
  rmSync(data, { recursive: true, force: true });
}

function residentMegabytes(pid: number): number {
  const [kilobytes] = /(?<=VmRSS:\s+)\d+/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? ['0'];
  return Number(kilobytes) / 1024;
}
