import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  type AssociationStore,
  Client,
  type ClientOptions,
  changed,
  content,
  type KeptAssociation,
  type RememberedRequest,
  type RequestToRemember,
  type ResumableAssociation,
  Server,
} from '../../src/index.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');
const identity = 'sensor-042';

/** A store that forgets nothing but with its process: what a disk would hold. */
class MemoryStore implements AssociationStore {
  readonly kept = new Map<string, KeptAssociation & { exact: boolean }>();
  readonly requests = new Map<string, RememberedRequest>();
  edges = 0;
  /** Writes wait for this. */
  gate: Promise<void> = Promise.resolve();

  async resume(ahead: number): Promise<readonly ResumableAssociation[]> {
    return [...this.kept.values()].map((one) => {
      const resumable = { ...one, writeFrom: one.reserved, reserved: one.reserved + ahead };
      this.kept.set(one.name, { ...resumable, exact: false });
      return resumable;
    });
  }

  async add(association: KeptAssociation): Promise<void> {
    await this.gate;
    this.kept.set(association.name, { ...association, exact: false });
  }

  reserve(name: string, reserved: number): Promise<void> {
    return this.#change(name, { reserved });
  }

  setEdge(name: string, edge: number): Promise<void> {
    this.edges += 1;
    return this.#change(name, { edge });
  }

  async rememberRequest(name: string, request: RequestToRemember): Promise<RememberedRequest | undefined> {
    await this.gate;
    const key = requestKey(name, request);
    const known = this.requests.get(key);
    if (known === undefined) this.requests.set(key, { answer: undefined });
    return known;
  }

  async setAnswer(name: string, request: RequestToRemember, answer: Uint8Array): Promise<void> {
    await this.gate;
    this.requests.set(requestKey(name, request), { answer });
  }

  async suspend(associations: Parameters<AssociationStore['suspend']>[0]): Promise<void> {
    for (const { name, next: reserved, ...exact } of associations) {
      await this.#change(name, { ...exact, reserved, exact: true });
    }
  }

  async remove(name: string): Promise<void> {
    this.kept.delete(name);
  }

  async #change(name: string, change: object): Promise<void> {
    await this.gate;
    const kept = this.kept.get(name);
    if (kept !== undefined) this.kept.set(name, { ...kept, ...change });
  }
}

function requestKey(name: string, { messageId, token }: RequestToRemember): string {
  return `${name} ${messageId} ${token.join()}`;
}

interface Running {
  readonly server: Server;
  readonly port: number;
  readonly puts: string[];
}

async function serve(t: TestContext, associationStore?: AssociationStore, port = 0): Promise<Running> {
  const puts: string[] = [];
  const server = new Server({ onError: (error) => t.diagnostic(String(error)) });
  server.resource('/a', {
    get: () => content('22.5'),
    put: (request) => {
      puts.push(new TextDecoder().decode(request.payload));
      return changed();
    },
  });
  const listener = await server.listen(`coaps://127.0.0.1:${port}`, {
    psk: { lookup: (name) => (name.startsWith('sensor-') ? key : undefined) },
    ...(associationStore === undefined ? {} : { associationStore }),
  });
  t.after(() => server.close());
  return { server, port: listener.port, puts };
}

function clientOf(t: TestContext, options: Partial<ClientOptions> = {}) {
  let handshakes = 0;
  const client = new Client({
    psk: { identity, key },
    trace: (event) => {
      if (event.kind === 'connected' && event.imported !== true) handshakes += 1;
    },
    ...options,
  });
  t.after(() => client.close());
  return { client, handshakes: () => handshakes };
}

test('24 messages from 24 clients, each with what the one before left in 256 bytes, need one handshake', async (t) => {
  const { port, puts } = await serve(t);
  const uri = `coaps://127.0.0.1:${port}/a`;
  let state: Uint8Array | undefined;
  let handshakes = 0;
  for (let message = 0; message < 24; message += 1) {
    const device = clientOf(t);
    if (state !== undefined) await device.client.importAssociation(uri, state, { leastGeneration: message });
    const response = await device.client.put(uri, { payload: `${message}` });
    assert.ok(response.ok);
    state = await device.client.exportAssociation(uri, { generation: message + 1 });
    assert.ok(state !== undefined && state.length <= 256);
    await device.client.close();
    handshakes += device.handshakes();
  }
  assert.equal(handshakes, 1);
  assert.equal(puts.length, 24);
});

test('an older copy, a damaged one and one of somebody else are refused by their cause; requests go on without', async (t) => {
  const { port } = await serve(t);
  const uri = `coaps://127.0.0.1:${port}/a`;
  const first = clientOf(t);
  await first.client.get(uri);
  const state = await first.client.exportAssociation(uri, { generation: 4 });
  assert.ok(state !== undefined);
  assert.equal(await first.client.exportAssociation(uri), undefined, 'it has left');
  const refused = (bytes: Uint8Array, message: RegExp, more = {}, options = {}) =>
    assert.rejects(clientOf(t, options).client.importAssociation(uri, bytes, more), {
      code: 'ERR_ASSOCIATION_STATE',
      message,
    });
  await refused(state, /older copy/, { leastGeneration: 5 });
  await refused(state.subarray(0, 100), /damaged/);
  await refused(state, /another identity/, {}, { psk: { identity: 'sensor-1', key } });
  const second = clientOf(t);
  await assert.rejects(second.client.importAssociation(uri, state.subarray(1)));
  assert.ok((await second.client.get(uri)).ok);
  assert.equal(second.handshakes(), 1);
});

test('a failed import, and an export of nothing, leave no socket that would keep the process alive', async (t) => {
  const { port } = await serve(t);
  const uri = `coaps://127.0.0.1:${port}/a`;
  const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'UDPWRAP').length;
  const before = sockets();
  const { client, handshakes } = clientOf(t);
  await assert.rejects(client.importAssociation(uri, new Uint8Array(100)), { code: 'ERR_ASSOCIATION_STATE' });
  assert.equal(await client.exportAssociation(uri), undefined);
  assert.equal(sockets(), before);
  const [refused, response] = await Promise.allSettled([
    client.importAssociation(uri, new Uint8Array(100)),
    client.get(uri),
  ]);
  assert.equal(refused.status, 'rejected');
  assert.equal(response.status, 'fulfilled', 'a request at the same time keeps its socket');
  assert.equal(handshakes(), 1);
});

test('a port where nobody listens is named at once on an imported association, which stays usable', async (t) => {
  const { server, port } = await serve(t);
  const uri = `coaps://127.0.0.1:${port}/a`;
  const first = clientOf(t);
  const { security } = (await first.client.get(uri)).peer;
  assert.ok(security.kind === 'dtls' && !security.imported);
  const state = await first.client.exportAssociation(uri);
  assert.ok(state !== undefined);
  const forgotten: boolean[] = [];
  const second = clientOf(t, { keepAssociation: (kept) => void forgotten.push(kept === undefined) });
  await second.client.importAssociation(uri, state);
  await server.close();
  await assert.rejects(second.client.get(uri), { code: 'ERR_NETWORK', message: /nobody listens/ });
  assert.ok(!forgotten.includes(true));
  const left = await second.client.exportAssociation(uri);
  assert.ok(left !== undefined);
  assert.notDeepEqual(left, state, 'its numbers went on');
});

test('keepAssociation has a state that a crash leaves usable, before each record that needs it', async (t) => {
  const { port, puts } = await serve(t);
  const uri = `coaps://127.0.0.1:${port}/a`;
  let disk: Uint8Array | undefined;
  const keepAssociation = (state: Uint8Array | undefined): void => {
    disk = state?.slice();
  };
  const first = clientOf(t, { keepAssociation });
  for (let i = 0; i < 100; i += 1) await first.client.put(uri, { payload: `${i}` });
  assert.ok(disk !== undefined);
  // The first client is as good as dead; another one goes on with what it left.
  const second = clientOf(t, { keepAssociation });
  await second.client.importAssociation(uri, disk);
  await second.client.put(uri, { payload: 'after' });
  assert.equal(second.handshakes(), 0);
  assert.equal(puts.length, 101);
  await second.client.close();
  assert.equal(disk, undefined, 'an association that was closed is not kept');
});

test('what cannot be kept is not used: the request fails, and nothing is sent by it', async (t) => {
  const { port, puts } = await serve(t);
  const { client } = clientOf(t, {
    keepAssociation: (state) => {
      if (state !== undefined) throw new Error('disk full');
    },
  });
  await assert.rejects(client.put(`coaps://127.0.0.1:${port}/a`, { payload: '1' }), {
    code: 'ERR_ASSOCIATION_STATE',
    message: /disk full/,
  });
  assert.deepEqual(puts, []);
});

test('500 devices go on without a handshake after a restart of their server', async (t) => {
  const store = new MemoryStore();
  const first = await serve(t, store);
  const uri = `coaps://127.0.0.1:${first.port}/a`;
  const devices = Array.from({ length: 500 }, (_, i) =>
    clientOf(t, { psk: { identity: `sensor-${i}`, key }, ...(i % 2 === 0 ? {} : { connectionId: 'off' }) }),
  );
  const all = async (payload: string): Promise<void> => {
    for (let i = 0; i < devices.length; i += 25) {
      await Promise.all(devices.slice(i, i + 25).map(({ client }) => client.put(uri, { payload })));
    }
  };
  await all('before');
  assert.equal(store.kept.size, 500);
  await first.server.close();
  const second = await serve(t, store, first.port);
  await all('after');
  assert.equal(second.puts.length, 500);
  assert.ok(devices.every(({ handshakes }) => handshakes() === 1));
});

test('a handler runs when the edge is stored, not before', async (t) => {
  const store = new MemoryStore();
  const { port, puts } = await serve(t, store);
  const uri = `coaps://127.0.0.1:${port}/a`;
  const { client } = clientOf(t);
  await client.put(uri, { payload: '1' });
  let open = (): void => {};
  store.gate = new Promise((resolve) => {
    open = resolve;
  });
  const edges = store.edges;
  const waiting = client.put(uri, { payload: '2' });
  while (store.edges === edges) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(puts, ['1']);
  open();
  assert.ok((await waiting).ok);
  assert.deepEqual(puts, ['1', '2']);
});

test('an address that cannot be had uses up nothing of what the last process left', async (t) => {
  const store = new MemoryStore();
  const first = await serve(t, store);
  const device = clientOf(t);
  assert.ok((await device.client.get(`coaps://127.0.0.1:${first.port}/a`)).ok);
  await first.server.close();
  const before = [...store.kept.values()];
  assert.equal(before[0]?.exact, true);
  const other = await serve(t);
  await assert.rejects(serve(t, store, other.port), { code: 'EADDRINUSE' });
  assert.deepEqual([...store.kept.values()], before);
});
