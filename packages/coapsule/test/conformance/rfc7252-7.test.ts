/**
 * RFC 7252 §7: discovery of a server by its default port, of its resources at `/.well-known/core` (RFC 6690), and the
 * attribute `ct`. Multicast discovery (§8) is in `rfc7252-8.test.ts`; the format of links in `test/unit/coap/link-format.test.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, suite, test } from 'node:test';
import { ApiMisuseError, Client, content, Server } from '../../src/index.ts';
import { decodeLinkFormat, isDecodeFault, type Link } from '../../src/message.ts';

const host = `127.${1 + ((randomBytes(1)[0] as number) % 250)}.${randomBytes(1)[0]}.7`;
const key = new TextEncoder().encode('MySecret16ByteK!');
const ok = { get: () => content('') };
const server = new Server()
  .resource('/sensors/temp', {
    ...ok,
    observable: true,
    attributes: { rt: 'temperature-c', if: 'sensor', ct: [0, 50] },
  })
  .resource('/sensors/light', {
    ...ok,
    attributes: { rt: 'light-lux core.s', if: 'sensor', ct: 41, sz: 1280 },
  })
  .resource('/firmware v2', { ...ok, attributes: { title: 'Firmware, "latest"' } })
  .resource('/secret', { ...ok, hidden: true })
  .resource('/many/*', ok);
const client = new Client({ psk: { identity: 'sensor-042', key } });
await server.listen(`coap://${host}`);
await server.listen(`coaps://${host}`, { psk: { lookup: new Map([['sensor-042', key]]) } });
await server.listen(`coap+tcp://${host}`);
const webSocket = await server.listen(`coap+ws://${host}:0`);

after(async () => {
  await client.close();
  await server.close();
});

/** The links of a response, which must be application/link-format. */
async function links(uri: string): Promise<readonly Link[]> {
  const response = await client.get(uri);
  assert.deepEqual([response.codeText, response.contentFormat], ['2.05', 40]);
  const decoded = decodeLinkFormat(response.text());
  assert.ok(!isDecodeFault(decoded));
  return decoded;
}

const targets = async (query: string): Promise<string[]> =>
  (await links(`coap://${host}/.well-known/core${query}`)).map(({ target }) => target);

suite('RFC 7252 §7.1: service discovery', () => {
  test('a server is reachable at port 5683 for discovery where no port is given', async () => {
    assert.deepEqual(
      (await client.discover(`coap://${host}`)).map(({ target }) => target),
      ['/sensors/temp', '/sensors/light', '/firmware%20v2'],
    );
  });

  test('so it is at 5684 with DTLS, and over TCP and WebSocket, with the same list', async () => {
    const expected = await client.discover(`coap://${host}`);
    for (const uri of [`coaps://${host}`, `coap+tcp://${host}`, webSocket.uri]) {
      assert.deepEqual(await client.discover(uri), expected, uri);
    }
  });
});

suite('RFC 7252 §7.2: resource discovery', () => {
  test('the list has each resource that the server makes discoverable, with its attributes, and no other', async () => {
    const response = await client.get(`coap://${host}/.well-known/core`);
    assert.equal(
      response.text(),
      '</sensors/temp>;rt="temperature-c";if="sensor";ct="0 50";obs,' +
        '</sensors/light>;rt="light-lux core.s";if="sensor";ct=41;sz=1280,' +
        '</firmware%20v2>;title="Firmware, \\"latest\\""',
    );
  });

  test('what it lists is there', async () => {
    for (const { target } of await links(`coap://${host}/.well-known/core`)) {
      assert.equal((await client.get(`coap://${host}${target}`)).codeText, '2.05', target);
    }
  });

  for (const [query, expected] of [
    ['?href=/sensors*', ['/sensors/temp', '/sensors/light']],
    ['?href=/sensors/temp', ['/sensors/temp']],
    ['?rt=core.s', ['/sensors/light']],
    ['?rt=light*', ['/sensors/light']],
    ['?if=sensor&ct=50', ['/sensors/temp']],
    ['?obs', ['/sensors/temp']],
    ['?title=*', ['/firmware%20v2']],
    ['?rt=nothing', []],
  ] as const) {
    test(`RFC 6690 §4.1: ${query} gives ${expected.length === 0 ? 'an empty list' : expected.join(' and ')}`, async () => {
      assert.deepEqual(await targets(query), expected);
    });
  }

  test('a list that is larger than a message comes in blocks', async () => {
    const large = new Server();
    for (let i = 0; i < 500; i++) large.resource(`/r/${i}`, { ...ok, attributes: { rt: `type-${i}` } });
    const listener = await large.listen('coap://127.0.0.1:0');
    assert.equal((await client.discover(listener.uri)).length, 500);
    await large.close();
  });

  test('only GET, and only as link format: 4.05, 4.06', async () => {
    const uri = `coap://${host}/.well-known/core`;
    assert.equal((await client.put(uri, { payload: 'x' })).codeText, '4.05');
    assert.equal((await client.get(uri, { accept: 50 })).codeText, '4.06');
    assert.equal((await client.get(uri, { accept: 40 })).codeText, '2.05');
  });
});

suite('RFC 7252 §7.2.1: the attribute ct', () => {
  test('one format is a number, several are a list in quotes', async () => {
    const found = await client.discover(`coap://${host}`);
    const ct = found.map(({ attributes }) => attributes.find(([name]) => name === 'ct')?.[1]);
    assert.deepEqual(ct, ['0 50', '41', undefined]);
  });

  for (const ct of [65_536, -1, 1.5, [0, 70_000]]) {
    test(`it MUST be in the range of 0-65535: ${ct} is refused`, () => {
      assert.throws(() => new Server().resource('/a', { ...ok, attributes: { ct } }), ApiMisuseError);
    });
  }

  test('the ends of the range are taken', () => {
    new Server().resource('/a', { ...ok, attributes: { ct: [0, 65_535] } });
  });

  test('it is a hint: the response says what it is', async () => {
    const response = await client.get(`coap://${host}/sensors/light`);
    assert.notEqual(response.contentFormat, 41);
  });
});
