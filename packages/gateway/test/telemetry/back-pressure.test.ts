/** What devices are told when the store, or the way to the message broker, takes nothing more. All on virtual time. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type PeerInfo, Server } from 'coapsule';
import { useGatewayMiddleware } from '../../src/gateway/resource-rules.ts';
import { defaultRetention, telemetryResources } from '../../src/resources/telemetry.ts';
import { GroupCommit, type WriteLimits, waitingSize } from '../../src/store/group-commit.ts';
import type { Reading, RecordOutcome, RecordTerms } from '../../src/store/reading-table.ts';
import { Store } from '../../src/store/store.ts';
import type { RecordTask, WriteTask } from '../../src/store/store-protocol.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const log = { verbosity: 0, error: () => {}, warning: () => {}, detail: () => {} };

/** A store whose disk takes what it is given when the test says so; its groups and their bounds are the real ones. */
class HeldStore {
  nowMs = 0;
  readonly durable: string[] = [];
  readonly #writes: GroupCommit;
  #release: (() => void)[] = [];

  constructor(limits: Partial<WriteLimits> = {}) {
    this.#writes = new GroupCommit((tasks) => this.#commit(tasks), { ...limits, now: () => this.nowMs });
  }

  record(reading: Reading, request: undefined, terms: RecordTerms): Promise<RecordOutcome> {
    const refused = this.#writes.refusal(waitingSize(reading));
    if (refused !== undefined) return Promise.reject(refused);
    return this.#writes.write({ kind: 'reading', reading, request, terms }) as Promise<RecordOutcome>;
  }

  /** The disk has taken the group that waits. */
  release(): void {
    for (const done of this.#release.splice(0)) done();
  }

  async #commit(tasks: readonly WriteTask[]): Promise<readonly RecordOutcome[]> {
    await new Promise<void>((resolve) => this.#release.push(resolve));
    const texts = tasks.map((task) => new TextDecoder().decode((task as RecordTask).reading.value));
    this.durable.push(...texts);
    return tasks.map(() => ({ first: false, repeat: false }));
  }
}

function serverOf(t: TestContext, store: object, outboxBytes?: number, outboxShareBytes?: number): Server {
  const server = new Server();
  t.after(() => server.close());
  useGatewayMiddleware(server, log, () => 0);
  const resources = telemetryResources({
    store: store as Parameters<typeof telemetryResources>[0]['store'],
    notify: () => {},
    clock: () => 1_700_000_000_000,
    retention: () => defaultRetention,
    outbox: () => ({ outboxBytes, outboxShareBytes }),
    readable: async () => () => true,
    onQuotaExceeded: () => {},
  });
  for (const { path, resource } of resources) server.resource(path, resource);
  return server;
}

async function put(server: Server, payload: string, peer?: PeerInfo): Promise<string> {
  const response = await server.request('PUT', '/sensors/a', {
    payload: new TextEncoder().encode(payload),
    ...(peer === undefined ? {} : { peer }),
  });
  return response.ok ? response.codeText : `${response.codeText} Max-Age ${response.maxAgeSeconds}`;
}

test('while the disk keeps a write waiting, who comes after 3 s is told 5.03 with Max-Age 30, and what was acknowledged is durable', async (t) => {
  const store = new HeldStore();
  const server = serverOf(t, store);
  const first = put(server, '1');
  await Promise.resolve();
  store.nowMs = 2999;
  const second = put(server, '2');
  await new Promise(setImmediate);
  store.nowMs = 3000;
  assert.equal(await put(server, '3'), '5.03 Max-Age 30');
  assert.deepEqual(store.durable, [], 'nobody was told yet that anything is stored');
  store.release();
  assert.equal(await first, '2.04');
  assert.deepEqual(store.durable, ['1']);
  // The second group has begun to be written now.
  const third = put(server, '3 again');
  await new Promise(setImmediate);
  store.release();
  assert.equal(await second, '2.04');
  await new Promise(setImmediate);
  store.release();
  assert.equal(await third, '2.04');
  assert.deepEqual(store.durable, ['1', '2', '3 again']);
});

test('no more writes wait than may, and the others are refused at once', async (t) => {
  const store = new HeldStore({ maxWaitingWrites: 2 });
  const server = serverOf(t, store);
  const answers = ['1', '2', '3', '4', '5'].map((payload) => put(server, payload));
  assert.deepEqual(await Promise.all(answers.slice(3)), ['5.03 Max-Age 30', '5.03 Max-Age 30']);
  store.release();
  await answers[0];
  store.release();
  assert.deepEqual(await Promise.all(answers.slice(0, 3)), ['2.04', '2.04', '2.04']);
  assert.deepEqual(store.durable, ['1', '2', '3']);
});

/** Who asks, with an identity that DTLS has proved. */
function peerOf(identity: string): PeerInfo {
  return {
    address: { key: identity, host: identity, port: 1 },
    transport: 'udp',
    security: {
      ...{ kind: 'dtls', identity, suite: '', resumed: false, association: identity },
      authentication: { kind: 'psk' },
    },
  } as unknown as PeerInfo;
}

test('one identity fills its share of what waits for the broker and no more, and what is acknowledged is stored', async (t) => {
  const store = await Store.open(temporaryFolder(t));
  t.after(() => store.close());
  const server = serverOf(t, store, 1000, 250);
  const [chatty, quiet] = [peerOf('chatty'), peerOf('quiet')];
  const answers: string[] = [];
  for (let count = 0; count < 5; count++) answers.push(await put(server, 'x'.repeat(40), chatty));
  assert.deepEqual(answers, ['2.01', '2.04', '5.03 Max-Age 30', '5.03 Max-Age 30', '5.03 Max-Age 30']);
  assert.equal(await put(server, 'y'.repeat(40), quiet), '2.04');
  const waiting = await store.outbox({ alertsAfter: 0, after: 0, limit: 10 });
  assert.deepEqual(
    waiting.map(({ reading: { identity } }) => identity),
    ['chatty', 'chatty', 'quiet'],
  );
  await store.removeFromOutbox(waiting.slice(0, 1).map(({ id }) => id));
  assert.equal(await put(server, 'x'.repeat(40), chatty), '2.04');
  // A share that is smaller than a reading still lets one wait.
  assert.equal(await put(serverOf(t, store, 1000, 1), 'z'.repeat(40), peerOf('small')), '2.04');
});
