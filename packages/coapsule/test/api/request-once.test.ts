import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AssociationStore,
  Client,
  changed,
  content,
  created,
  type Handler,
  type KeptAssociation,
  type RememberedRequest,
  type RequestToRemember,
  type ResumableAssociation,
  Server,
  type SuspendedAssociation,
} from '../../src/index.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');

/** What would be on a disk. */
class MemoryStore implements AssociationStore {
  kept: KeptAssociation | undefined;
  exact = false;
  readonly requests = new Map<string, RememberedRequest>();
  isFull = false;

  async resume(ahead: number): Promise<readonly ResumableAssociation[]> {
    if (this.kept === undefined) return [];
    const { reserved } = this.kept;
    const resumed = { ...this.kept, writeFrom: reserved, reserved: reserved + ahead, exact: this.exact };
    this.kept = resumed;
    this.exact = false;
    return [resumed];
  }

  async add(association: KeptAssociation): Promise<void> {
    this.kept = association;
  }

  async reserve(_name: string, reserved: number): Promise<void> {
    if (this.kept !== undefined) this.kept = { ...this.kept, reserved };
  }

  async setEdge(_name: string, edge: number): Promise<void> {
    if (this.kept !== undefined) this.kept = { ...this.kept, edge };
  }

  async rememberRequest(_name: string, request: RequestToRemember): Promise<RememberedRequest | undefined> {
    if (this.isFull) throw new Error('no space left');
    const known = this.requests.get(requestKey(request));
    if (known === undefined) this.requests.set(requestKey(request), { answer: undefined });
    return known;
  }

  async setAnswer(_name: string, request: RequestToRemember, answer: Uint8Array): Promise<void> {
    this.requests.set(requestKey(request), { answer });
  }

  async suspend([one]: readonly SuspendedAssociation[]): Promise<void> {
    if (this.kept === undefined || one === undefined) return;
    this.kept = { ...this.kept, ...one, reserved: one.next };
    this.exact = true;
  }

  async remove(): Promise<void> {
    this.kept = undefined;
  }
}

function requestKey({ messageId, token }: RequestToRemember): string {
  return `${messageId} ${token.join()}`;
}

/** A path that can be cut for answers, and leads to one server after the other. */
async function relayTo(t: TestContext, port: number) {
  const front = createSocket('udp4');
  const back = createSocket('udp4');
  let client: { port: number; address: string } | undefined;
  const relay = { port: 0, to: port, answersAreLost: false };
  front.on('message', (datagram, from) => {
    client = from;
    back.send(datagram, relay.to, '127.0.0.1');
  });
  back.on('message', (datagram) => {
    if (client !== undefined && !relay.answersAreLost) front.send(datagram, client.port, client.address);
  });
  for (const socket of [front, back]) {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    t.after(() => socket.close());
  }
  relay.port = front.address().port;
  return relay;
}

async function serve(t: TestContext, associationStore: AssociationStore, handler: Handler) {
  const errors: unknown[] = [];
  const server = new Server({ onError: (error) => errors.push(error) });
  server.resource('/a', { get: () => content('1'), post: handler, put: handler, delete: handler });
  const listener = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['sensor-1', key]]) },
    associationStore,
  });
  t.after(() => server.close());
  return { server, errors, port: listener.port };
}

async function scene(t: TestContext, handler: Handler) {
  const store = new MemoryStore();
  const first = await serve(t, store, handler);
  const relay = await relayTo(t, first.port);
  const client = new Client({
    psk: { identity: 'sensor-1', key },
    transmission: { ackTimeoutMs: 100, maxRetransmit: 5 },
  });
  t.after(() => client.close());
  const uri = `coaps://127.0.0.1:${relay.port}/a`;
  await client.get(uri);
  return { store, first, relay, client, uri };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

for (const method of ['post', 'put', 'delete'] as const) {
  test(`a ${method} that was carried out before a crash, and whose answer was lost, is answered as then and not carried out again`, async (t) => {
    let executed = 0;
    const handler: Handler = () => {
      executed += 1;
      return { ...created('/a/7'), payload: `number ${executed}`, contentFormat: 'text/plain' };
    };
    const { store, relay, client, uri } = await scene(t, handler);
    relay.answersAreLost = true;
    // A DELETE has no payload (RFC 7252 §5.5).
    const waiting = client[method](uri, method === 'delete' ? {} : { payload: '1' });
    await until(() => [...store.requests.values()].some(({ answer }) => answer !== undefined));
    // The first process says and hears nothing any more: it is as good as dead.
    relay.to = (await serve(t, store, handler)).port;
    relay.answersAreLost = false;
    const response = await waiting;
    assert.equal(response.codeText, '2.01');
    assert.equal(response.text(), 'number 1');
    assert.equal(response.contentFormat, 0);
    assert.deepEqual(response.options.texts(8), ['a', '7']);
    assert.equal(executed, 1);
  });
}

test('a request whose handler was interrupted by a crash is not carried out again, and its peer is told so', async (t) => {
  let executed = 0;
  let letGo = (): void => {};
  const { store, relay, client, uri } = await scene(t, async () => {
    executed += 1;
    await new Promise<void>((resolve) => {
      letGo = resolve;
    });
    return changed();
  });
  const counting: Handler = () => {
    executed += 1;
    return changed();
  };
  const waiting = client.post(uri, { payload: '1' });
  await until(() => executed === 1);
  relay.to = (await serve(t, store, counting)).port;
  const response = await waiting;
  assert.equal(response.codeText, '5.00');
  assert.match(response.text(), /may have been carried out/);
  assert.equal(executed, 1);
  assert.ok((await client.post(uri, { payload: '2' })).ok);
  letGo();
});

test('a clean stop waits for handlers that run; what comes meanwhile is for the next process; nothing is carried out twice', async (t) => {
  const begun: string[] = [];
  let finish = (): void => {};
  const handler: Handler = async (request) => {
    begun.push(request.text());
    if (request.text() === 'slow') await new Promise<void>((resolve) => (finish = resolve));
    return changed(`did ${request.text()}`);
  };
  const { store, first, relay, client, uri } = await scene(t, handler);
  relay.answersAreLost = true;
  const slow = client.post(uri, { payload: 'slow' });
  await until(() => begun.length === 1);
  let isClosed = false;
  const closing = first.server.close().then(() => (isClosed = true));
  const quick = client.post(uri, { payload: 'quick' });
  await sleep(150);
  assert.equal(isClosed, false);
  assert.deepEqual(begun, ['slow']);
  finish();
  await closing;
  assert.equal(store.exact, true);
  relay.to = (await serve(t, store, handler)).port;
  relay.answersAreLost = false;
  assert.equal((await slow).text(), 'did slow');
  assert.equal((await quick).text(), 'did quick');
  assert.deepEqual(begun, ['slow', 'quick']);
});

test('a request that cannot be remembered is answered 5.03 and not carried out', async (t) => {
  let executed = 0;
  const counting: Handler = () => {
    executed += 1;
    return changed();
  };
  const { store, first, client, uri } = await scene(t, counting);
  store.isFull = true;
  const refused = await client.post(uri, { payload: '1' });
  assert.deepEqual([refused.codeText, refused.maxAgeSeconds, executed], ['5.03', 30, 0]);
  assert.match(String(first.errors[0]), /no space left/);
  store.isFull = false;
  assert.ok((await client.post(uri, { payload: '1', whenBusy: 'send' })).ok);
  assert.equal(executed, 1);
});
