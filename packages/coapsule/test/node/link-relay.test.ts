/**
 * The simulated link between real sockets: client and server of the public interface over a bad line.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, content, Server } from '../../src/index.ts';
import { LinkRelay } from '../../src/testing/index.ts';

test('client and server talk over a relay: two clients are told apart, and what is lost is sent again', async () => {
  const seen = new Set<number>();
  await using server = new Server().resource('/temperature', {
    get: (request) => {
      seen.add(request.peer.address.port);
      return content('22.5');
    },
  });
  const listener = await server.listen('coap://127.0.0.1:0');
  await using relay = await LinkRelay.open({ server: { port: listener.port }, conditions: { delayMs: 1 } });
  relay.network.hook = ({ directionIndex }) => (directionIndex === 0 ? { kind: 'drop' } : undefined);
  const transmission = { ackTimeoutMs: 20, ackRandomFactor: 1 };
  await using first = new Client({ transmission });
  await using second = new Client({ transmission });
  const uri = `coap://127.0.0.1:${relay.port}/temperature`;
  const [one, other] = await Promise.all([first.get(uri), second.get(uri)]);
  assert.deepEqual([one?.text(), other?.text()], ['22.5', '22.5']);
  assert.equal(seen.size, 2);
  assert.ok(relay.network.sentCount >= 6, `${relay.network.sentCount}`);
});

test('a relay to a port where nobody listens is a line without an answer', async () => {
  await using relay = await LinkRelay.open({ server: { port: 9 }, profile: 'wifi' });
  await using client = new Client({ transmission: { ackTimeoutMs: 5, maxRetransmit: 1 } });
  await assert.rejects(client.get(`coap://127.0.0.1:${relay.port}/`), { code: 'ERR_TIMEOUT' });
});

test('after a rebind the server sees the same client at another port, and what was lost is counted', async () => {
  const ports: number[] = [];
  await using server = new Server().resource('/temperature', {
    get: (request) => {
      ports.push(request.peer.address.port);
      return content('22.5');
    },
  });
  const listener = await server.listen('coap://127.0.0.1:0');
  await using relay = await LinkRelay.open({ server: { port: listener.port }, conditions: { delayMs: 1 } });
  await using client = new Client({ transmission: { ackTimeoutMs: 20, ackRandomFactor: 1 } });
  const uri = `coap://127.0.0.1:${relay.port}/temperature`;
  await client.get(uri);
  await relay.rebind();
  relay.network.hook = ({ directionIndex }) => (directionIndex === 1 ? { kind: 'drop' } : undefined);
  await client.get(uri);
  assert.equal(new Set(ports).size, 2);
  assert.ok(relay.network.lostCount >= 1);
});
