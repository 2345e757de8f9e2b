/**
 * Limits and settings of clients and listeners over TCP, TLS and WebSocket on real sockets: peers that do not read, room for
 * connections, tokens, payloads, suites, captures, and what a failed request says.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after, suite, test } from 'node:test';
import { WebSocket } from 'ws';
import {
  type CapturedDatagram,
  Client,
  type CoapsuleError,
  changed,
  content,
  failure,
  type ListenOptions,
  Server,
  type TraceEvent,
} from '../../src/index.ts';
import { Code, decodeStreamMessage, isDecodeFault } from '../../src/message.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');
const errors: unknown[] = [];
let busy = false;
const server = new Server({ onError: (error) => errors.push(error) })
  .resource('/large', { get: () => content(new Uint8Array(15_000)) })
  .resource('/a', { get: () => content('a'), post: () => changed() })
  .resource('/busy', {
    get: () => (busy ? failure(Code.ServiceUnavailable, 'later', { maxAgeSeconds: 30 }) : content('ok')),
  })
  .resource('/small', { maxPayloadBytes: 2000, put: (request) => changed(String(request.payload.length)) })
  .resource('/never', { get: () => new Promise(() => {}), post: () => new Promise(() => {}) });

after(async () => {
  await server.close();
  assert.deepEqual(errors, []);
});

/** A listener whose ends of connections are told. */
async function listen(uri: string, options: ListenOptions = {}) {
  const ended: { cause: string; detail: string }[] = [];
  const told = Promise.withResolvers<string>();
  const listener = await server.listen(uri, {
    ...options,
    trace: (event) => {
      if (event.kind !== 'connection-ended') return;
      ended.push({ cause: event.cause, detail: event.detail });
      told.resolve(event.cause);
    },
  });
  return { port: listener.port, ended, firstEnd: told.promise };
}

async function raw(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

const csm = Buffer.from('00e1', 'hex');
const getLarge = Buffer.concat([Buffer.from('6001b5', 'hex'), Buffer.from('large')]);

/** All codes that were sent or received, by direction. */
function codes(events: readonly TraceEvent[], direction: 'sent' | 'received'): readonly Code[] {
  return events.flatMap((event) => {
    if (event.kind !== 'stream-message' || event.direction !== direction) return [];
    const message = decodeStreamMessage(event.bytes, event.transport);
    return isDecodeFault(message) ? [] : [message.code];
  });
}

suite('a peer that never reads', { timeout: 120_000 }, () => {
  test('over TCP: its connection ends as stalled, others are served', async () => {
    const { port, firstEnd, ended } = await listen('coap+tcp://127.0.0.1:0', { stallTimeoutMs: 300 });
    const socket = await raw(port);
    socket.pause();
    socket.write(csm);
    const asks = Buffer.concat(Array.from({ length: 100 }, () => getLarge));
    const ask = (): void => {
      while (socket.writable && socket.write(asks));
      socket.once('drain', ask);
    };
    ask();
    await using client = new Client();
    assert.equal((await client.get(`coap+tcp://127.0.0.1:${port}/a`)).codeText, '2.05');
    assert.equal(await firstEnd, 'stalled');
    assert.match(ended[0]?.detail ?? '', /took nothing for 0\.3 s/);
    assert.equal((await client.get(`coap+tcp://127.0.0.1:${port}/a`)).handshakeMs, undefined, 'as before');
    socket.destroy();
  });

  test('over WebSocket likewise', async () => {
    const { port, firstEnd } = await listen('coap+ws://127.0.0.1:0', { stallTimeoutMs: 300 });
    const socket = new WebSocket(`ws://127.0.0.1:${port}/.well-known/coap`, 'coap');
    socket.on('error', () => {});
    await once(socket, 'open');
    socket.pause();
    socket.send(csm);
    const get = Buffer.concat([Buffer.from('0001b5', 'hex'), Buffer.from('large')]);
    const more = (): void => {
      for (let i = 0; i < 100; i++) socket.send(get);
      if (socket.readyState === socket.OPEN) asking = setImmediate(more);
    };
    let asking = setImmediate(more);
    assert.equal(await firstEnd, 'stalled');
    clearImmediate(asking);
    socket.terminate();
  });

  test('a server that never reads: a POST fails, and says that it may have been carried out', async () => {
    const sockets: Socket[] = [];
    const silent = createServer({ pauseOnConnect: true }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => {}).write(csm);
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    await using client = new Client({ stallTimeoutMs: 300, maxMessageSize: 32_768 });
    const uri = `coap+tcp://127.0.0.1:${port}/a`;
    // Small ones: this server announced no blocks. They fill what the system holds.
    const post = (): Promise<unknown> => client.post(uri, { payload: new Uint8Array(1000) });
    const failures = await Promise.allSettled(Array.from({ length: 9000 }, post));
    for (const result of failures) {
      assert.ok(result.status === 'rejected');
      const { code, mayHaveBeenCarriedOut, message } = result.reason as CoapsuleError;
      assert.deepEqual([code, mayHaveBeenCarriedOut], ['ERR_CONNECTION', true]);
      assert.match(message, /took nothing for 0\.3 s; the request was sent and may have been carried out/);
    }
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
});

suite('room for connections', { timeout: 120_000 }, () => {
  test('maxConnections: the one that was silent longest goes, and is told why', async () => {
    const { port, ended } = await listen('coap+tcp://127.0.0.1:0', { maxConnections: 2 });
    const first = await raw(port);
    first.write(csm);
    await once(first, 'data');
    const second = await raw(port);
    second.write(csm);
    await once(second, 'data');
    await using client = new Client();
    const closed = once(first, 'close');
    const [[told]] = await Promise.all([
      once(first, 'data') as Promise<[Buffer]>,
      client.get(`coap+tcp://127.0.0.1:${port}/a`),
    ]);
    assert.ok(told.includes('too many connections'));
    await closed;
    assert.deepEqual(ended, [{ cause: 'no-room', detail: 'too many connections' }]);
    second.destroy();
  });

  for (const [what, uri, options, ask] of [
    ['TLS', 'coaps+tcp://127.0.0.1:0', { psk: { lookup: new Map([['sensor-042', key]]) } }, 'coaps+tcp'],
    ['WebSocket', 'coap+ws://127.0.0.1:0', {}, 'coap+ws'],
  ] as const) {
    test(`${what}: 1,100 connections that begin no handshake keep nobody out: the oldest go`, async () => {
      const { port } = await listen(uri, options);
      const sockets: Socket[] = [];
      const gone: Promise<unknown>[] = [];
      for (let i = 0; i < 1100; i++) {
        const socket = await raw(port);
        gone.push(once(socket.resume(), 'close'));
        sockets.push(socket);
      }
      await using client = new Client({ psk: { identity: 'sensor-042', key } });
      assert.equal((await client.get(`${ask}://127.0.0.1:${port}/a`)).codeText, '2.05');
      await Promise.all(gone.slice(0, 100));
      assert.ok(
        sockets.slice(-100).every((socket) => !socket.closed),
        'and not the latest',
      );
      for (const socket of sockets) socket.destroy();
    });
  }

  test('a number that cannot be is refused', async () => {
    await assert.rejects(server.listen('coap+tcp://127.0.0.1:0', { maxConnections: 0 }), {
      code: 'ERR_API_MISUSE',
    });
  });
});

suite('tokens and payloads', () => {
  test('maxTokenLength is announced: our client does not send a longer one, another peer is told', async () => {
    const { port, ended } = await listen('coap+tcp://127.0.0.1:0', { maxTokenLength: 16 });
    const uri = `coap+tcp://127.0.0.1:${port}/a`;
    await using client = new Client({ maxTokenLength: 40 });
    assert.equal((await client.get(uri, { token: new Uint8Array(16).fill(7) })).codeText, '2.05');
    await assert.rejects(client.get(uri, { token: new Uint8Array(17) }), /tokens of at most 16 bytes/);
    await assert.rejects(client.get(uri, { token: new Uint8Array(41) }), { code: 'ERR_API_MISUSE' });
    const socket = await raw(port);
    const closed = once(socket, 'close');
    // TKL 13 and a length of 13 + 4 bytes (RFC 8974 §2.1).
    socket.write(Buffer.concat([csm, Buffer.from('0d0104', 'hex'), Buffer.alloc(17)]));
    socket.resume();
    await closed;
    assert.equal(ended.at(-1)?.cause, 'format-error');
  });

  test('a resource that takes 2,000 bytes in one message gets a larger body in blocks', async () => {
    const { port } = await listen('coap+tcp://127.0.0.1:0');
    const events: TraceEvent[] = [];
    await using client = new Client({ trace: (event) => events.push(event) });
    const response = await client.put(`coap+tcp://127.0.0.1:${port}/small`, {
      payload: new Uint8Array(5000),
    });
    assert.deepEqual([response.codeText, response.text()], ['2.04', '5000']);
    assert.deepEqual(codes(events, 'received').slice(1), [
      Code.RequestEntityTooLarge,
      ...[Code.Continue, Code.Continue, Code.Continue, Code.Continue],
      Code.Changed,
    ]);
  });
});

suite('TLS settings', () => {
  const suites = ['TLS_PSK_WITH_AES_256_GCM_SHA384'] as const;
  const psk = { lookup: new Map([['sensor-042', key]]) };

  test('suites: the one that both sides have', async () => {
    const { port } = await listen('coaps+tcp://127.0.0.1:0', { psk, suites });
    const uri = `coaps+tcp://127.0.0.1:${port}/a`;
    await using client = new Client({ psk: { identity: 'sensor-042', key } });
    const { security } = (await client.get(uri)).peer;
    assert.ok(security.kind === 'tls');
    assert.deepEqual([security.suite, security.version], [suites[0], 'TLSv1.2']);
    await using other = new Client({
      psk: { identity: 'sensor-042', key },
      suites: ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_PSK_WITH_AES_128_GCM_SHA256'],
    });
    await assert.rejects(other.get(uri), { code: 'ERR_HANDSHAKE' });
  });

  test('each of RFC 7925 and RFC 8323 can be chosen', async () => {
    const { port } = await listen('coaps+tcp://127.0.0.1:0', { psk });
    for (const name of [
      'TLS_PSK_WITH_AES_128_CCM_8',
      'TLS_PSK_WITH_AES_128_CCM',
      'TLS_PSK_WITH_AES_128_GCM_SHA256',
    ] as const) {
      await using client = new Client({ psk: { identity: 'sensor-042', key }, suites: [name] });
      const { security } = (await client.get(`coaps+tcp://127.0.0.1:${port}/a`)).peer;
      assert.equal(security.kind === 'tls' && security.suite, name);
    }
  });

  test('only such as Node.js does not have are refused by name', async () => {
    const none = ['TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256'] as const;
    await assert.rejects(
      server.listen('coaps+tcp://127.0.0.1:0', { psk, suites: none }),
      /none that TLS of Node\.js has/,
    );
  });
});

suite('what a connection does not have', () => {
  test('lossRate: nothing is lost on a connection', async () => {
    await using client = new Client({ lossRate: 0.5 });
    await assert.rejects(
      client.get('coap+tcp://127.0.0.1/a'),
      /lossRate drops datagrams, and coap\+tcp has none/,
    );
    await assert.rejects(server.listen('coap+ws://127.0.0.1:0', { lossRate: 0.5 }), {
      code: 'ERR_API_MISUSE',
    });
  });

  test('capture: the stream of coap+tcp in its pieces; TLS and WebSocket are refused with another way', async () => {
    const served: CapturedDatagram[] = [];
    const { port } = await listen('coap+tcp://127.0.0.1:0', { capture: (piece) => served.push(piece) });
    const pieces: CapturedDatagram[] = [];
    const events: TraceEvent[] = [];
    const client = new Client({
      capture: (piece) => pieces.push(piece),
      trace: (event) => events.push(event),
    });
    await client.get(`coap+tcp://127.0.0.1:${port}/large`);
    const of = (all: readonly CapturedDatagram[], direction: string): string =>
      Buffer.concat(all.filter((one) => one.direction === direction).map((one) => one.datagram)).toString(
        'hex',
      );
    for (const direction of ['sent', 'received'] as const) {
      const messages = events.flatMap((event) =>
        event.kind === 'stream-message' && event.direction === direction ? [event.bytes] : [],
      );
      assert.equal(of(pieces, direction), Buffer.concat(messages).toString('hex'));
    }
    assert.equal(of(served, 'received'), of(pieces, 'sent'));
    assert.ok(
      pieces.every(
        ({ transport, remote, local }) => transport === 'tcp' && remote.port === port && local.port > 0,
      ),
    );
    await assert.rejects(
      client.get('coap+ws://127.0.0.1/a'),
      /capture is not there for coap\+ws: use `trace`/,
    );
    await client.close();
  });
});

suite('what a failed request says', () => {
  test('nobody listens: it was not sent', async () => {
    await using client = new Client();
    await assert.rejects(client.post('coap+tcp://127.0.0.1:1/a'), (error: CoapsuleError) => {
      assert.equal(error.mayHaveBeenCarriedOut, false);
      assert.match(error.message, /connection refused; the request was not sent/);
      return true;
    });
  });

  test('the connection is lost: a POST may have been carried out, a GET went again, once', async () => {
    const accepted: Socket[] = [];
    const requests: number[] = [];
    const breaking = createServer((socket) => {
      accepted.push(socket);
      socket.on('error', () => {}).write(csm);
      socket.on('data', (chunk: Buffer) => {
        // Behind the CSM of the client comes its request.
        if (!chunk.includes('lost')) return;
        requests.push(accepted.length);
        socket.resetAndDestroy();
      });
    }).listen(0, '127.0.0.1');
    await once(breaking, 'listening');
    const { port } = breaking.address() as { port: number };
    await using client = new Client();
    for (const [method, connections] of [
      ['POST', 1],
      ['GET', 2],
    ] as const) {
      requests.length = 0;
      await assert.rejects(
        client.request(method, `coap+tcp://127.0.0.1:${port}/lost`),
        (error: CoapsuleError) => {
          assert.deepEqual([error.code, error.mayHaveBeenCarriedOut], ['ERR_CONNECTION', true]);
          assert.match(error.message, /may have been carried out/);
          assert.match(error.nextStep, /look whether it took effect/);
          return true;
        },
      );
      assert.equal(requests.length, connections, method);
    }
    breaking.close();
  });

  test('5.03 with Max-Age: the next request fails at once and says when, or is sent all the same', async () => {
    const { port } = await listen('coap+tcp://127.0.0.1:0');
    const uri = `coap+tcp://127.0.0.1:${port}/busy`;
    await using client = new Client();
    busy = true;
    assert.equal((await client.get(uri)).codeText, '5.03');
    busy = false;
    await assert.rejects(client.get(uri), (error: CoapsuleError) => {
      assert.equal(error.code, 'ERR_RETRY_LATER');
      assert.ok((error.retryAfterMs ?? 0) > 0);
      return true;
    });
    assert.equal((await client.get(uri, { whenBusy: 'send' })).text(), 'ok');
  });
});
