/** How an HTTP server is waited for, and what happens when nobody waits any more. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { HttpFailure, HttpUpstream } from '../../src/cross-proxy/http-upstream.ts';

async function listen(t: TestContext, listener: Parameters<typeof createServer>[1]) {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`) };
}

function upstream(t: TestContext, timeoutMs: number, idleMs = timeoutMs): HttpUpstream {
  const made = new HttpUpstream({ timeoutMs, idleMs, name: 'gateway-1' });
  t.after(() => made.close());
  return made;
}

const get = { method: 'GET', headers: {} };
const nothing = new Uint8Array();
const never = (): AbortSignal => new AbortController().signal;

function failsAs(reason: HttpFailure['reason']): (error: unknown) => boolean {
  return (error) => error instanceof HttpFailure && error.reason === reason;
}

test('a server that says nothing is given up after its time, and its connection closed', async (t) => {
  const { server, url } = await listen(t, () => {});
  const asked = upstream(t, 20).ask(url, get, nothing, never());
  await assert.rejects(asked, failsAs('silent'));
  // Which is when no connection is left.
  await new Promise((resolve) => server.close(resolve));
});

test('a body that stops coming is given up after its time', async (t) => {
  const { url } = await listen(t, (_request, response) => void response.write('begun'));
  const reply = await upstream(t, 60_000, 20).ask(url, get, nothing, never());
  reply.resume();
  const [error] = await once(reply, 'error');
  assert.match(error.message, /did not come in time/);
});

test('when nobody waits any more, the server is told by the end of its connection', async (t) => {
  const caller = new AbortController();
  const { server, url } = await listen(t, () => caller.abort());
  const connected = once(server, 'connection');
  await assert.rejects(upstream(t, 60_000).ask(url, get, nothing, caller.signal), failsAs('abandoned'));
  const [socket] = await connected;
  if (!socket.closed) await once(socket, 'close');
});

test('a connection that was kept and has been closed meanwhile costs a GET nothing', async (t) => {
  let requests = 0;
  const { server, url } = await listen(t, (_request, response) => {
    requests++;
    response.end('x');
  });
  const sockets: import('node:net').Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  const made = upstream(t, 60_000);
  const first = await made.ask(url, get, nothing, never());
  await once(first.resume(), 'end');
  // The end of the connection is on its way when it is used again.
  sockets[0]?.destroy();
  const second = await made.ask(url, get, nothing, never());
  assert.equal(second.statusCode, 200);
  second.resume();
  assert.equal(requests, 2);
});

test('headers that are longer than 32 KiB are garbage', async (t) => {
  const { url } = await listen(t, (_request, response) => {
    response.setHeader('x-long', 'x'.repeat(40_000));
    response.end();
  });
  await assert.rejects(upstream(t, 60_000).ask(url, get, nothing, never()), failsAs('garbage'));
});
