/** What a link carries decides what goes in one message and what in blocks (RFC 7252 §4.6, RFC 7959). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, changed, content, type EndpointWarning, type LinkProfileName, Server } from 'coapsule';

const key = new TextEncoder().encode('MySecret16ByteK!');
const psk = { identity: 'sensor-042', key };
const lookup = new Map([['sensor-042', key]]);
const bounded = { timeout: 30_000 };

/** Messages with requests that a PUT of so many bytes takes on a link, and the largest of those messages. */
async function messages(
  linkProfile: LinkProfileName,
  bytes: number,
  secure = false,
): Promise<{ readonly requests: number; readonly largest: number }> {
  let blocks = 0;
  let largest = 0;
  await using server = new Server();
  server.resource('/r', { put: ({ payload }) => changed(payload) });
  const scheme = secure ? 'coaps' : 'coap';
  const listener = await server.listen(`${scheme}://127.0.0.1:0`, {
    linkProfile,
    ...(secure ? { psk: { lookup } } : {}),
  });
  await using client = new Client({
    linkProfile,
    ...(secure ? { psk } : {}),
    trace: (event) => {
      if (event.kind !== 'message') return;
      if (event.direction !== 'sent') return;
      largest = Math.max(largest, event.bytes.length);
      blocks++;
    },
  });
  const response = await client.put(`${scheme}://127.0.0.1:${listener.port}/r`, {
    payload: new Uint8Array(bytes),
  });
  assert.equal(response.payload.length, bytes);
  return { requests: blocks, largest };
}

test(
  'K06: 64 bytes go in one message on 6LoWPAN and 1024 on other links; a byte more makes blocks',
  bounded,
  async () => {
    assert.equal((await messages('6lowpan', 64)).requests, 1);
    assert.equal((await messages('6lowpan', 65)).requests, 3, 'two blocks up, and one more to fetch');
    for (const profile of ['wifi', 'ethernet', 'nb-iot'] as const) {
      assert.equal((await messages(profile, 1024)).requests, 1);
      assert.equal((await messages(profile, 1025)).requests, 3);
    }
  },
);

test(
  'K10: security makes blocks smaller where it eats the room: 512 on serial lines, 32 on 6LoWPAN',
  bounded,
  async () => {
    assert.equal((await messages('serial-115200', 512, true)).requests, 1);
    assert.equal((await messages('serial-9600', 513, true)).requests, 3);
    assert.equal((await messages('6lowpan', 32, true)).requests, 1);
    assert.equal((await messages('6lowpan', 33, true)).requests, 3);
    const { largest } = await messages('6lowpan', 500, true);
    assert.ok(largest + 29 <= 80, `a message of ${largest} bytes and its record do not fit a frame`);
  },
);

test(
  'K01: a NON message that is too large for the link is refused with words, not dropped',
  bounded,
  async () => {
    await using client = new Client({ linkProfile: '6lowpan' });
    await assert.rejects(
      client.send('PUT', 'coap://127.0.0.1:9/r', { payload: new Uint8Array(65) }),
      (error: Error) => {
        assert.match(error.message, /does not fit one message \(64 bytes\)/);
        return true;
      },
    );
  },
);

test('K07: a payload over 128 bytes on 6LoWPAN is warned of, on both ends', bounded, async () => {
  const warnings: EndpointWarning[] = [];
  const onWarning = (warning: EndpointWarning): void => {
    warnings.push(warning);
  };
  await using server = new Server({ linkProfile: '6lowpan', onWarning });
  server.resource('/r', { put: () => changed(), get: () => content(new Uint8Array(129)) });
  const listener = await server.listen('coap://127.0.0.1:0');
  await using client = new Client({ linkProfile: '6lowpan', onWarning });
  const uri = `coap://127.0.0.1:${listener.port}/r`;
  await client.put(uri, { payload: new Uint8Array(128) });
  assert.deepEqual(warnings, []);
  await client.put(uri, { payload: new Uint8Array(129) });
  await client.get(uri);
  assert.deepEqual(
    warnings.map(({ payloadBytes, advisedBytes }) => [payloadBytes, advisedBytes]),
    [
      [129, 128],
      [129, 128],
    ],
  );
  assert.throws(() => new Client({ linkProfile: 'carrier-pigeon' as LinkProfileName }), {
    name: 'ApiMisuseError',
  });
});
