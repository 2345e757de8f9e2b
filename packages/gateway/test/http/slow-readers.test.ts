/** Who asks by HTTP and does not read holds nothing for long. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { content, Server } from 'coapsule';
import { HttpEndpoint } from '../../src/http/http-endpoint.ts';
import type { TelemetryApiParts } from '../../src/http/telemetry-api.ts';

test('an event stream whose reader does not read gets one event at a time, and ends', async (t) => {
  let reads = 0;
  const server = new Server().resource('/big', {
    get: () => {
      reads++;
      return content('x'.repeat(1_000_000));
    },
    observable: true,
  });
  const ended = Promise.withResolvers<void>();
  const endpoint = await HttpEndpoint.open({
    options: { address: { host: '127.0.0.1', port: 0 }, tokens: [], tls: undefined },
    server: {
      request: (...question) => server.request(...question),
      watch: (changed) => {
        const end = server.watch(changed);
        return () => {
          end();
          ended.resolve();
        };
      },
    },
    log: { verbosity: 0, error: () => {}, warning: () => {}, detail: () => {} },
    telemetry: {} as TelemetryApiParts,
    name: 'gateway-1',
    idleMs: 200,
  });
  t.after(() => endpoint.close());
  const [host = '', port] = endpoint.address.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.pause();
  socket.write('GET /coap/big HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
  const changing = setInterval(() => server.notify('/big'), 1);
  await ended.promise;
  clearInterval(changing);
  socket.destroy();
  // What the system holds for a connection, and not one for each change.
  assert.ok(reads < 50, `${reads} reads`);
});
