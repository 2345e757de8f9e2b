/**
 * RFC 9177 section by section: bodies in sets of blocks, at a server.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBlock, encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code, codeText } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import {
  defaultTransmissionParameters,
  transmissionParameters,
} from '../../src/core/coap/transmission-parameters.ts';
import { equalBytes, noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { after, type Instant, instant } from '../../src/core/foundation/instant.ts';
import { EchoValues } from '../../src/core/request-response/echo.ts';
import { decodeMissingBlocks } from '../../src/core/request-response/missing-blocks.ts';
import { qBlockParameters } from '../../src/core/request-response/q-block-parameters.ts';
import { QBlock2Transfers } from '../../src/core/request-response/q-block2-transfers.ts';
import { RequestResponseLayer } from '../../src/core/request-response/request-response-layer.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import {
  answer,
  drain,
  message,
  newLayer,
  type OptionList,
  type OutputOf,
  pattern,
} from '../unit/request-response/harness.ts';

const { Block1, Block2, ContentFormat, ETag, Observe, QBlock1, QBlock2, RequestTag, Size1, Size2, UriPath } =
  OptionNumber;
const peer = 'peer';
const start = instant(0);
const path: OptionList = [[UriPath, 'x']];

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);
const block = (num: number, more: boolean, size = 16): Uint8Array =>
  encodeBlock({ num, more, szx: Math.log2(size) - 4 });

/** A request that carries block `num` of `body`. */
function uploadBlock(
  body: Uint8Array,
  num: number,
  { type = 'NON', tag = 'tag', size = 16 }: { type?: 'CON' | 'NON'; tag?: string; size?: number } = {},
) {
  const more = (num + 1) * size < body.length;
  return message(Code.Put, {
    type,
    token: Uint8Array.of(0xc0, num),
    options: [...path, [QBlock1, block(num, more, size)], [Size1, body.length], [RequestTag, tag]],
    payload: body.subarray(num * size, (num + 1) * size),
  });
}

/** A request for blocks of the response. */
function asking(
  blocks: readonly (readonly [number, boolean])[],
  {
    type = 'NON' as 'CON' | 'NON',
    token = 1,
    options = [] as OptionList,
    code = Code.Get as Code,
    size = 16,
  } = {},
) {
  return message(code, {
    type,
    token: Uint8Array.of(token),
    options: [
      ...path,
      ...options,
      ...blocks.map(([num, more]) => [QBlock2, block(num, more, size)] as const),
    ],
  });
}

/** What a layer does, in words. */
function told(layer: RequestResponseLayer): string[] {
  return drain(layer).flatMap((output) => {
    if (output.kind === 'request') return [`request of ${output.request.payload.length} bytes`];
    if (output.kind === 'suppress-response') return ['silence'];
    if (output.kind !== 'send-response') return [];
    const { message: sent, type } = output;
    const q2 = decoded(sent.options.first(QBlock2));
    const listed = sent.options.uint(ContentFormat) === 272 ? decodeMissingBlocks(sent.payload) : undefined;
    return [
      [
        ...(type === undefined ? [] : [type]),
        codeText(sent.code),
        toHex(sent.token),
        ...(q2 === undefined ? [] : [`${q2.num}/${q2.more ? 1 : 0}`]),
        ...(listed === undefined ? [] : [`missing ${listed.join()}`]),
      ].join(' '),
    ];
  });
}

function decoded(value: Uint8Array | undefined) {
  return value === undefined ? undefined : decodeBlock(value);
}

function receive(
  layer: RequestResponseLayer,
  request: ReturnType<typeof message>,
  now: Instant = start,
): string[] {
  layer.receiveRequest(peer, request, 'reply', now);
  return told(layer);
}

/** The answers after `ms` milliseconds more, as far as timers cause them. */
function later(layer: RequestResponseLayer, now: Instant): string[] {
  layer.handleTimeout(now);
  return told(layer);
}

/** A layer whose application has answered a request for `body`, and the responses that went. */
function serving(
  body: Uint8Array,
  request: ReturnType<typeof message>,
  layer: RequestResponseLayer = newLayer(),
  observe?: boolean,
): { readonly layer: RequestResponseLayer; readonly sent: OutputOf<'send-response'>[] } {
  layer.receiveRequest(peer, request, 'reply', start);
  const asked = drain(layer).find((output) => output.kind === 'request');
  assert.ok(asked?.kind === 'request');
  layer.respond(
    asked.exchange,
    answer(Code.Content, { payload: body, ...(observe === undefined ? {} : { observe }) }),
    start,
  );
  const sent = drain(layer).filter((output) => output.kind === 'send-response');
  return { layer, sent };
}

const numbersOf = (sent: readonly OutputOf<'send-response'>[]): (number | undefined)[] =>
  sent.map(({ message: { options } }) => decoded(options.first(QBlock2))?.num);

test('§4.1: Q-Block and Block options in one request are answered 4.02', () => {
  for (const option of [Block1, Block2]) {
    const request = message(Code.Get, {
      options: [...path, [option, block(0, false)], [QBlock2, block(0, true)]],
    });
    assert.deepEqual(receive(newLayer(), request), ['4.02 ']);
  }
});

test('§4.1: two Q-Block1 options make a bad request', () => {
  const request = message(Code.Put, {
    options: [...path, [QBlock1, block(0, true)], [QBlock1, block(1, true)], [Size1, 64], [RequestTag, 't']],
    payload: pattern(16),
  });
  assert.deepEqual(receive(newLayer(), request), ['4.02 ']);
});

test('over a reliable transport Q-Block is not understood', () => {
  const layer = newLayer({ reliableTransport: true });
  assert.deepEqual(receive(layer, asking([[0, true]], { type: 'CON' })), ['4.02 01']);
});

test('§4.3: without Request-Tag or Size1 the answer is 4.00', () => {
  for (const options of [[[RequestTag, 't']], [[Size1, 32]]] as OptionList[]) {
    const request = message(Code.Put, {
      options: [...path, [QBlock1, block(0, true)], ...options],
      payload: pattern(16),
    });
    assert.deepEqual(receive(newLayer(), request), ['4.00 ']);
  }
});

test('Figure 2: nothing is answered until the body is there, and then with the token of the last block', () => {
  const layer = newLayer();
  const body = pattern(64);
  assert.deepEqual(
    [0, 1, 2].flatMap((num) => receive(layer, uploadBlock(body, num))),
    ['silence', 'silence', 'silence'],
  );
  layer.receiveRequest(peer, uploadBlock(body, 3), 'reply', start);
  const [request] = drain(layer).filter((output) => output.kind === 'request');
  assert.ok(request?.kind === 'request');
  assert.deepEqual(request.request.payload, body);
  assert.equal(request.request.options.has(QBlock1), false, '§8: removed as the body is put together');
  layer.respond(request.exchange, answer(Code.Changed), start);
  assert.deepEqual(told(layer), ['2.04 c003']);
  assert.equal(layer.load().requestBodies, 1, 'remembered for repetitions of its blocks');
});

test('Figure 3: a whole set is answered 2.31, with the token of its last block', () => {
  const layer = newLayer();
  const body = pattern(170);
  const answers = Array.from({ length: 10 }, (_, num) => receive(layer, uploadBlock(body, num)));
  assert.deepEqual(answers.slice(0, 9).flat(), Array(9).fill('silence'));
  assert.deepEqual(answers[9], ['2.31 c009']);
  assert.deepEqual(receive(layer, uploadBlock(body, 10)), ['request of 170 bytes']);
});

test('Figures 4 and 5: a block of the next set asks for what is missing before, then a time-out for the rest', () => {
  const layer = newLayer();
  const body = pattern(13 * 16);
  for (const num of [0, 2, 3, 4, 5, 6, 7, 8]) receive(layer, uploadBlock(body, num));
  assert.deepEqual(receive(layer, uploadBlock(body, 11), instant(2500)), ['4.08 c00b missing 1,9']);
  for (const num of [1, 9, 12]) receive(layer, uploadBlock(body, num), instant(2600));
  assert.equal(layer.nextTimeout(), 6600, 'NON_RECEIVE_TIMEOUT');
  assert.deepEqual(later(layer, instant(6600)), ['NON 4.08 c00c missing 10']);
  assert.deepEqual(receive(layer, uploadBlock(body, 10), instant(6700)), ['request of 208 bytes']);
});

test('§4.3: blocks may come in any order, and more than once', () => {
  const layer = newLayer();
  const body = pattern(60);
  for (const num of [3, 1, 1, 3, 2]) assert.deepEqual(receive(layer, uploadBlock(body, num)), ['silence']);
  layer.receiveRequest(peer, uploadBlock(body, 0), 'reply', start);
  const [request] = drain(layer).filter((output) => output.kind === 'request');
  assert.ok(request?.kind === 'request' && equalBytes(request.request.payload, body));
});

test('§4.3: a block that comes again after the answer gets that answer, and the application is not asked again', () => {
  const layer = newLayer();
  const body = pattern(32);
  receive(layer, uploadBlock(body, 0));
  layer.receiveRequest(peer, uploadBlock(body, 1), 'reply', start);
  const [request] = drain(layer).filter((output) => output.kind === 'request');
  assert.ok(request?.kind === 'request');
  assert.deepEqual(receive(layer, uploadBlock(body, 1)), ['silence'], 'the application has it');
  layer.respond(request.exchange, answer(Code.Changed), start);
  drain(layer);
  assert.deepEqual(receive(layer, uploadBlock(body, 0)), ['2.04 c000']);
});

test('§4.3: of Confirmable blocks none is answered 2.31, and none is asked for again', () => {
  const layer = newLayer();
  const body = pattern(170);
  for (let num = 0; num < 10; num++) {
    if (num === 5) continue;
    assert.deepEqual(receive(layer, uploadBlock(body, num, { type: 'CON' })), ['silence']);
  }
  assert.deepEqual(later(layer, instant(60_000)), []);
  receive(layer, uploadBlock(body, 5, { type: 'CON' }), instant(60_000));
  assert.deepEqual(receive(layer, uploadBlock(body, 10, { type: 'CON' }), instant(60_000)), [
    'request of 170 bytes',
  ]);
});

test('§4.3: a body that is larger than is taken is answered 4.13 with Size1', () => {
  const layer = newLayer({ maxBodyBytes: () => 100 });
  layer.receiveRequest(peer, uploadBlock(pattern(170), 0), 'reply', start);
  const [sent] = drain(layer).filter((output) => output.kind === 'send-response');
  assert.ok(sent?.kind === 'send-response');
  assert.equal(codeText(sent.message.code), '4.13');
  assert.equal(sent.message.options.uint(Size1), 100);
  assert.equal(layer.load().requestBodies, 0);
});

test('§4.6: a block that does not fit the size of its body is answered 4.00', () => {
  const body = pattern(40);
  const faults: [number, boolean, number][] = [
    [3, false, 8],
    [2, true, 16],
    [1, true, 15],
    [2, false, 7],
  ];
  for (const [num, more, length] of faults) {
    const request = message(Code.Put, {
      options: [...path, [QBlock1, block(num, more)], [Size1, body.length], [RequestTag, 't']],
      payload: pattern(length),
    });
    assert.deepEqual(receive(newLayer(), request), ['4.00 ']);
  }
});

test('§4.3: a Reset for a 4.08 deletes the partial body', () => {
  const layer = newLayer();
  receive(layer, uploadBlock(pattern(64), 0));
  layer.handleTimeout(instant(4000));
  const [asked] = drain(layer).filter((output) => output.kind === 'send-response');
  assert.ok(asked?.kind === 'send-response');
  layer.responseReset(asked.exchange, instant(4100));
  assert.equal(layer.load().requestBodies, 0);
  assert.equal(layer.load().requestBodyBytes, 0);
});

test('§7.2: missing blocks are asked for NON_MAX_RETRANSMIT times, each time after twice as long', () => {
  const layer = newLayer();
  receive(layer, uploadBlock(pattern(64), 0));
  const times: number[] = [];
  for (let next = layer.nextTimeout(); next !== undefined && next < 200_000; next = layer.nextTimeout()) {
    layer.handleTimeout(next);
    const missing = told(layer);
    if (missing.length > 0) {
      assert.deepEqual(missing, ['NON 4.08 c000 missing 1,2,3']);
      times.push(next);
    }
  }
  assert.deepEqual(times, [4000, 12_000, 28_000, 60_000]);
  assert.equal(layer.load().requestBodies, 0, 'the partial body is discarded');
});

test('§7.2: after 2.31 and then nothing, blocks behind the set are asked for', () => {
  const layer = newLayer();
  const body = pattern(25 * 16);
  for (let num = 0; num < 10; num++) receive(layer, uploadBlock(body, num));
  assert.deepEqual(later(layer, instant(4000)), ['NON 4.08 c009 missing 10,11,12,13,14,15,16,17,18,19']);
});

test('bodies of one peer are bounded, and the oldest goes first', () => {
  const layer = newLayer({ maxRequestBodiesPerPeer: 4 });
  for (let i = 0; i < 40; i++) receive(layer, uploadBlock(pattern(64), 0, { tag: `${i}` }));
  assert.equal(layer.load().requestBodies, 4);
  layer.peerClosed(peer, start);
  assert.equal(layer.load().requestBodies, 0);
  assert.equal(layer.load().requestBodyBytes, 0);
});

test('memory follows what came, and not what was announced', () => {
  const layer = newLayer();
  const request = uploadBlock(pattern(1024 * 1024), 60_000);
  receive(layer, request);
  assert.ok(layer.load().requestBodyBytes < 4096);
});

test('§4.4: Q-Block2 with number 0 and M set is answered with a set of blocks, each with ETag and Size2', () => {
  const body = pattern(170);
  const { sent } = serving(body, asking([[0, true]]));
  assert.deepEqual(numbersOf(sent), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(
    sent.map(({ type }) => type),
    [undefined, ...Array(9).fill('NON')],
  );
  const etag = sent[0]?.message.options.first(ETag);
  assert.ok(etag !== undefined);
  for (const { message: sentBlock } of sent) {
    assert.deepEqual(sentBlock.options.first(ETag), etag);
    assert.equal(sentBlock.options.uint(Size2), 170);
    assert.deepEqual(sentBlock.token, Uint8Array.of(1));
  }
});

test('§7.2: the next set waits NON_TIMEOUT_RANDOM', () => {
  const { layer } = serving(pattern(25 * 16), asking([[0, true]]));
  const next = layer.nextTimeout() as Instant;
  assert.ok(next >= 2000 && next <= 3000, `${next}`);
  assert.deepEqual(
    later(layer, next),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map((num) => `NON 2.05 01 ${num}/1`),
  );
  assert.equal(layer.nextTimeout(), after(next, next), 'the same delay for all sets of a body');
});

test('§4.4: Continue lets the next set go at once, with the token of the first request', () => {
  const { layer } = serving(pattern(12 * 16), asking([[0, true]]));
  assert.deepEqual(receive(layer, asking([[10, true]], { token: 9 }), instant(50)), [
    'NON 2.05 01 10/1',
    'NON 2.05 01 11/0',
    'silence',
  ]);
  assert.equal(layer.load().responseBodies, 1, 'kept for missing blocks');
});

test('§4.4, Figure 10: Continue when nothing is on its way gets the set that it names, and no more', () => {
  const { layer } = serving(pattern(35 * 16), asking([[0, true]]));
  for (let next = layer.nextTimeout(); next !== undefined && next < 20_000; next = layer.nextTimeout()) {
    later(layer, next);
  }
  assert.deepEqual(receive(layer, asking([[10, true]], { token: 9 }), instant(30_000)), [
    '2.05 09 10/1',
    ...range(11, 9).map((num) => `NON 2.05 09 ${num}/1`),
  ]);
  assert.deepEqual(later(layer, instant(40_000)), []);
});

test('§7.2: MAX_PAYLOADS is configurable', () => {
  const qBlock = qBlockParameters(transmissionParameters({ maxPayloads: 4 }));
  const layer = newLayer({ qBlock });
  const { sent } = serving(pattern(170), asking([[0, true]]), layer);
  assert.deepEqual(numbersOf(sent), [0, 1, 2, 3]);
  assert.deepEqual(receive(layer, asking([[4, true]], { token: 9 })), [
    ...range(4, 4).map((num) => `NON 2.05 01 ${num}/1`),
    'silence',
  ]);
  const body = pattern(80);
  assert.deepEqual(
    range(0, 4).flatMap((num) => receive(layer, uploadBlock(body, num))),
    ['silence', 'silence', 'silence', '2.31 c003'],
  );
});

test('§4.1: Q-Block1 alone tells, too, that the client takes Q-Blocks', () => {
  const layer = newLayer();
  const body = pattern(32);
  receive(layer, uploadBlock(body, 0));
  layer.receiveRequest(peer, uploadBlock(body, 1), 'reply', start);
  const [request] = drain(layer).filter((output) => output.kind === 'request');
  assert.ok(request?.kind === 'request');
  layer.respond(request.exchange, answer(Code.Changed, { payload: pattern(40) }), start);
  assert.deepEqual(told(layer), ['2.04 c001 0/1', 'NON 2.04 c001 1/1', 'NON 2.04 c001 2/0']);
});

test('§4.4: block 0 of the response to a request that is no GET is answered from what is kept, and nothing is done twice', () => {
  const layer = newLayer();
  const body = pattern(32);
  receive(layer, uploadBlock(body, 0));
  layer.receiveRequest(peer, uploadBlock(body, 1), 'reply', start);
  const [request] = drain(layer).filter((output) => output.kind === 'request');
  assert.ok(request?.kind === 'request');
  layer.respond(request.exchange, answer(Code.Changed, { payload: pattern(40) }), start);
  drain(layer);
  assert.deepEqual(receive(layer, asking([[0, false]], { code: Code.Put, token: 7 })), ['2.04 07 0/1']);
  assert.deepEqual(
    receive(
      layer,
      asking(
        [
          [0, false],
          [2, false],
        ],
        { code: Code.Post, token: 8 },
      ),
    ),
    ['4.08 08'],
    'which is kept no longer',
  );
});

test('Figure 15: of two FETCHes of one resource, missing blocks are those of the one whose Request-Tag is given', () => {
  const layer = newLayer();
  const bodies = { a: pattern(40, 1), b: pattern(40, 2) };
  for (const [tag, body] of Object.entries(bodies)) {
    const options: OptionList = [...path, [QBlock2, block(0, true)], [RequestTag, tag]];
    const fetch = message(Code.Fetch, {
      type: 'NON',
      token: Uint8Array.of(body[0] as number),
      options,
      payload: tag,
    });
    layer.receiveRequest(peer, fetch, 'reply', start);
    const [request] = drain(layer).filter((output) => output.kind === 'request');
    assert.ok(request?.kind === 'request');
    layer.respond(request.exchange, answer(Code.Content, { payload: body }), start);
    drain(layer);
  }
  for (const [tag, body] of Object.entries(bodies)) {
    const missing = asking([[1, false]], { code: Code.Fetch, token: 9, options: [[RequestTag, tag]] });
    layer.receiveRequest(peer, missing, 'reply', instant(4000));
    const [sent] = drain(layer).filter((output) => output.kind === 'send-response');
    assert.ok(sent?.kind === 'send-response');
    assert.deepEqual(sent.message.payload, body.subarray(16, 32));
  }
});

test('transfers of one peer are bounded by 8, those of all by 1,000, and the oldest ends', () => {
  const ended: number[] = [];
  const transfers = new QBlock2Transfers(
    qBlockParameters(defaultTransmissionParameters),
    new SeededRandom(1),
    { send: () => undefined, mayGoOn: () => true, ended: (id) => ended.push(id) },
  );
  const response = { code: Code.Content, options: new OptionSet(), payload: pattern(1000) };
  const begin = (id: number, from: string): void =>
    transfers.begin(
      {
        ...{ id, peer: from, token: Uint8Array.of(1), type: 'NON', response },
        ...{ sequence: undefined, szx: 0, numbers: undefined, next: 1 },
      },
      1,
      start,
    );
  for (let id = 0; id < 20; id++) begin(id, peer);
  assert.equal(transfers.size, 8);
  assert.deepEqual(ended, range(0, 12));
  for (let id = 100; id < 1200; id++) begin(id, `peer ${id}`);
  assert.equal(transfers.size, 1000);
  assert.deepEqual(ended.slice(12), [...range(12, 8), ...range(100, 100)]);
});

test('RFC 9175 §2.3: where age counts, each block needs an Echo, as each may be the one that makes the body whole', () => {
  const echo = new EchoValues(nodeCrypto, new SeededRandom(1));
  const layer = new RequestResponseLayer({
    random: new SeededRandom(1),
    config: { freshWithinMs: () => 10_000 },
    echo,
  });
  const body = pattern(48);
  const withEcho = (num: number, value?: Uint8Array) => {
    const options: OptionList = [
      ...path,
      [QBlock1, block(num, num < 2)],
      [Size1, body.length],
      [RequestTag, 't'],
      ...(value === undefined ? [] : [[OptionNumber.Echo, value] as const]),
    ];
    return message(Code.Put, { type: 'NON', options, payload: body.subarray(num * 16, num * 16 + 16) });
  };
  layer.receiveRequest(peer, withEcho(2), 'reply', start);
  const [asked] = drain(layer).filter((output) => output.kind === 'send-response');
  assert.ok(asked?.kind === 'send-response');
  const value = asked.message.options.first(OptionNumber.Echo);
  assert.ok(asked.message.code === Code.Unauthorized && value !== undefined);
  for (const num of [0, 1]) assert.deepEqual(receive(layer, withEcho(num, value)), ['silence']);
  assert.deepEqual(receive(layer, withEcho(2)), ['4.01 '], 'the last one, without');
  assert.deepEqual(receive(layer, withEcho(2, value)), ['request of 48 bytes']);
});

test('§4.4: exactly the missing blocks go, to the token that asks', () => {
  const body = pattern(170);
  const { layer } = serving(body, asking([[0, true]]));
  layer.receiveRequest(
    peer,
    asking(
      [
        [1, false],
        [3, false],
        [9, false],
      ],
      { token: 9 },
    ),
    'reply',
    instant(4000),
  );
  const sent = drain(layer).filter((output) => output.kind === 'send-response');
  assert.deepEqual(numbersOf(sent), [1, 3, 9]);
  for (const { message: one } of sent) assert.deepEqual(one.token, Uint8Array.of(9));
  assert.deepEqual(sent[1]?.message.payload, body.subarray(48, 64));
});

test('§4.4: M with any other number asks for the rest of the set, and no block goes twice', () => {
  const { layer } = serving(pattern(25 * 16), asking([[0, true]]));
  const request = asking(
    [
      [7, true],
      [8, false],
      [9, false],
    ],
    { token: 9 },
  );
  assert.deepEqual(receive(layer, request), ['2.05 09 7/1', 'NON 2.05 09 8/1', 'NON 2.05 09 9/1']);
});

test('§4.4: numbers that do not ascend are answered 4.00', () => {
  const { layer } = serving(pattern(170), asking([[0, true]]));
  for (const numbers of [
    [3, 1],
    [2, 2],
  ]) {
    const request = asking(numbers.map((num) => [num, false] as const));
    assert.deepEqual(receive(layer, request), ['4.00 01']);
  }
});

test('§4.4: a block behind the end does not exist', () => {
  const { layer } = serving(pattern(170), asking([[0, true]]));
  assert.deepEqual(receive(layer, asking([[11, false]])), ['4.00 01']);
});

test('§4.4: the one block of number 0 without M', () => {
  assert.deepEqual(numbersOf(serving(pattern(170), asking([[0, false]], { type: 'CON' })).sent), [0]);
});

test('§4.4: Confirmable blocks go on when those before are acknowledged, and no more go after a failure', () => {
  const body = pattern(25 * 16);
  const { layer, sent } = serving(body, asking([[0, true]], { type: 'CON' }));
  assert.deepEqual(
    sent.map(({ type }) => type),
    [undefined, ...Array(9).fill('CON')],
  );
  const transfer = sent[1]?.exchange as number;
  for (let i = 0; i < 8; i++) layer.responseAcknowledged(transfer, start);
  assert.deepEqual(told(layer), []);
  layer.responseAcknowledged(transfer, start);
  assert.equal(told(layer).length, 10);
  layer.responseTimedOut(transfer, start);
  for (let i = 0; i < 10; i++) layer.responseAcknowledged(transfer, start);
  assert.deepEqual(told(layer), []);
});

test('a Reset for a block ends its transfer', () => {
  const { layer, sent } = serving(pattern(25 * 16), asking([[0, true]]));
  layer.responseReset(sent[3]?.exchange as number, instant(10));
  assert.deepEqual(later(layer, instant(3000)), []);
});

test('§4.5: all blocks of a notification have the same Observe, and missing ones have none', () => {
  const { layer, sent } = serving(
    pattern(40),
    asking([[0, true]], { options: [[Observe, noBytes]] }),
    newLayer(),
    true,
  );
  assert.deepEqual(numbersOf(sent), [0, 1, 2]);
  assert.deepEqual(
    sent.map(({ message: { options } }) => options.uint(Observe)),
    [1, 1, 1],
  );
  layer.notify('/x', instant(10_000));
  const [refresh] = drain(layer).filter((output) => output.kind === 'request');
  assert.ok(refresh?.kind === 'request');
  layer.respond(
    refresh.exchange,
    answer(Code.Content, { payload: pattern(40, 9), observe: true }),
    instant(10_000),
  );
  const notified = drain(layer).filter((output) => output.kind === 'send-response');
  assert.deepEqual(numbersOf(notified), [0, 1, 2]);
  assert.equal(new Set(notified.map(({ message: { options } }) => options.uint(Observe))).size, 1);
  assert.equal(new Set(notified.map(({ type }) => type)).size, 1, '§7: all Confirmable or none');
  assert.notDeepEqual(notified[0]?.message.options.first(ETag), sent[0]?.message.options.first(ETag));
  layer.receiveRequest(peer, asking([[1, false]], { token: 9 }), 'reply', instant(15_000));
  const [missing] = drain(layer).filter((output) => output.kind === 'send-response');
  assert.ok(missing?.kind === 'send-response');
  assert.equal(missing.message.options.has(Observe), false);
  assert.deepEqual(missing.message.payload, pattern(40, 9).subarray(16, 32));
});

test('a body of one block goes without the option', () => {
  const { sent } = serving(pattern(16), asking([[0, true]]));
  assert.equal(sent.length, 1);
  assert.equal(sent[0]?.message.options.has(QBlock2), false);
});

test('Figure 12: FETCH with a body in Q-Blocks, and the response in Q-Blocks; Continue comes without Request-Tag', () => {
  const layer = newLayer();
  const query = pattern(32);
  const put = (num: number) =>
    message(Code.Fetch, {
      type: 'NON',
      token: Uint8Array.of(num),
      options: [
        ...path,
        [QBlock1, block(num, num === 0)],
        [QBlock2, block(0, true)],
        [Size1, 32],
        [RequestTag, 'r'],
      ],
      payload: query.subarray(num * 16, num * 16 + 16),
    });
  receive(layer, put(0));
  layer.receiveRequest(peer, put(1), 'reply', start);
  const [request] = drain(layer).filter((output) => output.kind === 'request');
  assert.ok(request?.kind === 'request');
  layer.respond(request.exchange, answer(Code.Content, { payload: pattern(11 * 16) }), start);
  assert.equal(told(layer).length, 10);
  assert.deepEqual(receive(layer, asking([[10, true]], { token: 9, code: Code.Fetch })), [
    'NON 2.05 01 10/0',
    'silence',
  ]);
});
