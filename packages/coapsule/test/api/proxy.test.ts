/**
 * Proxies over loopback sockets: client, proxy and origin server are ours, each with a socket of its own.
 *
 * RFC 7252 §5.7, RFC 7641 §5, RFC 8768.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApiMisuseError,
  Client,
  Code,
  changed,
  content,
  created,
  type ForwardProxyOptions,
  failure,
  forwardProxy,
  type Listener,
  OptionNumber,
  type ProxyTarget,
  type Request,
  type Response,
  reverseProxy,
  Server,
} from '../../src/index.ts';
import { decodeMessage, encodeMessage, isDecodeFault, type Message, OptionSet } from '../../src/message.ts';

const key = Buffer.from('MySecret16ByteK!');
const psk = { identity: 'sensor-042', key };
const lookup = new Map([['sensor-042', key]]);
const etag = Uint8Array.of(7);
const utf8 = new TextEncoder();

/** What the origin server was asked, in order. */
const asked: Request[] = [];
let light = 'off';
let counter = 0;
/** Tokens of observations of /light, which tell them apart. */
const observations = new Set<string>();
const origin = new Server({ onError: (error) => assert.fail(String(error)) })
  .use((request, next) => {
    asked.push(request);
    void request.observer?.ended;
    return next();
  })
  .resource('/light', {
    observable: true,
    get: (request) => {
      if (request.observe) observations.add(Buffer.from(request.token).toString('hex'));
      return light === 'gone' ? failure(Code.NotFound, 'gone') : content(light, { maxAgeSeconds: 30 });
    },
    put: (request) => {
      light = request.text();
      origin.notify('/light');
      return changed();
    },
  })
  .resource('/count', { get: () => content(String(++counter), { maxAgeSeconds: 60 }), put: () => changed() })
  .resource('/uncached', { get: () => content(String(++counter), { maxAgeSeconds: 0 }) })
  .resource('/tagged', { get: () => content('tagged', { maxAgeSeconds: 0, etag }) })
  .resource('/echo/*', {
    get: ({ path, query, options }) =>
      content(`${options.text(OptionNumber.UriHost)} ${path} ${query.join('&')}`.trim(), {
        maxAgeSeconds: 0,
      }),
    fetch: ({ payload }) => content(payload),
  })
  .resource('/things', { post: () => created('/things/42') })
  .resource('/patched', {
    conditional: true,
    // RFC 8132 §3: a conflict with the state, and a document that cannot be processed.
    patch: (request) => content(`${request.contentFormat} ${request.text()}`),
    ipatch: ({ payload }) => failure(payload.length === 0 ? Code.UnprocessableEntity : Code.Conflict, 'no'),
    get: () => content('as it is', { etag }),
  })
  .resource('/store', {
    conditional: true,
    put: (request) => content(request.payload),
    get: () => content(Buffer.alloc(100_000, 'ABCDEFGHIJ'), { maxAgeSeconds: 0 }),
  })
  .resource('/lock', { freshWithinSeconds: 10, put: () => changed() })
  .resource('/never', {
    get: ({ signal }) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(content('')))),
  });
const originPlain = await origin.listen('coap://127.0.0.1:0');
const originSecured = await origin.listen('coaps://127.0.0.1:0', { psk: { lookup } });

/** Any server of this machine, for everybody: what no real proxy should be told. */
const open: ForwardProxyOptions = {
  targets: [
    { uri: 'coap://127.0.0.1:*', networks: ['127.0.0.1'] },
    { uri: 'coaps://127.0.0.1:*', networks: ['127.0.0.1'], client: { psk } },
    {
      uri: 'coap://*.test:*',
      networks: ['127.0.0.1'],
      client: { lookUp: async (host) => addresses[host] ?? [] },
    },
  ],
  authorize: () => true,
  name: 'gw',
};
const addresses: Record<string, string[]> = { 'origin.test': ['127.0.0.1'] };

const closing: (() => Promise<void>)[] = [() => origin.close()];
after(() => Promise.all(closing.map((close) => close())));

async function proxyWith(
  options: Partial<ForwardProxyOptions> = {},
): Promise<{ server: Server; plain: Listener; secured: Listener }> {
  const server = new Server({ onError: (error) => assert.fail(String(error)) }).proxy(
    forwardProxy({ ...open, ...options }),
  );
  server.resource('/own', {
    get: ({ options: given }) => content(`own ${given.has(OptionNumber.ProxyUri)}`),
  });
  closing.push(() => server.close());
  const plain = await server.listen('coap://127.0.0.1:0');
  const secured = await server.listen('coaps://127.0.0.1:0', { psk: { lookup } });
  return { server, plain, secured };
}

function clientOf(proxy: string, options: ConstructorParameters<typeof Client>[0] = {}): Client {
  const client = new Client({ psk, proxy, ...options });
  closing.push(() => client.close());
  return client;
}

function certificate(name: string): string {
  return readFileSync(new URL(`./certificates/${name}`, import.meta.url), 'utf8');
}

/** What the origin was asked by `action`. */
async function seenBy(action: () => Promise<unknown>): Promise<Request[]> {
  const before = asked.length;
  await action();
  return asked.slice(before);
}

const { plain, secured } = await proxyWith();
const client = clientOf(plain.uri);
const target = originPlain.uri;

describe('a forward-proxy', () => {
  for (const form of ['Proxy-Uri', 'Proxy-Scheme'] as const) {
    test(`§5.7.2: asks the server of ${form} and returns what it answers`, async () => {
      const uri = `${target}/echo/a%2Fb?c=d&e%26f`;
      let response: Response | undefined;
      const seen = await seenBy(async () => {
        response = await client.get(uri, { proxy: { uri: plain.uri, form } });
      });
      assert.equal(response?.codeText, '2.05');
      assert.equal(response?.text(), 'undefined /echo/a%2Fb c=d&e&f');
      assert.equal(seen[0]?.options.has(OptionNumber.ProxyUri), false);
      assert.equal(seen[0]?.options.has(OptionNumber.ProxyScheme), false);
      assert.equal(seen[0]?.options.uint(OptionNumber.HopLimit), 16);
    });
  }

  test('a name of a server is looked up by the proxy, and goes on as Uri-Host', async () => {
    const response = await client.get(`coap://origin.test:${originPlain.port}/echo/x`);
    assert.equal(response.text(), 'origin.test /echo/x');
  });

  test('the scheme of the target decides how it is asked, with the credentials of the proxy', async () => {
    const viaSecured = clientOf(secured.uri);
    const seen = await seenBy(() => viaSecured.get(`${originSecured.uri}/light`));
    assert.equal(seen[0]?.peer.security.kind, 'dtls');
    assert.equal((await viaSecured.get(`${target}/echo/x`)).codeText, '2.05');
  });

  test('§5.7: our client asks no proxy over plain CoAP for a secured server', async () => {
    await assert.rejects(client.get(`${originSecured.uri}/light`), ApiMisuseError);
    assert.throws(() => new Client({ proxy: 'coap://127.0.0.1/path' }), ApiMisuseError);
  });

  test('a request for the proxy itself is a local one, by address, by name and without Uri-Host', async () => {
    const named = await proxyWith({ names: ['GW.example'] });
    const port = named.plain.port;
    const own = clientOf(named.plain.uri);
    for (const uri of [
      `coap://127.0.0.1:${port}/own`,
      `coap://localhost:${port}/own`,
      `coap://gw.example:${port}/own`,
    ]) {
      for (const form of ['Proxy-Uri', 'Proxy-Scheme'] as const) {
        const response = await own.get(uri, { proxy: { uri: named.plain.uri, form } });
        assert.equal(response.text(), 'own false', uri);
      }
    }
    const response = await own.get(`${named.plain.uri}/own`, {
      proxy: false,
      options: [{ number: OptionNumber.ProxyScheme, value: 'coap' }],
    });
    assert.equal(response.text(), 'own false');
  });

  test('a server that is none answers 5.05', async () => {
    const response = await clientOf(originPlain.uri).get('coap://192.0.2.1/');
    assert.equal(response.codeText, '5.05');
  });

  test('bodies of 100,000 bytes pass both ways, block by block on each hop', async () => {
    const body = Buffer.alloc(100_000, 'abcdefghij');
    const put = await client.put(`${target}/store`, { payload: body, blockSize: 256 });
    assert.deepEqual(Buffer.from(put.payload), body);
    const get = await client.get(`${target}/store`);
    assert.deepEqual(Buffer.from(get.payload), Buffer.alloc(100_000, 'ABCDEFGHIJ'));
  });

  test('a body above its limit is answered 4.13', async () => {
    const small = await proxyWith({ maxBodyBytes: 1000 });
    const response = await clientOf(small.plain.uri).put(`${target}/store`, { payload: Buffer.alloc(1001) });
    assert.equal(response.codeText, '4.13');
  });

  test('options that are safe to forward go on, known or not; unsafe ones that are not known get 4.02', async () => {
    const options = [
      { number: OptionNumber.IfMatch, value: etag },
      { number: 2052, value: 'elective' },
      { number: 2076, value: 'no cache key' },
    ];
    const seen = await seenBy(() => client.put(`${target}/store`, { options }));
    assert.deepEqual(
      options.map(({ number }) => seen[0]?.options.has(number)),
      [true, true, true],
    );
    for (const number of [2051, 2050]) {
      const response = await client.get(`${target}/light`, { options: [{ number, value: 'x' }] });
      assert.equal(response.codeText, '4.02', String(number));
    }
    // Critical, safe to forward and unknown to the origin: its matter, not the proxy's.
    const critical = await client.get(`${target}/light`, { options: [{ number: 2053, value: 'x' }] });
    assert.match(`${critical.codeText} ${critical.text()}`, /^4\.02 Unrecognized critical option 2053/);
  });

  test('RFC 9175 §2.3: the Echo that a server asks for goes to the client and back', async () => {
    const seen = await seenBy(async () => {
      assert.equal((await client.put(`${target}/lock`, { payload: 'open' })).codeText, '2.04');
    });
    assert.deepEqual(
      seen.map(({ options }) => options.has(OptionNumber.Echo)),
      [true],
    );
  });

  test('RFC 8132: FETCH, PATCH and iPATCH go on with their payloads, Content-Formats and If-Match, and their errors come back', async () => {
    const uri = `${target}/patched`;
    const ifMatch = { options: [{ number: OptionNumber.IfMatch, value: etag }] };
    const patch = await client.patch(uri, { payload: '[]', contentFormat: 51, ...ifMatch });
    assert.deepEqual([patch.codeText, patch.text()], ['2.05', '51 []']);
    assert.equal(asked.at(-1)?.options.all(OptionNumber.IfMatch).length, 1);
    assert.equal((await client.ipatch(uri, { payload: '{}', contentFormat: 52 })).codeText, '4.09');
    assert.equal((await client.ipatch(uri, { contentFormat: 52 })).codeText, '4.22');
    assert.equal((await client.fetch(uri, { payload: 'q' })).codeText, '4.05');
    assert.equal((await client.fetch(`${target}/echo/x`, { payload: 'q', contentFormat: 60 })).text(), 'q');
    assert.equal(asked.at(-1)?.contentFormat, 60);
  });

  test('No-Response (RFC 7967) is between the client and the proxy', async () => {
    const seen = await seenBy(async () => {
      const response = await client.put(`${target}/store`, {
        payload: 'x',
        noResponse: 'all',
        timeoutMs: 500,
      });
      assert.equal(response.silent, true);
    });
    assert.equal(seen[0]?.options.has(OptionNumber.NoResponse), false);
  });

  test('5.04 when the server is silent, and when nobody listens', async () => {
    const impatient = await proxyWith({ timeoutMs: 200 });
    const silent = await clientOf(impatient.plain.uri).get(`${target}/never`);
    assert.equal(silent.codeText, '5.04');
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    const dead = await client.get(`coap://127.0.0.1:${port}/`);
    assert.equal(dead.codeText, '5.04');
  });

  for (const [what, alter] of garbage()) {
    test(`5.02 when the server answers with ${what}`, async () => {
      const uri = await rawServer(alter);
      const response = await client.get(`${uri}/x`);
      assert.equal(response.codeText, '5.02');
    });
  }

  test('a response with an unknown critical option that is safe to forward reaches the client', async () => {
    const uri = await rawServer((message) => ({
      ...message,
      options: OptionSet.from([{ number: 2053, value: 'x' }]),
    }));
    const taken = await client.get(`${uri}/x`, { forwarded: true });
    assert.equal(taken.options.text(2053), 'x');
  });

  for (const [code, name] of [
    [Code.ServiceUnavailable, '5.03'],
    [Code.TooManyRequests, '4.29'],
  ] as const) {
    test(`a server that answered ${name} with Max-Age is left alone until then: 5.03 with what is left of it`, async () => {
      const busy = await proxyWith({ cache: false });
      await using server = new Server();
      let askedFor = 0;
      server.resource('/busy', {
        get: () => {
          askedFor++;
          return failure(code, 'later', { maxAgeSeconds: 30 });
        },
      });
      const { uri } = await server.listen('coap://127.0.0.1:0');
      const one = clientOf(busy.plain.uri);
      const first = await one.get(`${uri}/busy`, { whenBusy: 'send' });
      assert.deepEqual([first.codeText, first.maxAgeSeconds], [name, 30]);
      const second = await one.get(`${uri}/busy`, { whenBusy: 'send' });
      assert.equal(second.codeText, '5.03');
      assert.ok(second.maxAgeSeconds >= 28 && second.maxAgeSeconds <= 30, `${second.maxAgeSeconds}`);
      const another = await clientOf(busy.plain.uri).get(`${uri}/busy`);
      assert.equal(another.codeText, '5.03', 'whoever asks');
      assert.equal(askedFor, 1);
    });
  }

  for (const scheme of ['coap+serial', 'coaps+serial', 'coap+uart']) {
    test(`5.05 for ${scheme}: no line of this machine is asked for others, and no rule can say so`, async () => {
      const forms = [
        [{ number: OptionNumber.ProxyUri, value: `${scheme}:///dev/ttyUSB0/x` }],
        [{ number: OptionNumber.ProxyUri, value: `${scheme}://127.0.0.1/x` }],
        [
          { number: OptionNumber.ProxyScheme, value: scheme },
          { number: OptionNumber.UriHost, value: '127.0.0.1' },
        ],
      ];
      for (const options of forms) {
        assert.equal((await client.get(plain.uri, { proxy: false, options })).codeText, '5.05');
      }
      assert.throws(() => forwardProxy({ targets: [{ uri: `${scheme}://*` }] }), ApiMisuseError);
    });
  }

  test('4.02 for a URI that is none, 5.05 for a scheme that is not of CoAP', async () => {
    const ask = async (uri: string): Promise<string> => {
      const options = [{ number: OptionNumber.ProxyUri, value: uri }];
      return (await client.get(plain.uri, { proxy: false, options })).codeText;
    };
    assert.equal(await ask('coap://user@a/'), '4.02');
    assert.equal(await ask('not a URI'), '4.02');
    assert.equal(await ask('http://127.0.0.1/'), '5.05');
    assert.equal(await ask(`coap+tcp://127.0.0.1:${originPlain.port}/`), '5.05');
    // Percent-encoded characters of a host stay what they are.
    assert.equal(await ask('coap://a%20b%2Fc.test/'), '5.05');
  });
});

describe('a forward-proxy between transports (RFC 8323)', async () => {
  const originTcp = await origin.listen('coap+tcp://127.0.0.1:0');
  const originTls = await origin.listen('coaps+tcp://127.0.0.1:0', { psk: { lookup } });
  const originWs = await origin.listen('coap+ws://127.0.0.1:0');
  const originWss = await origin.listen('coaps+ws://127.0.0.1:0', {
    certificate: { chain: certificate('server.pem'), privateKey: certificate('server.key') },
    clientAuthentication: 'none',
  });
  const server = new Server({ onError: (error) => assert.fail(String(error)) }).proxy(
    forwardProxy({
      ...open,
      targets: [
        ...open.targets,
        ...(['coap+tcp', 'coap+ws'] as const).map((scheme) => ({
          uri: `${scheme}://127.0.0.1:*`,
          networks: ['127.0.0.1'],
        })),
        { uri: 'coaps+tcp://127.0.0.1:*', networks: ['127.0.0.1'], client: { psk } },
        {
          uri: 'coaps+ws://127.0.0.1:*',
          networks: ['127.0.0.1'],
          client: { trustAnchors: certificate('ca.pem') },
        },
      ],
    }),
  );
  server.resource('/own', { get: () => content('own') });
  closing.push(() => server.close());
  const tcp = await server.listen('coap+tcp://127.0.0.1:0');
  const udp = await server.listen('coap://127.0.0.1:0');

  const dtls = await server.listen('coaps://127.0.0.1:0', { psk: { lookup } });
  const tls = await server.listen('coaps+tcp://127.0.0.1:0', { psk: { lookup } });

  for (const [from, proxy, securedProxy] of [
    ['UDP', udp, dtls],
    ['TCP', tcp, tls],
  ] as const) {
    for (const [to, at] of [
      ['UDP', originPlain],
      ['TCP', originTcp],
      ['TLS', originTls],
      ['WebSocket', originWs],
      ['WebSocket over TLS', originWss],
    ] as const) {
      test(`from ${from} to ${to}: requests, 100,000 bytes both ways, observations`, async () => {
        const one = clientOf((at.uri.startsWith('coaps') ? securedProxy : proxy).uri, { cache: false });
        assert.equal((await one.get(`${at.uri}/echo/x?y`)).text(), 'undefined /echo/x y');
        const body = Buffer.alloc(100_000, 'abcdefghij');
        assert.deepEqual(Buffer.from((await one.put(`${at.uri}/store`, { payload: body })).payload), body);
        assert.equal((await one.get(`${at.uri}/store`)).payload.length, 100_000);
        light = 'off';
        const loop = one.observe(`${at.uri}/light`)[Symbol.asyncIterator]();
        assert.equal((await loop.next()).value?.text(), 'off');
        await one.put(`${at.uri}/light`, { payload: 'on' });
        assert.equal((await loop.next()).value?.text(), 'on');
        await loop.return?.();
      });
    }

    test(`from ${from}: what names the proxy itself, by either transport, is a local request`, async () => {
      const one = clientOf(proxy.uri);
      for (const own of [udp, tcp]) assert.equal((await one.get(`${own.uri}/own`)).text(), 'own');
    });
  }
});

describe('whom a forward-proxy asks, and for whom', () => {
  const nobody: [string, Partial<ForwardProxyOptions>][] = [
    ['a server on no list', { targets: [{ uri: 'coap://sensors.example' }] }],
    ['another port', { targets: [{ uri: 'coap://127.0.0.1', networks: ['127.0.0.1'] }] }],
    ['another path', { targets: [{ uri: 'coap://127.0.0.1:*/public/*', networks: ['127.0.0.1'] }] }],
    ['a local address without its network', { targets: [{ uri: 'coap://*:*' }] }],
    ['a local address in another network', { targets: [{ uri: 'coap://*:*', networks: ['10.0.0.0/8'] }] }],
  ];
  for (const [what, options] of nobody) {
    test(`${what} is answered 5.05, and nothing is sent there`, async () => {
      const closed = await proxyWith(options);
      const seen = await seenBy(async () => {
        const response = await clientOf(closed.plain.uri).get(`${target}/light`);
        assert.equal(response.codeText, '5.05');
      });
      assert.equal(seen.length, 0);
    });
  }

  const refused: [string, string[]][] = [
    ['loopback', ['127.0.0.1']],
    ['IPv4-mapped loopback', ['::ffff:127.0.0.1']],
    ['metadata', ['169.254.169.254']],
    ['a private address', ['10.0.0.1']],
    ['a link-local address', ['fe80::1']],
    ['the unspecified address', ['0.0.0.0']],
    ['a group', ['224.0.1.187']],
    ['a public address and loopback', ['1.1.1.1', '127.0.0.1']],
    ['no address', []],
  ];
  for (const [what, found] of refused) {
    test(`a name that stands for ${what} is answered 5.05`, async () => {
      const { plain: guarded } = await proxyWith({
        targets: [{ uri: 'coap://*.test:*', client: { lookUp: async () => found } }],
      });
      const seen = await seenBy(async () => {
        const response = await clientOf(guarded.uri).get(`coap://evil.test:${originPlain.port}/light`);
        assert.equal(`${response.codeText} ${response.text()}`, '5.05 no proxy for this URI');
      });
      assert.equal(seen.length, 0);
    });
  }

  test('a name is looked up once for a request: what was judged is what is asked', async () => {
    let times = 0;
    const lookUp = async (): Promise<string[]> => (times++ === 0 ? ['127.0.0.1'] : ['10.9.9.9']);
    const { plain: guarded } = await proxyWith({
      targets: [{ uri: 'coap://*.test:*', networks: ['127.0.0.1'], client: { lookUp } }],
    });
    const response = await clientOf(guarded.uri).get(`coap://origin.test:${originPlain.port}/light`);
    assert.equal(response.codeText, '2.05');
    assert.equal(times, 1);
  });

  test('without authorize only clients that have proved themselves are served; others get 4.01', async () => {
    const { authorize: _, ...closed } = open;
    const server = new Server().proxy(forwardProxy(closed));
    closing.push(() => server.close());
    const insecure = await server.listen('coap://127.0.0.1:0');
    const safe = await server.listen('coaps://127.0.0.1:0', { psk: { lookup } });
    assert.equal((await clientOf(insecure.uri).get(`${target}/light`)).codeText, '4.01');
    assert.equal((await clientOf(safe.uri).get(`${target}/light`)).codeText, '2.05');
  });

  test('authorize says who may ask whom, also for what is in the cache; anything but true is no', async () => {
    const targets: ProxyTarget[] = [];
    let answer: unknown = true;
    const guarded = await proxyWith({
      authorize: (_request, wanted) => {
        targets.push(wanted);
        return answer as boolean;
      },
    });
    const viaSecured = clientOf(guarded.secured.uri);
    assert.equal((await viaSecured.get(`${target}/count`)).codeText, '2.05');
    answer = undefined;
    assert.equal((await viaSecured.get(`${target}/count`)).codeText, '4.03');
    assert.equal((await clientOf(guarded.plain.uri).get(`${target}/count`)).codeText, '4.01');
    assert.deepEqual(
      targets.map(({ uri, scheme, path }) => [uri, scheme, path]),
      Array(3).fill([`${target}/count`, 'coap', ['count']]),
    );
  });

  test('options that cannot be are refused at once', () => {
    const bad: unknown[] = [
      { targets: [] },
      { targets: [{ uri: 'sensors.example' }] },
      { targets: [{ uri: 'coap://10.*' }] },
      { targets: [{ uri: 'coap://ser*.example' }] },
      { targets: [{ uri: 'coap://*.0.0.1' }] },
      { targets: [{ uri: 'coap://a/*/b' }] },
      { targets: [{ uri: 'coap://a/?x' }] },
      { targets: [{ uri: 'http://a' }] },
      { targets: [{ uri: 'coap://a', networks: ['10.0.0.0/40'] }] },
      { targets: [{ uri: 'coap://a', network: ['10.0.0.0/8'] }] },
      { targets: [{ uri: 'coaps://a', client: { proxy: 'coap://b' } }] },
      { targets: [{ uri: 'coap://a', client }] },
      { targets: [{ uri: 'coap://a', client: { pks: {} } }] },
      { ...open, hopLimit: 0 },
      { ...open, hopLimit: 256 },
      { ...open, name: 'two words' },
      { ...open, timeoutMs: 0 },
      { ...open, autorize: () => true },
    ];
    for (const options of bad) {
      assert.throws(
        () => forwardProxy(options as ForwardProxyOptions),
        ApiMisuseError,
        JSON.stringify(options),
      );
    }
    assert.throws(() => new Server().proxy(forwardProxy(open)).proxy(forwardProxy(open)), ApiMisuseError);
  });
});

describe('the cache of a proxy', () => {
  test('answers from it while the response is fresh, with what is left of Max-Age', async () => {
    const first = await client.get(`${target}/count`);
    let second: Response | undefined;
    const seen = await seenBy(async () => {
      second = await client.get(`${target}/count`);
    });
    assert.equal(seen.length, 0);
    assert.equal(second?.text(), first.text());
    assert.ok((second?.maxAgeSeconds ?? 61) <= first.maxAgeSeconds && first.maxAgeSeconds <= 60);
    // For other options and after a change the server is asked again.
    assert.equal((await seenBy(() => client.get(`${target}/count`, { accept: 0 }))).length, 1);
    await client.put(`${target}/count`, { payload: 'x' });
    assert.equal((await seenBy(() => client.get(`${target}/count`))).length, 1);
  });

  test('Max-Age 0 is not kept, and cache: false keeps nothing', async () => {
    assert.notEqual(
      (await client.get(`${target}/uncached`)).text(),
      (await client.get(`${target}/uncached`)).text(),
    );
    const without = clientOf((await proxyWith({ cache: false })).plain.uri);
    await without.get(`${target}/count`);
    assert.equal((await seenBy(() => without.get(`${target}/count`))).length, 1);
  });

  test("asks by ETag what it may not use any more, and passes the client's ETags on", async () => {
    assert.equal((await client.get(`${target}/tagged`)).text(), 'tagged');
    let again: Response | undefined;
    const seen = await seenBy(async () => {
      again = await client.get(`${target}/tagged`);
    });
    assert.deepEqual(seen[0]?.options.all(OptionNumber.ETag), [etag]);
    // The origin said 2.03; who asked without an ETag gets the whole.
    assert.equal(`${again?.codeText} ${again?.text()}`, '2.05 tagged');
    const options = [{ number: OptionNumber.ETag, value: etag }];
    const conditional = await client.get(`${target}/tagged`, { options });
    assert.equal(`${conditional.codeText} ${conditional.text()}`, '2.03 ');
    const fresh = clientOf((await proxyWith({ cache: false })).plain.uri);
    assert.equal((await fresh.get(`${target}/tagged`, { options })).codeText, '2.03');
  });
});

describe('observations through a proxy', () => {
  test('RFC 7641 §5: many observers here are one observation there, and all see the latest state', async () => {
    light = 'off';
    observations.clear();
    const clients = [client, clientOf(plain.uri), clientOf(secured.uri)];
    const loops = clients.map((one) => one.observe(`${target}/light`)[Symbol.asyncIterator]());
    for (const loop of loops) assert.equal((await loop.next()).value?.text(), 'off');
    assert.equal(observations.size, 1);
    await client.put(`${target}/light`, { payload: 'on' });
    for (const loop of loops) {
      const { value } = await loop.next();
      assert.equal(value?.text(), 'on');
      assert.ok(value.observe !== undefined && value.maxAgeSeconds <= 30);
    }
    // One more gets the present state without asking.
    const late = clientOf(plain.uri).observe(`${target}/light`)[Symbol.asyncIterator]();
    assert.equal((await late.next()).value?.text(), 'on');
    assert.equal(observations.size, 1);
    // What differs in the Cache-Key is another observation.
    const other = client.observe(`${target}/light`, { accept: 0 })[Symbol.asyncIterator]();
    assert.equal((await other.next()).value?.text(), 'on');
    assert.equal(observations.size, 2);
    for (const loop of [...loops, late, other]) await loop.return?.();
  });

  test('when the last observer leaves, the observation of the server ends', async () => {
    const lonely = await proxyWith();
    const loop = clientOf(lonely.plain.uri).observe(`${target}/light`)[Symbol.asyncIterator]();
    const seen = await seenBy(async () => void (await loop.next()));
    // The handler asked for it, or its end could have been missed.
    const ended = seen.find(({ observe }) => observe)?.observer?.ended;
    assert.ok(ended !== undefined && !ended.aborted);
    await Promise.all([once(ended, 'abort'), loop.return?.()]);
  });

  test('an observation that the server ends with an error ends here with that error', async () => {
    light = 'off';
    const loop = clientOf(plain.uri).observe(`${target}/light`)[Symbol.asyncIterator]();
    await loop.next();
    await client.put(`${target}/light`, { payload: 'gone' });
    const { value } = await loop.next();
    assert.equal(value?.codeText, '4.04');
    assert.equal((await loop.next()).done, true);
    light = 'off';
  });

  test('a resource that cannot be observed is read once', async () => {
    const responses: Response[] = [];
    for await (const response of client.observe(`${target}/count`)) responses.push(response);
    assert.equal(responses.length, 1);
    assert.equal(responses[0]?.observe, undefined);
  });

  test('a server that does not answer ends the observation with 5.04', async () => {
    const impatient = await proxyWith({ timeoutMs: 200 });
    const codes: string[] = [];
    for await (const response of clientOf(impatient.plain.uri).observe(`${target}/never`)) {
      codes.push(response.codeText);
    }
    assert.deepEqual(codes, ['5.04']);
  });

  test('nor does one that never ends its handshake hold the observer longer than timeoutMs', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    closing.push(() => new Promise((resolve) => socket.close(() => resolve())));
    const impatient = await proxyWith({ timeoutMs: 200 });
    const codes: string[] = [];
    const one = clientOf(impatient.secured.uri);
    for await (const response of one.observe(`coaps://127.0.0.1:${socket.address().port}/x`)) {
      codes.push(response.codeText);
    }
    assert.deepEqual(codes, ['5.04']);
  });

  test('above maxObservations the resource is read once', async () => {
    const none = await proxyWith({ maxObservations: 0 });
    const responses: Response[] = [];
    for await (const response of clientOf(none.plain.uri).observe(`${target}/light`))
      responses.push(response);
    assert.deepEqual(
      responses.map(({ codeText, observe }) => [codeText, observe]),
      [['2.05', undefined]],
    );
  });
});

describe('bodies that pass as they come', () => {
  const size = 1_500_000; // more than either hop takes as a whole
  const part = Buffer.alloc(10_000, 'abcdefghij');
  const hash = (parts: Iterable<Uint8Array>): string => {
    const sum = createHash('sha256');
    for (const one of parts) sum.update(one);
    return sum.digest('hex');
  };
  const expected = hash(Array(size / part.length).fill(part));
  function* parts(): Generator<Uint8Array> {
    for (let sent = 0; sent < size; sent += part.length) yield part;
  }
  const far = new Server({ onError: (error) => assert.fail(String(error)) })
    .resource('/firmware', {
      streamRequestBody: true,
      put: async (request) => {
        const received: Uint8Array[] = [];
        for await (const one of request.body) received.push(one);
        return changed(hash(received));
      },
      get: () => content(parts()),
    })
    .resource('/small', { get: () => content('small', { etag }), put: ({ payload }) => content(payload) });
  closing.push(() => far.close());

  for (const kind of ['forward', 'reverse'] as const) {
    test(`1.5 MB both ways through a ${kind}-proxy, with their SHA-256; short ones too`, async () => {
      const { uri } = await far.listen('coap://127.0.0.1:0');
      const near = new Server({ onError: (error) => assert.fail(String(error)) });
      if (kind === 'forward') near.proxy(forwardProxy({ ...open, streamBodies: true }));
      else near.resource('/*', reverseProxy({ to: uri, streamBodies: true, name: 'r' }));
      closing.push(() => near.close());
      const at = await near.listen('coap://127.0.0.1:0');
      await using one = new Client(kind === 'forward' ? { proxy: at.uri } : {});
      const base = kind === 'forward' ? uri : at.uri;
      assert.equal((await one.put(`${base}/firmware`, { payload: parts() })).text(), expected);
      const received: Uint8Array[] = [];
      for await (const block of (await one.stream('GET', `${base}/firmware`)).body) received.push(block);
      assert.equal(hash(received), expected);
      assert.equal((await one.get(`${base}/small`)).text(), 'small');
      assert.equal((await one.put(`${base}/small`, { payload: 'x' })).text(), 'x');
      assert.equal((await one.put(`${base}/small`)).text(), '');
      const options = [{ number: OptionNumber.ETag, value: etag }];
      assert.equal((await one.get(`${base}/small`, { options })).codeText, '2.03');
      assert.equal((await one.get(`${base}/nowhere`)).codeText, '4.04');
      const last = [{ number: OptionNumber.HopLimit, value: 1 }];
      assert.equal((await one.get(`${base}/small`, { options: last })).codeText, '5.08');
    });
  }

  test('an upload goes on for longer than `timeoutMs` of the proxy as long as its parts move on', async () => {
    const { uri } = await far.listen('coap://127.0.0.1:0');
    const near = new Server({ onError: (error) => assert.fail(String(error)) });
    closing.push(() => near.close());
    near.resource('/*', reverseProxy({ to: uri, streamBodies: true, name: 'r', timeoutMs: 1_000 }));
    const at = await near.listen('coap://127.0.0.1:0');
    await using one = new Client();
    const slow = Array<Uint8Array>(8).fill(part.subarray(0, 1024));
    async function* slowParts(): AsyncGenerator<Uint8Array> {
      for (const bytes of slow) {
        await sleep(200);
        yield bytes;
      }
    }
    const begun = performance.now();
    assert.equal((await one.put(`${at.uri}/firmware`, { payload: slowParts() })).text(), hash(slow));
    assert.ok(performance.now() - begun > 1_000);
  });

  test('nothing is kept, and a cache beside it is refused', () => {
    assert.throws(() => forwardProxy({ ...open, streamBodies: true, cache: {} }), ApiMisuseError);
  });
});

describe('RFC 8768: loops', () => {
  test('a proxy whose next proxy is itself ends in 5.08 that names it once, and tells of the loop', async () => {
    const loops: string[] = [];
    const server = new Server({ onError: (error) => assert.fail(String(error)) });
    const listener = await server.listen('coap://127.0.0.1:0');
    server.proxy(
      forwardProxy({
        ...open,
        targets: [{ uri: 'coap://*', client: { proxy: listener.uri } }],
        hopLimit: 3, // each hop waits for an acknowledgement of the one before (NSTART)
        onLoop: (_request, wanted) => loops.push(wanted.uri),
      }),
    );
    closing.push(() => server.close());
    const response = await clientOf(listener.uri).get('coap://far.example/x');
    assert.equal(`${response.codeText} ${response.text()}`, '5.08 gw');
    // The one that used the hops up, and each of those that the 5.08 came back to.
    assert.equal(loops.length, 4);
    assert.equal(loops[0], 'coap://far.example/x');
  });

  test('a reverse-proxy that leads to itself ends in 5.08', async () => {
    const server = new Server({ onError: (error) => assert.fail(String(error)) });
    const listener = await server.listen('coap://127.0.0.1:0');
    server.resource('/a/*', reverseProxy({ below: '/a', to: `${listener.uri}/a`, name: 'r1', hopLimit: 2 }));
    closing.push(() => server.close());
    await using direct = new Client();
    const response = await direct.get(`${listener.uri}/a/b`);
    assert.equal(`${response.codeText} ${response.text()}`, '5.08 r1');
  });

  test('two proxies that lead to each other end in 5.08; one on the way puts its name before', async () => {
    const b = new Server();
    const c = new Server();
    const [atB, atC] = [await b.listen('coap://127.0.0.1:0'), await c.listen('coap://127.0.0.1:0')];
    b.resource('/x', reverseProxy({ below: '/x', to: `${atC.uri}/x`, name: 'b' }));
    c.resource('/x', reverseProxy({ below: '/x', to: `${atB.uri}/x`, name: 'c' }));
    closing.push(
      () => b.close(),
      () => c.close(),
    );
    const few = await proxyWith({ hopLimit: 2 });
    const response = await clientOf(few.plain.uri).get(`${atB.uri}/x`);
    // From gw with 2 to b, with 1 to c, where it ends.
    assert.equal(`${response.codeText} ${response.text()}`, '5.08 gw b c');
  });

  test('a request with Hop-Limit 1 is not forwarded', async () => {
    const seen = await seenBy(async () => {
      const options = [{ number: OptionNumber.HopLimit, value: 1 }];
      assert.equal((await client.get(`${target}/light`, { options })).codeText, '5.08');
    });
    assert.equal(seen.length, 0);
    const options = [{ number: OptionNumber.HopLimit, value: 2 }];
    const [passed] = await seenBy(() => client.get(`${target}/uncached`, { options }));
    assert.equal(passed?.options.uint(OptionNumber.HopLimit), 1);
  });
});

describe('a reverse-proxy', () => {
  const server = new Server({ onError: (error) => assert.fail(String(error)) })
    .resource('/plant/*', reverseProxy({ below: '/plant', to: target, timeoutMs: 5000 }))
    .resource('/secured/*', reverseProxy({ below: '/secured', to: originSecured.uri, client: { psk } }))
    .resource('/deep', reverseProxy({ below: '/deep', to: `${target}/echo/base` }))
    .resource('/closed/*', reverseProxy({ below: '/closed', to: target, authorize: () => false }));
  server.host('plant.test').resource('/*', reverseProxy({ to: target }));
  closing.push(() => server.close());
  const direct = new Client({ psk, lookUp: async () => ['127.0.0.1'] });
  closing.push(() => direct.close());

  for (const scheme of ['coap', 'coaps'] as const) {
    test(`passes on what is below its path, over ${scheme}`, async () => {
      const at = await server.listen(
        `${scheme}://127.0.0.1:0`,
        scheme === 'coaps' ? { psk: { lookup } } : {},
      );
      const get = await direct.get(`${at.uri}/plant/echo/a%2Fb?q`);
      assert.equal(get.text(), 'undefined /echo/a%2Fb q');
      assert.equal((await direct.put(`${at.uri}/plant/light`, { payload: 'dim' })).codeText, '2.04');
      assert.equal(light, 'dim');
      assert.equal((await direct.get(`${at.uri}/secured/light`)).text(), 'dim');
      assert.equal((await direct.get(`${at.uri}/deep`)).text(), 'undefined /echo/base');
      assert.equal((await direct.get(`${at.uri}/plant/nowhere`)).codeText, '4.04');
      assert.equal((await direct.delete(`${at.uri}/plant/light`)).codeText, '4.05');
      assert.equal((await direct.fetch(`${at.uri}/plant/echo/x`, { payload: 'q' })).text(), 'q');
      assert.equal(
        (await direct.get(`${at.uri}/closed/light`)).codeText,
        scheme === 'coap' ? '4.01' : '4.03',
      );
    });
  }

  test('§5.7.3: the ETags of the server are those of the resource here, and are validated there', async () => {
    const at = await server.listen('coap://127.0.0.1:0');
    const uri = `${at.uri}/plant/tagged`;
    const first = await direct.get(uri);
    assert.deepEqual([first.text(), first.etag], ['tagged', etag]);
    const options = [{ number: OptionNumber.ETag, value: etag }];
    assert.equal((await direct.get(uri, { options })).codeText, '2.03');
    assert.equal(asked.at(-1)?.options.all(OptionNumber.ETag).length, 1);
  });

  test('by host name', async () => {
    const at = await server.listen('coap://127.0.0.1:0');
    const response = await direct.get(`coap://plant.test:${at.port}/echo/x`);
    assert.equal(response.text(), 'undefined /echo/x');
  });

  test('where something was created is told as it is called here', async () => {
    const at = await server.listen('coap://127.0.0.1:0');
    const response = await direct.post(`${at.uri}/plant/things`);
    assert.equal(`${response.codeText} ${response.locationPath}`, '2.01 /plant/things/42');
  });

  test('observations pass through', async () => {
    light = 'off';
    const at = await server.listen('coap://127.0.0.1:0');
    const loop = direct.observe(`${at.uri}/plant/light`)[Symbol.asyncIterator]();
    assert.equal((await loop.next()).value?.text(), 'off');
    await direct.put(`${at.uri}/plant/light`, { payload: 'on' });
    assert.equal((await loop.next()).value?.text(), 'on');
    await loop.return?.();
  });

  test('options that are safe to forward go on; unsafe ones that are not known get 4.02', async () => {
    const at = await server.listen('coap://127.0.0.1:0');
    const seen = await seenBy(() =>
      direct.get(`${at.uri}/plant/uncached`, { options: [{ number: 2052, value: 'x' }] }),
    );
    assert.equal(seen.find(({ path }) => path === '/uncached')?.options.text(2052), 'x');
    const response = await direct.get(`${at.uri}/plant/uncached`, {
      options: [{ number: 2050, value: 'x' }],
    });
    assert.equal(response.codeText, '4.02');
  });

  test('options that cannot be are refused at once', () => {
    for (const options of [
      { to: 'plant.example' },
      { to: 'http://plant.example' },
      { to: 'coap://plant.example?x' },
      { to: 'coap://plant.example', below: 'plant' },
      { to: 'coap://plant.example', below: '/plant/*' },
      { to: 'coap://plant.example', belwo: '/plant' },
      { to: 'coap://plant.example', client: { pks: psk } as object },
    ]) {
      assert.throws(() => reverseProxy(options), ApiMisuseError, JSON.stringify(options));
    }
  });
});

/** Answers of a server that no proxy can pass on; `undefined`: a Reset. */
function garbage(): [string, (response: Message) => Message | undefined][] {
  const withOption = (number: number) => (response: Message) => ({
    ...response,
    options: OptionSet.from([{ number, value: Uint8Array.of(1) }]),
  });
  return [
    ['an unknown critical option that is unsafe', withOption(2051)],
    ['an unknown elective option that is unsafe', withOption(2050)],
    ['an option of requests', withOption(OptionNumber.UriHost)],
    ['2.31', (response) => ({ ...response, code: Code.Continue })],
    [
      '2.03 for an ETag that nobody asked about',
      (response) => ({
        ...response,
        code: Code.Valid,
        options: OptionSet.from([{ number: OptionNumber.ETag, value: etag }]),
      }),
    ],
    ['a Reset', () => undefined],
  ];
}

/** A server that answers every request with what `alter` makes of 2.05. */
async function rawServer(alter: (response: Message) => Message | undefined): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (datagram, from) => {
    const request = decodeMessage(datagram);
    if (isDecodeFault(request) || request.code === Code.Empty) return;
    const { messageId, token } = request;
    const usual: Message = {
      ...{ type: 'ACK', code: Code.Content, messageId, token },
      ...{ options: new OptionSet(), payload: utf8.encode('x') },
    };
    const reset: Message = {
      ...usual,
      type: 'RST',
      code: Code.Empty,
      token: new Uint8Array(0),
      payload: new Uint8Array(0),
    };
    socket.send(encodeMessage(alter(usual) ?? reset), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closing.push(() => new Promise((resolve) => socket.close(() => resolve())));
  return `coap://127.0.0.1:${socket.address().port}`;
}
