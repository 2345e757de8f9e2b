/** The cache of a client (RFC 7252 §5.6) over loopback; its rules are in test/conformance/rfc7252-5.6.test.ts. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  ApiMisuseError,
  Client,
  changed,
  content,
  OptionNumber,
  type Request,
  Server,
} from '../../src/index.ts';

const key = Buffer.from('MySecret16ByteK!');
const other = Buffer.from('AnotherKey16Byt!');
const etag = Uint8Array.of(1);
const asked: Request[] = [];
let count = 0;
const server = new Server()
  .use((request, next) => {
    asked.push(request);
    return next();
  })
  .resource('/count', {
    observable: true,
    get: () => content(String(++count)),
    fetch: ({ payload }) => content(Buffer.concat([payload, Buffer.from(String(++count))])),
    put: () => {
      server.notify('/count');
      return changed();
    },
  })
  .resource('/who', {
    get: ({ peer: { security } }) => content(security.kind === 'dtls' ? security.identity : 'nobody'),
  })
  .resource('/tagged', { get: () => content('tagged', { etag, maxAgeSeconds: 0 }) });
const plain = await server.listen('coap://127.0.0.1:0');
const secured = await server.listen('coaps://127.0.0.1:0', {
  psk: {
    lookup: new Map([
      ['a', key],
      ['b', other],
    ]),
  },
});
after(() => server.close());
const uri = `${plain.uri}/count`;

async function requests(action: () => Promise<unknown>): Promise<number> {
  const before = asked.length;
  await action();
  return asked.length - before;
}

test('without `cache` every request goes to the server', async () => {
  await using client = new Client();
  assert.equal(await requests(() => Promise.all([client.get(uri), client.get(uri)])), 2);
});

test('with it a fresh response answers, and says that it is a stored one', async () => {
  await using client = new Client({ cache: true });
  const first = await client.get(uri);
  const second = await client.get(uri);
  assert.deepEqual([first.fromCache, second.fromCache], [false, true]);
  assert.equal(second.text(), first.text());
  assert.equal(second.peer.address.key, first.peer.address.key);
  assert.equal(second.roundTripMs, 0);
  // Other options, and on demand, ask again; what comes is stored.
  assert.equal(await requests(() => client.get(uri, { accept: 0 })), 1);
  const renewed = await client.get(uri, { cache: false });
  assert.equal(renewed.fromCache, false);
  assert.equal((await client.get(uri)).text(), renewed.text());
});

test('a FETCH is told by its payload', async () => {
  await using client = new Client({ cache: true });
  const a = await client.fetch(uri, { payload: 'a' });
  const b = await client.fetch(uri, { payload: 'b' });
  assert.match(b.text(), /^b/);
  assert.equal((await client.fetch(uri, { payload: 'a' })).text(), a.text());
});

test('what the client changes is read again, also when it does not wait for the answer', async () => {
  await using client = new Client({ cache: true });
  await client.get(uri);
  await client.put(uri, { payload: 'x' });
  assert.equal(await requests(() => client.get(uri)), 1);
  await client.send('PUT', uri, { payload: 'y' });
  assert.equal((await client.get(uri)).fromCache, false);
  await client.put(uri, { payload: 'z', noResponse: 'all', timeoutMs: 100 });
  assert.equal((await client.get(uri)).fromCache, false);
});

test('a response that is not fresh is asked about by its ETag', async () => {
  await using client = new Client({ cache: true });
  await client.get(`${plain.uri}/tagged`);
  const again = await client.get(`${plain.uri}/tagged`);
  assert.deepEqual(asked.at(-1)?.options.all(OptionNumber.ETag), [etag]);
  assert.equal(`${again.codeText} ${again.text()} ${again.fromCache}`, '2.05 tagged true');
});

test('notifications are stored too', async () => {
  await using client = new Client({ cache: true });
  for await (const notification of client.observe(uri)) {
    assert.equal((await client.get(uri)).text(), notification.text());
    break;
  }
});

test('what one identity was told answers no other one', async () => {
  for (const [identity, secret] of [
    ['a', key],
    ['b', other],
  ] as const) {
    await using client = new Client({ psk: { identity, key: secret }, cache: true });
    for (const times of [1, 2]) {
      const response = await client.get(`${secured.uri}/who`);
      assert.equal(`${response.text()} ${response.fromCache}`, `${identity} ${times === 2}`);
    }
    // Nor the plain server at the same name.
    assert.equal((await client.get(`${plain.uri}/who`)).text(), 'nobody');
  }
});

test('with `psk` as a function nothing of coaps is stored: who the client is may change', async () => {
  let times = 0;
  const psk = () => (times++ === 0 ? { identity: 'a', key } : { identity: 'b', key: other });
  await using client = new Client({ psk, cache: true });
  assert.equal((await client.get(`${secured.uri}/who`)).text(), 'a');
  assert.equal((await client.get(`${secured.uri}/who`)).fromCache, false);
});

test('a block that was asked for by itself is not taken for the whole', async () => {
  await using client = new Client({ cache: true });
  const options = [{ number: OptionNumber.Block2, value: Uint8Array.of(0x02) }];
  await client.get(uri, { options });
  assert.equal((await client.get(uri)).fromCache, false);
});

test('a closed client has nothing, and limits are checked at once', async () => {
  const client = new Client({ cache: { maxEntries: 10, maxBytes: 10_000 } });
  await client.get(uri);
  await client.close();
  await assert.rejects(client.get(uri), { code: 'ERR_CLOSED' });
  assert.throws(() => new Client({ cache: { maxBytes: -1 } }), ApiMisuseError);
});
