import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBlock } from '../../../src/core/coap/block-option.ts';
import { Code } from '../../../src/core/coap/code.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { concatBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { decodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import type { RequestResponseLayer } from '../../../src/core/request-response/request-response-layer.ts';
import {
  answer,
  clientRequest,
  drain,
  drained,
  MessagePump,
  message,
  newLayer,
  only,
  pattern,
} from './harness.ts';

const { Block2, RequestTag, UriPath, Observe } = OptionNumber;
const now = instant(0);
const peer = 'peer';

function tagOf(layer: RequestResponseLayer): string | undefined {
  const tag = only(layer, 'send-request').message.options.first(RequestTag);
  return tag && toHex(tag);
}

test('operations on one resource at the same time differ in Request-Tag; a lone one has none', () => {
  const layer = newLayer();
  const ask = (code: Code, path: string) =>
    layer.request(peer, clientRequest(code, { options: [[UriPath, path]] }), now);
  const first = ask(Code.Get, 'a');
  assert.equal(tagOf(layer), undefined);
  ask(Code.Get, 'a');
  const second = tagOf(layer);
  ask(Code.Get, 'a');
  const third = tagOf(layer);
  assert.ok(second !== undefined && third !== undefined && second !== third);
  ask(Code.Post, 'a');
  assert.equal(tagOf(layer), undefined, 'another method');
  ask(Code.Get, 'b');
  assert.equal(tagOf(layer), undefined, 'another resource');
  layer.cancel(first, now);
  drain(layer);
  ask(Code.Get, 'a');
  assert.equal(tagOf(layer), undefined, 'the first has ended');
});

test('a deregistration carries the Request-Tag of its registration', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get), now);
  drain(layer);
  const token = Uint8Array.of(1);
  const exchange = layer.request(peer, clientRequest(Code.Get, { observe: true, token }), now);
  const tag = tagOf(layer);
  assert.ok(tag !== undefined);
  layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, options: [[Observe, 1]] }), now);
  drain(layer);
  layer.cancel(exchange, now);
  assert.equal(tagOf(layer), tag);
});

for (const code of [Code.Get, Code.Post, Code.Fetch]) {
  test(`20 requests of code ${code} to one resource at once get each its own answer of several blocks`, () => {
    const pump = new MessagePump({ link: { jitterMs: 200 } });
    let count = 0;
    // An option of nobody's: a GET has no payload that would tell them apart.
    const mark = 2048;
    pump.serve(({ options }) =>
      answer(Code.Content, { payload: `${options.text(mark)} ${count++} `.padEnd(3000, 'x') }),
    );
    const exchanges = Array.from({ length: 20 }, (_, i) =>
      pump.request(
        clientRequest(code, {
          options: [
            [UriPath, 'r'],
            [mark, `${i}`],
          ],
        }),
      ),
    );
    pump.run();
    assert.equal(count, 20);
    exchanges.forEach((exchange, i) => {
      const [result, ...more] = pump.of(exchange);
      assert.deepEqual(more, []);
      assert.ok(result?.kind === 'response', JSON.stringify(result));
      assert.equal(result.response.payload.length, 3000);
      assert.ok(decodeUtf8(result.response.payload)?.startsWith(`${i} `));
    });
  });
}

/** Asks for one block of a response, answering with `body` if the application is asked. */
function fetchBlock(
  layer: RequestResponseLayer,
  code: Code,
  num: number,
  body: Uint8Array | undefined,
  payload: string = '',
) {
  const options: [number, Uint8Array | string][] = [[UriPath, 'r']];
  if (num > 0) options.push([Block2, encodeBlock({ num, more: false, szx: 0 })]);
  layer.receiveRequest(peer, message(code, { options, payload }), 'reply', now);
  const outputs = drain(layer);
  const asked = outputs.find((output) => output.kind === 'request');
  if (asked) {
    assert.ok(body !== undefined, 'the application was asked again');
    layer.respond(asked.exchange, answer(Code.Content, { payload: body }), now);
    outputs.push(...drained(layer, 'send-response'));
  }
  const sent = outputs.find((output) => output.kind === 'send-response');
  assert.ok(sent?.kind === 'send-response');
  assert.equal(sent.message.code, Code.Content);
  return sent.message.payload;
}

test('a POST without Request-Tag goes on after another one was fetched in between', () => {
  const layer = newLayer({ blockSize: 16 });
  const [first, second] = [pattern(50, 1), pattern(40, 2)];
  const ofFirst = [0, 1].map((num) => fetchBlock(layer, Code.Post, num, first));
  const ofSecond = [0, 1, 2].map((num) => fetchBlock(layer, Code.Post, num, second));
  for (const num of [2, 3]) ofFirst.push(fetchBlock(layer, Code.Post, num, undefined));
  assert.deepEqual([concatBytes(...ofFirst), concatBytes(...ofSecond)], [first, second]);
});

test('an answer that was given up half-way does not get in the way of the next one', () => {
  const layer = newLayer({ blockSize: 16 });
  fetchBlock(layer, Code.Post, 0, pattern(50, 1));
  fetchBlock(layer, Code.Post, 1, undefined);
  const body = pattern(50, 2);
  const parts = [fetchBlock(layer, Code.Post, 0, body)];
  for (const num of [1, 2, 3]) parts.push(fetchBlock(layer, Code.Post, num, undefined));
  assert.deepEqual(concatBytes(...parts), body);
});

test('later blocks of a FETCH that repeat its payload are told apart by it', () => {
  const layer = newLayer({ blockSize: 16 });
  const [a, b] = [pattern(50, 1), pattern(50, 2)];
  const partsOfA = [fetchBlock(layer, Code.Fetch, 0, a, 'a')];
  const partsOfB = [fetchBlock(layer, Code.Fetch, 0, b, 'b')];
  for (const num of [1, 2, 3]) {
    partsOfA.push(fetchBlock(layer, Code.Fetch, num, undefined, 'a'));
    partsOfB.push(fetchBlock(layer, Code.Fetch, num, undefined, 'b'));
  }
  assert.deepEqual(concatBytes(...partsOfA), a);
  assert.deepEqual(concatBytes(...partsOfB), b);
});

test('answers kept under one key are bounded', () => {
  const layer = newLayer({ blockSize: 16 });
  for (let i = 0; i < 100; i++) fetchBlock(layer, Code.Post, 0, pattern(50, i));
  assert.equal(layer.load().responseBodies, 8);
});
