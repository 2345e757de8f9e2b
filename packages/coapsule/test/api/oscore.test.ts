/** OSCORE by `Client` and `Server` (RFC 8613): over sockets, with state in files, restarts, proxies, and stores that fail. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  ApiMisuseError,
  Client,
  CoapsuleError,
  changed,
  content,
  forwardProxy,
  OptionNumber,
  OscoreContext,
  type OscoreContextOptions,
  OscoreContexts,
  type OscoreStore,
  openOscoreFile,
  reverseProxy,
  Server,
} from '../../src/index.ts';
import { Memory } from './memory.ts';

const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const pskKey = Buffer.from('MySecret16ByteK!');
const [clientId, serverId] = [Uint8Array.of(0x0c), Uint8Array.of(0x05)];

function clientEnd(store: OscoreStore, more: Partial<OscoreContextOptions> = {}): Promise<OscoreContext> {
  return OscoreContext.open({
    ...{ masterSecret, senderId: clientId, recipientId: serverId, store, firstUse: true },
    ...more,
  });
}

function serverEnd(store: OscoreStore, more: Partial<OscoreContextOptions> = {}): Promise<OscoreContext> {
  return OscoreContext.open({
    ...{ masterSecret, senderId: serverId, recipientId: clientId, store, firstUse: true },
    ...more,
  });
}

/** A server that says who asks; it counts what it carries out. */
async function openServer(
  t: TestContext,
  oscore: OscoreContexts,
): Promise<{ uri: string; secured: string; server: Server; carriedOut: string[] }> {
  const carriedOut: string[] = [];
  const server = new Server({ onError: () => undefined });
  server.resource('/who', {
    get: ({ peer }) => content(String(peer.oscore?.context ?? 'nobody')),
    post: (request) => {
      carriedOut.push(request.text());
      return changed();
    },
  });
  server.resource('/inside', { requires: 'oscore', get: () => content('from end to end') });
  server.resource('/both', { requires: 'both', get: () => content('twice') });
  server.resource('/either', { requires: 'either', get: () => content('once') });
  server.resource('/big', {
    get: () => content(Buffer.alloc(8_192, 'abc')),
    put: ({ payload }) => changed(`${payload.length} bytes`),
  });
  const listener = await server.listen('coap://127.0.0.1:0', { oscore });
  const secured = await server.listen('coaps://127.0.0.1:0', {
    oscore,
    psk: { lookup: new Map([['device', pskKey]]) },
  });
  t.after(() => server.close());
  return { uri: listener.uri, secured: secured.uri, server, carriedOut };
}

test('a request under OSCORE, 8 KB in both directions, and plain requests beside', async (t) => {
  await using atServer = await serverEnd(new Memory(), { context: 'sensor-1' });
  const { uri } = await openServer(t, new OscoreContexts([atServer]));
  await using oscore = await clientEnd(new Memory());
  await using client = new Client({ oscore });
  assert.equal((await client.get(`${uri}/who`)).text(), 'sensor-1');
  assert.equal((await client.put(`${uri}/big`, { payload: Buffer.alloc(8_192) })).text(), '8192 bytes');
  assert.equal((await client.get(`${uri}/big`)).payload.length, 8_192);
  await using plain = new Client();
  assert.equal((await plain.get(`${uri}/who`)).text(), 'nobody');
  assert.equal((await plain.get(`${uri}/who`, { oscore })).text(), 'sensor-1', 'for one request');
});

for (const scheme of ['coap+tcp', 'coap+ws'] as const) {
  test(`over ${scheme}: requests, 8 KB, an observation, and a restart of both ends`, async (t) => {
    const [clientStore, serverStore] = [new Memory(), new Memory()];
    const seen: string[] = [];
    for (let life = 0; life < 2; life++) {
      await using atServer = await serverEnd(serverStore, { context: 'sensor-1', firstUse: life === 0 });
      const { server } = await openServer(t, new OscoreContexts([atServer]));
      const { uri } = await server.listen(`${scheme}://127.0.0.1:0`, {
        oscore: new OscoreContexts([atServer]),
      });
      let value = 0;
      server.resource('/count', { observable: true, requires: 'oscore', get: () => content(String(value)) });
      await using oscore = await clientEnd(clientStore, { firstUse: life === 0 });
      await using client = new Client({ oscore });
      assert.equal((await client.get(`${uri}/who`)).text(), 'sensor-1');
      assert.equal((await client.put(`${uri}/big`, { payload: Buffer.alloc(8_192) })).text(), '8192 bytes');
      assert.equal((await client.get(`${uri}/big`)).payload.length, 8_192);
      for await (const response of client.observe(`${uri}/count`)) {
        seen.push(response.text());
        if (++value === 3) break;
        server.notify('/count');
      }
      await using plain = new Client();
      assert.equal((await plain.get(`${uri}/who`)).text(), 'nobody');
      assert.equal((await plain.get(`${uri}/count`)).codeText, '4.01');
      await using stranger = await clientEnd(new Memory(), { senderId: Uint8Array.of(9) });
      await assert.rejects(plain.get(`${uri}/who`, { oscore: stranger }), { code: 'ERR_OSCORE' });
    }
    assert.deepEqual(seen, ['0', '1', '2', '0', '1', '2']);
  });
}

test('a context comes and goes while the server listens', async (t) => {
  await using atServer = await serverEnd(new Memory(), { context: 'sensor-1' });
  const contexts = new OscoreContexts();
  const { uri } = await openServer(t, contexts);
  await using oscore = await clientEnd(new Memory());
  await using client = new Client({ oscore });
  const refused = { code: 'ERR_OSCORE', message: /4\.01 Security context not found/ };
  await assert.rejects(client.get(`${uri}/who`), refused);
  contexts.add(atServer);
  assert.equal((await client.get(`${uri}/who`)).text(), 'sensor-1');
  assert.equal(contexts.remove(atServer), true);
  await assert.rejects(client.get(`${uri}/who`), refused);
  assert.equal(contexts.remove(atServer), false);
});

test('resources that require OSCORE, DTLS, either or both, and the hint in /.well-known/core', async (t) => {
  await using atServer = await serverEnd(new Memory());
  const { uri, secured } = await openServer(t, new OscoreContexts([atServer]));
  await using oscore = await clientEnd(new Memory());
  await using client = new Client({ psk: { identity: 'device', key: pskKey } });
  const codes = async (path: string): Promise<string[]> => {
    const all: string[] = [];
    for (const server of [uri, secured]) {
      for (const options of [{}, { oscore }])
        all.push((await client.get(`${server}${path}`, options)).codeText);
    }
    return all;
  };
  // Plain, OSCORE, DTLS, OSCORE inside DTLS.
  assert.deepEqual(await codes('/inside'), ['4.01', '2.05', '4.01', '2.05']);
  assert.deepEqual(await codes('/either'), ['4.01', '2.05', '2.05', '2.05']);
  assert.deepEqual(await codes('/both'), ['4.01', '4.01', '4.01', '2.05']);
  const links = (await client.get(`${uri}/.well-known/core`)).text();
  assert.match(links, /<\/inside>;osc/);
  assert.doesNotMatch(links, /<\/either>;osc/);
  const server = new Server();
  assert.throws(() => server.resource('/x', { requires: 'tls' as 'dtls' }), ApiMisuseError);
});

test('a host that has contexts of its own serves nobody under another one, whatever Uri-Host says on the way', async (t) => {
  await using first = await serverEnd(new Memory(), { context: 'first' });
  const otherId = Uint8Array.of(0x0d);
  await using second = await serverEnd(new Memory(), { recipientId: otherId, context: 'second' });
  const { uri, server } = await openServer(t, new OscoreContexts([first, second]));
  const ofHost = new OscoreContexts([second]);
  const host = server.host('door.example', { oscore: ofHost });
  host.resource('/lock', { requires: 'oscore', get: ({ peer }) => content(String(peer.oscore?.context)) });
  host.resource('/open', { get: () => content('for everybody') });
  assert.equal(server.host('Door.example'), host);
  assert.throws(() => server.host('door.example', { oscore: new OscoreContexts() }), ApiMisuseError);
  await using atFirst = await clientEnd(new Memory());
  await using atSecond = await clientEnd(new Memory(), { senderId: otherId });
  await using client = new Client();
  const options = [{ number: 3, value: 'door.example' }];
  const text = async (path: string, oscore: OscoreContext): Promise<string> => {
    const { codeText, payload } = await client.get(`${uri}${path}`, { oscore, options });
    return `${codeText} ${Buffer.from(payload).toString()}`;
  };
  assert.equal(await text('/lock', atSecond), '2.05 second');
  assert.equal(await text('/lock', atFirst), '4.01 the Security Context is not for door.example');
  assert.match(await text('/open', atFirst), /^4\.01/);
  assert.equal((await client.get(`${uri}/open`, { options })).text(), 'for everybody');
  assert.equal((await client.get(`${uri}/who`, { oscore: atFirst })).text(), 'first');
  ofHost.add(first);
  assert.equal(await text('/lock', atFirst), '2.05 first');
});

test('an observation, protected, until it is cancelled', async (t) => {
  await using atServer = await serverEnd(new Memory());
  const { uri, server } = await openServer(t, new OscoreContexts([atServer]));
  let value = 0;
  server.resource('/count', { observable: true, get: () => content(String(value)) });
  await using oscore = await clientEnd(new Memory());
  await using client = new Client({ oscore });
  const seen: string[] = [];
  for await (const response of client.observe(`${uri}/count`)) {
    seen.push(response.text());
    if (++value === 5) break;
    server.notify('/count');
  }
  assert.deepEqual(seen, ['0', '1', '2', '3', '4']);
});

test('both ends restart with their state in files; the recorded requests of before are not carried out', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oscore-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [clientFile, serverFile] = [join(folder, 'client'), join(folder, 'server')];
  const recorded: Uint8Array[] = [];
  const all: string[] = [];
  for (let life = 0; life < 3; life++) {
    await using atServer = await serverEnd(await openOscoreFile(serverFile), { firstUse: life === 0 });
    const { uri, server, carriedOut } = await openServer(t, new OscoreContexts([atServer]));
    for (let wake = 0; wake < 3; wake++) {
      await using oscore = await clientEnd(await openOscoreFile(clientFile), { firstUse: life + wake === 0 });
      await using client = new Client({
        oscore,
        capture: ({ direction, datagram }) => {
          if (direction === 'sent') recorded.push(datagram.slice());
        },
      });
      await client.post(`${uri}/who`, { payload: `${life}${wake}` });
    }
    // Somebody repeats them all, from another address.
    const { createSocket } = await import('node:dgram');
    const socket = createSocket('udp4');
    const port = Number(new URL(uri.replace('coap:', 'http:')).port);
    for (const datagram of recorded) {
      await new Promise<void>((resolve) => socket.send(datagram, port, '127.0.0.1', () => resolve()));
    }
    await using probe = new Client();
    await probe.get(`${uri}/who`);
    socket.close();
    all.push(...carriedOut);
    await server.close();
  }
  assert.deepEqual(all, ['00', '01', '02', '10', '11', '12', '20', '21', '22']);
});

test('a store that is empty where it must not be is refused, and so is one without a store', async () => {
  const ids = { masterSecret, senderId: clientId, recipientId: serverId };
  await assert.rejects(OscoreContext.open({ ...ids, store: new Memory() }), /is empty; expected its state/);
  await assert.rejects(OscoreContext.open(ids), /store is missing/);
  await assert.rejects(clientEnd(new Memory(), { senderId: serverId }), /are the same/);
  await assert.rejects(
    OscoreContext.open({ ...ids, deriveAnew: 'client', idContext: clientId }),
    /cannot be given with deriveAnew/,
  );
});

test('a store that fails stops what would use a number twice, with a clear error, until it works again', async (t) => {
  await using atServer = await serverEnd(new Memory());
  const { uri, carriedOut } = await openServer(t, new OscoreContexts([atServer]));
  const store = new Memory();
  store.fails = true;
  await using oscore = await clientEnd(store);
  await using client = new Client({ oscore });
  await assert.rejects(client.post(`${uri}/who`, { payload: 'a' }), (error: unknown) => {
    assert.ok(error instanceof CoapsuleError);
    assert.equal(error.code, 'ERR_OSCORE');
    assert.match(error.message, /could not be stored: a number might be used twice/);
    return true;
  });
  assert.deepEqual(carriedOut, []);
  store.fails = false;
  await client.post(`${uri}/who`, { payload: 'b' });
  assert.deepEqual(carriedOut, ['b']);
});

test('contexts derived anew from random IDs need no store, whichever end restarts', async (t) => {
  const ids = { masterSecret, senderId: serverId, recipientId: clientId };
  const open = (): Promise<OscoreContext> => OscoreContext.open({ ...ids, deriveAnew: 'server' });
  const contexts = new OscoreContexts();
  let atServer = await open();
  contexts.add(atServer);
  const { uri, carriedOut } = await openServer(t, contexts);
  for (let life = 0; life < 3; life++) {
    await using oscore = await OscoreContext.open({
      ...{ masterSecret, senderId: clientId, recipientId: serverId },
      deriveAnew: 'client',
    });
    await using client = new Client({ oscore });
    await client.post(`${uri}/who`, { payload: `${life}a` });
    contexts.remove(atServer);
    atServer = await open();
    contexts.add(atServer);
    await client.post(`${uri}/who`, { payload: `${life}b` });
  }
  assert.deepEqual(carriedOut, ['0a', '0b', '1a', '1b', '2a', '2b']);
  assert.throws(() => contexts.add(atServer), ApiMisuseError);
});

test('through our own forward proxy, which sees neither path nor payload and keeps nothing', async (t) => {
  await using atServer = await serverEnd(new Memory());
  const { uri } = await openServer(t, new OscoreContexts([atServer]));
  const proxy = new Server();
  proxy.use(async (request, next) => {
    seen.push(
      [...request.options.entries()].map(({ number, value }) => `${number}:${Buffer.from(value)}`).join(),
    );
    seen.push(Buffer.from(request.payload).toString('latin1'));
    return next();
  });
  const seen: string[] = [];
  proxy.proxy(
    forwardProxy({
      targets: [{ uri: 'coap://127.0.0.1:*', networks: ['127.0.0.1'] }],
      authorize: () => true,
      name: 'gw',
    }),
  );
  const { uri: through } = await proxy.listen('coap://127.0.0.1:0');
  t.after(() => proxy.close());
  await using oscore = await clientEnd(new Memory());
  await using client = new Client({ oscore, proxy: through });
  assert.equal((await client.get(`${uri}/inside`)).text(), 'from end to end');
  assert.equal((await client.get(`${uri}/inside`)).text(), 'from end to end');
  assert.equal((await client.get(`${uri}/big`)).payload.length, 8_192);
  assert.ok(seen.length > 4);
  assert.doesNotMatch(seen.join(), /inside|end to end|abcabc/);
});

test('through our own reverse proxy, which sees neither path nor payload: 8 KB both ways and an observation', async (t) => {
  await using atServer = await serverEnd(new Memory(), { context: 'sensor-1' });
  const { uri, server } = await openServer(t, new OscoreContexts([atServer]));
  let value = 0;
  server.resource('/count', {
    requires: 'oscore',
    observable: true,
    get: () => content('x'.repeat(++value), { maxAgeSeconds: 0 }),
  });
  const wire: Uint8Array[] = [];
  const capture = ({ datagram }: { datagram: Uint8Array }): void => void wire.push(datagram.slice());
  const proxy = new Server();
  proxy.resource('/*', reverseProxy({ to: uri, client: { capture } }));
  const { uri: through } = await proxy.listen('coap://127.0.0.1:0', { capture });
  t.after(() => proxy.close());
  await using oscore = await clientEnd(new Memory());
  await using client = new Client({ oscore });
  assert.equal((await client.get(`${through}/who`)).text(), 'sensor-1');
  const sent = Buffer.alloc(8_192, 'abc');
  assert.equal((await client.put(`${through}/big`, { payload: sent })).text(), '8192 bytes');
  assert.deepEqual(Buffer.from((await client.get(`${through}/big`)).payload), sent);
  const seen: number[] = [];
  for await (const response of client.observe(`${through}/count`)) {
    seen.push(response.payload.length);
    if (seen.length === 3) break;
    server.notify('/count');
  }
  assert.deepEqual(seen, [1, 2, 3]);
  assert.ok(wire.length > 70, `${wire.length} datagrams`);
  assert.doesNotMatch(Buffer.concat(wire).toString('latin1'), /who|sensor-1|big|abcabc|count/);
});

test('a reverse-proxy with a context of its own asks under it, and tells why there was no protected answer', async (t) => {
  await using atServer = await serverEnd(new Memory(), { context: 'gateway-1' });
  const contexts = new OscoreContexts([atServer]);
  const { uri } = await openServer(t, contexts);
  await using oscore = await clientEnd(new Memory());
  const failures: string[] = [];
  const proxy = new Server({ onError: (error) => assert.fail(error as Error) });
  proxy.resource(
    '/cloud/*',
    reverseProxy({
      below: '/cloud',
      to: uri,
      client: { oscore },
      onFailure: ({ code }) => failures.push(code),
    }),
  );
  const { uri: through } = await proxy.listen('coap://127.0.0.1:0');
  t.after(() => proxy.close());
  await using client = new Client();
  assert.equal((await client.get(`${through}/cloud/who`)).text(), 'gateway-1');
  assert.equal((await client.get(`${through}/cloud/inside`)).text(), 'from end to end');
  // OSCORE in OSCORE is not there (RFC 8613 §4.1.3.7).
  const options = [{ number: OptionNumber.Oscore, value: Uint8Array.of(9, 0, 12) }];
  assert.equal((await client.post(`${through}/cloud/who`, { options, payload: 'x' })).codeText, '4.02');
  assert.deepEqual(failures, []);
  contexts.remove(atServer);
  assert.equal((await client.get(`${through}/cloud/who?again`)).codeText, '5.02');
  assert.deepEqual(failures, ['ERR_OSCORE']);
});

test('through our own forward proxy that cuts all messages in blocks of 64 bytes', async (t) => {
  await using atServer = await serverEnd(new Memory());
  const { uri } = await openServer(t, new OscoreContexts([atServer]));
  const proxy = new Server();
  let cut = 0;
  proxy.use(async (request, next) => {
    if (request.payload.length > 64) cut++;
    return next();
  });
  proxy.proxy(
    forwardProxy({
      targets: [{ uri: 'coap://127.0.0.1:*', networks: ['127.0.0.1'], client: { blockSize: 64 } }],
      authorize: () => true,
      name: 'gw',
    }),
  );
  const { uri: through } = await proxy.listen('coap://127.0.0.1:0', { blockSize: 64 });
  t.after(() => proxy.close());
  await using oscore = await clientEnd(new Memory());
  await using client = new Client({ oscore, proxy: through });
  const big = Buffer.alloc(8_192, 'abc');
  assert.equal((await client.put(`${uri}/big`, { payload: big })).text(), '8192 bytes');
  assert.deepEqual(Buffer.from((await client.get(`${uri}/big`)).payload), big);
  assert.ok(cut >= 16, `${cut} large messages`);
});

test('no request goes unprotected where OSCORE is asked for', async () => {
  await using oscore = await clientEnd(new Memory());
  await using client = new Client({ oscore });
  assert.throws(() => client.multicast('GET', 'coap://224.0.1.187/a'), /no multicast with it/);
  await using other = new Client();
  await assert.rejects(
    other.get('coap://127.0.0.1:9/a', { oscore: {} as OscoreContext }),
    /is no OscoreContext/,
  );
});
