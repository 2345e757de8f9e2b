/**
 * RFC 9177 section by section, at a client. The figures are in `rfc9177-client-figures.test.ts`; what holds for every message
 * is checked on each of both files (`q-block-script.ts`): no mix with Block options (§4.1), Request-Tag and Size1 (§4.3,
 * §4.6), ascending numbers (§4.4), no Observe and no ETag in requests for missing blocks (§4.4, §4.5), one type of message
 * for a body (§7).
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { transmissionParameters } from '../../src/core/coap/transmission-parameters.ts';
import { concatBytes, noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { encodeMissingBlocks } from '../../src/core/request-response/missing-blocks.ts';
import { nonTimeoutRandomMs, qBlockParameters } from '../../src/core/request-response/q-block-parameters.ts';
import type { BodySource } from '../../src/core/request-response/request-response-layer.ts';
import { blocksOfBody, range, ScriptedServer } from './q-block-script.ts';

const { Block1, Block2, ContentFormat, Echo, ETag, NoResponse, QBlock1, QBlock2, RequestTag, Size1, Size2 } =
  OptionNumber;
const block = (num: number, more: boolean, szx = 0): Uint8Array => encodeBlock({ num, more, szx });
const unknown = { spoken: false };

/** How the one Exchange of a script ended. */
const ending = ({ results }: ScriptedServer): unknown[] =>
  results.map((result) => (result.kind === 'failed' ? result.error : result.response.code));

test('§4.1: to determine support, the client MUST use a Confirmable message, also for a request that is not to be one', () => {
  const get = new ScriptedServer(unknown);
  get.request(Code.Get);
  assert.deepEqual(get.take(), ['CON GET t1 QB2:0/0']);
  const put = new ScriptedServer(unknown);
  put.request(Code.Put, { payload: blocksOfBody(3) });
  assert.deepEqual(put.take(), ['CON GET t1 QB2:0/0'], 'of the same target, without the body');
  assert.equal(put.sent[0]?.message.payload.length, 0);
  const small = new ScriptedServer(unknown);
  small.request(Code.Post, { payload: 'x' });
  assert.deepEqual(small.take(), ['CON POST t1 QB2:0/1']);
});

test('§4.1: the answer to the Confirmable message is the response where that is small; else the request follows, Non-confirmable', () => {
  const small = new ScriptedServer(unknown);
  small.request(Code.Get);
  small.take();
  assert.deepEqual(small.reply('t1', Code.Content, { type: 'ACK', payload: 'hi' }), []);
  assert.deepEqual(ending(small), [Code.Content]);
  const large = new ScriptedServer(unknown);
  large.request(Code.Get);
  large.take();
  assert.deepEqual(large.blocks('t1', blocksOfBody(4), [0], { type: 'ACK' }), ['NON GET t2 QB2:0/1']);
  large.blocks('t2', blocksOfBody(4), range(0, 4));
  assert.deepEqual(large.body, blocksOfBody(4));
});

test('§4.1: an answer that is no 4.02 comes from a server that knows the option: then the body goes', () => {
  for (const code of [Code.Content, Code.NotFound, Code.MethodNotAllowed]) {
    const server = new ScriptedServer(unknown);
    server.request(Code.Put, { payload: blocksOfBody(2) });
    server.take();
    assert.deepEqual(server.reply('t1', code, { type: 'ACK' }), ['NON PUT t2 QB1:0/1', 'NON PUT t3 QB1:1/0']);
  }
});

test('§4.1: after 4.02 the request goes in the blocks of RFC 7959, and so do all others to the same server', () => {
  for (const [type, first] of [
    ['CON', 'CON PUT t1 QB1:0/1'],
    ['NON', 'CON GET t1 QB2:0/0'],
  ] as const) {
    const server = new ScriptedServer(unknown);
    server.request(Code.Put, { type, payload: blocksOfBody(2) });
    assert.deepEqual(server.take(), [first]);
    assert.deepEqual(server.reply('t1', Code.BadOption, { type: 'ACK' }), [
      `${type} PUT t2 B1:0/1 B2:0/0`.replace(' B2:0/0', ''),
    ]);
    server.reply('t2', Code.Continue, {
      type: type === 'CON' ? 'ACK' : 'NON',
      options: [[Block1, block(0, true)]],
    });
    server.reply('t3', Code.Changed, {
      type: type === 'CON' ? 'ACK' : 'NON',
      options: [[Block1, block(1, false)]],
    });
    assert.deepEqual(ending(server), [Code.Changed]);
    server.request(Code.Put, { type, payload: blocksOfBody(2) });
    assert.match(server.take().join(), /^(CON|NON) PUT t4 B1:0\/1$/);
  }
});

test('§4.1: a 4.02 that brings the unknown option back, as that of libcoap does, is a 4.02', () => {
  const upload = new ScriptedServer(unknown);
  upload.request(Code.Put, { type: 'CON', payload: blocksOfBody(2) });
  upload.take();
  const options = [[QBlock1, block(0, true)]] as const;
  assert.deepEqual(upload.reply('t1', Code.BadOption, { type: 'ACK', options }), ['CON PUT t2 B1:0/1']);
  const get = new ScriptedServer(unknown);
  get.request(Code.Get);
  get.take();
  const echoed = [[QBlock2, block(0, false)]] as const;
  assert.deepEqual(get.reply('t1', Code.BadOption, { type: 'ACK', options: echoed }), ['NON GET t2 B2:0/0']);
});

test('§4.1: what was found out holds for half an hour, and for one server', () => {
  const server = new ScriptedServer(unknown);
  server.request(Code.Get);
  server.take();
  assert.deepEqual(server.reply('t1', Code.BadOption, { type: 'ACK' }), ['NON GET t2 B2:0/0']);
  server.reply('t2', Code.Content);
  server.wait(1_790_000);
  server.request(Code.Get);
  assert.deepEqual(server.take(), ['NON GET t3 B2:0/0']);
  server.wait(20_000);
  server.request(Code.Get);
  assert.deepEqual(server.take(), ['CON GET t4 QB2:0/0']);
  const other = new ScriptedServer();
  other.layer.peerClosed('server', other.now);
  other.request(Code.Get);
  assert.deepEqual(
    other.take(),
    ['CON GET t1 QB2:0/0'],
    'an association that is gone says nothing about the next',
  );
});

test('§4.1: a server that answers with Block2, or cannot answer now, tells nothing about Q-Block', () => {
  const block2 = new ScriptedServer(unknown);
  block2.request(Code.Put, { payload: blocksOfBody(2) });
  block2.take();
  const options = [
    [Block2, block(0, true)],
    [ETag, 'e'],
  ] as const;
  assert.deepEqual(block2.reply('t1', Code.Content, { type: 'ACK', options, payload: blocksOfBody(1) }), [
    'NON PUT t2 B1:0/1',
  ]);
  block2.request(Code.Get);
  assert.deepEqual(block2.take(), ['CON GET t3 QB2:0/0']);
  const busy = new ScriptedServer(unknown);
  busy.request(Code.Get);
  busy.take();
  busy.reply('t1', Code.ServiceUnavailable, { type: 'ACK' });
  assert.deepEqual(ending(busy), [Code.ServiceUnavailable]);
  busy.request(Code.Get);
  assert.deepEqual(busy.take(), ['CON GET t2 QB2:0/0']);
});

test('§4.1: a Reset for a Non-confirmable block means that the server does not know the option: Block1 instead', () => {
  const server = new ScriptedServer();
  const exchange = server.request(Code.Put, { payload: blocksOfBody(2) });
  server.take();
  server.layer.requestReset(exchange, server.now);
  assert.deepEqual(server.take(), ['NON PUT t3 B1:0/1']);
});

test('§4.1: requests of GET, FETCH, PUT and POST tell that Q-Blocks are taken, and DELETE does not', () => {
  const server = new ScriptedServer();
  for (const code of [Code.Get, Code.Fetch, Code.Put, Code.Post]) {
    server.request(code, { payload: code === Code.Get ? '' : 'x' });
    assert.match(server.take().join(), / QB2:0\/1$/);
  }
  server.request(Code.Delete);
  assert.doesNotMatch(server.take().join(), /QB/);
});

test('§4.1: over a reliable transport, and where the request does not allow it, there is no Q-Block', () => {
  const reliable = new ScriptedServer({ spoken: false, config: { reliableTransport: true } });
  reliable.request(Code.Get, { type: 'CON' });
  assert.doesNotMatch(reliable.take().join(), /QB/);
  const source: BodySource = { randomAccess: false };
  for (const fields of [
    { qBlock: false },
    { body: source },
    { streamResponse: true },
    { token: Uint8Array.of(1) },
    { singleBlock: { num: 2, size: 16 } },
    { resumable: true },
    { forwarded: true },
    { options: [[NoResponse, 26]] },
    { options: [[RequestTag, 'mine']] },
    { options: [[Block2, block(3, false)]] },
  ] as const) {
    const server = new ScriptedServer();
    server.request(Code.Put, { payload: 'body' in fields ? noBytes : blocksOfBody(2), ...fields });
    assert.doesNotMatch(server.take().join(), /QB/, JSON.stringify(Object.keys(fields)));
  }
});

test('§4.1: a Q-Block2 option in a response to a request without one is not understood', () => {
  const server = new ScriptedServer();
  server.request(Code.Get, { qBlock: false });
  server.take();
  server.blocks('t1', blocksOfBody(2), [0]);
  assert.deepEqual(ending(server), ['bad-option']);
});

test('§4.1: all blocks of a body have the Content-Format, and everything else that the first has', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(3), options: [[ContentFormat, 42]] });
  server.take();
  for (const { message } of server.sent) assert.equal(message.options.uint(ContentFormat), 42);
});

test('§4.3: the Request-Tag MUST be the same for all blocks of a body, and unique for every body', () => {
  const server = new ScriptedServer();
  const tags: string[] = [];
  for (let i = 0; i < 3; i++) {
    server.request(Code.Put, { payload: blocksOfBody(12) });
    server.take();
    const ofBody = new Set(
      server.sent.splice(0).map(({ message }) => toHex(message.options.first(RequestTag) ?? noBytes)),
    );
    assert.equal(ofBody.size, 1);
    tags.push(...ofBody);
  }
  assert.equal(new Set(tags).size, 3);
  assert.equal(
    Number.parseInt(tags[1] as string, 16) - Number.parseInt(tags[0] as string, 16),
    1,
    'counts up',
  );
});

test('§4.3: payloads MUST go in order of increasing block number, from zero, and together make the body', () => {
  const server = new ScriptedServer();
  const body = concatBytes(blocksOfBody(23), Uint8Array.of(1, 2, 3));
  server.request(Code.Put, { payload: body });
  server.take();
  server.later(20_000);
  const first = server.sent.slice(0, 24);
  assert.deepEqual(
    first.map(({ message }) => (message.options.uint(QBlock1) as number) >> 4),
    range(0, 24),
  );
  assert.deepEqual(concatBytes(...first.map(({ message }) => message.payload)), body);
  for (const { message } of first)
    assert.equal(message.options.uint(Size1), body.length, '§4.6: Size1 is exact');
});

test('§4.3: 2.01, 2.02, 2.04 and 2.05 with any token of the body end it, and all its tokens are released', () => {
  for (const code of [Code.Created, Code.Deleted, Code.Changed, Code.Content]) {
    const server = new ScriptedServer();
    server.request(Code.Post, { payload: blocksOfBody(4) });
    server.take();
    const tokens = range(1, 4).map((i) => server.token(`t${i}`));
    server.reply('t2', code, { options: [[QBlock1, block(3, false)]] });
    assert.deepEqual(ending(server), [code]);
    const [result] = server.results;
    assert.equal(result?.kind === 'response' && result.response.options.has(QBlock1), false, '§8');
    for (const token of tokens) assert.equal(server.layer.exchangeOf('server', token), undefined);
  }
});

test('§4.3: an error of the server ends the transfer: no further block goes', () => {
  for (const code of [Code.BadRequest, Code.Forbidden, Code.NotFound, Code.InternalServerError]) {
    const server = new ScriptedServer();
    server.request(Code.Put, { payload: blocksOfBody(30) });
    server.take();
    assert.deepEqual(server.reply('t3', code), []);
    assert.deepEqual(server.wait(300_000), []);
    assert.deepEqual(ending(server), [code]);
  }
});

test('§4.3: 4.08 without a list of missing blocks is that of RFC 7959 §2.9.2', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(2) });
  server.take();
  server.reply('t2', Code.RequestEntityIncomplete);
  assert.deepEqual(ending(server), [Code.RequestEntityIncomplete]);
});

test('§4.3: 4.13 is the answer, and with a smaller Q-Block1 a hint to try that, as another body', () => {
  const final = new ScriptedServer();
  final.request(Code.Put, { payload: blocksOfBody(2) });
  final.take();
  assert.deepEqual(final.reply('t2', Code.RequestEntityTooLarge, { options: [[Size1, 16]] }), []);
  assert.deepEqual(ending(final), [Code.RequestEntityTooLarge]);
  const hint = new ScriptedServer({ config: { blockSize: 64 } });
  hint.request(Code.Put, { payload: blocksOfBody(6) });
  assert.equal(hint.take().length, 2);
  const again = hint.reply('t1', Code.RequestEntityTooLarge, { options: [[QBlock1, block(0, true, 0)]] });
  assert.equal(again.length, 6, 'blocks of 16 bytes');
  const tags = hint.sent.map(({ message }) => toHex(message.options.first(RequestTag) ?? noBytes));
  assert.notEqual(tags[0], tags[2]);
  hint.reply('t8', Code.Changed);
  assert.deepEqual(ending(hint), [Code.Changed]);
});

test('§4.3: a body that is given up leaves no token', () => {
  const server = new ScriptedServer();
  const exchange = server.request(Code.Put, { payload: blocksOfBody(12) });
  server.take();
  server.layer.cancel(exchange, server.now);
  server.take();
  for (const i of range(1, 10)) {
    assert.equal(server.layer.exchangeOf('server', server.token(`t${i}`)), undefined);
  }
  assert.deepEqual(server.wait(300_000), []);
  assert.equal(server.layer.load().clientExchanges, 0);
});

test('§4.4: a duplicate block MUST be ignored', () => {
  const server = new ScriptedServer();
  const body = blocksOfBody(3);
  server.request(Code.Get);
  server.take();
  server.blocks('t1', body, [0, 0, 2]);
  const other = blocksOfBody(3, 9);
  server.blocks('t1', other, [0]);
  server.blocks('t1', body, [1]);
  assert.deepEqual(server.body, body);
});

test('§4.4: missing blocks are asked for NON_RECEIVE_TIMEOUT after the last block, and twice as long each further time', () => {
  const server = new ScriptedServer();
  server.request(Code.Get);
  server.take();
  server.blocks('t1', blocksOfBody(4), [0, 2], { maxAge: 1000 });
  assert.deepEqual(server.wait(200_000), [
    '4000 NON GET t2 QB2:1/0,3/0',
    '12000 NON GET t3 QB2:1/0,3/0',
    '28000 NON GET t4 QB2:1/0,3/0',
    '60000 NON GET t5 QB2:1/0,3/0',
  ]);
  assert.deepEqual(ending(server), ['timeout'], '§7.2: more than NON_MAX_RETRANSMIT times');
  assert.equal(server.layer.load().clientExchanges, 0, 'the partial body and its tokens are released');
});

test('§4.4: a partial body is kept no longer than its Max-Age', () => {
  const server = new ScriptedServer();
  server.request(Code.Get);
  server.take();
  server.blocks('t1', blocksOfBody(4), [0], { maxAge: 10 });
  assert.equal(server.wait(12_000).length, 1);
  assert.deepEqual(ending(server), ['timeout']);
});

test('§4.4: a new block begins the time anew', () => {
  const server = new ScriptedServer();
  server.request(Code.Get);
  server.take();
  server.blocks('t1', blocksOfBody(4), [0]);
  server.wait(3900);
  server.blocks('t1', blocksOfBody(4), [1]);
  assert.deepEqual(server.wait(3900), []);
  assert.deepEqual(server.wait(200), ['7900 NON GET t2 QB2:2/1'], 'the rest of the set');
});

test('§4.4: another ETag makes the partial body stale, and all of the new one is fetched; once', () => {
  const server = new ScriptedServer();
  const body = blocksOfBody(3, 2);
  server.request(Code.Get);
  server.take();
  server.blocks('t1', blocksOfBody(3, 1), [0], { etag: 'old' });
  assert.deepEqual(server.later(4000), ['NON GET t2 QB2:1/1']);
  server.blocks('t2', body, [1], { etag: 'new' });
  server.blocks('t1', blocksOfBody(3, 1), [2], { etag: 'old' });
  assert.deepEqual(server.later(4000), ['NON GET t3 QB2:0/0,2/0']);
  server.blocks('t3', body, [0, 2], { etag: 'new' });
  assert.deepEqual(server.body, body);
  const restless = new ScriptedServer();
  restless.request(Code.Get);
  restless.take();
  restless.blocks('t1', blocksOfBody(3, 1), [0], { etag: '1' });
  restless.blocks('t1', blocksOfBody(3, 2), [0], { etag: '2' });
  restless.blocks('t1', blocksOfBody(3, 3), [0], { etag: '3' });
  assert.deepEqual(ending(restless), ['blockwise']);
});

test('§4.4: a notification with a new ETag ends what was under way of the one before', () => {
  const server = new ScriptedServer();
  server.request(Code.Get, { observe: true });
  server.take();
  server.blocks('t1', blocksOfBody(3, 1), [0], { observe: 1, etag: '1' });
  server.blocks('t1', blocksOfBody(3, 2), [0, 1], { observe: 2, etag: '2' });
  server.blocks('t1', blocksOfBody(3, 1), [1, 2], { observe: 1, etag: '1' });
  assert.deepEqual(server.results, []);
  server.blocks('t1', blocksOfBody(3, 2), [2], { observe: 2, etag: '2' });
  assert.deepEqual(server.body, blocksOfBody(3, 2));
  assert.equal(server.layer.counters.incompleteNotifications, 1);
});

test('§4.4: a notification of the representation that came before is delivered again', () => {
  const server = new ScriptedServer();
  const body = blocksOfBody(2);
  server.request(Code.Get, { observe: true });
  server.take();
  server.blocks('t1', body, [0, 1], { observe: 1 });
  server.blocks('t1', body, [0, 1], { observe: 2 });
  assert.equal(server.results.length, 2);
});

test('§4.4: missing blocks of a notification that the server does not have any more end that notification only', () => {
  const server = new ScriptedServer();
  server.request(Code.Get, { observe: true });
  server.take();
  server.blocks('t1', blocksOfBody(3, 1), [0], { observe: 1, etag: '1' });
  assert.deepEqual(server.later(4000), ['NON GET t2 QB2:1/1']);
  server.reply('t2', Code.NotFound);
  server.blocks('t1', blocksOfBody(3, 2), range(0, 3), { observe: 2, etag: '2' });
  assert.deepEqual(server.body, blocksOfBody(3, 2));
});

test('§4.4: the answer to a request for missing blocks may be the response as it is now', () => {
  for (const [code, expected] of [
    [Code.Content, Code.Content],
    [Code.NotFound, Code.NotFound],
    [Code.RequestEntityIncomplete, 'blockwise'],
    [Code.BadRequest, 'blockwise'],
  ] as const) {
    const server = new ScriptedServer();
    server.request(Code.Get);
    server.take();
    server.blocks('t1', blocksOfBody(3), [0]);
    server.later(4000);
    server.reply('t2', code, { payload: 'now' });
    assert.deepEqual(ending(server), [expected]);
  }
});

test('§4.4, §4.6: blocks that do not fit their body end the request', () => {
  const body = blocksOfBody(3);
  const faults = [
    [
      [Size2, 48],
      [QBlock2, block(0, true)],
    ],
    [
      [ETag, 'e'],
      [QBlock2, block(0, true)],
    ],
    [
      [ETag, 'e'],
      [Size2, 48],
      [QBlock2, block(3, false)],
    ],
    [
      [ETag, 'e'],
      [Size2, 48],
      [QBlock2, block(2, true)],
    ],
    [
      [ETag, 'e'],
      [Size2, 40],
      [QBlock2, block(2, false)],
    ],
    [
      [ETag, 'e'],
      [Size2, 48],
      [QBlock2, Uint8Array.of(7)],
    ],
  ] as const;
  for (const options of faults) {
    const server = new ScriptedServer();
    server.request(Code.Get);
    server.take();
    server.reply('t1', Code.Content, { options, payload: body.subarray(0, 16) });
    assert.equal(server.results[0]?.kind, 'failed', JSON.stringify(options));
    assert.equal(server.layer.load().clientExchanges, 0);
  }
  const changed = new ScriptedServer();
  changed.request(Code.Get);
  changed.take();
  changed.blocks('t1', body, [0]);
  changed.blocks('t1', blocksOfBody(4), [1]);
  assert.deepEqual(ending(changed), ['blockwise'], 'Size2 MUST be the same in all payloads');
  const large = new ScriptedServer({ config: { maxResponseBodyBytes: 40 } });
  large.request(Code.Get);
  large.take();
  large.blocks('t1', body, [0]);
  assert.deepEqual(ending(large), ['body-too-large']);
});

test('§4.4: memory follows what came, and not what Size2 announces', () => {
  const server = new ScriptedServer();
  server.request(Code.Get);
  server.take();
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 20; i++) {
    const options = [
      [ETag, `${i}`],
      [Size2, 16 * 1024 * 1024],
      [QBlock2, block(5, true)],
    ] as const;
    server.reply('t1', Code.Content, { options, payload: blocksOfBody(1) });
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024);
});

test('§4.5: the Observe value MUST be the same for all payloads of a request, those that go again included', () => {
  const server = new ScriptedServer();
  server.request(Code.Fetch, { observe: true, payload: blocksOfBody(3) });
  server.take();
  server.missing('t3', [0, 1]);
  assert.equal(server.sent.length, 5);
  for (const { message } of server.sent) assert.equal(message.options.uint(OptionNumber.Observe), 0);
});

test('§4.7: the response to a body in Q-Blocks comes in Q-Blocks, with the token of one of its requests', () => {
  const server = new ScriptedServer();
  const body = blocksOfBody(12, 5);
  server.request(Code.Post, { payload: blocksOfBody(2) });
  server.take();
  assert.deepEqual(server.blocks('t1', body, range(0, 10), { code: Code.Changed }), ['NON POST t3 QB2:10/1']);
  server.blocks('t1', body, [10, 11], { code: Code.Changed });
  assert.deepEqual(server.body, body);
  assert.deepEqual(ending(server), [Code.Changed]);
});

test('§5: duplicates in a list of missing blocks MUST be ignored', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(4) });
  server.take();
  const payload = Uint8Array.of(1, 1, 2, 2);
  const options = [[ContentFormat, 272]] as const;
  assert.deepEqual(server.reply('t4', Code.RequestEntityIncomplete, { options, payload }), [
    'NON PUT t5 QB1:1/1',
    'NON PUT t6 QB1:2/1',
  ]);
});

test('§5: a list that does not ascend, or is none, is silently dropped, and is no fatal error', () => {
  for (const payload of [Uint8Array.of(2, 1), noBytes, Uint8Array.of(0x61), encodeMissingBlocks([9999])]) {
    const server = new ScriptedServer();
    server.request(Code.Put, { payload: blocksOfBody(4) });
    server.take();
    const options = [[ContentFormat, 272]] as const;
    assert.deepEqual(server.reply('t4', Code.RequestEntityIncomplete, { options, payload }), []);
    server.reply('t4', Code.Changed);
    assert.deepEqual(ending(server), [Code.Changed]);
  }
});

test('§5: blocks that were not sent yet go in their turn, and not because they are missing', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(25) });
  server.take();
  assert.deepEqual(server.missing('t10', range(10, 10)), []);
});

test('§5: who asks for the same block again and again is not answered for ever', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(2) });
  server.take();
  let sent = 0;
  for (let i = 0; i < 1000; i++) sent += server.results.length > 0 ? 0 : server.missing('t2', [0]).length;
  assert.ok(sent < 20, `${sent} blocks`);
  assert.deepEqual(ending(server), ['blockwise']);
});

test('§6: each block has a token of its own, and so has each request for missing ones', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(10) });
  server.take();
  server.missing('t10', [3, 4]);
  const tokens = server.sent.map(({ message }) => toHex(message.token));
  assert.equal(new Set(tokens).size, 12);
});

test('§6: tokens of a long body do not pile up', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(2000) });
  server.take();
  server.wait(600_000);
  const known = server.sent.filter(
    ({ message }) => server.layer.exchangeOf('server', message.token) !== undefined,
  );
  assert.ok(known.length <= 129, `${known.length} of ${server.sent.length}`);
});

test('§7.2: after each set NON_TIMEOUT_RANDOM MUST pass, the same for all sets of a body, unless 2.31 comes', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(45) });
  server.take();
  const times = [...new Set(server.wait(12_000).map((line) => Number(line.split(' ')[0])))].slice(0, 4);
  const pauses = times.map((time, i) => time - (times[i - 1] ?? 0));
  for (const pause of pauses)
    assert.ok(pause >= 2000 && pause <= 3000 && Math.abs(pause - (pauses[0] as number)) <= 1);
});

test('§7.2: MAX_PAYLOADS is configurable, and NON_RECEIVE_TIMEOUT is always a second more than NON_TIMEOUT_RANDOM', () => {
  const qBlock = qBlockParameters(transmissionParameters({ maxPayloads: 3 }));
  const server = new ScriptedServer({ config: { qBlock } });
  server.request(Code.Put, { payload: blocksOfBody(5) });
  assert.equal(server.take().length, 3);
  assert.deepEqual(server.continue('t3', 2), ['NON PUT t4 QB1:3/1', 'NON PUT t5 QB1:4/0']);
  for (const ackTimeoutMs of [1, 100, 2000, 60_000]) {
    for (const ackRandomFactor of [1, 1.5, 3]) {
      const parameters = qBlockParameters(transmissionParameters({ ackTimeoutMs, ackRandomFactor }));
      assert.ok(parameters.nonReceiveTimeoutMs >= nonTimeoutRandomMs(parameters, 1) + 1000);
    }
  }
});

test('§7.2: the pause differs from body to body', () => {
  const server = new ScriptedServer();
  const pauses = range(0, 5).map(() => {
    const exchange = server.request(Code.Put, { payload: blocksOfBody(12) });
    server.take();
    const pause = (server.layer.nextTimeout() as number) - server.now;
    server.layer.cancel(exchange, server.now);
    server.take();
    return pause;
  });
  assert.equal(new Set(pauses).size, 5);
});

test('§7.2: 2.31 for an earlier set does not let the next one go', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(45) });
  server.take();
  assert.equal(server.later(3000).length, 10);
  assert.deepEqual(server.continue('t10', 9), []);
  assert.equal(server.continue('t20', 19).length, 10);
});

test('§7.2: missing blocks go of one set at a time, with the pause between sets', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(25) });
  server.take();
  server.wait(6500);
  assert.deepEqual(server.missing('t25', [8, 9, 10, 11]), ['NON PUT t26 QB1:8/1', 'NON PUT t27 QB1:9/1']);
  assert.deepEqual(server.wait(1900), []);
  assert.deepEqual(server.later(1200), ['NON PUT t28 QB1:10/1', 'NON PUT t29 QB1:11/1']);
});

test('§4.3: when nothing comes, the last block goes again, for the answer that was lost; not where that could do harm', () => {
  const put = new ScriptedServer();
  put.request(Code.Put, { payload: blocksOfBody(3) });
  put.take();
  const again = put.later(200_000);
  assert.deepEqual(
    again.map((line) => line.replace(/t\d+ /, '')),
    Array(4).fill('NON PUT QB1:2/0'),
  );
  assert.deepEqual(ending(put), ['timeout']);
  const post = new ScriptedServer();
  post.request(Code.Post, { payload: blocksOfBody(3) });
  post.take();
  assert.deepEqual(post.wait(200_000), []);
  assert.deepEqual(ending(post), ['timeout']);
});

test('a server that spoke Q-Block and answers nothing any more is asked again whether it does', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(3) });
  server.take();
  server.wait(300_000);
  assert.deepEqual(ending(server), ['timeout']);
  server.request(Code.Put, { payload: blocksOfBody(3) });
  assert.match(server.take().join(), /^CON GET t\d+ QB2:0\/0$/);
});

test('§7.2: a Non-confirmable GET that nothing comes for goes again, NON_MAX_RETRANSMIT times', () => {
  const server = new ScriptedServer();
  server.request(Code.Get);
  server.take();
  assert.deepEqual(server.wait(200_000), [
    '4000 NON GET t2 QB2:0/1',
    '12000 NON GET t3 QB2:0/1',
    '28000 NON GET t4 QB2:0/1',
    '60000 NON GET t5 QB2:0/1',
  ]);
  assert.deepEqual(ending(server), ['timeout']);
});

test('RFC 9175 §2.3: a block that is answered 4.01 with an Echo goes again with it, and so do those after it', () => {
  const server = new ScriptedServer();
  server.request(Code.Put, { payload: blocksOfBody(12) });
  server.take();
  const options = [[Echo, 'fresh']] as const;
  assert.deepEqual(server.reply('t1', Code.Unauthorized, { options }), ['NON PUT t11 QB1:0/1']);
  assert.deepEqual(server.reply('t2', Code.Unauthorized, { options }), ['NON PUT t12 QB1:1/1']);
  for (const { message } of server.sent.slice(10)) assert.ok(message.options.has(Echo));
  server.reply('t11', Code.Unauthorized, { options });
  assert.deepEqual(ending(server), [Code.Unauthorized], 'but not twice');
});

test('RFC 7641 §3.6: a deregistration ends what is under way of a notification', () => {
  const server = new ScriptedServer();
  const exchange = server.request(Code.Get, { observe: true });
  server.take();
  server.blocks('t1', blocksOfBody(3), [0], { observe: 1 });
  server.layer.cancel(exchange, server.now);
  assert.deepEqual(server.take(), ['NON GET t1 O:1 B2:0/0']);
  server.blocks('t1', blocksOfBody(3), [1, 2], { observe: 1 });
  server.reply('t1', Code.Content);
  assert.deepEqual(ending(server), ['cancelled']);
});

test('RFC 7641 §3.3.1: an observation that is quiet registers again, with the same token', () => {
  const server = new ScriptedServer();
  server.request(Code.Get, { observe: true });
  server.take();
  server.blocks('t1', blocksOfBody(2), [0, 1], { observe: 1, maxAge: 10 });
  assert.deepEqual(server.later(26_000).slice(0, 1), ['NON GET t1 O:0 QB2:0/1']);
  server.blocks('t1', blocksOfBody(2, 2), [0, 1], { observe: 2, etag: '2' });
  assert.equal(server.results.length, 2);
});
