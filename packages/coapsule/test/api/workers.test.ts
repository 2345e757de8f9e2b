/** Worker threads that share ports: who answers, who is told, and what becomes of records that come to the wrong one. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Client, startWorkers, type Workers, type WorkersOptions } from '../../src/index.ts';

const app = new URL('./worker-app.ts', import.meta.url);
const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };

async function workersFor(t: TestContext, options: WorkersOptions): Promise<Workers> {
  const workers = await startWorkers(app, options);
  t.after(() => workers.close());
  return workers;
}

function clientFor(t: TestContext): Client {
  const client = new Client({ psk });
  t.after(() => client.close());
  return client;
}

/** A UDP port that nobody has, and the next one too: workers are told ports of their own, so that tests can go there. */
async function freePorts(): Promise<number> {
  for (;;) {
    const first = createSocket('udp4');
    first.bind(0, '127.0.0.1');
    await once(first, 'listening');
    const { port } = first.address();
    const second = createSocket('udp4');
    second.bind(port + 1, '127.0.0.1');
    const isFree = await Promise.race([
      once(second, 'listening').then(() => true),
      once(second, 'error').then(() => false),
    ]);
    first.close();
    if (isFree) second.close();
    if (isFree) return port;
  }
}

/** Between a client and a server: its own address towards the server can change. */
class Nat {
  readonly #inside = createSocket('udp4');
  #outside: Socket;
  #client: { port: number; address: string } | undefined;
  readonly #server: number;

  constructor(server: number) {
    this.#server = server;
    this.#outside = this.#open();
    this.#inside.on('message', (datagram, from) => {
      this.#client = from;
      this.#outside.send(datagram, this.#server, '127.0.0.1');
    });
  }

  async listen(): Promise<number> {
    this.#inside.bind(0, '127.0.0.1');
    await once(this.#inside, 'listening');
    return this.#inside.address().port;
  }

  rebind(): void {
    this.#outside.close();
    this.#outside = this.#open();
  }

  close(): void {
    this.#inside.close();
    this.#outside.close();
  }

  #open(): Socket {
    const socket = createSocket('udp4');
    socket.on('message', (datagram) => {
      if (this.#client) this.#inside.send(datagram, this.#client.port, this.#client.address);
    });
    return socket;
  }
}

test('both workers answer on one port, plain and secured', async (t) => {
  const port = await freePorts();
  await workersFor(t, { count: 2, data: { port } });
  for (const uri of [`coap://127.0.0.1:${port}/worker`, `coaps://127.0.0.1:${port + 1}/worker`]) {
    const answered = new Set<string>();
    // One of two answers each new client: after 40 both have, but for once in 2^39 runs.
    for (let i = 0; i < 40 && answered.size < 2; i++) {
      await using client = new Client({ psk });
      answered.add((await client.get(uri)).text());
    }
    assert.deepEqual([...answered].sort(), ['0', '1']);
  }
});

test('a peer with a connection id keeps its association and its worker, whatever address its records come from', async (t) => {
  const port = await freePorts();
  await workersFor(t, { count: 2, data: { port } });
  const nat = new Nat(port + 1);
  t.after(() => nat.close());
  const handshakes: unknown[] = [];
  await using client = new Client({
    psk,
    trace: (event) => {
      if (event.kind === 'connected') handshakes.push(event);
    },
  });
  const uri = `coaps://127.0.0.1:${await nat.listen()}/worker`;
  const worker = (await client.get(uri)).text();
  for (let i = 0; i < 20; i++) {
    nat.rebind();
    assert.equal((await client.get(uri)).text(), worker);
  }
  assert.equal(handshakes.length, 1);
});

test('observers of every worker are told what a handler of one of them changes', async (t) => {
  const port = await freePorts();
  await workersFor(t, { count: 2, data: { port } });
  const uri = `coap://127.0.0.1:${port}/state`;
  // Several of them: each worker has some.
  const clients = Array.from({ length: 12 }, () => clientFor(t));
  const seen = new Set<string>();
  const observations = await Promise.all(
    clients.map(async (client) => {
      seen.add((await client.get(`coap://127.0.0.1:${port}/worker`)).text());
      const states = client.observe(uri)[Symbol.asyncIterator]();
      await states.next();
      return states;
    }),
  );
  assert.equal(seen.size, 2);
  await clientFor(t).put(uri, { payload: 'second' });
  // Each worker has a state of its own: what they are told is that it changed.
  for (const states of observations) {
    const { value } = await states.next();
    assert.ok(value !== undefined && ['first', 'second'].includes(value.text()));
  }
});

test('a worker that ends is replaced, on the same port, and that is told', async (t) => {
  const port = await freePorts();
  const notices: string[] = [];
  await workersFor(t, { count: 2, data: { port }, onNotice: (notice) => notices.push(notice) });
  const uri = `coap://127.0.0.1:${port}`;
  await clientFor(t)
    .post(`${uri}/end`, { timeoutMs: 500 })
    .catch(() => undefined);
  const answered = new Set<string>();
  while (answered.size < 2) {
    await using client = new Client();
    answered.add((await client.get(`${uri}/worker`)).text());
  }
  assert.deepEqual([...answered].sort(), ['0', '1']);
  assert.equal(notices.length, 1);
  assert.match(notices[0] ?? '', /^worker [01] ended and is replaced: .*exit code 3$/);
});

test('streams are open in worker 0, and the observers there hear of changes in every worker', async (t) => {
  const port = await freePorts();
  const workers = await workersFor(t, { count: 2, data: { port, streams: true } });
  const tcp = workers.listeners.find(({ uri }) => uri.startsWith('coap+tcp'));
  assert.ok(tcp);
  const client = clientFor(t);
  assert.equal((await client.get(`${tcp.openUri}/worker`)).text(), '0');
  const states = client.observe(`${tcp.openUri}/state`)[Symbol.asyncIterator]();
  await states.next();
  // Until one was worker 1.
  for (;;) {
    await using other = new Client();
    const who = (await other.get(`coap://127.0.0.1:${port}/worker`)).text();
    await other.put(`coap://127.0.0.1:${port}/state`, { payload: `by ${who}` });
    const told = await states.next();
    assert.ok(told.value !== undefined);
    if (who === '1') break;
  }
});

test('ports that the system chooses are the same in all workers', async (t) => {
  const workers = await workersFor(t, { count: 2, data: { port: 0 } });
  const [coap] = workers.listeners;
  assert.ok(coap !== undefined && coap.port > 0);
  const answered = new Set<string>();
  for (let i = 0; i < 40 && answered.size < 2; i++) {
    await using client = new Client();
    answered.add((await client.get(`${coap.openUri}/worker`)).text());
  }
  assert.deepEqual([...answered].sort(), ['0', '1']);
});

test('a module that cannot begin in a worker fails the start with what it threw, and leaves no thread', async () => {
  await assert.rejects(startWorkers(app, { count: 2, data: { port: 0, failing: true } }), {
    message: 'this module cannot begin',
  });
});

test('a port that another program has is not shared with it', async (t) => {
  const taken = createSocket({ type: 'udp4', reusePort: true });
  t.after(() => taken.close());
  taken.bind(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address();
  await assert.rejects(startWorkers(app, { count: 2, data: { port } }), { code: 'EADDRINUSE' });
});

test('a count of workers that cannot be is refused', async () => {
  for (const count of [0, 256, 1.5]) {
    await assert.rejects(startWorkers(app, { count }), /count: got .*, expected 1 … 255/);
  }
});
