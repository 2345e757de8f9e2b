/** Q-Block (RFC 9177) between a client and a server of this library, over real sockets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ApiMisuseError,
  Client,
  type ClientOptions,
  changed,
  content,
  OptionNumber,
  type RequestOptions,
  Server,
} from 'coapsule';
import { decodeMessage } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { pattern } from '../unit/request-response/harness.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');
const bounded = { timeout: 30_000 };

/** What the client sent and received, by the option that says how: `QB1`, `QB2`, `B1`, `B2`. */
type Used = Record<'QB1' | 'QB2' | 'B1' | 'B2', number>;

async function transfer(
  scheme: 'coap' | 'coaps',
  request: RequestOptions,
  client: ClientOptions = { qBlock: true },
): Promise<{ readonly used: Used; readonly types: readonly string[] }> {
  const used: Used = { QB1: 0, QB2: 0, B1: 0, B2: 0 };
  const types = new Set<string>();
  const body = pattern(100_000);
  let stored: Uint8Array = new Uint8Array();
  await using server = new Server();
  server.resource('/store', {
    put: ({ payload }) => {
      stored = payload.slice();
      return changed();
    },
    get: () => content(stored),
    maxBodyBytes: 1024 * 1024,
  });
  const lookup = new Map([['sensor-042', key]]);
  const listener = await server.listen(
    `${scheme}://127.0.0.1:0`,
    scheme === 'coaps' ? { psk: { lookup } } : {},
  );
  await using asking = new Client({
    ...(scheme === 'coaps' ? { psk: { identity: 'sensor-042', key } } : {}),
    ...client,
    trace: (event) => {
      if (event.kind !== 'message') return;
      const message = decodeMessage(event.bytes) as MessageView;
      const has = (number: number): number => (message.options.has(number) ? 1 : 0);
      if (has(OptionNumber.QBlock1) && event.direction === 'sent') types.add(message.type);
      used.QB1 += has(OptionNumber.QBlock1);
      used.QB2 += has(OptionNumber.QBlock2);
      used.B1 += has(OptionNumber.Block1);
      used.B2 += has(OptionNumber.Block2);
    },
  });
  const uri = `${scheme}://127.0.0.1:${listener.port}/store`;
  const put = await asking.put(uri, { ...request, payload: body });
  assert.equal(put.codeText, '2.04');
  const got = await asking.get(uri, request);
  assert.deepEqual(stored, body);
  assert.deepEqual(got.payload, body);
  return { used, types: [...types] };
}

for (const scheme of ['coap', 'coaps'] as const) {
  test(`over ${scheme}, 100,000 bytes go and come in Q-Blocks, Non-confirmable`, bounded, async () => {
    const { used, types } = await transfer(scheme, { confirmable: false });
    assert.ok(used.QB1 >= 98, `${used.QB1} blocks up`);
    assert.ok(used.QB2 >= 98, `${used.QB2} blocks down`);
    assert.deepEqual(types, ['NON']);
    assert.equal(used.B1, 0);
  });

  test(`over ${scheme}, 100,000 bytes go and come in Q-Blocks, Confirmable`, bounded, async () => {
    const { used, types } = await transfer(scheme, { confirmable: true });
    assert.ok(used.QB1 >= 98, `${used.QB1} blocks up`);
    assert.ok(used.QB2 >= 98, `${used.QB2} blocks down`);
    assert.deepEqual(types, ['CON']);
    assert.equal(used.B1, 0);
  });
}

test(
  'without the option, and where one request says no, the blocks are the usual ones',
  bounded,
  async () => {
    for (const [request, client] of [
      [{}, {}],
      [{ qBlock: false }, { qBlock: true }],
    ] as const) {
      const { used } = await transfer('coap', request, client);
      assert.deepEqual([used.QB1, used.QB2], [0, 0]);
      assert.ok(used.B1 > 0 && used.B2 > 0);
    }
  },
);

test('one request may say yes', bounded, async () => {
  const { used } = await transfer('coaps', { qBlock: true, confirmable: false }, {});
  assert.ok(used.QB1 >= 98);
});

test('an observation gets notifications in Q-Blocks', bounded, async () => {
  let state = pattern(30_000, 1);
  await using server = new Server();
  server.resource('/state', { get: () => content(state), observable: true });
  const lookup = new Map([['sensor-042', key]]);
  const listener = await server.listen('coaps://127.0.0.1:0', { psk: { lookup } });
  await using client = new Client({ psk: { identity: 'sensor-042', key }, qBlock: true });
  const seen: Uint8Array[] = [];
  for await (const { payload } of client.observe(`coaps://127.0.0.1:${listener.port}/state`)) {
    seen.push(payload);
    if (seen.length === 2) break;
    state = pattern(25_000, 2);
    server.notify('/state');
  }
  assert.deepEqual(seen, [pattern(30_000, 1), pattern(25_000, 2)]);
});

test('a body that is read as it is sent goes in the usual blocks', bounded, async () => {
  let stored = 0;
  await using server = new Server();
  server.resource('/store', {
    put: ({ payload }) => {
      stored = payload.length;
      return changed();
    },
  });
  const listener = await server.listen('coap://127.0.0.1:0');
  let qBlocks = 0;
  await using client = new Client({
    qBlock: true,
    trace: (event) => {
      if (event.kind !== 'message') return;
      if ((decodeMessage(event.bytes) as MessageView).options.has(OptionNumber.QBlock1)) qBlocks++;
    },
  });
  const payload = (async function* () {
    for (let i = 0; i < 20; i++) yield new Uint8Array(1000);
  })();
  await client.put(`coap://127.0.0.1:${listener.port}/store`, { payload });
  assert.deepEqual([stored, qBlocks], [20_000, 0]);
});

test('an option that there is not is still told', () => {
  assert.throws(() => new Client({ qblock: true } as ClientOptions), ApiMisuseError);
});
