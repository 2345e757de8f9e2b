/**
 * What a flood of handshakes with public-key work costs a peer that is connected: the p99 of its requests during the
 * flood over the p99 before it (docs/decisions/054), and how many handshakes the server does meanwhile.
 *
 * Server and flood are processes of their own; the flood has the lowest priority, as it would come from other machines.
 */
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'coapsule';
import { quantile, report } from '../../coapsule/bench/figure.ts';

const short = process.argv.includes('--short');
const parts = short ? 2 : 5;
const partMs = short ? 2000 : 4000;

const pem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }) as string;
const environment = { ...process.env, FLOOD_SERVER_KEY: pem(), FLOOD_CLIENT_KEY: pem() };
const peers = join(import.meta.dirname, 'handshake-flood-peers.ts');
const start = (...args: string[]) =>
  spawn(process.execPath, ['--conditions=@coapsule/source', peers, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  });

const server = start('serve');
try {
  const [line] = await once(server.stdout, 'data');
  const uri = `coaps://127.0.0.1:${Number(String(line))}/hello`;
  const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };
  await using client = new Client({ psk });
  const latencies = async (ms: number): Promise<number[]> => {
    const samples: number[] = [];
    for (const end = performance.now() + ms; performance.now() < end; ) {
      const begin = performance.now();
      await client.get(uri);
      samples.push(performance.now() - begin);
      // A device that asks 200 times a second: not a load of its own.
      await sleep(5);
    }
    return samples;
  };
  const flood = async (): Promise<{ readonly samples: number[]; readonly perSecond: number }> => {
    const child = start('flood', uri);
    const closed = once(child, 'close');
    let told = '';
    child.stdout.on('data', (data) => {
      told += data;
    });
    // Its code is loaded and compiled first.
    await sleep(1500);
    const samples = await latencies(partMs);
    child.kill('SIGTERM');
    await closed;
    return { samples, perSecond: Number(told.trim().split('\n').at(-1)) };
  };
  await latencies(2000);
  await flood();
  // By turns, so that whatever else the machine does falls on both alike.
  const idle: number[] = [];
  const busy: number[] = [];
  const rates: number[] = [];
  for (let part = 0; part < parts; part++) {
    idle.push(...(await latencies(partMs)));
    const { samples, perSecond } = await flood();
    busy.push(...samples);
    rates.push(perSecond);
  }
  console.log(
    `idle p50 ${quantile(idle, 0.5).toFixed(2)} ms, p99 ${quantile(idle, 0.99).toFixed(2)} ms; ` +
      `flooded p50 ${quantile(busy, 0.5).toFixed(2)} ms, p99 ${quantile(busy, 0.99).toFixed(2)} ms; ` +
      `${quantile(rates, 0.5).toFixed(0)} handshakes a second (ECDHE-ECDSA, both sides with raw public keys)`,
  );
  report({
    name: "p99 of a connected device's requests during a flood of handshakes, over the p99 before it",
    value: quantile(busy, 0.99) / quantile(idle, 0.99),
    unit: 'times',
    goal: 3,
    better: 'lower',
  });
} finally {
  server.kill('SIGTERM');
  await once(server, 'close');
}
