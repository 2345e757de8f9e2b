/**
 * Bodies that the application hands over or takes as they go: RFC 7959 with a window instead of a whole body.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBlock, encodeBlock } from '../../../src/core/coap/block-option.ts';
import { Code } from '../../../src/core/coap/code.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { concatBytes, noBytes } from '../../../src/core/foundation/bytes.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import type { BodySource } from '../../../src/core/request-response/request-response-layer.ts';
import { answer, clientRequest, drain, MessagePump, message, newLayer, only, pattern } from './harness.ts';

const { Block1, Block2 } = OptionNumber;
const now = instant(0);
const peer = 'peer';
const token = Uint8Array.of(5);
const block = (num: number, more: boolean, szx: number): Uint8Array => encodeBlock({ num, more, szx });
const blockOf = (value: Uint8Array | undefined) => decodeBlock(value ?? Uint8Array.of(7));

/** A body of the test: gives at most `atOnce` bytes of those asked for. */
class TestBody implements BodySource {
  readonly bytes: Uint8Array;
  readonly randomAccess: boolean;
  readonly length?: number;
  readonly atOnce: number;
  released = 0;
  asked = 0;

  constructor(bytes: Uint8Array, options: { randomAccess?: boolean; sized?: boolean; atOnce?: number } = {}) {
    this.bytes = bytes;
    this.randomAccess = options.randomAccess ?? false;
    this.atOnce = options.atOnce ?? Infinity;
    if (options.sized) this.length = bytes.length;
  }

  read(offset: number, length: number): { bytes: Uint8Array; last: boolean } {
    const end = Math.min(offset + Math.min(length, this.atOnce), this.bytes.length);
    this.asked = Math.max(this.asked, end);
    return { bytes: this.bytes.subarray(offset, end), last: end === this.bytes.length };
  }
}

/** Bytes that were taken for each Exchange, and whether the last came. */
class Taken {
  readonly parts: Uint8Array[] = [];
  complete = false;

  get body(): Uint8Array {
    return concatBytes(...this.parts);
  }
}

/** Both ends hand over and take bodies, with pauses. */
function streamingPump(
  options: ConstructorParameters<typeof MessagePump>[0] & { readonly takeMs?: number },
): {
  pump: MessagePump;
  requests: Map<number, Taken>;
  responses: Map<number, Taken>;
} {
  const { takeMs = 0 } = options;
  const pump = new MessagePump({
    ...options,
    server: { streamRequestBody: () => true, ...options.server },
  });
  const requests = new Map<number, Taken>();
  const responses = new Map<number, Taken>();
  pump.onBody = (end, output) => {
    const { layer } = end;
    if (output.kind === 'body-wanted') {
      const source = output.source as TestBody;
      const { bytes, last } = source.read(output.offset, output.length);
      pump.later(takeMs, () => layer.provideBody(source, bytes, last, pump.now));
    } else if (output.kind === 'body-released') (output.source as TestBody).released++;
    else if (output.kind === 'request-body' || output.kind === 'response-body') {
      const all = output.kind === 'request-body' ? requests : responses;
      const taken = all.get(output.exchange) as Taken;
      taken.parts.push(output.payload.slice());
      taken.complete = output.last;
      pump.later(takeMs, () => layer.continueBody(output.exchange, pump.now));
    }
  };
  return { pump, requests, responses };
}

test('streams both ways: bodies arrive byte for byte whatever is lost, doubled or reordered, and nothing is left', () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 1_000_000 }),
        up: fc.integer({ min: 0, max: 500 }),
        down: fc.integer({ min: 0, max: 500 }),
        clientSize: fc.constantFrom(16, 32, 64),
        serverSize: fc.constantFrom(16, 32, 64),
        lossRate: fc.constantFrom(0, 0.1, 0.2),
        duplicateRate: fc.constantFrom(0, 0.3),
        jitterMs: fc.constantFrom(0, 1500),
        takeMs: fc.constantFrom(0, 700),
        randomAccess: fc.boolean(),
        sized: fc.boolean(),
        atOnce: fc.constantFrom(1, 7, 1000),
      }),
      (run) => {
        const { pump, requests, responses } = streamingPump({
          seed: run.seed,
          link: run,
          client: { blockSize: run.clientSize },
          server: { blockSize: run.serverSize },
          takeMs: run.takeMs,
        });
        const [up, down] = [pattern(run.up, 1), pattern(run.down, 2)];
        const upload = new TestBody(up, run);
        const download = new TestBody(down, run);
        let answers = 0;
        // The answer waits until the body is there: otherwise it is not the whole that is answered.
        pump.serve((request) => {
          answers++;
          const taken = new Taken();
          taken.parts.push(request.payload.slice());
          taken.complete = !request.bodyFollows;
          requests.set(pump.requests.at(-1)?.exchange ?? 0, taken);
          return answer(Code.Changed, { body: download });
        });
        const exchange = pump.request(
          clientRequest(Code.Put, { body: upload, streamResponse: true, timeoutMs: 3_000_000 }),
        );
        const answered = new Taken();
        responses.set(exchange, answered);
        pump.onResult = (result) => {
          if (result.kind !== 'response') return;
          answered.parts.push(result.response.payload.slice());
          answered.complete = !result.bodyFollows;
          pump.later(run.takeMs, () => pump.client.layer.continueBody(exchange, pump.now));
        };
        pump.run();
        const ends = pump.of(exchange);
        assert.equal(ends.length, answered.complete || ends[0]?.kind === 'failed' ? 1 : ends.length);
        const failed = pump.of(exchange).find((result) => result.kind === 'failed');
        if (failed === undefined) {
          assert.deepEqual(answered.body, down);
          assert.equal(answers, 1);
        }
        if (run.lossRate === 0 && run.jitterMs === 0) assert.equal(failed, undefined);
        for (const layer of [pump.client.layer, pump.server.layer]) {
          const load = layer.load();
          assert.equal(load.streamedBodies, 0);
          assert.equal(load.clientExchanges + load.serverExchanges + load.responseBodies, 0);
        }
        assert.ok(upload.released >= 1 && (answers === 0 || download.released >= 1));
      },
    ),
    { numRuns: process.env['COAPSULE_LONG'] ? 3000 : 150, seed: 7 },
  );
});

test('of an upload no more is asked for than the block that is due and one byte', () => {
  const layer = newLayer();
  const body = new TestBody(pattern(5000));
  layer.request(peer, clientRequest(Code.Put, { body, blockSize: 64 }), now);
  for (let num = 0; num < 10; num++) {
    const wish = only(layer, 'body-wanted');
    assert.ok(wish.offset + wish.length <= (num + 1) * 64 + 1);
    layer.provideBody(body, ...provided(body, wish), now);
    const { message: sent } = only(layer, 'send-request');
    assert.deepEqual(blockOf(sent.options.first(Block1)), { num, more: true, szx: 2 });
    assert.deepEqual(sent.payload, body.bytes.subarray(num * 64, num * 64 + 64));
    assert.equal(sent.options.has(OptionNumber.Size1), false, 'the length is not known');
    assert.equal(layer.load().streamedBodies, 1);
    const options = [[Block1, block(num, true, 2)]] as const;
    layer.receiveResponse(peer, message(Code.Continue, { type: 'ACK', token: sent.token, options }), now);
  }
});

function provided(body: TestBody, wish: { offset: number; length: number }): [Uint8Array, boolean] {
  const { bytes, last } = body.read(wish.offset, wish.length);
  return [bytes, last];
}

test('a body that is handed over and fits one block goes without Block1', () => {
  const layer = newLayer();
  const body = new TestBody(pattern(64));
  layer.request(peer, clientRequest(Code.Put, { body, blockSize: 64 }), now);
  layer.provideBody(body, body.bytes, true, now);
  const { message: sent } = only(layer, 'send-request');
  assert.equal(sent.options.has(Block1), false);
  assert.deepEqual(sent.payload, body.bytes);
});

test('the next block of a response is asked for when the caller has taken the one before, and not earlier', () => {
  const layer = newLayer();
  const exchange = layer.request(peer, clientRequest(Code.Get, { streamResponse: true }), now);
  let sent = only(layer, 'send-request').message;
  const respond = (num: number, more: boolean, length: number): void => {
    const options = [[Block2, block(num, more, 2)]] as const;
    const fields = { type: 'ACK' as const, token: sent.token, options, payload: pattern(length, num) };
    layer.receiveResponse(peer, message(Code.Content, fields), now);
  };
  respond(0, true, 64);
  const first = drain(layer);
  const response = first.find((output) => output.kind === 'response');
  assert.equal(response?.bodyFollows, true);
  assert.equal(response?.final, false);
  assert.equal(response?.response.options.has(Block2), false);
  assert.ok(!first.some((output) => output.kind === 'send-request'));
  assert.equal(layer.nextTimeout(), undefined, 'nobody waits for anything');
  layer.continueBody(exchange, now);
  sent = only(layer, 'send-request').message;
  assert.deepEqual(blockOf(sent.options.first(Block2)), { num: 1, more: false, szx: 2 });
  layer.continueBody(exchange, now);
  assert.deepEqual(drain(layer), [], 'asking twice asks once');
  respond(1, false, 3);
  const last = only(layer, 'response-body');
  assert.deepEqual([last.payload.length, last.last, last.final], [3, true, true]);
  assert.equal(layer.load().clientExchanges, 0);
});

test('the time that a caller gives a response is for its first block; a body that is handed over may take longer', () => {
  const layer = newLayer();
  const exchange = layer.request(
    peer,
    clientRequest(Code.Get, { streamResponse: true, timeoutMs: 1000 }),
    now,
  );
  for (const [num, at] of [
    [0, 900],
    [1, 60_000],
    [2, 120_000],
  ] as const) {
    layer.handleTimeout(instant(at));
    const { token: ofBlock } = only(layer, 'send-request').message;
    const options = [[Block2, block(num, num < 2, 2)]] as const;
    const fields = { type: 'ACK' as const, token: ofBlock, options, payload: pattern(64, num) };
    layer.receiveResponse(peer, message(Code.Content, fields), instant(at));
    if (num < 2) layer.continueBody(exchange, instant(at));
  }
  const { payload, last } = only(layer, 'response-body');
  assert.deepEqual([payload, last], [pattern(64, 2), true]);
});

/** An upload of which the server takes each block 50 s after it was sent, until it stops. */
function slowUpload(
  request: { readonly streamResponse: boolean; readonly forwarded?: boolean },
  blocks: number,
): { readonly layer: ReturnType<typeof newLayer>; readonly body: TestBody; readonly stoppedAt: number } {
  const layer = newLayer();
  const body = new TestBody(pattern((blocks + 4) * 64));
  layer.request(peer, clientRequest(Code.Put, { body, blockSize: 64, timeoutMs: 60_000, ...request }), now);
  let stoppedAt = 0;
  for (let num = 0; num < blocks; num++) {
    const wish = drain(layer).find((output) => output.kind === 'body-wanted');
    if (wish === undefined) break;
    layer.provideBody(body, ...provided(body, wish), instant(stoppedAt));
    const { token: ofBlock } = only(layer, 'send-request').message;
    stoppedAt += 50_000;
    layer.handleTimeout(instant(stoppedAt));
    const options = [[Block1, block(num, true, 2)]] as const;
    const fields = { type: 'ACK' as const, token: ofBlock, options };
    layer.receiveResponse(peer, message(Code.Continue, fields), instant(stoppedAt));
  }
  return { layer, body, stoppedAt };
}

test('an upload that is handed over may take longer than `timeoutMs` as long as the server takes its blocks', () => {
  const { layer, stoppedAt } = slowUpload({ streamResponse: true, forwarded: true }, 20);
  assert.equal(stoppedAt, 1_000_000);
  assert.equal(layer.load().clientExchanges, 1, 'and waits for more');
});

test('an upload that is handed over ends `timeoutMs` after the last block that the server took', () => {
  for (const isProvided of [false, true]) {
    const { layer, body, stoppedAt } = slowUpload({ streamResponse: true, forwarded: true }, 4);
    const wish = only(layer, 'body-wanted');
    // Whether it is the application that gives no more, or the server that does not answer.
    if (isProvided) layer.provideBody(body, pattern(wish.length), false, instant(stoppedAt));
    layer.handleTimeout(instant(stoppedAt + 59_999));
    assert.equal(layer.load().clientExchanges, 1);
    layer.handleTimeout(instant(stoppedAt + 60_000));
    const failed = drain(layer).find((output) => output.kind === 'failed');
    assert.equal(failed?.error, 'timeout');
    assert.deepEqual([layer.load().clientExchanges, layer.load().streamedBodies], [0, 0]);
  }
});

test('where the caller waits for the whole response, `timeoutMs` is for the whole request', () => {
  const { stoppedAt } = slowUpload({ streamResponse: false }, 20);
  assert.equal(stoppedAt, 100_000, 'one block after the first minute nothing is asked for any more');
});

test('a response body that is handed over fails when its representation changes, and does not begin again', () => {
  const layer = newLayer();
  const exchange = layer.request(peer, clientRequest(Code.Get, { streamResponse: true }), now);
  for (const [num, etag] of [
    [0, 1],
    [1, 2],
  ] as const) {
    const { message: sent } = only(layer, 'send-request');
    const options = [
      [OptionNumber.ETag, Uint8Array.of(etag)],
      [Block2, block(num, true, 2)],
    ] as const;
    const fields = { type: 'ACK' as const, token: sent.token, options, payload: pattern(64) };
    layer.receiveResponse(peer, message(Code.Content, fields), now);
    layer.continueBody(exchange, now);
  }
  assert.equal(only(layer, 'failed').error, 'blockwise');
});

function streamingServer() {
  const layer = newLayer({ streamRequestBody: () => true });
  const put = (num: number, more: boolean, payload = pattern(64, num), type: 'CON' | 'NON' = 'CON') => {
    const options = [
      [OptionNumber.UriPath, 'firmware'],
      [Block1, block(num, more, 2)],
    ] as const;
    const reply = `reply ${num}`;
    const sent = message(Code.Put, { type, token: Uint8Array.of(num), options, payload });
    layer.receiveRequest(peer, sent, reply, now);
    return drain(layer);
  };
  return { layer, put };
}

test('a block is answered 2.31 when the application has taken it; until then with an empty ACK alone', () => {
  const { layer, put } = streamingServer();
  const request = put(0, true).find((output) => output.kind === 'request');
  assert.equal(request?.request.bodyFollows, true);
  assert.deepEqual(request?.request.payload, pattern(64, 0));
  layer.handleTimeout(instant(500));
  assert.equal(only(layer, 'acknowledge').reply, 'reply 0');
  layer.continueBody(request?.exchange ?? 0, instant(9000));
  const answered = only(layer, 'send-response');
  assert.equal(answered.message.code, Code.Continue);
  assert.equal(answered.reply, 'reply 0');
  const part = put(1, true).find((output) => output.kind === 'request-body');
  assert.equal(part?.last, false);
  layer.continueBody(request?.exchange ?? 0, now);
  assert.equal(only(layer, 'send-response').reply, 'reply 1');
  const last = put(2, false, pattern(5)).find((output) => output.kind === 'request-body');
  assert.equal(last?.last, true);
  layer.respond(request?.exchange ?? 0, answer(Code.Changed), now);
  const { message: sent, reply } = only(layer, 'send-response');
  assert.deepEqual([sent.code, reply, sent.token], [Code.Changed, 'reply 2', Uint8Array.of(2)]);
  assert.deepEqual(blockOf(sent.options.first(Block1)), { num: 2, more: false, szx: 2 });
  assert.equal(layer.load().serverExchanges + layer.load().streamedBodies, 0);
});

test('a repeated block is answered again and taken once', () => {
  const { layer, put } = streamingServer();
  const exchange = put(0, true).find((output) => output.kind === 'request')?.exchange ?? 0;
  assert.deepEqual(
    put(0, true).map((output) => output.kind),
    ['acknowledge'],
    'the copy is answered later, instead of the first',
  );
  layer.continueBody(exchange, now);
  assert.equal(only(layer, 'send-response').message.code, Code.Continue);
  const again = put(0, true).find((output) => output.kind === 'send-response');
  assert.equal(again?.message.code, Code.Continue);
});

test('after a gap the application hears that the body will not become whole: 4.08', () => {
  const { layer, put } = streamingServer();
  const exchange = put(0, true).find((output) => output.kind === 'request')?.exchange ?? 0;
  layer.continueBody(exchange, now);
  drain(layer);
  const outputs = put(2, true);
  const refused = outputs.find((output) => output.kind === 'send-response');
  assert.equal(refused?.message.code, Code.RequestEntityIncomplete);
  assert.ok(outputs.some((output) => output.kind === 'exchange-ended' && output.exchange === exchange));
  assert.equal(layer.load().streamedBodies, 0);
});

test('an error before the end answers the block that waits, a success the last one', () => {
  const failing = streamingServer();
  const first = failing.put(0, true).find((output) => output.kind === 'request')?.exchange ?? 0;
  failing.layer.respond(first, answer(Code.Forbidden), now);
  assert.equal(only(failing.layer, 'send-response').message.code, Code.Forbidden);
  assert.equal(failing.layer.load().streamedBodies, 0);
  const { layer, put } = streamingServer();
  const exchange = put(0, true).find((output) => output.kind === 'request')?.exchange ?? 0;
  layer.respond(exchange, answer(Code.Created), now);
  assert.equal(only(layer, 'send-response').message.code, Code.Continue);
  const second = put(1, true).filter((output) => output.kind === 'send-response');
  assert.equal(second[0]?.message.code, Code.Continue);
  const last = put(2, false).find((output) => output.kind === 'send-response');
  assert.equal(last?.message.code, Code.Created);
});

test('a client that stops in the middle is given up EXCHANGE_LIFETIME after its last block', () => {
  const { layer, put } = streamingServer();
  const exchange = put(0, true).find((output) => output.kind === 'request')?.exchange ?? 0;
  layer.continueBody(exchange, now);
  drain(layer);
  layer.handleTimeout(instant(247_000));
  assert.ok(drain(layer).some((output) => output.kind === 'exchange-ended' && output.exchange === exchange));
  assert.equal(layer.load().streamedBodies, 0);
});

test('bodies under way to the application are bounded: the one longest without a block goes first', () => {
  const layer = newLayer({
    streamRequestBody: () => true,
    maxStreamedRequests: 100,
    maxServerExchanges: 1e6,
  });
  for (let i = 0; i < 100_000; i++) {
    const options = [[Block1, block(0, true, 2)]] as const;
    layer.receiveRequest(`peer ${i}`, message(Code.Put, { token, options, payload: pattern(64) }), i, now);
    drain(layer);
  }
  assert.equal(layer.load().streamedBodies, 100);
  assert.equal(layer.load().serverExchanges, 100);
});

test('a body whose application fails is answered 5.00 at its beginning, and breaks off later', () => {
  const layer = newLayer({ blockSize: 64 });
  const get = (num: number) => {
    const options = num === 0 ? [] : ([[Block2, block(num, false, 2)]] as const);
    layer.receiveRequest(peer, message(Code.Get, { token, options }), 'reply', now);
  };
  get(0);
  const early = new TestBody(pattern(500));
  layer.respond(only(layer, 'request').exchange, answer(Code.Content, { body: early }), now);
  layer.failBody(early, 'the disk is gone', now);
  assert.equal(only(layer, 'send-response').message.code, Code.InternalServerError);
  get(0);
  const late = new TestBody(pattern(500));
  layer.respond(only(layer, 'request').exchange, answer(Code.Content, { body: late }), now);
  layer.provideBody(late, ...provided(late, only(layer, 'body-wanted')), now);
  assert.equal(only(layer, 'send-response').message.code, Code.Content);
  get(1);
  assert.equal(only(layer, 'body-wanted').offset, 65);
  layer.failBody(late, 'the disk is gone', now);
  assert.equal(only(layer, 'send-response').message.code, Code.InternalServerError);
});

test('a block that a body in order has left behind is answered 4.08, one of random access is read again', () => {
  for (const randomAccess of [false, true]) {
    const layer = newLayer({ blockSize: 64 });
    let body = new TestBody(pattern(500), { randomAccess });
    const get = (num: number) => {
      const options = num === 0 ? [] : ([[Block2, block(num, false, 2)]] as const);
      layer.receiveRequest(peer, message(Code.Get, { token, options }), 'reply', now);
      for (let outputs = drain(layer); outputs.length > 0; outputs = drain(layer)) {
        const asked = outputs.find((output) => output.kind === 'request');
        if (asked) {
          body = new TestBody(body.bytes, { randomAccess });
          layer.respond(asked.exchange, answer(Code.Content, { body }), now);
        }
        const wish = outputs.find((output) => output.kind === 'body-wanted');
        if (wish) layer.provideBody(body, ...provided(body, wish), now);
        const sent = outputs.find((output) => output.kind === 'send-response');
        if (sent) return sent.message;
      }
      throw new Error(`no answer to block ${num}`);
    };
    get(0);
    for (let num = 1; num < 7; num++) {
      assert.deepEqual(get(num).payload, body.bytes.subarray(num * 64, num * 64 + 64));
      assert.deepEqual(get(num).payload, body.bytes.subarray(num * 64, num * 64 + 64), 'once more');
    }
    assert.equal(get(1).code, randomAccess ? Code.Content : Code.RequestEntityIncomplete);
  }
});

test('a source that ends early or gives what nobody asked for fails its request', () => {
  const layer = newLayer();
  const short = new TestBody(pattern(100), { sized: true });
  layer.request(peer, clientRequest(Code.Put, { body: short, blockSize: 64 }), now);
  layer.provideBody(short, pattern(10), true, now);
  assert.equal(only(layer, 'failed').error, 'body-source');
  const eager = new TestBody(pattern(100), { sized: true });
  layer.request(peer, clientRequest(Code.Put, { body: eager, blockSize: 64 }), now);
  layer.provideBody(eager, pattern(101), true, now);
  assert.equal(only(layer, 'failed').error, 'body-source');
  layer.provideBody(eager, noBytes, true, now);
  assert.deepEqual(drain(layer), []);
});

test('a notification that replaces one whose body is being handed over ends that body', () => {
  const layer = newLayer();
  const exchange = layer.request(peer, clientRequest(Code.Get, { observe: true, streamResponse: true }), now);
  const { message: sent } = only(layer, 'send-request');
  const notify = (sequence: number, type: 'ACK' | 'NON') => {
    const options = [
      [OptionNumber.Observe, sequence],
      [OptionNumber.ETag, Uint8Array.of(sequence)],
      [Block2, block(0, true, 2)],
    ] as const;
    const fields = { type, token: sent.token, options, payload: pattern(64) };
    layer.receiveResponse(peer, message(Code.Content, fields), now);
    return drain(layer);
  };
  const first = notify(1, 'ACK').find((output) => output.kind === 'response');
  assert.deepEqual([first?.exchange, first?.bodyFollows, first?.final], [exchange, true, false]);
  const outputs = notify(2, 'NON');
  const aborted = outputs.find((output) => output.kind === 'response-body-aborted');
  assert.equal(aborted?.exchange, exchange);
  const second = outputs.find((output) => output.kind === 'response');
  assert.equal(second?.response.options.uint(OptionNumber.Observe), 2);
  layer.continueBody(exchange, now);
  const fetch = only(layer, 'send-request').message;
  const options = [
    [OptionNumber.ETag, Uint8Array.of(2)],
    [Block2, block(1, false, 2)],
  ] as const;
  const rest = { type: 'ACK' as const, token: fetch.token, options, payload: pattern(3) };
  layer.receiveResponse(peer, message(Code.Content, rest), now);
  const last = only(layer, 'response-body');
  assert.deepEqual([last.exchange, last.last, last.final], [exchange, true, false]);
  assert.equal(layer.load().clientExchanges, 1, 'the observation goes on');
});

test('a part that is taken in the turn in which it came was answered: it gets no Empty ACK later', () => {
  const layer = newLayer({ streamRequestBody: () => true, emptyAckDelayMs: 500 });
  const options = [[Block1, block(0, true, 0)]] as const;
  layer.receiveRequest(peer, message(Code.Put, { options, payload: pattern(16) }), 'first', now);
  const { exchange } = only(layer, 'request');
  layer.continueBody(exchange, now);
  const { reply, message: sent } = only(layer, 'send-response');
  assert.deepEqual([reply, sent.code], ['first', Code.Continue]);
  layer.handleTimeout(instant(600));
  assert.deepEqual(drain(layer), []);
});
