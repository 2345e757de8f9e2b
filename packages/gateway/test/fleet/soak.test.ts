/**
 * A day of the hospital in ten minutes: the gateway's memory stays flat. That is so with COAPSULE_LONG=1; else half a minute shows
 * that what is measured is measured.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { ProvisionedFleet } from '../../src/cli/fleet-credentials.ts';
import { withChurn } from '../../src/fleet/fleet-plan.ts';
import { type FleetServer, runFleet } from '../../src/fleet/fleet-run.ts';
import { hospital } from '../../src/fleet/scenarios/hospital.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { afterFirstThird, growthOf, type MemorySample } from './memory-growth.ts';

const { COAPSULE_LONG } = process.env;
const isLong = COAPSULE_LONG === '1';
const devices = isLong ? 200 : 10;
const durationSeconds = isLong ? 86_400 : 4320;
/** Ten minutes for a day; in the short form half a minute. */
const speed = 144;
const samples = isLong ? 60 : 6;
/** Growth over two thirds of a day. A leak of 20 bytes a reading would be 7.7 MB. */
const mostHeapBytes = 6 * 1024 * 1024;
/** Pages are given back late, and the pages of the database are cached in them. */
const mostResidentBytes = 32 * 1024 * 1024;

test('growth is that of the line through the samples, and of a flat curve none', () => {
  const line = Array.from({ length: 10 }, (_, at) => ({ at, bytes: 1000 + 50 * at }));
  assert.ok(Math.abs(growthOf(line) - 450) < 1e-6);
  const noise = line.map(({ at }) => ({ at, bytes: 1000 + (at % 2 === 0 ? 100 : -100) }));
  assert.ok(Math.abs(growthOf(noise)) < 60);
  assert.equal(growthOf([]), 0);
  assert.deepEqual(
    afterFirstThird(line).map(({ at }) => at),
    [4, 5, 6, 7, 8, 9],
  );
});

test(`${durationSeconds / 3600} h of ${devices} devices in ${durationSeconds / speed} s${isLong ? ': memory stays flat' : ': memory is measured, and readings are stored'}`, async (t) => {
  const data = temporaryFolder(t);
  const gateway = await ProbedGateway.start(t, '--data', data, '--keep', '1000');
  const ids = Array.from({ length: devices }, (_, index) => `soak-${index + 1}`);
  const churn = { perHour: 0.05, state: 'mixed' } as const;
  const plan = hospital.plan({ ids, seed: 1, durationSeconds, ways: [] });
  const plans = withChurn(plan, churn, 1, durationSeconds);
  const streams = { stderr: { isTerminal: false, write: () => {} }, variables: {} };
  const { credentials } = ProvisionedFleet.add(streams, { data }, plans);
  const heap: MemorySample[] = [];
  const resident: MemorySample[] = [];
  let next = 1;
  let asked: Promise<void> = Promise.resolve();
  const { tally } = await runFleet(
    {
      ...{ plans, credentials, server: gateway.server, plainServer: gateway.server, speed, seed: 1 },
      ...{ durationSeconds, link: undefined, roams: false, confirmEvery: 10, drainMs: 93_000 },
      probingRate: hospital.probingRate,
      onProgress: ({ seconds }) => {
        if (seconds < (next * durationSeconds) / samples) return;
        next++;
        asked = asked.then(async () => {
          const memory = await gateway.memory();
          heap.push({ at: seconds, bytes: memory.heap });
          resident.push({ at: seconds, bytes: memory.rss });
        });
      },
    },
    new AbortController().signal,
  );
  await asked;
  const { outcomes, deaths } = tally.total();
  const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  const series = (all: readonly MemorySample[]): string =>
    all.map(({ bytes }) => Math.round(bytes / 1024 / 1024)).join(' ');
  const [heapGrowth, residentGrowth] = [heap, resident].map((all) => growthOf(afterFirstThird(all)));
  console.log(
    `${JSON.stringify(outcomes)}, ${deaths} deaths; heap ${megabytes(heap.at(-1)?.bytes ?? 0)}, grown by ${megabytes(heapGrowth ?? 0)}; ` +
      `resident ${megabytes(resident.at(-1)?.bytes ?? 0)}, grown by ${megabytes(residentGrowth ?? 0)}\nheap ${series(heap)}\nresident ${series(resident)}`,
  );
  // A machine that is busy asks less often.
  assert.ok(heap.length >= samples / 2, `${heap.length} samples`);
  assert.ok(heap.every(({ bytes }) => bytes > 1024 * 1024));
  assert.ok(outcomes.acknowledged > 0, JSON.stringify(outcomes));
  if (!isLong) return;
  assert.ok((heapGrowth ?? 0) < mostHeapBytes, JSON.stringify(heap));
  assert.ok((residentGrowth ?? 0) < mostResidentBytes, JSON.stringify(resident));
});

/** `coapsule serve` with the probe in it. */
class ProbedGateway {
  readonly server: FleetServer;
  readonly memory: () => Promise<{ readonly heap: number; readonly rss: number }>;

  static async start(t: TestContext, ...args: string[]): Promise<ProbedGateway> {
    const child = spawn(
      process.execPath,
      [
        ...[
          '--conditions=@coapsule/source',
          '--expose-gc',
          '--import',
          join(import.meta.dirname, 'memory-probe.ts'),
        ],
        ...[
          join(import.meta.dirname, '../../src/cli/main.ts'),
          'serve',
          '--coap',
          'off',
          '--coaps',
          '127.0.0.1:0',
        ],
        ...args,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const closed = once(child, 'close');
    t.after(async () => {
      child.kill('SIGKILL');
      await closed;
    });
    const answers: ((memory: { heap: number; rss: number }) => void)[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.startsWith('memory ')) answers.shift()?.(JSON.parse(line.slice('memory '.length)));
    });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const { coaps } = JSON.parse(line.slice('ready '.length)) as { coaps: string };
    return new ProbedGateway(coaps, () => {
      const { promise, resolve } = Promise.withResolvers<{ heap: number; rss: number }>();
      answers.push(resolve);
      child.kill('SIGUSR2');
      return promise;
    });
  }

  private constructor(place: string, memory: ProbedGateway['memory']) {
    this.server = {
      ...{ text: `coaps://${place}`, scheme: 'coaps', host: '127.0.0.1' },
      port: Number(place.split(':').at(-1)),
    };
    this.memory = memory;
  }
}
