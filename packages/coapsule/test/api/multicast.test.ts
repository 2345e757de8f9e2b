/**
 * Multicast by real sockets, on loopback: IPv4 alone, as Linux has no IPv6 multicast there. IPv6 is in
 * `packages/gateway/test/interop/multicast.test.ts`, which makes a network of its own.
 */

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import {
  ApiMisuseError,
  Client,
  CoapsuleError,
  Code,
  changed,
  content,
  failure,
  type ListenOptions,
  type MulticastResponses,
  type Resource,
  type Response,
  Server,
} from '../../src/index.ts';
import { freePort } from './free-port.ts';

const group = '224.0.1.187';

/** A server on loopback that is a member of the group on `port`, and answers soon. */
async function device(
  t: TestContext,
  port: number,
  resources: Readonly<Record<string, Resource>>,
  options: ListenOptions = {},
): Promise<Server & { readonly uri: string }> {
  const server = new Server({ onError: () => {} });
  t.after(() => server.close());
  for (const [path, resource] of Object.entries(resources)) server.resource(path, resource);
  const { uri } = await server.listen('coap://127.0.0.1:0', {
    multicast: { groups: [group], port, leisure: 50 },
    ...options,
  });
  return Object.assign(server, { uri });
}

function client(t: TestContext): Client {
  const one = new Client();
  t.after(() => one.close());
  return one;
}

/** For what is silent, or has to be heard of by the end. */
const onLoopback = { interface: 'lo', windowMs: 2000 } as const;

/** The first responses; the window is longer than a busy machine needs. */
async function gather(asked: MulticastResponses, count: number): Promise<Response[]> {
  const responses: Response[] = [];
  for await (const response of asked) if (responses.push(response) === count) break;
  return responses;
}

/** With `gather`. */
const patient = { interface: 'lo', windowMs: 30_000 } as const;

test('requirement H11: two servers on one host make 4 resources that belong to 2 devices', async (t) => {
  const port = await freePort();
  const first = await device(t, port, { '/temperature': { get: () => content('1') }, '/humidity': {} });
  const second = await device(t, port, { '/pressure': { get: () => content('2') }, '/light': {} });
  const devices = await client(t).discoverDevices(`coap://${group}:${port}/`, onLoopback);
  const found = devices
    .map(({ uri, links, problem }) => [uri, links.map(({ target }) => target), problem])
    .sort();
  assert.deepEqual(
    found,
    [
      [first.uri, ['/temperature', '/humidity'], undefined],
      [second.uri, ['/pressure', '/light'], undefined],
    ].sort(),
  );
});

test('a filter without a match is met with silence, and one with a match by those that have it', async (t) => {
  const port = await freePort();
  await device(t, port, { '/a': { attributes: { rt: 'one' } } });
  const second = await device(t, port, { '/b': { attributes: { rt: 'two' } } });
  const asking = client(t);
  const uri = `coap://${group}:${port}`;
  const [two, none] = await Promise.all([
    asking.discoverDevices(uri, { ...onLoopback, query: ['rt=two'] }),
    asking.discoverDevices(uri, { ...onLoopback, query: ['rt=three'] }),
  ]);
  assert.deepEqual(
    two.map((one) => one.uri),
    [second.uri],
  );
  assert.deepEqual(none, []);
});

test('a resource serves a group only where it says so; errors are told where its policy wants it', async (t) => {
  const port = await freePort();
  const served: string[] = [];
  const handler = (name: string) => (): ReturnType<typeof changed> => {
    served.push(name);
    return name === 'fails' ? failure(Code.Conflict) : changed();
  };
  await device(t, port, {
    '/closed': { put: handler('closed') },
    '/open': { put: handler('open'), multicast: true },
    '/fails': { put: handler('fails'), multicast: { answer: [2, 4] } },
  });
  const asking = client(t);
  const put = async (path: string, count = 0): Promise<string[]> => {
    const responses = asking.multicast('PUT', `coap://${group}:${port}${path}`, {
      ...(count > 0 ? patient : onLoopback),
      payload: '1',
    });
    return (await (count > 0 ? gather(responses, count) : responses.all())).map(({ codeText }) => codeText);
  };
  assert.deepEqual(await put('/closed'), []);
  assert.deepEqual(await put('/open', 1), ['2.04']);
  assert.deepEqual(await put('/fails', 1), ['4.09']);
  assert.deepEqual(await put('/nowhere'), []);
  assert.deepEqual(served, ['open', 'fails']);
});

test('a handler sees the group; a request by unicast has none', async (t) => {
  const port = await freePort();
  const groups: (string | undefined)[] = [];
  const get: Resource['get'] = (request) => {
    groups.push(request.group?.key);
    return content('x');
  };
  const { uri } = await device(t, port, { '/x': { get, multicast: true } });
  const asking = client(t);
  await gather(asking.multicast('GET', `coap://${group}:${port}/x`, patient), 1);
  await asking.get(`${uri}/x`);
  assert.deepEqual(groups, [`${group}:${port}`, undefined]);
});

test('on a wildcard address what comes to the group is not taken for unicast', async (t) => {
  const server = new Server();
  t.after(() => server.close());
  server.resource('/x', { get: () => content('x') });
  const { port, groups } = await listenSharing(server);
  assert.deepEqual(
    groups.map(({ error }) => error),
    [undefined],
  );
  // As unicast it would be answered 4.05, and a Confirmable one be reset or acknowledged.
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  socket.bind(0);
  await once(socket, 'listening');
  socket.setMulticastInterface('127.0.0.1');
  const received: string[] = [];
  socket.on('message', (message) => received.push(message.toString('hex')));
  for (const type of ['40', '50']) socket.send(Buffer.from(`${type}020001b178`, 'hex'), port, group);
  const asking = client(t);
  const responses = await asking
    .multicast('GET', `coap://${group}:${port}/.well-known/core`, onLoopback)
    .all();
  assert.deepEqual(
    responses.map((response) => response.text()),
    ['</x>'],
  );
  assert.deepEqual(received, []);
});

/** Listens on the wildcard address and the port of the group. */
async function listenSharing(server: Server): Promise<Awaited<ReturnType<Server['listen']>>> {
  const port = await freePort();
  const multicast = { groups: [group], interfaces: ['lo'], port, leisure: 50 };
  return server.listen(`coap://0.0.0.0:${port}`, { multicast });
}

test('the port of a server that shares it with groups is not taken by a second one', async (t) => {
  const [first, second] = [new Server(), new Server()];
  t.after(() => Promise.all([first.close(), second.close()]));
  const { port } = await listenSharing(first);
  const multicast = { groups: [group], interfaces: ['lo'], port };
  await assert.rejects(second.listen(`coap://0.0.0.0:${port}`, { multicast }), { code: 'EADDRINUSE' });
  await assert.rejects(second.listen(`coap://0.0.0.0:${port}`), { code: 'EADDRINUSE' });
});

test('a body of several blocks comes whole from each device', async (t) => {
  const port = await freePort();
  for (const letter of ['a', 'b']) {
    await device(t, port, { '/large': { get: () => content(letter.repeat(5000)), multicast: true } });
  }
  const responses = await gather(client(t).multicast('GET', `coap://${group}:${port}/large`, patient), 2);
  assert.deepEqual(responses.map((response) => response.text()).sort(), ['a'.repeat(5000), 'b'.repeat(5000)]);
});

test('one observation follows the resource of two devices until the loop ends', async (t) => {
  const port = await freePort();
  const states = ['1', '2'];
  const devices: Awaited<ReturnType<typeof device>>[] = [];
  for (const i of [0, 1]) {
    const get: Resource['get'] = () => content(states[i] ?? '');
    devices.push(await device(t, port, { '/state': { get, multicast: true, observable: true } }));
  }
  const asking = client(t);
  const observation = asking.multicast('GET', `coap://${group}:${port}/state`, {
    interface: 'lo',
    observe: true,
  });
  const seen: string[] = [];
  for await (const response of observation) {
    seen.push(response.text());
    if (seen.length === 2) {
      assert.deepEqual(
        (await asking.observations()).map(({ peer, resource }) => `coap://${peer}${resource}`).sort(),
        devices.map(({ uri }) => `${uri}/state`).sort(),
      );
      assert.equal(devices.flatMap((one) => one.observers()).length, 2);
      states[1] = 'changed';
      devices[1]?.notify('/state');
    }
    if (seen.length === 3) break;
  }
  assert.deepEqual([seen.slice(0, 2).sort(), seen[2]], [['1', '2'], 'changed']);
  while (devices.some((one) => one.observers().length > 0)) await new Promise(setImmediate);
  assert.deepEqual(await asking.observations(), []);
});

test('a group that cannot be joined is named and not fatal', async (t) => {
  const errors: unknown[] = [];
  const server = new Server({ onError: (error) => errors.push(error) }).resource('/x', {
    get: () => content('x'),
  });
  t.after(() => server.close());
  const multicast = { groups: [group], interfaces: ['no-such-0'], port: await freePort() };
  const { uri, groups } = await server.listen('coap://127.0.0.1:0', { multicast });
  assert.equal((await client(t).get(`${uri}/x`)).text(), 'x');
  assert.ok(errors[0] instanceof CoapsuleError && errors[0].code === 'ERR_NETWORK');
  assert.match(errors[0].message, /no-such-0/);
  assert.equal(groups[0]?.error?.code, 'ENODEV');
});

test('what cannot be asked of a group is refused at once', async (t) => {
  const asking = client(t);
  const uri = `coap://${group}/x`;
  for (const [call, expected] of [
    [() => asking.multicast('GET', `coaps://${group}/x`), /no multicast with DTLS/],
    [() => asking.multicast('GET', 'coap://192.0.2.1/x'), /no multicast group/],
    [() => asking.multicast('GET', uri, { confirmable: true } as object), /Non-confirmable/],
    [() => asking.multicast('GET', uri, { windowMs: -1 }), /windowMs/],
    [() => asking.multicast('GET', uri, { hopLimit: 0 }), /hopLimit/],
    [() => asking.multicast('GET', 'coap://[ff02::fd%25eth0]/', { interface: 'eth1' }), /zone/],
    [() => asking.multicast('GET', uri, { observe: true, noResponse: 'all' }), /noResponse/],
  ] as const) {
    assert.throws(call, (error) => error instanceof ApiMisuseError && expected.test(error.message));
  }
  const refused = (error: unknown): boolean =>
    error instanceof ApiMisuseError && /multicast/.test(error.message);
  await assert.rejects(asking.get(uri), refused);
  await assert.rejects(asking.get(uri, { confirmable: false }), refused);
  await assert.rejects(asking.ping(uri), refused);
  await assert.rejects(async () => {
    for await (const _ of asking.observe(uri));
  }, refused);
  const server = new Server();
  const psk = { lookup: new Map([['a', new Uint8Array(16)]]) };
  await assert.rejects(server.listen('coaps://127.0.0.1:0', { psk, multicast: true }), /DTLS/);
  for (const multicast of [
    { port: 5684 },
    { groups: ['192.0.2.1'] },
    { leisure: -1 },
    { groups: ['ff02::fd%lo'] },
  ]) {
    await assert.rejects(server.listen('coap://127.0.0.1:0', { multicast }), ApiMisuseError);
  }
});

test('an interface that is not there fails with the names of those that are', async (t) => {
  const responses = client(t).multicast('GET', `coap://${group}/x`, { interface: 'no-such-0' });
  await assert.rejects(responses.all(), (error: unknown) => {
    return error instanceof CoapsuleError && error.code === 'ERR_NETWORK' && /\blo\b/.test(error.nextStep);
  });
});

test('noResponse ends a reading without a response, and an error that is of interest is told', async (t) => {
  const server = new Server().resource('/log', {
    post: (request) => (request.text() === 'bad' ? failure(Code.BadRequest) : changed()),
  });
  t.after(() => server.close());
  const { uri } = await server.listen('coap://127.0.0.1:0');
  const asking = client(t);
  const post = (payload: string, options: object) => asking.post(`${uri}/log`, { payload, ...options });
  for (const confirmable of [true, false]) {
    const response = await post('1', { noResponse: 'all', confirmable });
    assert.deepEqual([response.silent, response.ok, response.codeText], [true, false, '0.00']);
  }
  const told = await post('bad', { noResponse: [2], confirmable: false });
  assert.deepEqual([told.silent, told.codeText], [false, '4.00']);
  const silent = await post('1', { noResponse: [2], confirmable: false, timeoutMs: 50 });
  assert.equal(silent.silent, true);
});
