import assert from 'node:assert/strict';
import { createSocket, Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { Endpoint } from '../../src/core/endpoint/endpoint.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import type { Instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import type { DatagramSocket } from '../../src/node/datagram-socket.ts';
import { Driver, type DriverOutput } from '../../src/node/driver.ts';
import { SharedPort } from '../../src/node/shared-port.ts';
import { systemRandom } from '../../src/node/system-random.ts';
import { openUdpSocket } from '../../src/node/udp-socket.ts';

function endpoint(): Endpoint {
  return new Endpoint({ random: systemRandom, crypto: nodeCrypto });
}

const ping = Uint8Array.of(0x40, 0x00, 0x12, 0x34);
const reset = Uint8Array.of(0x70, 0x00, 0x12, 0x34);

test('an endpoint that throws loses one datagram and serves the next', async () => {
  const faulty = endpoint();
  const handle = faulty.handle.bind(faulty);
  let failing = true;
  faulty.handle = (input, now) => {
    if (failing) throw new Error('a defect');
    handle(input, now);
  };
  const defects: unknown[] = [];
  const driver = await Driver.open({
    endpoint: faulty,
    socket: { host: '127.0.0.1' },
    onOutput: () => {},
    onDefect: (error) => {
      defects.push(error);
      failing = false;
      client.send(ping, driver.local.port, '127.0.0.1');
    },
  });
  const client = createSocket('udp4');
  client.send(ping, driver.local.port, '127.0.0.1');
  const [answer] = (await once(client, 'message')) as [Buffer];
  assert.deepEqual(new Uint8Array(answer), reset);
  assert.equal(defects.length, 1);
  client.close();
  await driver.close();
});

test('a handler that answers at once does so inside the loop that is running, in order', async () => {
  const outputs: string[] = [];
  const driver = await Driver.open({
    endpoint: endpoint(),
    socket: { host: '127.0.0.1' },
    onDefect: (error) => assert.ifError(error),
    onOutput: (output: DriverOutput) => {
      outputs.push(output.kind);
      if (output.kind !== 'request') return;
      const { exchange } = output;
      driver.run((each, now) =>
        each.respond(
          exchange,
          { code: Code.Content, options: new OptionSet(), payload: noBytes, keepAnswer: false },
          now,
        ),
      );
    },
  });
  const client = createSocket('udp4');
  client.send(Uint8Array.of(0x40, 0x01, 0x00, 0x01), driver.local.port, '127.0.0.1');
  const [answer] = (await once(client, 'message')) as [Buffer];
  assert.deepEqual(new Uint8Array(answer), Uint8Array.of(0x60, 0x45, 0x00, 0x01));
  assert.equal(outputs[0], 'request');
  client.close();
  await driver.close();
});

test('answers that wait for the end of the turn leave before work that has waited for its own', async () => {
  const order: string[] = [];
  const busy = endpoint();
  busy.nextTimeout = () => (order.includes('work') ? undefined : (0 as Instant));
  const done = Promise.withResolvers<void>();
  busy.handleTimeout = () => {
    order.push('work');
    done.resolve();
  };
  const socket: DatagramSocket = {
    local: ipAddress('192.0.2.1', 5683),
    send: () => {},
    flush: () => order.push('answers'),
    close: async () => {},
  };
  const driver = await Driver.open({
    endpoint: busy,
    socket: async () => socket,
    onOutput: () => {},
    onDefect: (error) => assert.ifError(error),
  });
  driver.run(() => {});
  await done.promise;
  assert.deepEqual(order, ['answers', 'work']);
  await driver.close();
});

test('a loss rate of 1 lets nothing in and nothing out', async () => {
  const captured: string[] = [];
  const driver = await Driver.open({
    endpoint: endpoint(),
    socket: { host: '127.0.0.1' },
    lossRate: 1,
    onOutput: () => {},
    onDefect: (error) => assert.ifError(error),
    capture: ({ direction }) => captured.push(direction),
  });
  const echo = await openUdpSocket({
    host: '127.0.0.1',
    onDatagram: () => assert.fail('something came out'),
    onError: (error) => assert.ifError(error),
  });
  echo.send(ping, driver.local);
  driver.run((each, now) => each.ping(echo.local, now));
  assert.deepEqual(captured, ['sent']);
  await driver.close();
  await echo.close();
});

test('a socket on :: takes IPv4 and IPv6, and shows IPv4 peers by their IPv4 address', async (t) => {
  const hosts: string[] = [];
  const socket = await openUdpSocket({
    onDatagram: (datagram, from) => {
      hosts.push(from.host);
      socket.send(datagram, from);
    },
    onError: (error) => assert.ifError(error),
  });
  if (socket.local.host !== '::') {
    await socket.close();
    t.skip('this machine has no IPv6');
    return;
  }
  for (const [type, host] of [
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const) {
    const client = createSocket(type);
    client.send(ping, socket.local.port, host);
    const [answer] = (await once(client, 'message')) as [Buffer];
    assert.deepEqual(new Uint8Array(answer), ping);
    client.close();
  }
  assert.deepEqual(hosts, ['127.0.0.1', '::1']);
  await socket.close();
});

test('a datagram that is too long to send is counted and harms nothing', async () => {
  const socket = await openUdpSocket({
    host: '127.0.0.1',
    onDatagram: () => {},
    onError: (error) => assert.ifError(error),
  });
  socket.send(new Uint8Array(65_508), socket.local);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(socket.counters.sendErrors, 1);
  await socket.close();
  socket.send(ping, socket.local);
  await socket.close();
});

test('an address that cannot be bound rejects with the cause of the system', async () => {
  const options = {
    host: '127.0.0.1',
    onDatagram: () => {},
    onError: (error: Error) => assert.ifError(error),
  };
  const first = await openUdpSocket(options);
  await assert.rejects(openUdpSocket({ ...options, port: first.local.port }), { code: 'EADDRINUSE' });
  await first.close();
});

test('datagrams that come while it is being prepared wait for it, and a failure closes the socket', async () => {
  const common = {
    endpoint: endpoint(),
    onOutput: () => {},
    onDefect: (error: unknown) => assert.ifError(error),
  };
  const client = createSocket('udp4');
  const probe = await openUdpSocket({ host: '127.0.0.1', onDatagram: () => {}, onError: () => {} });
  const { port } = probe.local;
  await probe.close();
  await assert.rejects(
    Driver.open({
      ...common,
      socket: { host: '127.0.0.1', port },
      prepare: () => Promise.reject(new Error('no store')),
    }),
    /no store/,
  );
  const driver = await Driver.open({
    ...common,
    socket: { host: '127.0.0.1', port },
    prepare: async () => {
      client.send(ping, port, '127.0.0.1');
      await new Promise((resolve) => setTimeout(resolve, 50));
    },
  });
  const [answer] = (await once(client, 'message')) as [Buffer];
  assert.deepEqual(new Uint8Array(answer), reset);
  client.close();
  await driver.close();
});

test('a driver that may not join the workers of its port leaves no socket behind', async () => {
  const first = await openUdpSocket({
    host: '127.0.0.1',
    amongWorkers: 'begin',
    onDatagram: () => {},
    onError: assert.ifError,
  });
  const { port } = first.local;
  const refusal = new Error('listened on already');
  const link = {
    ...{ index: 1, count: 2, leave: () => {}, send: () => true, sendToAll: () => {} },
    receive: () => {
      throw refusal;
    },
  };
  const opening = Driver.open({
    endpoint: endpoint(),
    socket: { host: '127.0.0.1', port, amongWorkers: 'join' },
    sharedPort: new SharedPort(link, `coap://127.0.0.1:${port}`),
    onOutput: () => {},
    onDefect: (error) => assert.ifError(error),
  });
  await assert.rejects(opening, refusal);
  await first.close();
  const alone = await openUdpSocket({
    host: '127.0.0.1',
    port,
    onDatagram: () => {},
    onError: assert.ifError,
  });
  await alone.close();
});

test('with a duplicate rate of 1 each datagram goes out twice', async () => {
  const came: string[] = [];
  const twice = Promise.withResolvers<void>();
  const driver = await Driver.open({
    endpoint: endpoint(),
    socket: { host: '127.0.0.1' },
    duplicateRate: 1,
    onOutput: () => {},
    onDefect: (error) => assert.ifError(error),
  });
  const sink = await openUdpSocket({
    host: '127.0.0.1',
    onDatagram: (datagram) => {
      if (came.push(Buffer.from(datagram).toString('hex')) === 2) twice.resolve();
    },
    onError: (error) => assert.ifError(error),
  });
  driver.run((each, now) => each.ping(sink.local, now));
  await twice.promise;
  assert.equal(came[0], came[1], 'the same Message ID');
  await driver.close();
  await sink.close();
});

test('whoever closes a driver that is being closed waits for it too', async () => {
  const ended: string[] = [];
  const closing = Promise.withResolvers<void>();
  const socket: DatagramSocket = {
    local: ipAddress('192.0.2.1', 5683),
    send: () => {},
    close: () => closing.promise.then(() => void ended.push('socket')),
  };
  const driver = await Driver.open({
    endpoint: endpoint(),
    socket: async () => socket,
    onOutput: () => {},
    onDefect: (error) => assert.ifError(error),
  });
  const both = ['first', 'second'].map(async (name) => {
    await driver.close();
    ended.push(name);
  });
  // Whoever does not wait is told of before the socket is closed.
  await new Promise((resolve) => setImmediate(resolve));
  closing.resolve();
  await Promise.all(both);
  assert.deepEqual(ended, ['socket', 'first', 'second']);
});

test('a socket that fails is opened anew on its port, and whoever closes the driver meanwhile waits for the new one too', async (t) => {
  const client = createSocket('udp4');
  t.after(() => client.close());
  client.bind(0, '127.0.0.1');
  await once(client, 'listening');
  const opened: Socket[] = [];
  let whenOpened: ((socket: Socket) => void) | undefined;
  const { bind } = Socket.prototype;
  t.mock.method(Socket.prototype, 'bind', function (this: Socket, ...args: Parameters<typeof bind>) {
    opened.push(this);
    whenOpened?.(this);
    return Reflect.apply(bind, this, args);
  });
  const failures: string[] = [];
  const driver = await Driver.open({
    endpoint: endpoint(),
    socket: { host: '127.0.0.1' },
    onOutput: () => {},
    onDefect: (error) => assert.ifError(error),
    onSocketFailure: (error) => failures.push(error.message),
  });
  const { port } = driver.local;
  opened[0]?.emit('error', new Error('the interface went away'));
  // What comes before it is there again is lost, as datagrams may be.
  const asking = setInterval(() => client.send(ping, port, '127.0.0.1'), 5);
  const [answer] = (await once(client, 'message')) as [Buffer];
  clearInterval(asking);
  assert.deepEqual(new Uint8Array(answer), reset);
  assert.equal(opened.length, 2);

  const closed = new Promise<boolean>((resolve) => {
    whenOpened = (third) => {
      let isClosed = false;
      third.once('close', () => {
        isClosed = true;
      });
      resolve(driver.close().then(() => isClosed));
    };
  });
  opened[1]?.emit('error', new Error('and again'));
  assert.equal(await closed, true);
  assert.deepEqual(failures, ['the interface went away', 'and again']);
});
