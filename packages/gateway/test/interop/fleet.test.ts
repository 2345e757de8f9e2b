/**
 * Fleets against a gateway and a message broker, of which both go away in the middle; and a plant behind a serial line. With
 * COAPSULE_LONG=1 as many devices as the requirements have.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { ProvisionedFleet } from '../../src/cli/fleet-credentials.ts';
import type { AcknowledgedMessage } from '../../src/fleet/device-surroundings.ts';
import { sleepWays } from '../../src/fleet/fleet-plan.ts';
import { type FleetResult, type FleetServer, runFleet } from '../../src/fleet/fleet-run.ts';
import { scenarios } from '../../src/fleet/scenarios/index.ts';
import { openDatabase } from '../../src/store/database.ts';
import { Mosquitto, subscriber } from './mosquitto-broker.ts';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, freeUdpPorts, temporaryFolder, until } from './process.ts';
import { coapsule, coapsuleInBackground } from './programs.ts';
import { lineUri, VirtualLine } from './virtual-line.ts';

const { COAPSULE_LONG } = process.env;
const isLong = COAPSULE_LONG === '1';
/** A machine may be busy: nothing here is about how long it takes. */
const patienceMs = isLong ? 1_200_000 : 200_000;

interface Fleet {
  readonly scenario: string;
  readonly devices: number;
  readonly speed: number;
  /** Acknowledged messages from one thing that goes wrong to the next. */
  readonly between: number;
}

/** A gateway on ports that stay the same, over its data folder. */
class RestartedGateway {
  readonly data: string;
  readonly coaps: FleetServer;
  readonly coap: FleetServer;
  readonly #t: TestContext;
  readonly #args: readonly string[];
  #process: BackgroundProcess | undefined;

  static async prepare(t: TestContext, ...args: string[]): Promise<RestartedGateway> {
    return new RestartedGateway(t, await freeUdpPorts(2), args);
  }

  private constructor(t: TestContext, port: number, args: readonly string[]) {
    this.#t = t;
    this.data = temporaryFolder(t);
    const server = (scheme: string, at: number): FleetServer => ({
      ...{ scheme, host: '127.0.0.1', port: at, text: `${scheme}://127.0.0.1:${at}` },
    });
    this.coap = server('coap', port);
    this.coaps = server('coaps', port + 1);
    const place = (at: number): string => `127.0.0.1:${at}`;
    this.#args = ['--coap', place(port), '--coaps', place(port + 1), '--data', this.data, ...args];
  }

  async up(): Promise<void> {
    this.#process = coapsuleInBackground(this.#t, 'serve', ...this.#args);
    await this.#process.waitFor(/^ready /m, patienceMs);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#process?.kill(signal);
    await this.#process?.finished();
  }
}

/** Runs a fleet over two kills of the gateway and a restart of the broker, and looks for all that was acknowledged. */
async function overRestarts(
  t: TestContext,
  { scenario: name, devices, speed, between }: Fleet,
): Promise<FleetResult> {
  const broker = await Mosquitto.start(
    t,
    'allow_anonymous true',
    'max_queued_messages 0',
    'autosave_on_changes false',
  );
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const { messages } = await subscriber(t, url);
  const gateway = await RestartedGateway.prepare(t, '--mqtt', url);
  await gateway.up();

  const scenario = scenarios.find((one) => one.name === name) ?? assert.fail();
  const durationSeconds = 10 * 86_400;
  const ids = Array.from({ length: devices }, (_, index) => `${name}-${index + 1}`);
  const plans = scenario.plan({ ids, seed: 42, durationSeconds, ways: sleepWays['all'] ?? [] });
  const streams = { stderr: { isTerminal: false, write: () => {} }, variables: {} };
  const { credentials } = ProvisionedFleet.add(streams, { data: gateway.data }, plans);
  const acknowledged: AcknowledgedMessage[] = [];
  const abort = new AbortController();
  t.after(() => abort.abort());
  const running = runFleet(
    {
      ...{
        plans,
        credentials,
        server: gateway.coaps,
        plainServer: gateway.coap,
        speed,
        seed: 42,
        durationSeconds,
      },
      ...{ link: undefined, roams: false, confirmEvery: 1, probingRate: scenario.probingRate, drainMs: 1000 },
      onAcknowledged: (message) => acknowledged.push(message),
    },
    abort.signal,
  );
  const more = (what: string): Promise<void> => {
    const wanted = acknowledged.length + between;
    return until(() => acknowledged.length >= wanted, `${between} more are acknowledged ${what}`, patienceMs);
  };
  await more('at first');
  await gateway.kill('SIGKILL');
  await gateway.up();
  await more('after a kill');
  await broker.down('SIGTERM');
  await more('without the broker');
  await gateway.kill('SIGKILL');
  await gateway.up();
  await more('without the broker, after a kill');
  await broker.up();
  await more('with the broker again');
  abort.abort();
  const result = await running;
  assert.equal(result.tally.total().outcomes.refused, 0, JSON.stringify([...result.tally.total().codes]));

  const opened = openDatabase(gateway.data, { create: false, asGateway: false });
  t.after(() => opened.close());
  const waiting = opened.database.prepare('SELECT count(*) AS n FROM outbox');
  await until(() => waiting.get()?.['n'] === 0, 'the outbox is empty', patienceMs);
  const arrived = new Set<string>();
  let seen = 0;
  const missing = (): readonly string[] => {
    for (; seen < messages.length; seen++) {
      const { topic, payload } = messages[seen] ?? assert.fail();
      arrived.add(`${topic} ${payload}`);
    }
    return acknowledged
      .map(({ path, payload }) => `coapsule/telemetry${path} ${payload}`)
      .filter((one) => !arrived.has(one));
  };
  await until(() => missing().length === 0, 'all that was acknowledged is on its topic', patienceMs);

  const rows = opened.database
    .prepare('SELECT path, CAST(value AS TEXT) AS value, count(*) AS n FROM reading GROUP BY path, value')
    .all() as { path: string; value: string; n: number }[];
  const stored = new Map(rows.map(({ path, value, n }) => [`${path} ${value}`, n]));
  const wrong = acknowledged.filter(({ path, payload }) => stored.get(`${path} ${payload}`) !== 1);
  assert.deepEqual(wrong, [], 'acknowledged, and not in the store exactly once');
  // Nor is anything there twice that nobody knows to be there.
  assert.deepEqual(
    [...stored].filter(([, n]) => n !== 1),
    [],
  );
  assert.ok(acknowledged.length >= 5 * between);
  await gateway.kill('SIGTERM');
  return result;
}

/** Figures for those who run the full counts. */
function tell(name: string, { tally, elapsedSeconds }: FleetResult): void {
  const { outcomes, latencies, traffic, devices } = tally.total();
  const p = (share: number): string => latencies.quantileMs(share).toFixed(1);
  console.log(
    `${name}: ${devices} devices, ${elapsedSeconds.toFixed(0)} s, ${JSON.stringify(outcomes)}, p50 ${p(0.5)} ms, p99 ${p(0.99)} ms, ` +
      `${traffic.fullHandshakes} handshakes, ${traffic.retransmissions} retransmissions`,
  );
}

const monitors = isLong ? 200 : 20;
peerTest(
  `hospital: ${monitors} devices at 100 times the speed, over kills of the gateway and a restart of the broker: what was acknowledged is stored once and on its topic`,
  ['mosquitto'],
  async (t) => {
    const result = await overRestarts(t, {
      ...{
        scenario: 'hospital',
        devices: monitors,
        speed: 100,
        between: isLong ? 10 * monitors : 3 * monitors,
      },
    });
    const { traffic, failures } = result.tally.total();
    // The gateway keeps associations over a kill: nobody shakes hands again.
    assert.equal(traffic.fullHandshakes, monitors, JSON.stringify([...failures]));
    tell('hospital', result);
  },
);

const sensors = isLong ? 500 : 12;
peerTest(
  `agriculture: ${sensors} devices that sleep, over kills of the gateway and a restart of the broker: what was acknowledged is stored once and on its topic`,
  ['mosquitto'],
  async (t) => {
    const result = await overRestarts(t, {
      ...{ scenario: 'agriculture', devices: sensors, speed: isLong ? 360 : 3600, between: 2 * sensors },
    });
    const broken = result.tally.group('broken-reuse');
    // The pattern of the requirements: one message of each handshake, and none after it.
    assert.equal(broken.outcomes.acknowledged, broken.traffic.fullHandshakes);
    assert.ok(broken.outcomes.lost > broken.outcomes.acknowledged);
    assert.equal(result.tally.group('oscore').traffic.fullHandshakes, 0);
    tell('agriculture', result);
  },
);

peerTest('industrial: eight machines behind a serial line, secured', ['socat'], async (t) => {
  const line = await VirtualLine.open(t);
  const data = temporaryFolder(t);
  const endpoints = ['--coap', 'off', '--coaps', '127.0.0.1:0', '--serial', `${line.far},115200,secured`];
  const gateway = coapsuleInBackground(t, 'serve', '--data', data, ...endpoints);
  await gateway.waitFor(/^ready /m, patienceMs);
  const uri = lineUri('coaps+serial', line.near);
  const { code, stdout, output } = await coapsule(
    t,
    ...['simulate', 'industrial', uri, '--provision', data, '--duration', '20', '--speed', '5'],
    ...['--confirm-every', '1', '--report', 'json'],
  );
  assert.equal(code, 0, output);
  const { total } = JSON.parse(stdout.toString()) as {
    total: { messages: Record<string, number>; handshakes: { full: number } };
  };
  assert.ok((total.messages['due'] ?? 0) >= 8 * 19, output);
  assert.ok((total.messages['acknowledged'] ?? 0) > 0);
  assert.equal(total.messages['lost'], 0, output);
  assert.equal(total.handshakes.full, 1);
});
