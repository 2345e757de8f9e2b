/** One stranger does not have all connections of HTTP. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { Server } from 'coapsule';
import { ConnectionShares } from '../../src/http/connection-shares.ts';
import { HttpEndpoint } from '../../src/http/http-endpoint.ts';
import type { TelemetryApiParts } from '../../src/http/telemetry-api.ts';

/** What a share looks at of a socket. */
class Connection extends EventEmitter {
  readonly remoteAddress: string;
  isDestroyed = false;

  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }

  destroy(): void {
    this.isDestroyed = true;
  }
}

test('who has his share of connections gets no more, others do, and he does again when one has ended; a proxy has no share', async (t) => {
  const endpoint = await HttpEndpoint.open({
    options: {
      address: { host: '0.0.0.0', port: 0 },
      tokens: [],
      tls: undefined,
      trustedProxies: [{ address: '127.0.0.9', prefix: 32 }],
    },
    server: new Server(),
    log: { verbosity: 0, error: () => {}, warning: () => {}, detail: () => {} },
    telemetry: {} as TelemetryApiParts,
    name: 'gateway-1',
    connectionsOfNetwork: 5,
  });
  t.after(() => endpoint.close());
  const port = Number(endpoint.address.split(':').at(-1));
  const from = async (localAddress: string): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  /** The status of an answer, or how the connection ended without one. */
  const asked = async (socket: Socket): Promise<string> => {
    const answered = Promise.race([
      once(socket, 'data').then(([bytes]) => String(bytes).split('\r\n')[0] ?? ''),
      once(socket, 'close').then(() => 'closed'),
    ]);
    socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    return answered;
  };
  const held: Socket[] = [];
  for (let i = 0; i < 5; i++) held.push(await from('127.0.0.1'));
  for (const socket of held) assert.equal(await asked(socket), 'HTTP/1.1 200 OK');
  assert.equal(await asked(await from('127.0.0.1')), 'closed');
  assert.equal(await asked(await from('127.0.0.2')), 'HTTP/1.1 200 OK');
  for (let i = 0; i < 8; i++) assert.equal(await asked(await from('127.0.0.9')), 'HTTP/1.1 200 OK');
  held[0]?.end();
  await once(held[0] as Socket, 'close');
  assert.equal(await asked(await from('127.0.0.1')), 'HTTP/1.1 200 OK');
});

test('all addresses of a /64 have one share, an IPv4 address has one however it is written, and what ended is forgotten', () => {
  const shares = new ConnectionShares(2, () => false);
  const take = (address: string): Connection => {
    const connection = new Connection(address);
    shares.take(connection as unknown as Socket);
    return connection;
  };
  const six = ['2001:db8::1', '2001:db8::2:0:0:1', '2001:db8::ffff'].map(take);
  assert.deepEqual(
    six.map(({ isDestroyed }) => isDestroyed),
    [false, false, true],
  );
  const four = ['192.0.2.1', '::ffff:192.0.2.1', '192.0.2.1', '192.0.2.2', '2001:db8:0:1::1'].map(take);
  assert.deepEqual(
    four.map(({ isDestroyed }) => isDestroyed),
    [false, false, true, false, false],
  );
  for (const connection of [...six, ...four].filter((one) => !one.isDestroyed)) connection.emit('close');
  assert.equal(shares.size, 0);
});
