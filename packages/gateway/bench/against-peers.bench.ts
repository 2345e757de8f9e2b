/**
 * Our server beside libcoap's and node-coap's: requests, handshakes, block-wise bodies, latencies. In turns (A B A B), so
 * that whatever else the machine does falls on all alike; medians. docs/performance.md says how to read it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, report } from '../../coapsule/bench/figure.ts';
import { bound, counts, type Goal, goals } from './goals.ts';
import {
  type HandshakeFigures,
  handshakes,
  hasGenerator,
  type Load,
  type LoadFigures,
  load,
  loadByCommand,
} from './load-generator.ts';
import {
  coapsuleServer,
  echoServer,
  libcoapServer,
  type MeasuredServer,
  makeCertificates,
  nodeCoapServer,
  type Security,
} from './servers.ts';

const short = process.argv.includes('--short');
const rounds = short ? 2 : 5;
const seconds = short ? 1 : 3;
/** Until V8 has compiled what is hot. */
const warmUpSeconds = short ? 1 : 4;

/** Servers that are started for one row and end with it. */
async function withServers(
  starting: readonly Promise<MeasuredServer | undefined>[],
  use: (servers: readonly MeasuredServer[]) => Promise<void>,
): Promise<void> {
  const servers = (await Promise.all(starting)).filter((server) => server !== undefined);
  try {
    await use(servers);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** Whether a row is measured: when one of its goals counts. */
function isMeasured(...wanted: readonly Goal[]): boolean {
  return wanted.some(counts);
}

/** Measures servers in turns. */
async function inTurns<Figures>(
  servers: readonly MeasuredServer[],
  measure: (server: MeasuredServer) => Promise<Figures>,
): Promise<ReadonlyMap<string, readonly Figures[]>> {
  const all = new Map<string, Figures[]>(servers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) all.get(server.name)?.push(await measure(server));
  }
  return all;
}

/** Rate and CPU of requests to each, and the ratios of ours to theirs. */
async function requests(
  row: string,
  servers: readonly MeasuredServer[],
  asked: Omit<Load, 'seconds'>,
  ratios: Readonly<Record<string, Goal>>,
  cpuGoal?: Goal,
): Promise<number> {
  for (const server of servers) await load(server, { ...asked, seconds: warmUpSeconds });
  const all = await inTurns(servers, (server) => load(server, { ...asked, seconds }));
  const rateOf = (name: string): number => middle(all.get(name), 'rate');
  for (const { name } of servers) {
    const figures = all.get(name) ?? [];
    report({ name: `${row}: ${name}`, value: rateOf(name), unit: 'a second' });
    report({
      name: `${row}: CPU of ${name}`,
      value: middle(figures, 'cpuMicroseconds'),
      unit: 'µs each',
      ...(name === 'coapsule' && cpuGoal !== undefined && bound(cpuGoal)),
    });
    const failed = figures.reduce((sum, one) => sum + one.failed, 0);
    if (failed > 0) report({ name: `${row}: failed at ${name}`, value: failed, unit: 'requests' });
  }
  for (const [name, goal] of Object.entries(ratios)) {
    if (!all.has(name)) continue;
    const cpu = middle(all.get(name), 'cpuMicroseconds') / middle(all.get('coapsule'), 'cpuMicroseconds');
    report({ name: `${row}: ratio by CPU to ${name}`, value: cpu, unit: 'times' });
    report({
      name: `${row}: ratio to ${name}`,
      value: rateOf('coapsule') / rateOf(name),
      unit: 'times',
      ...bound(goal),
    });
  }
  return rateOf('coapsule');
}

function middle<Name extends string>(
  figures: readonly Readonly<Record<Name, number>>[] | undefined,
  name: Name,
): number {
  return median((figures ?? []).map((one) => one[name]));
}

/** Rate and CPU of handshakes with each. */
async function shakeHands(
  row: string,
  servers: readonly MeasuredServer[],
  count: number,
): Promise<ReadonlyMap<string, readonly HandshakeFigures[]>> {
  for (const server of servers) await handshakes(server, count / 2);
  const all = await inTurns(servers, (server) => handshakes(server, count));
  for (const [name, figures] of all) {
    report({ name: `${row}: ${name}`, value: middle(figures, 'rate'), unit: 'a second' });
    report({ name: `${row}: CPU of ${name}`, value: middle(figures, 'cpuMicroseconds'), unit: 'µs each' });
  }
  return all;
}

/** Latencies when the server has half of what it can do. */
async function latencies(row: string, server: MeasuredServer, rate: number): Promise<void> {
  const figures: LoadFigures[] = [];
  for (let round = 0; round < rounds; round++) {
    figures.push(await load(server, { clients: 256, seconds, rate: Math.round(rate / 2) }));
  }
  for (const name of ['p50', 'p90', 'p99', 'p999'] as const) {
    report({ name: `${row}: ${name} at half load`, value: middle(figures, name), unit: 'ms' });
  }
}

/**
 * The rate of `coapsule bench` beside that of the generator in C.
 *
 * @returns the CPU time that it took for each request, in µs.
 */
async function byCommand(row: string, server: MeasuredServer, rateOfGenerator: number): Promise<number> {
  const { rate, generatorMicroseconds } = await loadByCommand(server, { clients: 64, seconds });
  report({
    name: `${row}: rate of coapsule bench`,
    value: rate / rateOfGenerator,
    unit: 'of that of the C generator',
  });
  return generatorMicroseconds;
}

const plain: Security = { kind: 'plain' };
const psk: Security = { kind: 'psk' };
const folder = mkdtempSync(join(tmpdir(), 'coapsule-bench-'));
try {
  if (!hasGenerator()) throw new Error('the generator cannot be compiled: run scripts/install-peers.sh');
  const certificate = makeCertificates(folder);

  if (isMeasured(goals.plainOverLibcoap, goals.plainOverNodeCoap)) {
    await withServers(
      [coapsuleServer(plain), libcoapServer(plain), nodeCoapServer(), echoServer()],
      async (servers) => {
        const row = 'plain GET, 64 clients';
        const rate = await requests(
          row,
          servers,
          { clients: 64 },
          {
            libcoap: goals.plainOverLibcoap,
            'node-coap': goals.plainOverNodeCoap,
          },
        );
        const [ours] = servers as [MeasuredServer];
        await latencies(row, ours, rate);
        const value = await byCommand(row, ours, rate);
        report({ name: `${row}: CPU of coapsule bench`, value, unit: 'µs each' });
      },
    );
  }
  if (isMeasured(goals.plainOverLibcoapWith4000)) {
    await withServers([coapsuleServer(plain), libcoapServer(plain)], async (servers) => {
      await requests(
        'plain GET, 4,000 clients',
        servers,
        { clients: 4000, warmUpSeconds: 1 },
        {
          libcoap: goals.plainOverLibcoapWith4000,
        },
      );
    });
  }
  if (isMeasured(goals.pskOverLibcoap)) {
    await withServers([coapsuleServer(psk), libcoapServer(psk)], async (servers) => {
      const row = 'DTLS PSK CCM_8 GET, 64 clients';
      const rate = await requests(row, servers, { clients: 64 }, { libcoap: goals.pskOverLibcoap });
      const [ours] = servers as [MeasuredServer];
      await latencies(row, ours, rate);
      await byCommand(row, ours, rate);
    });
  }
  if (isMeasured(goals.pskOverLibcoapWith1000)) {
    await withServers([coapsuleServer(psk), libcoapServer(psk)], async (servers) => {
      await requests(
        'DTLS PSK CCM_8 GET, 1,000 clients',
        servers,
        { clients: 1000, warmUpSeconds: 1 },
        {
          libcoap: goals.pskOverLibcoapWith1000,
        },
      );
    });
  }
  for (const [security, name, goal] of [
    [plain, 'plain GET', goals.plainWorkersOverLibcoap],
    [psk, 'DTLS PSK CCM_8 GET', goals.pskWorkersOverLibcoap],
  ] as const) {
    if (!isMeasured(goal)) continue;
    await withServers([coapsuleServer(security, 2), libcoapServer(security, '0,1')], async (servers) => {
      // Many, so that the system spreads them evenly over the workers.
      await requests(`${name}, 256 clients, two workers`, servers, { clients: 256 }, { libcoap: goal });
    });
  }
  if (!short) {
    await withServers([coapsuleServer(certificate), libcoapServer(certificate)], async (servers) => {
      await requests('DTLS ECDHE-ECDSA CCM_8 GET, 64 clients', servers, { clients: 64 }, {});
    });
    const oscore = { kind: 'oscore', contexts: 64 } as const;
    for (const [crypto, name, goal] of [
      ['', 'OSCORE GET, 64 clients', goals.oscoreMicroseconds],
      ['node', 'OSCORE GET by node:crypto, 64 clients', goals.oscoreByNodeMicroseconds],
    ] as const) {
      await withServers([coapsuleServer(oscore, 1, { COAPSULE_CRYPTO: crypto })], async (servers) => {
        await requests(name, servers, { clients: 64 }, {}, goal);
      });
    }
    await withServers([coapsuleServer(plain), libcoapServer(plain)], async (servers) => {
      const all = await inTurns(servers, (server) =>
        load(server, { clients: 16, seconds, path: 'large', isBlockwise: true }),
      );
      for (const [name, figures] of all) {
        const value = middle(figures, 'bodyBytesPerSecond') / 2 ** 20;
        report({ name: `block-wise GET of 8 KiB, 16 clients: ${name}`, value, unit: 'MiB/s' });
      }
    });
  }
  if (isMeasured(goals.pskHandshakesOverLibcoap, goals.pskHandshakesLost)) {
    await withServers([coapsuleServer(psk), libcoapServer(psk)], async (servers) => {
      const row = 'PSK handshakes with cookie, 16 at once';
      const all = await shakeHands(row, servers, short ? 1000 : 4000);
      const lost = (name: string): number => (all.get(name) ?? []).reduce((sum, one) => sum + one.lost, 0);
      report({
        name: `${row}: lost`,
        value: lost('coapsule'),
        unit: 'handshakes',
        ...bound(goals.pskHandshakesLost),
      });
      if (!all.has('libcoap')) return;
      report({ name: `${row}: lost by libcoap`, value: lost('libcoap'), unit: 'handshakes' });
      report({
        name: `${row}: ratio to libcoap`,
        value: middle(all.get('coapsule'), 'rate') / middle(all.get('libcoap'), 'rate'),
        unit: 'times',
        ...bound(goals.pskHandshakesOverLibcoap),
      });
    });
  }
  if (isMeasured(goals.ecdsaHandshakeMicroseconds)) {
    await withServers([coapsuleServer(certificate), libcoapServer(certificate)], async (servers) => {
      const row = 'ECDHE-ECDSA mutual handshakes';
      const all = await shakeHands(row, servers, short ? 300 : 2000);
      report({
        name: `${row}: server CPU`,
        value: middle(all.get('coapsule'), 'cpuMicroseconds'),
        unit: 'µs each',
        ...bound(goals.ecdsaHandshakeMicroseconds),
      });
    });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
