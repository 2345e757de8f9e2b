/**
 * RFC 8323 §4: CoAP over WebSocket, on real sockets: the opening handshake of both sides, and how messages are framed.
 *
 * What is on the connection then is that of §3.3 to §5, in `rfc8323-connection.test.ts`, for both framings.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { after, suite, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { Client, content, Server } from '../../src/index.ts';
import { Code, decodeStreamMessage, isDecodeFault, SignalingCode } from '../../src/message.ts';

const server = new Server().resource('/a', { get: () => content('a') });
const listener = await server.listen('coap+ws://127.0.0.1:0');
after(() => server.close());

/** A WebSocket server that answers Pings of CoAP, and tells how it was asked. `protocol`: what it agrees to. */
async function played(protocol: string | false) {
  const asked: IncomingMessage[] = [];
  const messages: { readonly bytes: Uint8Array; readonly isBinary: boolean }[] = [];
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => protocol });
  sockets.on('connection', (socket, request) => {
    asked.push(request);
    socket.on('message', (data, isBinary) => {
      const bytes = new Uint8Array(data as Buffer);
      messages.push({ bytes, isBinary });
      const message = decodeStreamMessage(bytes, 'websocket');
      if (isDecodeFault(message) || message.code !== SignalingCode.Ping) return;
      socket.send(Buffer.concat([Buffer.from([message.token.length, SignalingCode.Pong]), message.token]));
    });
    socket.send(Buffer.from('00e1', 'hex'));
  });
  await once(sockets, 'listening');
  const { port } = sockets.address() as { port: number };
  return { port, asked, messages, close: () => sockets.close() };
}

/** A client of WebSocket on our server; what it gets are whole messages. */
async function connected(protocols: string[] = ['coap']): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${listener.port}/.well-known/coap`, protocols);
  await once(socket, 'open');
  return socket;
}

/** The next message that our server sends; its CSM may be on its way when the socket opens. */
function messagesOf(socket: WebSocket): { next(): Promise<Buffer> } {
  const queue: Buffer[] = [];
  let wake = Promise.withResolvers<void>();
  socket.on('message', (data) => {
    queue.push(data as Buffer);
    wake.resolve();
  });
  return {
    async next() {
      while (queue.length === 0) {
        await wake.promise;
        wake = Promise.withResolvers();
      }
      return queue.shift() as Buffer;
    },
  };
}

suite('RFC 8323 §4.1: opening handshake', () => {
  test('the client MUST include the subprotocol "coap"; its request is a GET for /.well-known/coap, version 13', async () => {
    const other = await played('coap');
    const client = new Client({ lookUp: async () => ['127.0.0.1'] });
    await client.ping(`coap+ws://example.com:${other.port}`);
    const [request] = other.asked;
    assert.deepEqual([request?.method, request?.url], ['GET', '/.well-known/coap']);
    assert.equal(request?.headers['sec-websocket-protocol'], 'coap');
    assert.equal(request?.headers['sec-websocket-version'], '13');
    // §8.3: the host of the URI, for virtual hosts, and not the address that was looked up.
    assert.equal(request?.headers.host, `example.com:${other.port}`);
    await client.close();
    other.close();
  });

  test('a server that does not agree to "coap" is not spoken to', async () => {
    const other = await played(false);
    await using client = new Client();
    await assert.rejects(client.ping(`coap+ws://127.0.0.1:${other.port}`), { code: 'ERR_NETWORK' });
    assert.deepEqual(other.messages, []);
    other.close();
  });

  test('our server agrees to "coap" among others that a client offers', async () => {
    const socket = await connected(['mqtt', 'coap']);
    assert.equal(socket.protocol, 'coap');
    socket.terminate();
  });
});

suite('RFC 8323 §4.2: message format', () => {
  test('the client sends its messages in binary frames, one each, with Len zero', async () => {
    const other = await played('coap');
    const client = new Client();
    await client.ping(`coap+ws://127.0.0.1:${other.port}`);
    assert.ok(other.messages.length >= 2);
    for (const { bytes, isBinary } of other.messages) {
      assert.ok(isBinary);
      assert.equal((bytes[0] as number) >> 4, 0);
    }
    await client.close();
    other.close();
  });

  test('so does the server', async () => {
    const socket = await connected();
    const received = messagesOf(socket);
    socket.send(Buffer.from('00e1', 'hex'));
    socket.send(Buffer.concat([Buffer.from('0101', 'hex'), Buffer.from('7fb161', 'hex')]));
    let answer = await received.next();
    if (answer[1] === SignalingCode.Csm) answer = await received.next();
    assert.equal(answer.toString('hex'), '01457fc0ff61');
    socket.terminate();
  });

  for (const [what, send] of [
    ['Len MUST be zero: another one', (socket: WebSocket) => socket.send(Buffer.from('1001ff', 'hex'))],
    ['a text frame', (socket: WebSocket) => socket.send('\u0000\u0001')],
    ['an empty message of WebSocket', (socket: WebSocket) => socket.send(Buffer.alloc(0))],
    ['a frame that ends within the token', (socket: WebSocket) => socket.send(Buffer.from('040100', 'hex'))],
  ] as const) {
    test(`${what} is a format error, and ends the connection with an Abort`, async () => {
      const socket = await connected();
      const received = messagesOf(socket);
      socket.send(Buffer.from('00e1', 'hex'));
      send(socket);
      let answer = await received.next();
      if (answer[1] === SignalingCode.Csm) answer = await received.next();
      assert.equal(answer[1], SignalingCode.Abort);
      if (socket.readyState !== socket.CLOSED) await once(socket, 'close');
    });
  }
});

suite('RFC 8323 §4.3, §4.4: on the connection', () => {
  test('the client MUST send a CSM first, without waiting for that of the server', async () => {
    const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'coap' });
    await once(sockets, 'listening');
    const { port } = sockets.address() as { port: number };
    await using client = new Client();
    const asked = client.get(`coap+ws://127.0.0.1:${port}/a`);
    asked.catch(() => {});
    const [socket] = (await once(sockets, 'connection')) as [WebSocket];
    const [first] = (await once(socket, 'message')) as [Buffer];
    assert.equal(first[1], SignalingCode.Csm);
    socket.terminate();
    sockets.close();
  });

  test('the server MUST send a CSM first', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${listener.port}/.well-known/coap`, 'coap');
    const received = messagesOf(socket);
    assert.equal((await received.next())[1], SignalingCode.Csm);
    socket.terminate();
  });

  test('§4.4: a Ping of WebSocket is answered by its Pong, and means nothing to CoAP', async () => {
    const socket = await connected();
    socket.send(Buffer.from('00e1', 'hex'));
    socket.ping('x');
    const [data] = (await once(socket, 'pong')) as [Buffer];
    assert.equal(data.toString(), 'x');
    socket.terminate();
  });

  test('a client that closes its WebSocket is gone, others are served', async () => {
    const socket = await connected();
    socket.close(1000);
    await once(socket, 'close');
    await using client = new Client();
    assert.equal((await client.get(`coap+ws://127.0.0.1:${listener.port}/a`)).code, Code.Content);
  });
});
