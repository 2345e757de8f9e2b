/**
 * Client and server over TCP on real sockets: the same resources as over UDP.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after, suite, test } from 'node:test';
import { Client, type CoapsuleError, changed, content, Server, type TraceEvent } from '../../src/index.ts';

const errors: unknown[] = [];
let value = '22.5';
let stored = new Uint8Array(0);
const schemes: string[] = [];
/** The parts in which the last streamed body came. */
const parts: Uint8Array[] = [];
const server = new Server({ onError: (error) => errors.push(error) })
  .use(async (request, next) => {
    schemes.push(
      `${request.scheme} ${request.peer.transport} ${request.peer.security.kind} ${request.messageId}`,
    );
    return next();
  })
  .resource('/temperature', {
    observable: true,
    get: () => content(value),
    put: (request) => {
      value = request.text();
      server.notify('/temperature');
      return changed();
    },
  })
  .resource('/store', {
    maxBodyBytes: 4 * 1024 * 1024,
    get: () => content(stored),
    put: (request) => {
      stored = request.payload.slice();
      return changed();
    },
  })
  .resource('/stream', {
    streamRequestBody: true,
    maxBodyBytes: 4 * 1024 * 1024,
    put: async (request) => {
      parts.length = 0;
      for await (const part of request.body) parts.push(part.slice());
      return changed(parts);
    },
  })
  .resource('/lock', { put: () => changed(), freshWithinSeconds: 5 })
  .resource('/never', { get: () => new Promise(() => {}) });
const listener = await server.listen('coap+tcp://127.0.0.1:0');
const udp = await server.listen('coap://127.0.0.1:0');
const base = `coap+tcp://127.0.0.1:${listener.port}`;

after(async () => {
  await server.close();
  assert.deepEqual(errors, []);
});

suite('coap+tcp', () => {
  test('a GET is answered, and the handler sees the transport', async () => {
    await using client = new Client();
    const response = await client.get(`${base}/temperature`);
    assert.equal(response.text(), '22.5');
    assert.equal(response.peer.transport, 'tcp');
    assert.equal(schemes.at(-1), 'coap+tcp tcp none undefined');
    assert.ok((response.handshakeMs ?? -1) >= 0, 'the first request waits for the connection');
    assert.equal((await client.get(`${base}/temperature`)).handshakeMs, undefined, 'the second does not');
  });

  test('what is put over TCP is there over UDP', async () => {
    await using client = new Client();
    await client.put(`${base}/temperature`, { payload: '23.1' });
    assert.equal((await client.get(`coap://127.0.0.1:${udp.port}/temperature`)).text(), '23.1');
    assert.match(schemes.at(-1) ?? '', /^coap udp none \d+$/);
  });

  test('a change by UDP notifies an observer over TCP', async () => {
    await using client = new Client();
    await client.put(`${base}/temperature`, { payload: '1' });
    const seen: string[] = [];
    for await (const response of client.observe(`${base}/temperature`)) {
      seen.push(response.text());
      if (response.text() === '2') break;
      await client.put(`coap://127.0.0.1:${udp.port}/temperature`, { payload: '2' });
    }
    assert.deepEqual(seen, ['1', '2']);
  });

  test('2 MiB up and down', async () => {
    await using client = new Client();
    const body = Uint8Array.from({ length: 2 * 1024 * 1024 }, (_, i) => i * 31 + (i >> 8));
    assert.equal((await client.put(`${base}/store`, { payload: body })).codeText, '2.04');
    const response = await client.get(`${base}/store`);
    assert.ok(Buffer.from(response.payload).equals(body));
  });

  test('bodies that are read as they come do so in blocks of 15 KiB (RFC 8323 §6)', async () => {
    await using client = new Client();
    const body = Uint8Array.from({ length: 100_000 }, (_, i) => i * 31 + (i >> 8));
    const cut = (size: number): Uint8Array[] =>
      Array.from({ length: Math.ceil(body.length / size) }, (_, i) =>
        body.subarray(i * size, (i + 1) * size),
      );
    const response = await client.stream('PUT', `${base}/stream`, { payload: cut(7000) });
    const received: Uint8Array[] = [];
    for await (const part of response.body) received.push(part);
    assert.deepEqual(parts, cut(15_360));
    assert.deepEqual(received, cut(15_360));
  });

  test('two hundred requests at a time on one connection', async () => {
    await using client = new Client();
    const responses = await Promise.all(Array.from({ length: 200 }, () => client.get(`${base}/temperature`)));
    assert.ok(responses.every(({ codeText }) => codeText === '2.05'));
  });

  test('ping, discover, send and 4.04', async () => {
    await using client = new Client();
    assert.ok((await client.ping(base)).roundTripMs >= 0);
    const links = await client.discover(base);
    assert.ok(links.some(({ target }) => target === '/temperature'));
    await client.send('PUT', `${base}/temperature`, { payload: '7' });
    assert.equal((await client.get(`${base}/temperature`)).text(), '7');
    assert.equal((await client.get(`${base}/nowhere`)).codeText, '4.04');
  });

  test('RFC 9175 §2: what must be fresh is asked for with an Echo over TCP and UDP alike', async () => {
    for (const uri of [`${base}/lock`, `coap://127.0.0.1:${udp.port}/lock`]) {
      await using client = new Client();
      assert.equal((await client.put(uri, { payload: 'open' })).codeText, '2.04');
      const stale = { payload: 'open', options: [{ number: 252, value: Uint8Array.of(1, 2, 3) }] };
      const refused = await client.put(uri, stale);
      assert.equal(refused.codeText, '4.01');
      assert.equal(refused.options.first(252)?.length, 12);
    }
  });

  test('an abort signal ends a request, and the connection goes on', async () => {
    await using client = new Client();
    const controller = new AbortController();
    const never = client.get(`${base}/never`, { signal: controller.signal });
    await client.get(`${base}/temperature`);
    controller.abort();
    await assert.rejects(never, { code: 'ERR_ABORTED' });
    assert.equal((await client.get(`${base}/temperature`)).handshakeMs, undefined);
  });

  test('nobody listens: ERR_NETWORK with the reason', async () => {
    await using client = new Client();
    const free = await freePort();
    await assert.rejects(client.get(`coap+tcp://127.0.0.1:${free}/a`), (error: CoapsuleError) => {
      assert.equal(error.code, 'ERR_NETWORK');
      assert.match(error.message, /connection refused/);
      return true;
    });
  });

  test('a server that is no CoAP server: the connection ends with the reason', async () => {
    const other = createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
      0,
      '127.0.0.1',
    );
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await using client = new Client();
    await assert.rejects(client.get(`coap+tcp://127.0.0.1:${port}/a`), { code: 'ERR_CONNECTION' });
    other.close();
  });

  test('the connection is made again after the server closed it', async () => {
    const second = new Server().resource('/a', { get: () => content('x') });
    const first = await second.listen('coap+tcp://127.0.0.1:0');
    const { port } = first;
    await using client = new Client();
    assert.equal((await client.get(`coap+tcp://127.0.0.1:${port}/a`)).text(), 'x');
    await first.close();
    await second.listen(`coap+tcp://127.0.0.1:${port}`);
    assert.equal((await client.get(`coap+tcp://127.0.0.1:${port}/a`)).text(), 'x');
    await second.close();
  });

  test('an observation outlives its connection: it registers once more on a new one', async () => {
    const relayed: Socket[] = [];
    const relay = createServer((socket) => {
      const through = connect(listener.port, '127.0.0.1');
      relayed.push(socket);
      socket
        .on('error', () => {})
        .pipe(through)
        .on('error', () => {})
        .pipe(socket);
      socket.on('close', () => through.destroy());
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const { port } = relay.address() as { port: number };
    await using client = new Client();
    value = 'a';
    const seen: string[] = [];
    for await (const response of client.observe(`coap+tcp://127.0.0.1:${port}/temperature`)) {
      seen.push(response.text());
      if (seen.length === 2) break;
      value = 'b';
      relayed[0]?.resetAndDestroy();
    }
    assert.deepEqual(seen, ['a', 'b']);
    assert.equal(relayed.length, 2);
    relay.close();
  });

  test('a trace has every message of the connection, CSM included', async () => {
    const events: TraceEvent[] = [];
    await using client = new Client({ trace: (event) => events.push(event) });
    await client.get(`${base}/temperature`);
    const codes = events.flatMap((event) => (event.kind === 'stream-message' ? [event.bytes.length] : []));
    assert.equal(codes.length, 4);
  });
});

suite('a hostile peer on TCP', () => {
  async function raw(): Promise<Socket> {
    const socket = connect(listener.port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  }

  async function everything(socket: Socket): Promise<Buffer> {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => {});
    await once(socket, 'close');
    return Buffer.concat(chunks);
  }

  test('a 4 GiB length ends that connection with an Abort, and others are served', async () => {
    await using client = new Client();
    await client.get(`${base}/temperature`);
    const socket = await raw();
    socket.write(Buffer.from('00e1f0ffffffff45', 'hex'));
    const answer = await everything(socket);
    assert.ok(answer.includes('at most 15872 are taken'), answer.toString('latin1'));
    assert.equal((await client.get(`${base}/temperature`)).handshakeMs, undefined, 'on the same connection');
  });

  test('no CSM first ends the connection with an Abort', async () => {
    const socket = await raw();
    socket.write(Buffer.from('0001', 'hex'));
    assert.ok((await everything(socket)).includes('no CSM'));
  });

  test('a reset in the middle of a message harms nobody', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = await raw();
      socket.write(Buffer.from('00e1d020', 'hex'));
      socket.resetAndDestroy();
    }
    await using client = new Client();
    assert.equal((await client.get(`${base}/temperature`)).codeText, '2.05');
  });

  test('a client that asks and does not read is not read from, and holds up nobody', async () => {
    stored = new Uint8Array(30_000);
    const socket = await raw();
    socket.pause();
    socket.write(Buffer.from('00e1', 'hex'));
    const get = Buffer.from('6001b573746f7265', 'hex');
    let written = 0;
    // Nothing is read: sooner or later nothing can be written either, and the server has stopped.
    for (; written < 2_000_000 && socket.writableLength < 1_000_000; written += get.length) socket.write(get);
    await using client = new Client();
    assert.equal((await client.get(`${base}/temperature`)).codeText, '2.05');
    socket.destroy();
  });
});

async function freePort(): Promise<number> {
  const socket = createServer().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as { port: number };
  socket.close();
  await once(socket, 'close');
  return port;
}
