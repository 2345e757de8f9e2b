/**
 * RFC 9177, Figures 2 to 18, at a client: what it sends, message by message. The server is a script; tokens are named in the
 * order in which they come, and blocks have 16 bytes where the RFC has 1024.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { blocksOfBody, range, ScriptedServer } from './q-block-script.ts';

const { QBlock1 } = OptionNumber;

const put = (token: number, num: number, more: 0 | 1): string => `NON PUT t${token} QB1:${num}/${more}`;

test('Figure 2: a body of four blocks goes at once, and 2.04 ends it', () => {
  const server = new ScriptedServer();
  const exchange = server.request(Code.Put, { payload: blocksOfBody(4) });
  assert.deepEqual(server.take(), [put(1, 0, 1), put(2, 1, 1), put(3, 2, 1), put(4, 3, 0)]);
  assert.deepEqual(server.reply('t4', Code.Changed), []);
  assert.deepEqual(
    server.results.map(({ kind, exchange: id }) => [kind, id]),
    [['response', exchange]],
  );
  assert.equal(server.layer.nextTimeout(), undefined, 'nothing is waited for');
});

test('Figure 3: after MAX_PAYLOADS the client waits for 2.31, and goes on at once', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(11) });
  assert.deepEqual(
    server.take(),
    range(0, 10).map((num) => put(num + 1, num, 1)),
  );
  assert.deepEqual(server.wait(1900), []);
  assert.deepEqual(server.continue('t10'), [put(11, 10, 0)], '2.31 as in the figure, without Q-Block1');
  server.reply('t11', Code.Changed);
  assert.equal(server.results[0]?.kind, 'response');
});

test('Figures 4 and 5: the next set goes after NON_TIMEOUT_RANDOM; what is missing goes again, before what is new', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(13) });
  server.take();
  const next = server.layer.nextTimeout() as number;
  assert.ok(next >= 2000 && next <= 3000, 'NON_TIMEOUT_RANDOM');
  // The RFC's client hears of the loss while it sends the second set; ours has sent that by then.
  assert.deepEqual(server.later(3000), [put(11, 10, 1), put(12, 11, 1), put(13, 12, 0)]);
  assert.deepEqual(server.missing('t12', [1, 9]), [put(14, 1, 1), put(15, 9, 1)]);
  assert.deepEqual(server.wait(4000), []);
  assert.deepEqual(server.missing('t15', [10]), [put(16, 10, 1)]);
  server.reply('t16', Code.Changed);
  assert.equal(server.results[0]?.kind, 'response');
  const tags = new Set(server.sent.map(({ message }) => message.options.uint(OptionNumber.RequestTag)));
  assert.equal(tags.size, 1);
});

test('Figure 6: a server that asks in vain is answered each time, and when it has given up the request fails', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(3) });
  server.take();
  const answers = [4000, 8000, 16_000, 32_000].map((ms) => {
    server.wait(ms);
    return server.missing('t3', [1]).length;
  });
  assert.deepEqual(answers, [1, 1, 1, 1]);
  server.wait(300_000);
  const [result] = server.results;
  assert.ok(result?.kind === 'failed' && result.error === 'timeout');
});

test('Figure 7: four blocks of a response and of a notification need no word of the client', () => {
  const server = new ScriptedServer();
  server.request(Code.Get, { observe: true });
  assert.deepEqual(server.take(), ['NON GET t1 O:0 QB2:0/1']);
  assert.deepEqual(server.blocks('t1', blocksOfBody(4, 1), range(0, 4), { observe: 1220, etag: '19' }), []);
  assert.deepEqual(server.blocks('t1', blocksOfBody(4, 2), range(0, 4), { observe: 1221, etag: '20' }), []);
  assert.deepEqual(
    server.results.map((result) => result.kind === 'response' && result.response.payload),
    [blocksOfBody(4, 1), blocksOfBody(4, 2)],
  );
  assert.deepEqual(
    server.results.map(
      (result) => result.kind === 'response' && result.response.options.uint(OptionNumber.Observe),
    ),
    [1220, 1221],
  );
});

test('Figure 8: a whole set is answered with Continue, also of a notification', () => {
  const server = new ScriptedServer();
  server.request(Code.Get, { observe: true });
  server.take();
  assert.deepEqual(server.blocks('t1', blocksOfBody(11, 1), range(0, 10), { observe: 1234, etag: '21' }), [
    'NON GET t2 QB2:10/1',
  ]);
  assert.deepEqual(server.blocks('t1', blocksOfBody(11, 1), [10], { observe: 1234, etag: '21' }), []);
  assert.equal(server.results.length, 1);
  assert.deepEqual(server.blocks('t1', blocksOfBody(11, 2), range(0, 10), { observe: 1235, etag: '22' }), [
    'NON GET t3 QB2:10/1',
  ]);
  server.blocks('t1', blocksOfBody(11, 2), [10], { observe: 1235, etag: '22' });
  assert.equal(server.results.length, 2);
});

test('Figure 9: a block of the next set makes the client ask for what is missing, and NON_RECEIVE_TIMEOUT for the rest', () => {
  const server = new ScriptedServer();
  const body = blocksOfBody(11);
  const notification = { observe: 1236, etag: '23' };
  server.request(Code.Get, { observe: true });
  server.take();
  assert.deepEqual(server.blocks('t1', body, [0, ...range(2, 7)], notification), []);
  assert.deepEqual(server.wait(2500), []);
  assert.deepEqual(server.blocks('t1', body, [10], notification), ['NON GET t2 QB2:1/0,9/0']);
  assert.deepEqual(server.blocks('t2', body, [9], { etag: '23' }), [], 'without Observe (§4.5)');
  assert.deepEqual(server.later(4000), ['NON GET t3 QB2:1/0']);
  server.blocks('t3', body, [1], { etag: '23' });
  assert.deepEqual(server.body, body);
});

test('Figure 10: the rest of a set of which only the beginning came is asked for with M set, then Continue', () => {
  const server = new ScriptedServer();
  const body = blocksOfBody(11);
  const notification = { observe: 1237, etag: '24' };
  server.request(Code.Get, { observe: true });
  server.take();
  server.blocks('t1', body, [0, 1], notification);
  assert.deepEqual(server.later(4000), ['NON GET t2 QB2:2/1']);
  assert.deepEqual(server.blocks('t2', body, range(2, 8), { etag: '24' }), ['NON GET t3 QB2:10/1']);
  server.blocks('t1', body, [10], notification);
  assert.deepEqual(server.body, body);
});

test('Figure 11: FETCH with Q-Block1 and Observe in each block; the response and notifications come in Q-Blocks', () => {
  const server = new ScriptedServer();
  server.request(Code.Fetch, { payload: blocksOfBody(3), observe: true });
  assert.deepEqual(server.take(), [
    'NON FETCH t1 O:0 QB1:0/1',
    'NON FETCH t2 O:0 QB1:1/1',
    'NON FETCH t3 O:0 QB1:2/0',
  ]);
  assert.deepEqual(server.blocks('t3', blocksOfBody(4, 1), range(0, 4), { observe: 1320, etag: '90' }), []);
  assert.deepEqual(server.blocks('t3', blocksOfBody(4, 2), range(0, 4), { observe: 1321, etag: '91' }), []);
  assert.equal(server.results.length, 2);
  assert.equal(server.layer.exchangeOf('server', server.token('t1')), undefined, '§4.3: released');
  assert.ok(server.layer.exchangeOf('server', server.token('t3')) !== undefined, '§4.3: tracks the resource');
});

test('Figure 12: as Figure 11 with eleven payloads each way', () => {
  const server = new ScriptedServer();
  server.request(Code.Fetch, { payload: blocksOfBody(11), observe: true });
  assert.equal(server.take().length, 10);
  assert.deepEqual(server.continue('t10', 9), ['NON FETCH t11 O:0 QB1:10/0']);
  const first = { observe: 1334, etag: '21' };
  assert.deepEqual(server.blocks('t11', blocksOfBody(11, 1), range(0, 10), first), [
    'NON FETCH t12 QB2:10/1',
  ]);
  assert.deepEqual(server.blocks('t11', blocksOfBody(11, 1), [10], first), []);
  const second = { observe: 1335, etag: '22' };
  assert.deepEqual(server.blocks('t11', blocksOfBody(11, 2), range(0, 10), second), [
    'NON FETCH t13 QB2:10/1',
  ]);
  server.blocks('t11', blocksOfBody(11, 2), [10], second);
  assert.equal(server.results.length, 2);
});

test('Figures 13 to 15: recovery in both directions; requests for missing blocks have the Request-Tag, and no body', () => {
  const server = new ScriptedServer();
  const body = blocksOfBody(4, 1);
  server.request(Code.Fetch, { payload: blocksOfBody(4), observe: true });
  server.take();
  assert.deepEqual(server.wait(4000), []);
  assert.deepEqual(server.missing('t4', [1, 2]), ['NON FETCH t5 O:0 QB1:1/1', 'NON FETCH t6 O:0 QB1:2/1']);
  const tag = server.sent.at(-1)?.message.options.uint(OptionNumber.RequestTag);
  server.blocks('t4', body, [0, 2], { observe: 1236, etag: '23' });
  assert.deepEqual(server.later(4000), ['NON FETCH t7 QB2:1/0,3/0']);
  const asked = server.sent.at(-1)?.message;
  assert.equal(asked?.options.uint(OptionNumber.RequestTag), tag);
  assert.equal(asked?.options.has(QBlock1), false);
  assert.equal(asked?.payload.length, 0);
  server.blocks('t7', body, [3], { etag: '23' });
  assert.deepEqual(server.later(4000), ['NON FETCH t8 QB2:1/0']);
  server.blocks('t8', body, [1], { etag: '23' });
  assert.deepEqual(server.body, body);
  const changed = blocksOfBody(3, 2);
  server.blocks('t4', changed, [0, 2], { observe: 1337, etag: '24' });
  assert.deepEqual(server.later(4000), ['NON FETCH t9 QB2:1/0']);
  server.blocks('t9', changed, [1], { etag: '24' });
  assert.equal(server.results.length, 2);
});

test('Figure 16: Confirmable blocks; the first finds out whether the server speaks Q-Block, and is acknowledged before others', () => {
  const server = new ScriptedServer({ spoken: false });
  const exchange = server.request(Code.Put, { type: 'CON', payload: blocksOfBody(4) });
  assert.deepEqual(server.take(), ['CON PUT t1 QB1:0/1']);
  server.layer.requestAcknowledged(exchange, server.now);
  assert.deepEqual(server.later(0), ['CON PUT t2 QB1:1/1', 'CON PUT t3 QB1:2/1', 'CON PUT t4 QB1:3/0']);
  for (let i = 0; i < 3; i++) server.layer.requestAcknowledged(exchange, server.now);
  assert.deepEqual(server.wait(60_000), []);
  server.reply('t4', Code.Changed, { type: 'ACK' });
  assert.equal(server.results[0]?.kind, 'response');
});

test('Figure 17: a Confirmable block that is never acknowledged ends the transfer', () => {
  const server = new ScriptedServer();
  const exchange = server.request(Code.Put, { type: 'CON', payload: blocksOfBody(5) });
  assert.equal(server.take().length, 5);
  server.layer.requestTimedOut(exchange, server.now);
  server.take();
  const [result] = server.results;
  assert.ok(result?.kind === 'failed' && result.error === 'timeout');
  assert.equal(server.layer.nextTimeout(), undefined);
});

test('Figure 18: Confirmable blocks of a notification; what did not come after MAX_TRANSMIT_SPAN is asked for, Confirmable', () => {
  const server = new ScriptedServer();
  const body = blocksOfBody(4, 3);
  server.request(Code.Get, { type: 'CON', observe: true });
  assert.deepEqual(server.take(), ['CON GET t1 O:0 QB2:0/1']);
  server.blocks('t1', blocksOfBody(4, 1), [0], { type: 'ACK', observe: 1234, etag: '21' });
  server.blocks('t1', blocksOfBody(4, 1), [1, 2, 3], { type: 'CON', observe: 1234, etag: '21' });
  assert.equal(server.results.length, 1);
  server.blocks('t1', body, [0, 3], { type: 'CON', observe: 1236, etag: '23' });
  assert.deepEqual(server.wait(44_000), [], '§4.4: the server repeats them by itself');
  assert.deepEqual(server.later(2000), ['CON GET t2 QB2:1/0,2/0']);
  server.blocks('t2', body, [1], { type: 'ACK', etag: '23' });
  server.blocks('t2', body, [2], { type: 'CON', etag: '23' });
  assert.equal(server.results.length, 2);
});
