/**
 * RFC 7252 §6: the URI schemes, seen from both ends: what a URI becomes in a request, and what a request's options become as
 * a URI. The parser alone, step by step, is in `test/unit/coap/uri.test.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, suite, test } from 'node:test';
import { isCoapScheme } from '../../src/core/coap/uri.ts';
import { ApiMisuseError, Client, content, OptionNumber, type Request, Server } from '../../src/index.ts';
import { composeUri, type OptionEntry } from '../../src/message.ts';

/** An address of this run, so that the default ports are free. */
const host = `127.${1 + ((randomBytes(1)[0] as number) % 250)}.${randomBytes(1)[0]}.6`;
const key = new TextEncoder().encode('MySecret16ByteK!');
const seen: Request[] = [];
const server = new Server()
  .use(async (request, next) => {
    seen.push(request);
    return next();
  })
  .resource('/', { get: () => content('root') })
  .resource('/*', { get: () => content('below') });
const psk = { lookup: new Map([['sensor-042', key]]) };
const client = new Client({ psk: { identity: 'sensor-042', key }, lookUp: async () => [host] });

after(async () => {
  await client.close();
  await server.close();
});

const uriNumbers: readonly number[] = [
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
];

/** The options of §6.4 that a GET of this URI arrives with. */
async function optionsOf(uri: string): Promise<string[]> {
  seen.length = 0;
  await client.get(uri);
  const [request] = seen;
  assert.ok(request);
  return [...request.options.entries()]
    .filter(({ number }) => uriNumbers.includes(number))
    .map(({ number, value }: OptionEntry) =>
      number === OptionNumber.UriPort
        ? `${number}=${Buffer.from(value).readUIntBE(0, value.length)}`
        : `${number}=${Buffer.from(value).toString()}`,
    );
}

const plain = await server.listen(`coap://${host}`);
const secured = await server.listen(`coaps://${host}`, { psk });
const tcp = await server.listen(`coap+tcp://${host}`);
const other = await server.listen(`coap://${host}:61616`);

suite('RFC 7252 §6.1, §6.2: the schemes', () => {
  const invalid = ['coap:', 'coap:/a', 'coap://', 'coap:///a', 'coap://:5683/', 'coaps://?a', 'coaps:///'];
  for (const uri of invalid) {
    test(`a URI with a missing authority or an empty host MUST be considered invalid: ${uri}`, async () => {
      await assert.rejects(client.get(uri), ApiMisuseError);
      await assert.rejects(server.listen(uri), ApiMisuseError);
    });
  }

  test('an empty port, or none, is 5683 for coap', async () => {
    assert.equal(plain.port, 5683);
    for (const uri of [`coap://${host}/`, `coap://${host}:/`, `coap://${host}:5683/`]) {
      assert.equal((await client.get(uri)).text(), 'root');
    }
  });

  test('an empty port, or none, is 5684 for coaps', async () => {
    assert.equal(secured.port, 5684);
    for (const uri of [`coaps://${host}`, `coaps://${host}:/`, `coaps://${host}:5684/`]) {
      const response = await client.get(uri);
      assert.deepEqual([response.text(), response.peer.security.kind], ['root', 'dtls']);
    }
  });

  test('RFC 8323 §8.1: it is TCP port 5683 for coap+tcp', async () => {
    assert.equal(tcp.port, 5683);
    assert.equal((await client.get(`coap+tcp://${host}/`)).peer.transport, 'tcp');
  });

  test('§6.2: the datagrams of coaps MUST be secured through DTLS: none of CoAP leaves before', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    await using asking = new Client({ psk: { identity: 'sensor-042', key } });
    const controller = new AbortController();
    const uri = `coaps://127.0.0.1:${socket.address().port}/secret`;
    const request = asking.get(uri, { signal: controller.signal });
    const [datagram] = (await once(socket, 'message')) as [Buffer];
    // A record of a handshake (RFC 6347 §4.1): content type 22, version 254.x.
    assert.deepEqual([datagram[0], datagram[1]], [22, 254]);
    assert.ok(!datagram.includes('secret'));
    controller.abort();
    await assert.rejects(request, { code: 'ERR_ABORTED' });
    socket.close();
  });
});

suite('RFC 7252 §6.3: normalization and comparison', () => {
  test('the three URIs of the example cause the same options and option values', async () => {
    for (const uri of [
      'coap://example.com:5683/~sensors/temp.xml',
      'coap://EXAMPLE.com/%7Esensors/temp.xml',
      'coap://EXAMPLE.com:/%7esensors/temp.xml',
    ]) {
      assert.deepEqual(await optionsOf(uri), ['3=example.com', '11=~sensors', '11=temp.xml'], uri);
    }
  });
});

suite('RFC 7252 §6.4: decomposing URIs into options', () => {
  for (const [step, uri] of [
    ['1: not absolute', '/a'],
    ['1: not absolute', `//${host}/a`],
    ['3: another scheme', `http://${host}/`],
    ['4: a fragment', `coap://${host}/a#b`],
    ['4: an empty fragment', `coap://${host}/#`],
  ] as const) {
    test(`step ${step} fails: ${uri}`, async () => {
      await assert.rejects(client.get(uri), ApiMisuseError);
    });
  }

  for (const [what, path, expected] of [
    ['step 5: an IP address that is the destination makes no Uri-Host', `coap://${host}/a`, ['11=a']],
    [
      'step 5: a name does, in lower case, percent-decoded',
      'coap://S%45NSOR.example/a',
      ['3=sEnsor.example', '11=a'],
    ],
    ['step 7: the port of the destination makes no Uri-Port', `coap://${host}:61616/a`, ['11=a']],
    ['step 8: an empty path and a single slash make no Uri-Path', `coap://${host}`, []],
    ['step 8: an empty path and a single slash make no Uri-Path', `coap://${host}/`, []],
    [
      'step 8: each segment makes one, also an empty one',
      `coap://${host}/a//b/`,
      ['11=a', '11=', '11=b', '11='],
    ],
    ['step 8: a slash that was percent-encoded stays in its segment', `coap://${host}/a%2Fb`, ['11=a/b']],
    ['step 8: percent-encodings are resolved once', `coap://${host}/%2525`, ['11=%25']],
    [
      'step 9: each argument makes a Uri-Query',
      `coap://${host}/a?x=1&y=%26&`,
      ['11=a', '15=x=1', '15=y=&', '15='],
    ],
  ] as const) {
    test(`${what}: ${path.replace(host, 'ADDRESS')}`, async () => {
      assert.deepEqual(await optionsOf(path), expected);
    });
  }

  test('§5.10.1: a destination that is not the one in the URI makes Uri-Host and Uri-Port', async () => {
    const options = [
      { number: OptionNumber.UriHost, value: 'other.example' },
      { number: OptionNumber.UriPort, value: 1234 },
    ];
    seen.length = 0;
    await client.get(`coap://${host}/a`, { options });
    assert.equal(seen[0]?.options.text(OptionNumber.UriHost), 'other.example');
    assert.equal(seen[0]?.options.uint(OptionNumber.UriPort), 1234);
  });
});

suite('RFC 7252 §6.5: composing URIs from options', () => {
  for (const [uri, normal] of [
    [`coap://${host}`, `coap://${host}/`],
    [`coap://${host}:5683/a`, `coap://${host}/a`],
    [`coap://${host}:61616/a`, `coap://${host}:61616/a`],
    [`coaps://${host}:5684/a?b`, `coaps://${host}/a?b`],
    ['coap://EXAMPLE.net/%e2%82%ac/%2f?%26=%3d&x', 'coap://example.net/%E2%82%AC/%2F?%26==&x'],
    [`coap+tcp://${host}:5683/a;b=c,d:e@f?g/h?i`, `coap+tcp://${host}/a;b=c,d:e@f?g/h?i`],
  ] as const) {
    test(`what arrives gives the normal form of what was asked for: ${uri.replace(host, 'ADDRESS')}`, async () => {
      seen.length = 0;
      await client.get(uri);
      const [request] = seen;
      assert.ok(request && isCoapScheme(request.scheme));
      const port = uri.includes('61616') ? other.port : uri.startsWith('coaps') ? 5684 : 5683;
      const composed = composeUri(request.options, request.scheme, host, port);
      assert.equal(composed, normal);
      // Percent-encoding in CoAP URIs MUST use uppercase letters.
      assert.doesNotMatch(String(composed), /%[0-9A-F]*[a-f]/);
    });
  }
});
