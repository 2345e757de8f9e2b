/**
 * The core over a WebSocket that is not ours: the global one, which browsers have as well. Nothing of Node.js is used on the
 * client's side, as there is nothing of it in the core.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  instant,
  ipAddress,
  type RandomSource,
  StreamEndpoint,
  type StreamOutput,
} from '../../src/core/index.ts';
import { content, Server } from '../../src/index.ts';
import { Code, OptionNumber, OptionSet } from '../../src/message.ts';

const body = 'x'.repeat(40_000);
const server = new Server().resource('/large', { get: () => content(body) });
const listener = await server.listen('coap+ws://127.0.0.1:0');
after(() => server.close());

const random: RandomSource = {
  fill: (bytes) => globalThis.crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
};

test('StreamEndpoint and the global WebSocket are a client: CSM, request, 40,000 bytes in blocks', async () => {
  const endpoint = new StreamEndpoint({ config: { framing: 'websocket', role: 'client' }, random });
  const address = ipAddress('127.0.0.1', listener.port);
  const done = Promise.withResolvers<StreamOutput>();
  const now = () => instant(performance.now());
  let socket: WebSocket | undefined;

  const carryOut = (): void => {
    for (let output = endpoint.poll(); output !== undefined; output = endpoint.poll()) {
      if (output.kind === 'open') open(output.connection);
      else if (output.kind === 'transmit') socket?.send(output.bytes as Uint8Array<ArrayBuffer>);
      else if (output.kind === 'close') socket?.close();
      else if (output.kind === 'response' || output.kind === 'request-failed') done.resolve(output);
    }
  };
  const open = (connection: number): void => {
    socket = new WebSocket(`ws://127.0.0.1:${listener.port}/.well-known/coap`, 'coap');
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      endpoint.handle({ kind: 'opened', connection }, now());
      carryOut();
    };
    socket.onmessage = ({ data }) => {
      endpoint.handle({ kind: 'received', connection, bytes: new Uint8Array(data as ArrayBuffer) }, now());
      carryOut();
    };
    socket.onclose = () => {
      endpoint.handle({ kind: 'closed', connection, cause: 'closed', detail: 'by the server' }, now());
      carryOut();
    };
  };

  const options = new OptionSet().add(OptionNumber.UriPath, 'large');
  endpoint.request(address, { code: Code.Get, options, payload: new Uint8Array(0), type: 'CON' }, now());
  carryOut();
  const output = await done.promise;
  assert.ok(output.kind === 'response');
  assert.equal(new TextDecoder().decode(output.response.payload), body);
  endpoint.releaseAll(now());
  carryOut();
  socket?.close();
});
