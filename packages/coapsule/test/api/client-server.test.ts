import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApiMisuseError,
  Client,
  type ClientOptions,
  CoapsuleError,
  Code,
  changed,
  content,
  created,
  deleted,
  expectPreconditions,
  failure,
  type Listener,
  OptionNumber,
  RequestFailure,
  type RequestOptions,
  type Resource,
  Server,
  type ServerResponse,
} from '../../src/index.ts';

const key = Buffer.from('MySecret16ByteK!');
const errors: unknown[] = [];
const seen: { method: string; path: string; identity: string | undefined; messageId: number }[] = [];
let temperature = '22.5';
let stored: Uint8Array | undefined;
const server = new Server({ onError: (error) => errors.push(error) })
  .use(async (request, next) => {
    const { security } = request.peer;
    seen.push({
      method: request.method,
      path: request.path,
      identity: security.kind === 'dtls' ? security.identity : undefined,
      messageId: request.messageId ?? -1,
    });
    return next();
  })
  .resource('/temperature', {
    get: () => content(temperature, { maxAgeSeconds: 10 }),
    put: (request) => {
      temperature = request.text();
      server.notify('/temperature');
      return changed();
    },
    observable: true,
    attributes: { rt: 'temperature', ct: 0 },
  })
  .resource('/store', {
    get: () => (stored ? content(stored) : failure(Code.NotFound, 'empty')),
    put: (request) => {
      stored = request.payload;
      return changed();
    },
    delete: () => deleted(),
    maxBodyBytes: 1024 * 1024,
  })
  .resource('/sensors', { post: () => created('/sensors/42') })
  .resource('/sensors/*', { get: (request) => content(request.path) })
  .resource('/broken', {
    get: () => {
      throw new Error('no ADC');
    },
    put: () => {
      throw new RequestFailure(Code.BadRequest, 'not a number');
    },
  })
  .resource('/config', {
    get: () => content('{}', { contentFormat: 'application/json', etag: Uint8Array.of(7) }),
  })
  .resource('/guarded', {
    conditional: true,
    put: (request) => {
      expectPreconditions(request, { exists: true, etag: Uint8Array.of(7) });
      return changed();
    },
  })
  .resource('/bad-code', { get: () => ({ code: 1 }) })
  .resource('/bad-payload', { get: () => content(42 as unknown as string, { contentFormat: 0 }) })
  .resource('/hidden', { get: () => content('x'), hidden: true })
  .resource('/never', {
    get: (request) =>
      new Promise((resolve) => request.signal.addEventListener('abort', () => resolve(content('')))),
  });

const plain = await server.listen('coap://127.0.0.1:0');
const secured = await server.listen('coaps://127.0.0.1:0', {
  psk: { lookup: new Map([['sensor-042', key]]), hint: 'CoAP' },
});
after(() => server.close());

function uri(listener: Listener, path: string): string {
  return `${listener.uri}${path}`;
}

const psk = { identity: 'sensor-042', key };

for (const listener of [plain, secured]) {
  test(`GET, PUT, POST and DELETE over ${listener.scheme} see the same resources`, async () => {
    await using client = new Client({ psk });
    const get = await client.get(uri(listener, '/temperature'));
    assert.equal(get.codeText, '2.05');
    assert.equal(get.ok, true);
    assert.equal(get.contentFormat, 0);
    assert.equal(get.maxAgeSeconds, 10);
    const put = await client.put(uri(listener, '/temperature'), { payload: '23.1' });
    assert.equal(put.code, Code.Changed);
    assert.equal((await client.get(uri(listener, '/temperature'))).text(), '23.1');
    const post = await client.post(uri(listener, '/sensors'), { payload: '{}', contentFormat: 50 });
    assert.equal(post.code, Code.Created);
    assert.equal(post.locationPath, '/sensors/42');
    assert.equal((await client.get(uri(listener, '/sensors/42'))).text(), '/sensors/42');
    assert.equal((await client.delete(uri(listener, '/store'))).code, Code.Deleted);
    const last = seen.at(-1);
    assert.equal(last?.identity, listener === secured ? 'sensor-042' : undefined);
  });

  test(`a body of 1 MiB passes both ways over ${listener.scheme}, and a larger one is refused 4.13`, async () => {
    await using client = new Client({ psk });
    const body = Buffer.alloc(1024 * 1024, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');
    assert.equal((await client.put(uri(listener, '/store'), { payload: body })).code, Code.Changed);
    const response = await client.get(uri(listener, '/store'));
    assert.deepEqual(Buffer.from(response.payload), body);
    const larger = await client.put(uri(listener, '/store'), { payload: Buffer.alloc(1024 * 1024 + 1) });
    assert.equal(larger.code, Code.RequestEntityTooLarge);
  });

  test(`an observation over ${listener.scheme} gets each change and ends when it is cancelled`, async () => {
    await using client = new Client({ psk });
    const observation = client.observe(uri(listener, '/temperature'));
    const texts: string[] = [];
    let next = 1;
    for await (const notification of observation) {
      texts.push(notification.text());
      if (texts.length === 4) break;
      await client.put(uri(listener, '/temperature'), { payload: `t${next++}` });
    }
    assert.deepEqual(texts.slice(1), ['t1', 't2', 't3']);
  });
}

test('a scheme that is not the one of the port meets silence, and the error says so', async () => {
  await using server = new Server().resource('/r', { get: () => content('x') });
  const psk = { identity: 'a', key: new Uint8Array(16) };
  const listeners = [
    await server.listen('coap://127.0.0.1:0'),
    await server.listen('coaps://127.0.0.1:0', { psk: { lookup: new Map([[psk.identity, psk.key]]) } }),
  ] as const;
  const [plainPort, securedPort] = listeners.map(({ uri: at }) => at.split(':').at(-1));
  await using client = new Client({ psk, transmission: { ackTimeoutMs: 50, maxRetransmit: 0 } });
  const step = (pattern: RegExp) => (error: Error & { code?: string; nextStep?: string }) =>
    error.code === 'ERR_TIMEOUT' && pattern.test(error.nextStep ?? '');
  const [coap, coaps] = [`coap://127.0.0.1:${securedPort}/r`, `coaps://127.0.0.1:${plainPort}/r`];
  await assert.rejects(client.get(coap), step(/its port is one of coap and not of coaps/));
  await assert.rejects(client.get(coap, { timeoutMs: 20 }), step(/its port is one of coap and not of coaps/));
  await assert.rejects(
    client.get(coaps, { timeoutMs: 20 }),
    step(/its port is one of coaps and not of coap,/),
  );
});

test('a link to something elsewhere is listed with the resources, and filtered as they are; one that promises a resource here is refused', async () => {
  await using server = new Server().resource('/r', { get: () => content('x'), attributes: { rt: 'here' } });
  server.link({
    target: '/hc/',
    attributes: [
      ['anchor', 'https://p.example'],
      ['rt', 'core.hc'],
    ],
  });
  server.link({ target: 'coap://other.example/r', attributes: [['rt', 'there']] });
  const { uri: at } = await server.listen('coap://127.0.0.1:0');
  await using client = new Client();
  assert.equal(
    (await client.get(`${at}/.well-known/core`)).text(),
    '</r>;rt="here",</hc/>;anchor="https://p.example";rt="core.hc",<coap://other.example/r>;rt="there"',
  );
  const [only, ...others] = await client.discover(at, { query: ['rt=core.hc'] });
  assert.deepEqual([only?.target, others], ['/hc/', []]);
  assert.equal((await client.get(`${at}/hc/`)).codeText, '4.04');
  assert.throws(() => server.link({ target: '/x', attributes: [] }), /has no anchor/);
  assert.throws(() => server.link({ target: 'coap://a/<', attributes: [] }), ApiMisuseError);
});

test('discovery lists the resources with their attributes, and filters them', async () => {
  await using client = new Client();
  const links = await client.discover(plain.uri);
  const targets = links.map(({ target }) => target);
  assert.ok(targets.includes('/temperature') && targets.includes('/store'));
  assert.ok(!targets.includes('/hidden') && !targets.includes('/.well-known/core'));
  const [only, ...others] = await client.discover(plain.uri, { query: ['rt=temperature'] });
  assert.deepEqual(others, []);
  assert.deepEqual(only, {
    target: '/temperature',
    attributes: [
      ['rt', 'temperature'],
      ['ct', '0'],
      ['obs', undefined],
    ],
  });
});

test('an unknown path is 4.04, a method that a resource lacks 4.05, a failing handler 5.00 without its reason', async () => {
  await using client = new Client();
  assert.equal((await client.get(uri(plain, '/nothing'))).codeText, '4.04');
  assert.equal((await client.delete(uri(plain, '/temperature'))).codeText, '4.05');
  assert.equal((await client.patch(uri(plain, '/temperature'))).codeText, '4.05');
  const broken = await client.get(uri(plain, '/broken'));
  assert.equal(broken.codeText, '5.00');
  assert.ok(!broken.text().includes('ADC'));
  assert.match(String(errors.at(-1)), /no ADC/);
  const refused = await client.put(uri(plain, '/broken'), { payload: 'x' });
  assert.equal(refused.codeText, '4.00');
  assert.equal(refused.text(), 'not a number');
});

test('a GET with the ETag of the current state gets 2.03 without the payload', async () => {
  await using client = new Client();
  const first = await client.get(uri(plain, '/config'));
  const etag = first.etag as Uint8Array;
  const second = await client.get(uri(plain, '/config'), {
    options: [{ number: OptionNumber.ETag, value: etag }],
  });
  assert.equal(second.codeText, '2.03');
  assert.equal(second.payload.length, 0);
});

test('a Uri-Path segment that holds a slash is not another path', async () => {
  await using client = new Client();
  assert.equal((await client.get(uri(plain, '/sensors%2F42'))).codeText, '4.04');
  assert.equal((await client.get(uri(plain, '/sensors/a%2Fb'))).text(), '/sensors/a%2Fb');
});

test('the first secured request reports its handshake, the next has none', async () => {
  await using client = new Client({ psk });
  const first = await client.get(uri(secured, '/temperature'));
  const second = await client.get(uri(secured, '/temperature'));
  assert.equal(typeof first.handshakeMs, 'number');
  assert.equal(second.handshakeMs, undefined);
  const { security } = second.peer;
  assert.ok(security.kind === 'dtls');
  assert.equal(security.extendedMasterSecret, true);
});

test('a wrong key and an unknown identity reject with ERR_CREDENTIALS and say what to compare', async () => {
  for (const wrong of [
    { identity: 'sensor-042', key: Buffer.from('AnotherKey16Byt!') },
    { identity: 'nobody', key },
  ]) {
    await using client = new Client({ psk: wrong });
    const error = await client.get(uri(secured, '/temperature')).catch((reason: unknown) => reason);
    assert.ok(error instanceof CoapsuleError, String(error));
    assert.equal(error.code, 'ERR_CREDENTIALS');
    assert.match(error.nextStep, /identity and key/);
    assert.ok(!error.message.includes(wrong.key.toString()));
  }
});

test('coaps never falls back to coap: without a secured server the request fails', async () => {
  await using client = new Client({ psk });
  const { port } = plain;
  await assert.rejects(client.get(`coaps://127.0.0.1:${port}/temperature`, { timeoutMs: 1_500 }), {
    code: 'ERR_TIMEOUT',
  });
});

test('the credential is chosen by the hint the server sends', async () => {
  const hints: (string | undefined)[] = [];
  await using client = new Client({
    psk: ({ hint }) => {
      hints.push(hint);
      return psk;
    },
  });
  await client.get(uri(secured, '/temperature'));
  assert.deepEqual(hints, ['CoAP']);
});

test('without credentials, coaps is refused before a datagram is sent', async () => {
  await using client = new Client();
  await assert.rejects(client.get(uri(secured, '/temperature')), { code: 'ERR_CREDENTIALS' });
});

test('a port where nobody listens rejects with ERR_NETWORK at once', async () => {
  const probe = createSocket('udp4');
  await new Promise<void>((resolve) => probe.bind(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(resolve));
  await using client = new Client();
  await assert.rejects(client.get(`coap://127.0.0.1:${port}/`), { code: 'ERR_NETWORK' });
});

test('an AbortSignal ends a request, and the server hears of it when the client gives up a slow one', async () => {
  await using client = new Client();
  const controller = new AbortController();
  const request = client.get(uri(plain, '/never'), { signal: controller.signal });
  setImmediate(() => controller.abort());
  await assert.rejects(request, { code: 'ERR_ABORTED' });
});

test('a wrong URI is refused at once with the position of the fault', async () => {
  await using client = new Client();
  for (const wrong of ['http://x/', 'coap://', 'coap://h:99999/', 'coap://h/%zz']) {
    await assert.rejects(
      client.get(wrong),
      (error: Error) => error instanceof ApiMisuseError && error.message.includes(wrong),
    );
  }
});

test('closing the client rejects what still waits', async () => {
  const client = new Client();
  const request = client.get(uri(plain, '/never'));
  const rejected = assert.rejects(request, { code: 'ERR_CLOSED' });
  await sleep(50);
  await client.close();
  await rejected;
});

test('an association whose key was taken away ends, and the next request needs a new handshake', async () => {
  await using client = new Client({ psk });
  await client.get(uri(secured, '/temperature'));
  assert.ok(secured.disconnect('sensor-042') >= 1);
  // The request may cross the close_notify on its way; then it fails, and the one after it is on its own.
  const next = await client
    .get(uri(secured, '/temperature'))
    .catch(() => client.get(uri(secured, '/temperature')));
  assert.notEqual(next.handshakeMs, undefined);
});

test('any identity with one key is accepted only when that is asked for by its dangerous name', async () => {
  const open = await server.listen('coaps://127.0.0.1:0', {
    psk: { dangerouslyAcceptAnyIdentity: Buffer.from('esp32c3_key') },
  });
  const options: ClientOptions = { psk: { identity: 'whoever', key: Buffer.from('esp32c3_key') } };
  await using client = new Client(options);
  assert.equal((await client.get(uri(open, '/temperature'))).codeText, '2.05');
  assert.equal(seen.at(-1)?.identity, 'whoever');
  await open.close();
});

test('empty datagrams and the largest one do a server no harm', async () => {
  const socket = createSocket('udp4');
  for (const listener of [plain, secured]) {
    for (const size of [0, 1, 65_507]) {
      await new Promise((resolve) =>
        socket.send(Buffer.alloc(size, 0x40), listener.port, '127.0.0.1', resolve),
      );
    }
  }
  await new Promise<void>((resolve) => socket.close(resolve));
  await using client = new Client({ psk });
  assert.equal((await client.get(uri(plain, '/temperature'))).ok, true);
  assert.equal((await client.get(uri(secured, '/temperature'))).ok, true);
});

test('a condition that a resource does not check is refused 4.02, and nothing is changed', async () => {
  await using client = new Client();
  const before = temperature;
  const options = [{ number: OptionNumber.IfMatch, value: Uint8Array.of(9) }];
  const put = await client.put(uri(plain, '/temperature'), { payload: 'x', options });
  assert.equal(put.codeText, '4.02');
  assert.equal(temperature, before);
  assert.equal((await client.put(uri(plain, '/guarded'), { options })).codeText, '4.12');
  const match = [{ number: OptionNumber.IfMatch, value: Uint8Array.of(7) }];
  assert.equal((await client.put(uri(plain, '/guarded'), { options: match })).codeText, '2.04');
  const none = [{ number: OptionNumber.IfNoneMatch, value: Uint8Array.of() }];
  assert.equal((await client.put(uri(plain, '/guarded'), { options: none })).codeText, '4.12');
});

test('a content format that the client does not accept is not sent: 4.06', async () => {
  await using client = new Client();
  assert.equal((await client.get(uri(plain, '/temperature'), { accept: 60 })).codeText, '4.06');
  assert.equal((await client.get(uri(plain, '/temperature'), { accept: 'text/plain' })).codeText, '2.05');
});

test('a handler that answers nonsense gets a 5.00 to its client and an error to its log, and the server lives', async () => {
  await using client = new Client();
  for (const path of ['/bad-code', '/bad-payload']) {
    const before = errors.length;
    assert.equal((await client.get(uri(plain, path))).codeText, '5.00');
    assert.equal(errors.length, before + 1);
    assert.ok(errors.at(-1) instanceof ApiMisuseError);
  }
});

test('a request that was reported as failed is not executed when the server comes up later', async () => {
  const probe = createSocket('udp4');
  await new Promise<void>((resolve) => probe.bind(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(resolve));
  await using client = new Client({ transmission: { ackTimeoutMs: 20, ackRandomFactor: 1 } });
  await assert.rejects(client.put(`coap://127.0.0.1:${port}/late`, { payload: 'one' }), {
    code: 'ERR_NETWORK',
  });
  const executed: string[] = [];
  await using late = new Server();
  late.resource('/late', {
    put: (request) => {
      executed.push(request.text());
      return changed();
    },
  });
  await late.listen(`coap://127.0.0.1:${port}`);
  assert.equal((await client.put(`coap://127.0.0.1:${port}/late`, { payload: 'two' })).codeText, '2.04');
  assert.deepEqual(executed, ['two']);
});

test('an address that cannot be opened makes the client try the next one of the host', async () => {
  // Bound to IPv4, the socket cannot be connected to ::1, which many systems name first for localhost.
  await using client = new Client({ bind: { host: '127.0.0.1' } });
  assert.equal((await client.get(`coap://localhost:${plain.port}/temperature`)).codeText, '2.05');
});

test('an IPv4-mapped literal reaches the server', async () => {
  await using client = new Client();
  const response = await client.get(`coap://[::ffff:127.0.0.1]:${plain.port}/temperature`);
  assert.equal(response.codeText, '2.05');
  assert.equal(response.peer.address.host, '127.0.0.1');
});

test('an observation leaves no listener on its signal, and can be looped over once', async () => {
  await using client = new Client();
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...all: Parameters<typeof add>) => {
    listeners++;
    add(...all);
  };
  signal.removeEventListener = (...all: Parameters<typeof remove>) => {
    listeners--;
    remove(...all);
  };
  const observation = client.observe(uri(plain, '/temperature'), { signal });
  for await (const notification of observation) {
    assert.equal(notification.ok, true);
    break;
  }
  assert.equal(listeners, 0);
  assert.throws(() => observation[Symbol.asyncIterator](), ApiMisuseError);
});

test('an observation over coaps goes on after the server restarted', async () => {
  const psk = { lookup: new Map([['sensor-042', key]]) };
  const resource = (value: string) => ({ get: () => content(value), observable: true });
  const first = new Server().resource('/r', resource('before'));
  const { port } = await first.listen('coaps://127.0.0.1:0', { psk });
  await using client = new Client({ psk: { identity: 'sensor-042', key } });
  const texts: string[] = [];
  let second: Server | undefined;
  for await (const notification of client.observe(`coaps://127.0.0.1:${port}/r`)) {
    texts.push(notification.text());
    if (texts.length === 2) break;
    await first.close();
    second = new Server().resource('/r', resource('after'));
    await second.listen(`coaps://127.0.0.1:${port}`, { psk });
  }
  assert.deepEqual(texts, ['before', 'after']);
  await second?.close();
});

test('an endless or a huge time-out is not an immediate one, and a negative one is refused', async () => {
  await using client = new Client();
  for (const timeoutMs of [Infinity, 2 ** 40]) {
    assert.equal((await client.get(uri(plain, '/temperature'), { timeoutMs })).ok, true);
  }
  await assert.rejects(client.get(uri(plain, '/temperature'), { timeoutMs: -1 }), ApiMisuseError);
});

test('a trace that throws costs nobody an answer', async () => {
  const reported: unknown[] = [];
  await using noisy = new Server({
    onError: (error) => reported.push(error),
    trace: () => {
      throw new Error('trace');
    },
  });
  noisy.resource('/a', { get: () => content('Hello World') });
  const { uri: base } = await noisy.listen('coap://127.0.0.1:0');
  await using client = new Client();
  assert.equal((await client.get(`${base}/a`)).text(), 'Hello World');
  assert.ok(reported.length > 0);
});

test('a server that is closed while a socket is opened leaves none open', async () => {
  const closing = new Server();
  const listening = closing.listen('coap://127.0.0.1:0');
  const refused = assert.rejects(listening, ApiMisuseError);
  await closing.close();
  await refused;
});

test('what a key look-up gives along with the key is known for its association alone', async () => {
  let generation = 1;
  const own = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: (identity) => (identity === 'sensor-042' ? { key, context: generation++ } : undefined) },
  });
  await using first = new Client({ psk });
  await using second = new Client({ psk });
  await using stranger = new Client({
    psk: { identity: 'sensor-042', key: Buffer.from('AnotherKey16Byt!') },
  });
  await first.get(uri(own, '/temperature'));
  await assert.rejects(stranger.get(uri(own, '/temperature')), { code: 'ERR_CREDENTIALS' });
  await second.get(uri(own, '/temperature'));
  const contexts = (): unknown[] => own.peers().map((peer) => peer.kind === 'dtls' && peer.context);
  assert.deepEqual(contexts(), [1, 3]);
  assert.equal(
    own.disconnect((peer) => peer.kind === 'dtls' && peer.context === 1),
    1,
  );
  assert.deepEqual(contexts(), [3]);
  await own.close();
});

test('a reading can be sent without waiting for anything, also into the void', async () => {
  await using client = new Client({ psk });
  await client.send('PUT', uri(plain, '/temperature'), { payload: 'fire' });
  await client.send('PUT', uri(secured, '/temperature'), { payload: 'forget' });
  assert.equal((await client.get(uri(secured, '/temperature'))).text(), 'forget');
  const probe = createSocket('udp4');
  await new Promise<void>((resolve) => probe.bind(0, '127.0.0.1', resolve));
  await client.send('PUT', `coap://127.0.0.1:${probe.address().port}/void`, { payload: 'x' });
  probe.close();
});

test('a client tells what waits for a server and how the path is, and NSTART is settable for each server', async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using slow = new Server().resource('/slow', {
    get: async () => {
      await held;
      return content('done');
    },
  });
  // The ACK comes late, so that requests stay outstanding.
  const { port } = await slow.listen('coap://127.0.0.1:0', { transmission: { ackTimeoutMs: 60_000 } });
  const there = `coap://127.0.0.1:${port}/slow`;
  await using client = new Client({ nstartFor: (peer) => (peer.port === port ? 2 : undefined) });
  assert.equal(await client.traffic(there), undefined);
  const answers = Array.from({ length: 5 }, () => client.get(there));
  await client.get(uri(plain, '/temperature'));
  const traffic = await client.traffic(there);
  assert.deepEqual(
    [traffic?.nstart, traffic?.outstandingRequests, traffic?.waitingRequests, traffic?.isSilent],
    [2, 2, 3, false],
  );
  assert.equal((await client.traffic(uri(plain, '/temperature')))?.nstart, 1);
  release();
  for (const answer of answers) assert.equal((await answer).text(), 'done');
});

test('a client that learns round trips gets the same answers', async () => {
  await using client = new Client({ congestionControl: 'cocoa' });
  for (let i = 0; i < 3; i++) assert.equal((await client.get(uri(plain, '/temperature'))).ok, true);
  const traffic = await client.traffic(uri(plain, '/temperature'));
  assert.ok(traffic?.roundTripMs !== undefined && traffic.timeoutMs < 2000);
  assert.throws(() => new Client({ congestionControl: 'cubic' as 'cocoa' }), /congestionControl is 'cubic'/);
});

test('a misspelt option is refused with the one it resembles, and a key that is text with what to give', async () => {
  const refused = (make: () => unknown, expected: RegExp): void =>
    assert.throws(make, (error: Error) => error instanceof ApiMisuseError && expected.test(error.message));
  refused(() => new Client({ pks: psk } as ClientOptions), /no option 'pks'; did you mean 'psk'\?/);
  const text = { identity: 'a', key: 'secret text' as unknown as Uint8Array };
  refused(() => new Client({ psk: text }), /psk\.key is a string; expected bytes/);
  assert.throws(
    () => new Client({ psk: text }),
    (error: Error) => !error.message.includes('secret'),
  );
  refused(() => new Server().resource('/t', { gett: () => content('') } as Resource), /did you mean 'get'/);
  await using client = new Client();
  const target = uri(plain, '/temperature');
  await assert.rejects(client.put(target, { paylod: 'x' } as RequestOptions), /did you mean 'payload'/);
  await assert.rejects(client.put(target, { payload: { a: 1 } as unknown as string }), /payload is object/);
  const lookup = new Map([['a', 'text' as unknown as Uint8Array]]);
  await assert.rejects(server.listen('coaps://127.0.0.1:0', { psk: { lookup } }), /key of 'a' is a string/);
});

test('a handler that returns nothing is named in the error', async () => {
  await using own = new Server({ onError: (error) => errors.push(error) });
  own.resource('/none', { get: () => undefined as unknown as ServerResponse });
  const { uri: base } = await own.listen('coap://127.0.0.1:0');
  await using client = new Client();
  assert.equal((await client.get(`${base}/none`)).codeText, '5.00');
  assert.match(String(errors.at(-1)), /handler of GET \/none returned undefined/);
});
