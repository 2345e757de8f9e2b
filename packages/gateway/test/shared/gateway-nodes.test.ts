/** The link between gateways: two of them over loopback, and what is left where one cannot be opened. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ipAddress, type NodeLinkEvents } from 'coapsule';
import { systemTickTimer } from '../../src/resources/periodic-tick.ts';
import { lineLog } from '../../src/server/log.ts';
import { StartUpFault } from '../../src/server/start-up-fault.ts';
import { GatewayNodes, type GatewayNodesParts } from '../../src/shared/gateway-nodes.ts';
import type { NodeAddress } from '../../src/shared/redis-nodes.ts';

const key = new Uint8Array(32).fill(7);
const peer = ipAddress('192.0.2.7', 40_000);

/** Numbers in the order of claims. */
class Numbers {
  readonly claimed = new Map<number, NodeAddress>();
  readonly #numbers = new Map<string, number>();

  claim(id: string, _wanted: number, address: NodeAddress): Promise<number> {
    const number = this.#numbers.get(id) ?? this.#numbers.size + 1;
    this.#numbers.set(id, number);
    this.claimed.set(number, address);
    return Promise.resolve(number);
  }

  all(): Promise<ReadonlyMap<number, NodeAddress>> {
    return Promise.resolve(new Map(this.claimed));
  }
}

function parts(node: string, nodes: Numbers, changes: Partial<GatewayNodesParts> = {}): GatewayNodesParts {
  return {
    ...{ address: { host: '127.0.0.1', port: 0 }, sharedKey: key, node, nodes, isThere: () => true },
    store: { sharedState: () => Promise.resolve(undefined), setSharedState: () => Promise.resolve() },
    ...{ log: lineLog(() => {}, 0), clock: () => 1_700_000_000_000, timer: systemTickTimer },
    ...changes,
  };
}

async function bound(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

test('a record goes to the gateway of a number and its answer back, and nothing that others send', async (t) => {
  const numbers = new Numbers();
  const north = (await GatewayNodes.open(parts('north', numbers))) as GatewayNodes;
  t.after(() => north.close());
  // It knows of the first, and the first learns of it by what comes.
  const south = (await GatewayNodes.open(parts('south', numbers))) as GatewayNodes;
  t.after(() => south.close());
  assert.deepEqual(
    [north.number, south.number, north.has(2), south.has(1), south.has(2)],
    [...[1, 2, false, true, false]],
  );
  const come = Promise.withResolvers<readonly unknown[]>();
  const back = Promise.withResolvers<readonly unknown[]>();
  const never: NodeLinkEvents = { forwarded: () => assert.fail(), answered: () => assert.fail() };
  north.open({
    ...never,
    forwarded: (number, datagram, host, port) => come.resolve([number, [...datagram], host, port]),
  });
  south.open({ ...never, answered: (datagram, host, port) => back.resolve([[...datagram], host, port]) });
  const stranger = await bound(0);
  t.after(() => stranger.close());
  stranger.send(new Uint8Array(80), north.address.port, '127.0.0.1');
  south.forward(1, Uint8Array.of(25, 1), peer);
  assert.deepEqual(await come.promise, [2, [25, 1], peer.host, peer.port]);
  assert.ok(north.has(2));
  north.answer(2, Uint8Array.of(25, 2), peer);
  assert.deepEqual(await back.promise, [[25, 2], peer.host, peer.port]);
  assert.deepEqual(north.counts, { forwarded: 0, received: 1, answered: 1, answers_received: 0, refused: 1 });
});

test('a link that cannot be opened in the end leaves its port free', async () => {
  const numbers = new Numbers();
  const failed = new Error('the disk is full');
  const store = { ...parts('a', numbers).store, setSharedState: () => Promise.reject(failed) };
  await assert.rejects(GatewayNodes.open(parts('north', numbers, { store })), failed);
  const { port } = numbers.claimed.get(1) as NodeAddress;
  const socket = await bound(port);
  const address = { host: '127.0.0.1', port };
  await assert.rejects(GatewayNodes.open(parts('south', numbers, { address })), StartUpFault);
  socket.close();
});

test('a gateway whose link has a port that is taken ends, and no connection to Redis keeps it', {
  timeout: 60_000,
}, async (t) => {
  const taken = await bound(0);
  t.after(() => taken.close());
  const sources = (path: string): string =>
    JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
  // A thread ends by itself as soon as nothing is open in it.
  const thread = new Worker(
    `
    const { parentPort } = require('node:worker_threads');
    (async () => {
      const { Sharing } = await import(${sources('shared/sharing.ts')});
      const { systemTickTimer } = await import(${sources('resources/periodic-tick.ts')});
      const store = {
        sharedState: async () => undefined,
        setSharedState: async () => {},
        readingsAfter: async () => ({ readings: [], mark: 0 }),
      };
      const link = { host: '127.0.0.1', port: ${taken.address().port} };
      const options = { url: 'redis://127.0.0.1:1', key: new Uint8Array(32), graceMs: 0, link };
      const log = { verbosity: 0, error() {}, warning() {}, detail() {} };
      const told = await Sharing.open({
        ...{ options, store, log, clock: Date.now, timer: systemTickTimer, onError: () => {} },
      }).then(() => 'opened', (error) => error.message);
      parentPort.postMessage(told);
    })();`,
    { eval: true },
  );
  t.after(() => thread.terminate());
  const ended = once(thread, 'exit');
  const [told] = await once(thread, 'message');
  assert.match(told as string, /the link between gateways cannot open 127.0.0.1 port/);
  assert.deepEqual(await ended, [0]);
});
