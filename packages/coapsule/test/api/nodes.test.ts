/** Several machines at one address: records go to the one that has the association, answers leave from where the peer was heard. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import {
  ApiMisuseError,
  Client,
  content,
  type Listener,
  type NodeLink,
  type NodeLinkEvents,
  Server,
} from '../../src/index.ts';

const key = new Uint8Array(16);

/** Machines that reach each other. */
class Nodes {
  readonly sent: string[] = [];
  /** Whom the datagrams were from that were forwarded. */
  readonly peers: { readonly host: string; readonly port: number }[] = [];
  readonly #events = new Map<number, NodeLinkEvents>();

  pass(
    from: number,
    to: number,
    datagram: Uint8Array,
    { host, port }: { readonly host: string; readonly port: number },
  ): void {
    this.#events.get(to)?.forwarded(from, datagram, host, port);
  }

  link(number: number): NodeLink {
    return {
      number,
      has: (other) => other !== number && this.#events.has(other),
      forward: (to, datagram, { host, port }) => {
        this.sent.push(`${number} forwards to ${to}`);
        this.peers.push({ host, port });
        const copy = datagram.slice();
        queueMicrotask(() => this.pass(number, to, copy, { host, port }));
      },
      answer: (to, datagram, { host, port }) => {
        this.sent.push(`${number} answers by ${to}`);
        const copy = datagram.slice();
        queueMicrotask(() => this.#events.get(to)?.answered(copy, host, port));
      },
      open: (events) => {
        this.#events.set(number, events);
        return () => this.#events.delete(number);
      },
    };
  }
}

/** What stands before the machines: it gives all datagrams to one of them, from a socket of its own for each. */
class Balancer {
  readonly uri: string;
  target = 0;
  readonly #front: Socket;
  readonly #backs: readonly Socket[];

  static async open(t: TestContext, listeners: readonly Listener[]): Promise<Balancer> {
    const sockets = Array.from({ length: listeners.length + 1 }, () =>
      createSocket('udp4').bind(0, '127.0.0.1'),
    );
    await Promise.all(sockets.map((socket) => once(socket, 'listening')));
    t.after(() => {
      for (const socket of sockets) socket.close();
    });
    return new Balancer(sockets as [Socket, ...Socket[]], listeners);
  }

  private constructor([front, ...backs]: readonly [Socket, ...Socket[]], listeners: readonly Listener[]) {
    this.#front = front;
    this.#backs = backs;
    this.uri = `coaps://127.0.0.1:${front.address().port}`;
    let client = 0;
    front.on('message', (datagram, { port }) => {
      client = port;
      this.#backs[this.target]?.send(datagram, listeners[this.target]?.port, '127.0.0.1');
    });
    for (const [index, back] of backs.entries()) {
      back.on('message', (datagram, { port }) => {
        // The way back is open to the machine that was asked, and to no other.
        assert.equal(port, listeners[index]?.port, 'an answer comes from the machine that was asked');
        this.#front.send(datagram, client, '127.0.0.1');
      });
    }
  }
}

async function start(t: TestContext, count = 2) {
  const nodes = new Nodes();
  const handshakes = Array(count).fill(0);
  const servers = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const server = new Server({ onError: (error) => assert.fail(String(error)) });
      t.after(() => server.close());
      let state = 0;
      server.resource('/state', {
        get: () => content(`machine ${index}: ${state}`, { maxAgeSeconds: 0 }),
        put: () => {
          state++;
          server.notify('/state');
          return content('');
        },
        observable: true,
      });
      const listener = await server.listen('coaps://127.0.0.1:0', {
        psk: { lookup: new Map([['a', key]]) },
        nodes: nodes.link(index + 1),
        onAssociation: ({ kind }) => {
          if (kind === 'connected') handshakes[index]++;
        },
      });
      return { server, listener };
    }),
  );
  const balancer = await Balancer.open(
    t,
    servers.map(({ listener }) => listener),
  );
  const client = new Client({ psk: { identity: 'a', key }, cache: false });
  t.after(() => client.close());
  const ask = async (): Promise<string> => (await client.get(`${balancer.uri}/state`)).text();
  return { nodes, servers, balancer, client, ask, handshakes };
}

test('a device whose datagrams come to another machine is answered by the one that it shook hands with, without a new handshake, and back again', async (t) => {
  const { nodes, balancer, client, ask, handshakes } = await start(t);
  assert.equal(await ask(), 'machine 0: 0');
  assert.deepEqual(nodes.sent, []);
  balancer.target = 1;
  assert.equal(await ask(), 'machine 0: 0');
  assert.deepEqual(new Set(nodes.sent), new Set(['2 forwards to 1', '1 answers by 2']));
  // Large bodies, too.
  const put = await client.put(`${balancer.uri}/state`, { payload: new Uint8Array(5000) });
  assert.equal(put.codeText[0], '2');
  balancer.target = 0;
  nodes.sent.length = 0;
  assert.equal(await ask(), 'machine 0: 1');
  assert.deepEqual(nodes.sent, [], 'it is heard where its association is');
  balancer.target = 1;
  assert.equal(await ask(), 'machine 0: 1');
  assert.deepEqual(handshakes, [1, 0]);
});

test('an observer that has come to another machine is told of changes by that one', async (t) => {
  const { servers, balancer, client } = await start(t);
  const states = client.observe(`${balancer.uri}/state`)[Symbol.asyncIterator]();
  assert.equal((await states.next()).value?.text(), 'machine 0: 0');
  balancer.target = 1;
  await client.put(`${balancer.uri}/state`, { payload: '' });
  assert.equal((await states.next()).value?.text(), 'machine 0: 1');
  servers[0]?.server.notify('/state');
  assert.equal((await states.next()).value?.text(), 'machine 0: 1');
  await states.return?.();
});

test('where the machine of an association is gone, the device shakes hands again with the one that it reaches', async (t) => {
  const { servers, balancer, ask, handshakes, client } = await start(t);
  assert.equal(await ask(), 'machine 0: 0');
  await servers[0]?.listener.close();
  balancer.target = 1;
  // Its goodbye has reached the device, or the device asks in vain first: either way the next request is answered.
  const again = await client.get(`${balancer.uri}/state`).catch(() => client.get(`${balancer.uri}/state`));
  assert.equal(again.text(), 'machine 1: 0');
  assert.deepEqual(handshakes, [1, 1]);
});

test('datagrams that only look like records of another machine cost it one decision each, and change nothing', async (t) => {
  const { nodes, servers, ask, handshakes } = await start(t);
  assert.equal(await ask(), 'machine 0: 0');
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  const port = servers[1]?.listener.port as number;
  for (const number of [1, 2, 3, 255]) {
    for (const length of [12, 13, 14, 20, 60]) {
      const datagram = Buffer.alloc(length);
      datagram.set([25, 0xfe, 0xfd, 0, 1]);
      if (length > 12) datagram[12] = number;
      socket.send(datagram, port, '127.0.0.1');
    }
  }
  while (nodes.sent.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(nodes.sent, ['2 forwards to 1', '2 forwards to 1'], 'those that are long enough');
  assert.equal(await ask(), 'machine 0: 0');
  assert.deepEqual(handshakes, [1, 0]);
});

test('datagrams that somebody writes the address of a device on do not turn away what the device is told', async (t) => {
  const { nodes, servers, balancer, client } = await start(t, 3);
  const states = client.observe(`${balancer.uri}/state`)[Symbol.asyncIterator]();
  assert.equal((await states.next()).value?.text(), 'machine 0: 0');
  balancer.target = 1;
  await client.put(`${balancer.uri}/state`, { payload: '' });
  assert.equal((await states.next()).value?.text(), 'machine 0: 1');
  // Behind it nothing of the device is on its way, which would set it right again.
  assert.equal((await client.get(`${balancer.uri}/state`)).text(), 'machine 0: 1');
  const [device] = nodes.peers;
  assert.ok(device);
  // A connection id with the right number, of which nobody knows the rest.
  const forged = new Uint8Array(60);
  forged.set([25, 0xfe, 0xfd, 0, 1]);
  forged[12] = 1;
  nodes.sent.length = 0;
  nodes.pass(3, 1, forged, device);
  servers[0]?.server.notify('/state');
  assert.equal((await states.next()).value?.text(), 'machine 0: 1');
  assert.equal(nodes.sent[0], '1 answers by 2');
  await states.return?.();
});

test('options that cannot be are refused', async (t) => {
  const server = new Server();
  t.after(() => server.close());
  const psk = { lookup: new Map([['a', key]]) };
  const nodes = new Nodes();
  await assert.rejects(server.listen('coap://127.0.0.1:0', { nodes: nodes.link(1) }), /nodes was given/);
  for (const [options, problem] of [
    [{ nodes: nodes.link(256) }, /nodes.number is 256/],
    [{ nodes: nodes.link(1), connectionId: 'off' }, /needs connection ids/],
    [{ nodes: nodes.link(1), connectionId: 5 }, /connectionIdPrefix: got 2 bytes/],
  ] as const) {
    await assert.rejects(
      async () => server.listen('coaps://127.0.0.1:0', { psk, ...options }),
      (error: Error) => error instanceof ApiMisuseError && problem.test(error.message),
    );
  }
});
