/**
 * Many DTLS sessions: what an idle one keeps in memory, what 10,000 live ones cost those that speak, and how soon 100,000 are
 * there again after a restart.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AssociationStore,
  Client,
  content,
  ipAddress,
  type KeptAssociation,
  type ResumableAssociation,
  Server,
} from 'coapsule';
import { median, report } from '../../coapsule/bench/figure.ts';
import { Store } from '../src/store/store.ts';
import { bound, counts, goals } from './goals.ts';
import { handshakes, type LoadFigures, load } from './load-generator.ts';
import { coapsuleServer, echoServer, type MeasuredServer, secret } from './servers.ts';

const short = process.argv.includes('--short');
const psk = { kind: 'psk' } as const;

await idleSessions();
if (counts(goals.with10000Over64)) await liveSessions();
if (counts(goals.restoreSeconds)) await restoredSessions();

/** Resident bytes that sessions add, when their clients have said nothing since the handshake. */
async function idleSessions(): Promise<void> {
  const server = await coapsuleServer(psk);
  try {
    // What the first handshakes load and compile is no session; V8 compiles until some thousand are over.
    await comeAndGo(server, short ? 500 : 5000);
    const before = await server.residentBytes();
    let added = 0;
    for (const count of short ? [1000] : [1000, 10_000, 100_000]) {
      const { lost } = await handshakes(server, count - added);
      if (lost > 0) throw new Error(`${lost} handshakes were lost`);
      added = count;
      report({
        name: `resident memory for each of ${count.toLocaleString('en-US')} idle sessions`,
        value: ((await server.residentBytes()) - before) / count,
        unit: 'bytes',
        ...(count === 100_000 && bound(goals.bytesPerSession)),
      });
    }
  } finally {
    await server.stop();
  }
}

/** So many clients, some at once, that ask once and say goodbye (close_notify), after which the server has no session with them. */
async function comeAndGo(server: MeasuredServer, count: number): Promise<void> {
  let left = count;
  const oneByOne = async (): Promise<void> => {
    while (left-- > 0) {
      await using client = new Client({
        psk: { identity: 'sensor-042', key: new TextEncoder().encode(secret) },
      });
      await client.get(`coaps://127.0.0.1:${server.port}/hello`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, oneByOne));
}

/**
 * The rate of 10,000 clients over that of 64, each time on a server that has no other sessions; and that of a socket of Node that
 * echoes, which knows nothing of sessions: what 10,000 sockets cost the kernel and Node by themselves.
 */
async function liveSessions(): Promise<void> {
  const row = 'DTLS PSK GET with 10,000 live sessions';
  const ours = await byClients(() => coapsuleServer(psk));
  report({ name: row, value: ours.rate(10_000), unit: 'a second' });
  report({ name: `${row}: CPU`, value: ours.cpu(10_000), unit: 'µs each' });
  report({ name: `${row}, over 64: ratio by CPU`, value: ours.cpu(64) / ours.cpu(10_000), unit: 'times' });
  report({
    name: `${row}, over 64`,
    value: ours.rate(10_000) / ours.rate(64),
    unit: 'times',
    ...bound(goals.with10000Over64),
  });
  if (short) return;
  const echo = await byClients(echoServer);
  report({ name: '10,000 clients of the echo: CPU', value: echo.cpu(10_000), unit: 'µs each' });
  report({
    name: '10,000 clients of the echo, over 64',
    value: echo.rate(10_000) / echo.rate(64),
    unit: 'times',
  });
}

/** Medians for 64 and for 10,000 clients, each round with a server of its own. */
async function byClients(start: () => Promise<MeasuredServer>): Promise<{
  readonly rate: (clients: 64 | 10_000) => number;
  readonly cpu: (clients: 64 | 10_000) => number;
}> {
  const figures = { 64: [] as LoadFigures[], 10000: [] as LoadFigures[] };
  for (let round = 0; round < (short ? 1 : 3); round++) {
    for (const clients of [64, 10_000] as const) {
      const server = await start();
      try {
        figures[clients].push(await load(server, { clients, seconds: short ? 1 : 3, warmUpSeconds: 3 }));
      } finally {
        await server.stop();
      }
    }
  }
  return {
    rate: (clients) => median(figures[clients].map((one) => one.rate)),
    cpu: (clients) => median(figures[clients].map((one) => one.cpuMicroseconds)),
  };
}

/** From the opening of the database to a server that goes on with all sessions. */
async function restoredSessions(): Promise<void> {
  const count = short ? 10_000 : 100_000;
  const folder = mkdtempSync(join(tmpdir(), 'coapsule-bench-'));
  const key = new TextEncoder().encode(secret);
  const lookup = new Map([['sensor-042', key]]);
  const resources = (): Server => new Server().resource('/hello', { get: () => content('Hello, world!') });
  await using client = new Client({ psk: { identity: 'sensor-042', key } });
  try {
    let port: number;
    {
      await using store = await Store.open(folder);
      const server = resources();
      const first = Promise.withResolvers<KeptAssociation>();
      const associationStore = databaseStore(store, (kept) => first.resolve(kept));
      ({ port } = await server.listen('coaps://127.0.0.1:0', { psk: { lookup }, associationStore }));
      await client.get(`coaps://127.0.0.1:${port}/hello`);
      const kept = await first.promise;
      for (let number = 1; number < count; number += 1000) {
        const some = Array.from({ length: Math.min(1000, count - number) }, (_, index) => number + index);
        await Promise.all(some.map((one) => associationStore.add(another(kept, one))));
      }
      await server.close();
    }
    const begin = performance.now();
    const cpu = process.cpuUsage();
    await using store = await Store.open(folder);
    const server = resources();
    let resumed = 0;
    const associationStore = databaseStore(
      store,
      () => {},
      (all) => {
        resumed = all;
      },
    );
    await server.listen(`coaps://127.0.0.1:${port}`, { psk: { lookup }, associationStore });
    const seconds = (performance.now() - begin) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const { handshakeMs } = await client.get(`coaps://127.0.0.1:${port}/hello`);
    await server.close();
    if (resumed !== count || handshakeMs !== undefined) throw new Error(`${resumed} sessions were restored`);
    report({ name: 'restore of a session: CPU', value: (user + system) / count, unit: 'µs' });
    report({
      name: `restore of ${count.toLocaleString('en-US')} sessions`,
      value: short ? (seconds * 100_000) / count : seconds,
      unit: short ? 's for 100,000, by a tenth of them' : 's',
      ...bound(goals.restoreSeconds),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The gateway's database as a store of the library, without the gateway's look at each device. */
function databaseStore(
  store: Store,
  onAdded: (kept: KeptAssociation) => void,
  onResumed: (count: number) => void = () => {},
): AssociationStore {
  const endpoint = 'coaps';
  return {
    async *resume(ahead): AsyncGenerator<readonly ResumableAssociation[]> {
      const nowMs = Date.now();
      const limits = { maxAgeMs: 1e10, maxCount: 1_000_000 };
      let count = 0;
      for await (const rows of store.resumeAssociations({ endpoint, ahead, nowMs, ...limits })) {
        count += rows.length;
        yield rows.map((row) => ({
          ...row,
          address: ipAddress(row.host, row.port),
          authentication: { kind: 'psk' },
          context: undefined,
          certificateExpiresAt: undefined,
          reviewed: true,
        }));
      }
      onResumed(count);
    },
    async add(kept) {
      const { address, name, identity, state, reserved, edge } = kept;
      const row = {
        ...{ name, endpoint, host: address.host, port: address.port, reserved, edge },
        ...{ identity: identity.slice(), authentication: 'psk', credential: undefined, keyStamp: '' },
        ...{ expiresAtMs: undefined, state: state.slice() },
      };
      await store.changeAssociation({ kind: 'add', nowMs: Date.now(), row });
      onAdded(kept);
    },
    reserve: (name, upTo) => store.changeAssociation({ kind: 'reserve', name, upTo }),
    setEdge: (name, edge) => store.changeAssociation({ kind: 'edge', name, edge, nowMs: Date.now() }),
    rememberRequest: async () => undefined,
    setAnswer: async () => {},
    async suspend(all) {
      await Promise.all(
        all.map(({ name, address: { host, port }, state, next, edge }) =>
          store.changeAssociation({ kind: 'suspend', name, host, port, state: state.slice(), next, edge }),
        ),
      );
    },
    remove: (name) => store.changeAssociation({ kind: 'remove', name }),
  };
}

/** The association of another device: its address, its connection id of 8 bytes, and the check sum of that. */
function another(kept: KeptAssociation, number: number): KeptAssociation {
  const state = kept.state.slice();
  const [idLength = 0] = state.subarray(60, 61);
  new DataView(state.buffer).setUint32(61 + idLength - 4, number);
  const body = state.subarray(0, -8);
  state.set(createHash('sha256').update(body).digest().subarray(0, 8), body.length);
  const address = ipAddress(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, 40_000);
  return { ...kept, state, name: `${kept.name}-${number}`, address };
}
