import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBlock, encodeBlock } from '../../../src/core/coap/block-option.ts';
import { Code } from '../../../src/core/coap/code.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { concatBytes, noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { byteKey } from '../../../src/core/request-response/byte-key.ts';
import type { RequestResponseLayer } from '../../../src/core/request-response/request-response-layer.ts';
import {
  answer,
  clientRequest,
  drain,
  drained,
  MessagePump,
  message,
  newLayer,
  type OptionList,
  only,
  pattern,
} from './harness.ts';

const { Block1, Block2, ETag, UriPath } = OptionNumber;
const now = instant(0);
const peer = 'peer';
const block = (num: number, more: boolean, szx: number): Uint8Array => encodeBlock({ num, more, szx });

test('1 MiB goes up and 1 MiB comes down in one POST, byte for byte', () => {
  const pump = new MessagePump();
  const [up, down] = [pattern(1024 * 1024, 1), pattern(1024 * 1024, 2)];
  pump.serve(({ payload }) => {
    assert.equal(Buffer.compare(payload, up), 0);
    return answer(Code.Changed, { payload: down });
  });
  const exchange = pump.request(clientRequest(Code.Post, { payload: up }));
  pump.run();
  const [result] = pump.of(exchange);
  assert.ok(result?.kind === 'response' && result.final);
  assert.equal(Buffer.compare(result.response.payload, down), 0);
  assert.equal(result.response.options.has(Block2), false);
  assert.equal(pump.requests.length, 1);
});

test('bodies arrive whole, and once, whatever is lost, doubled or reordered', () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 1_000_000 }),
        up: fc.integer({ min: 0, max: 700 }),
        down: fc.integer({ min: 0, max: 700 }),
        clientSize: fc.constantFrom(16, 32, 64, 1024),
        serverSize: fc.constantFrom(16, 64, 128, 1024),
        lossRate: fc.constantFrom(0, 0.1, 0.25),
        duplicateRate: fc.constantFrom(0, 0.3),
        jitterMs: fc.constantFrom(0, 3000),
        thinkMs: fc.constantFrom(0, 900),
        code: fc.constantFrom(Code.Put, Code.Post, Code.Fetch),
      }),
      ({ seed, up, down, clientSize, serverSize, lossRate, duplicateRate, jitterMs, thinkMs, code }) => {
        const link = { lossRate, duplicateRate, jitterMs };
        const pump = new MessagePump({ seed, link, server: { blockSize: serverSize } });
        const [sent, body] = [pattern(up, seed), pattern(down, seed + 1)];
        pump.serve(({ payload }) => {
          assert.equal(toHex(payload), toHex(sent));
          return { afterMs: thinkMs, response: answer(Code.Changed, { payload: body }) };
        });
        const exchange = pump.request(clientRequest(code, { payload: sent, blockSize: clientSize }));
        pump.run(36_000_000);
        const results = pump.of(exchange);
        assert.equal(results.length, 1);
        const [result] = results;
        assert.ok(pump.requests.length <= 1);
        if (result?.kind === 'response') assert.equal(toHex(result.response.payload), toHex(body));
        // A message may be lost five times in a row; without loss nothing may fail.
        else assert.ok(lossRate > 0 && result?.error === 'timeout', result?.error);
        assert.equal(pump.client.layer.load().clientExchanges, 0);
        const left = pump.server.layer.load();
        assert.deepEqual([left.requestBodyBytes, left.responseBodyBytes, left.serverExchanges], [0, 0, 0]);
      },
    ),
    { numRuns: 60, seed: 20 },
  );
});

/** Sends one block of a PUT to a server; gives the code of the answer, or the body the application got. */
function put(layer: RequestResponseLayer, from: string, body: Uint8Array, num: number, token: Uint8Array) {
  const more = (num + 1) * 1024 < body.length;
  const options: OptionList = [
    [UriPath, 'firmware'],
    [Block1, block(num, more, 6)],
  ];
  const payload = body.subarray(num * 1024, (num + 1) * 1024);
  layer.receiveRequest(from, message(Code.Put, { token, options, payload }), 'reply', now);
  const outputs = drain(layer);
  const asked = outputs.find((output) => output.kind === 'request');
  return asked?.request.payload ?? outputs.find((output) => output.kind === 'send-response')?.message.code;
}

for (const [what, tokenOf] of [
  ['a fresh token for each block', (num: number) => Uint8Array.of(num, 1)],
  ['one token for all blocks', () => Uint8Array.of(9)],
] as const) {
  test(`uploads of two peers to one resource do not mix, with ${what}`, () => {
    const layer = newLayer();
    const [a, b] = [pattern(8192, 1), pattern(8000, 2)];
    for (let num = 0; num < 7; num++) {
      assert.equal(put(layer, 'a', a, num, tokenOf(num)), Code.Continue);
      assert.equal(put(layer, 'b', b, num, tokenOf(num)), Code.Continue);
    }
    assert.deepEqual(put(layer, 'a', a, 7, tokenOf(7)), a);
    assert.deepEqual(put(layer, 'b', b, 7, tokenOf(7)), b);
  });
}

test('uploads of one peer with different Request-Tags do not mix', () => {
  const layer = newLayer();
  const send = (tag: number, num: number, body: Uint8Array) => {
    const more = (num + 1) * 16 < body.length;
    const options: OptionList = [
      [Block1, block(num, more, 0)],
      [OptionNumber.RequestTag, Uint8Array.of(tag)],
    ];
    const payload = body.subarray(num * 16, num * 16 + 16);
    layer.receiveRequest(peer, message(Code.Put, { options, payload }), 'reply', now);
    return drained(layer, 'request')[0]?.request.payload;
  };
  const [a, b] = [pattern(30, 1), pattern(30, 2)];
  send(1, 0, a);
  send(2, 0, b);
  assert.deepEqual(send(1, 1, a), a);
  assert.deepEqual(send(2, 1, b), b);
});

test('two uploads to one resource at the same time are told apart by Request-Tag', () => {
  const pump = new MessagePump();
  const bodies = [pattern(3000, 1), pattern(3000, 2)];
  const received: string[] = [];
  pump.serve(({ payload }) => {
    received.push(toHex(payload));
    return answer(Code.Changed);
  });
  for (const payload of bodies) pump.request(clientRequest(Code.Put, { payload, options: [[UriPath, 'r']] }));
  pump.run();
  assert.deepEqual(received.sort(), bodies.map(toHex).sort());
});

test('a repeated last block does not lose the body', () => {
  const layer = newLayer();
  const body = pattern(2000);
  put(layer, peer, body, 0, Uint8Array.of(1));
  assert.deepEqual(put(layer, peer, body, 1, Uint8Array.of(2)), body);
  assert.deepEqual(put(layer, peer, body, 1, Uint8Array.of(3)), body);
  assert.equal(put(layer, peer, body, 0, Uint8Array.of(4)), Code.Continue, 'and a new upload may begin');
});

test('a block that comes twice is acknowledged twice and taken once', () => {
  const layer = newLayer();
  const body = pattern(3000);
  for (const num of [0, 0, 1, 0]) assert.equal(put(layer, peer, body, num, noBytes), Code.Continue);
  assert.deepEqual(put(layer, peer, body, 2, noBytes), body);
});

test('the client goes on with the smaller block size of the server, from the byte it has reached', () => {
  const pump = new MessagePump({ server: { blockSize: 512 } });
  const body = pattern(3000);
  pump.serve(({ payload }) => answer(Code.Changed, { payload }));
  const exchange = pump.request(clientRequest(Code.Put, { payload: body }));
  pump.run();
  const [result] = pump.of(exchange);
  assert.ok(result?.kind === 'response');
  assert.deepEqual(result.response.payload, body);
});

test('after a smaller SZX the next NUM counts in the new size', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Put, { payload: pattern(4000) }), now);
  const { token } = only(layer, 'send-request').message;
  const reply = message(Code.Continue, { type: 'ACK', token, options: [[Block1, block(0, true, 5)]] });
  layer.receiveResponse(peer, reply, now);
  const next = only(layer, 'send-request').message;
  assert.deepEqual(decodeBlock(next.options.first(Block1) ?? noBytes), { num: 2, more: true, szx: 5 });
  assert.deepEqual(next.payload, pattern(4000).subarray(1024, 1536));
});

/** A client that sent `payload`, and its first message. */
function sending(payload: Uint8Array, blockSize = 1024) {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Put, { payload, blockSize }), now);
  let { token } = only(layer, 'send-request').message;
  /** Answers the latest message; gives the next one, or how the request ended. */
  const reply = (code: number, options: OptionList = [], body: Uint8Array = noBytes) => {
    layer.receiveResponse(peer, message(code, { type: 'ACK', token, options, payload: body }), now);
    const outputs = drain(layer);
    const sent = outputs.find((output) => output.kind === 'send-request')?.message;
    if (sent) token = sent.token;
    const failed = outputs.find((output) => output.kind === 'failed');
    return { sent, failed, response: outputs.find((output) => output.kind === 'response')?.response };
  };
  return { layer, reply };
}

test('4.13 with a smaller size in Block1 makes the client begin again with that size', () => {
  const { reply } = sending(pattern(3000));
  const { sent } = reply(Code.RequestEntityTooLarge, [[Block1, block(0, true, 2)]]);
  assert.deepEqual(decodeBlock(sent?.options.first(Block1) ?? noBytes), { num: 0, more: true, szx: 2 });
  assert.deepEqual(sent?.payload, pattern(3000).subarray(0, 64));
});

test('4.13 to a request without Block1 is a hint to try it; with too small a Size1 it is the answer', () => {
  const hinted = sending(pattern(900)).reply(Code.RequestEntityTooLarge);
  assert.deepEqual(decodeBlock(hinted.sent?.options.first(Block1) ?? noBytes), {
    num: 0,
    more: true,
    szx: 5,
  });
  const final = sending(pattern(900)).reply(Code.RequestEntityTooLarge, [[OptionNumber.Size1, 800]]);
  assert.equal(final.response?.code, Code.RequestEntityTooLarge);
});

test('4.08 fails an upload, any other error is its answer', () => {
  assert.equal(sending(pattern(2000)).reply(Code.RequestEntityIncomplete).failed?.error, 'blockwise');
  assert.equal(sending(pattern(2000)).reply(Code.Unauthorized).response?.code, Code.Unauthorized);
});

test('an acknowledgement of another block fails the upload', () => {
  const { reply } = sending(pattern(3000));
  assert.equal(reply(Code.Continue, [[Block1, block(1, true, 6)]]).failed?.error, 'blockwise');
});

/** A client that fetches; `give` answers with one block and tells what follows. */
function fetching(config: { maxResponseBodyBytes?: number } = {}, code: number = Code.Get) {
  const layer = newLayer(config);
  layer.request(peer, clientRequest(code), now);
  let { token } = only(layer, 'send-request').message;
  const give = (num: number, more: boolean, payload: Uint8Array, etag?: number) => {
    const options: [number, Uint8Array][] = [[Block2, block(num, more, 0)]];
    if (etag !== undefined) options.push([ETag, Uint8Array.of(etag)]);
    layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, options, payload }), now);
    const outputs = drain(layer);
    const sent = outputs.find((output) => output.kind === 'send-request')?.message;
    if (sent) token = sent.token;
    const wanted = sent?.options.first(Block2);
    return {
      num: wanted && decodeBlock(wanted)?.num,
      failed: outputs.find((output) => output.kind === 'failed')?.error,
      body: outputs.find((output) => output.kind === 'response')?.response.payload,
    };
  };
  return { layer, give };
}
const [old, fresh] = [pattern(40, 1), pattern(40, 2)];
const part = (body: Uint8Array, num: number) => body.subarray(16 * num, 16 * num + 16);

test('a changed ETag makes a GET begin again once, then fail', () => {
  const restarted = fetching();
  assert.equal(restarted.give(0, true, part(old, 0), 1).num, 1);
  assert.equal(restarted.give(1, true, part(fresh, 1), 2).num, 0);
  assert.equal(restarted.give(0, true, part(fresh, 0), 2).num, 1);
  assert.equal(restarted.give(1, true, part(fresh, 1), 2).num, 2);
  assert.deepEqual(restarted.give(2, false, part(fresh, 2), 2).body, fresh);
  const failing = fetching();
  failing.give(0, true, part(old, 0), 1);
  failing.give(1, true, part(fresh, 1), 2);
  failing.give(0, true, part(fresh, 0), 2);
  assert.equal(failing.give(1, true, part(old, 1), 3).failed, 'blockwise');
});

test('an ETag that disappears is a change, and a POST is never begun again', () => {
  const post = fetching({}, Code.Post);
  post.give(0, true, part(old, 0), 1);
  assert.equal(post.give(1, true, part(old, 1)).failed, 'blockwise');
});

test('a response body that grows over the limit fails and is not kept', () => {
  const { layer, give } = fetching({ maxResponseBodyBytes: 32 });
  assert.equal(give(0, true, part(old, 0)).num, 1);
  assert.equal(give(1, true, part(old, 1)).failed, 'body-too-large');
  assert.equal(layer.load().clientExchanges, 0);
});

test('a block that was not asked for, or is too short, fails the download', () => {
  const jumped = fetching();
  jumped.give(0, true, part(old, 0));
  assert.equal(jumped.give(2, false, part(old, 2)).failed, 'blockwise');
  assert.equal(fetching().give(0, true, part(old, 0).subarray(1)).failed, 'blockwise');
  assert.equal(fetching().give(1, true, part(old, 0)).failed, 'blockwise');
});

test('the rest of a notification is fetched without Observe and with other tokens, and given whole', () => {
  const layer = newLayer();
  const token = Uint8Array.of(0xfb);
  const exchange = layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  drain(layer);
  const notify = (sequence: number, body: Uint8Array) => {
    const options: OptionList = [
      [OptionNumber.Observe, sequence],
      [Block2, block(0, true, 0)],
      [ETag, Uint8Array.of(sequence)],
    ];
    const first = message(Code.Content, { token, options, payload: part(body, 0) });
    assert.equal(layer.receiveResponse(peer, first, now), 'matched');
    return only(layer, 'send-request');
  };
  const abandoned = notify(1, old);
  let sent = notify(2, fresh); // a newer state makes the rest of the older one worthless
  const late = message(Code.Content, { token: abandoned.message.token });
  assert.equal(layer.receiveResponse(peer, late, now), 'unmatched');
  for (let num = 1; num < 3; num++) {
    assert.notEqual(toHex(sent.message.token), 'fb');
    assert.equal(sent.message.options.has(OptionNumber.Observe), false);
    assert.notEqual(sent.exchange, exchange);
    const options: OptionList = [
      [Block2, block(num, num < 2, 0)],
      [ETag, Uint8Array.of(2)],
    ];
    const fields = { type: 'ACK' as const, token: sent.message.token, options, payload: part(fresh, num) };
    layer.receiveResponse(peer, message(Code.Content, fields), now);
    if (num < 2) sent = only(layer, 'send-request');
  }
  const delivered = only(layer, 'response');
  assert.equal(delivered.exchange, exchange);
  assert.equal(delivered.final, false);
  assert.deepEqual(delivered.response.payload, fresh);
  assert.equal(delivered.response.options.uint(OptionNumber.Observe), 2);
  assert.equal(layer.load().clientExchanges, 1);
});

test('unfinished bodies are bounded in bytes: the oldest goes first, and its next block is answered 4.08', () => {
  const layer = newLayer({ totalRequestBodyBytes: 4 * 1024 });
  const body = pattern(4096);
  for (let i = 0; i < 100; i++) {
    assert.equal(put(layer, `peer ${i}`, body, 0, noBytes), Code.Continue);
    assert.ok(layer.load().requestBodyBytes <= 4 * 1024);
  }
  assert.equal(put(layer, 'peer 0', body, 1, noBytes), Code.RequestEntityIncomplete);
  assert.equal(put(layer, 'peer 99', body, 1, noBytes), Code.Continue);
  assert.ok(layer.counters.droppedRequestBodies >= 96);
});

test('unfinished bodies are bounded for each peer', () => {
  const layer = newLayer({ maxRequestBodiesPerPeer: 2 });
  for (let i = 0; i < 10; i++) {
    const options: OptionList = [
      [UriPath, `${i}`],
      [Block1, block(0, true, 0)],
    ];
    layer.receiveRequest(peer, message(Code.Put, { options, payload: pattern(16) }), 'reply', now);
    drain(layer);
  }
  assert.equal(layer.load().requestBodies, 2);
});

test('the limit of a request body is what the application says for this request, on plain CoAP too', () => {
  const mebibyte = 1024 * 1024;
  const layer = newLayer({ maxBodyBytes: ({ code }) => (code === Code.Put ? 4 * mebibyte : 1000) });
  const options: OptionList = [
    [Block1, block(0, true, 0)],
    [OptionNumber.Size1, 3 * mebibyte],
  ];
  const answers = [Code.Put, Code.Post].map((code) => {
    layer.receiveRequest(peer, message(code, { options, payload: pattern(16) }), 'reply', now);
    return only(layer, 'send-response').message.code;
  });
  assert.deepEqual(answers, [Code.Continue, Code.RequestEntityTooLarge]);
});

test('an unfinished body and a kept one cost what they hold beside their bytes, and are bounded in number', () => {
  const layer = newLayer({ blockSize: 16, maxRequestBodies: 10, maxResponseBodies: 20 });
  const path = Array.from({ length: 4 }, (): [number, string] => [UriPath, 'q'.repeat(250)]);
  for (let i = 0; i < 100; i++) {
    const first: OptionList = [...path, [Block1, block(0, true, 0)]];
    layer.receiveRequest(
      `peer ${i}`,
      message(Code.Put, { options: first, payload: pattern(16) }),
      'reply',
      now,
    );
    drain(layer);
    layer.receiveRequest(`peer ${i}`, message(Code.Get, { options: path }), 'reply', now);
    const { exchange } = only(layer, 'request');
    layer.respond(exchange, answer(Code.Content, { payload: pattern(40) }), now);
    drain(layer);
  }
  const { requestBodies, requestBodyBytes, responseBodies, responseBodyBytes } = layer.load();
  assert.deepEqual([requestBodies, responseBodies], [10, 20]);
  assert.ok(requestBodyBytes >= 10 * 3000 && responseBodyBytes >= 20 * 3000, 'the URI and the tables count');
});

test('keys of long byte strings are told apart at every place', () => {
  const bytes = pattern(10_000);
  assert.equal(byteKey(bytes).length, 10_000);
  assert.equal(byteKey(bytes), String.fromCharCode(...bytes.subarray(0, 9000), ...bytes.subarray(9000)));
  for (const place of [0, 4095, 4096, 9999]) {
    const other = bytes.slice();
    other[place] = (other[place] as number) ^ 1;
    assert.notEqual(byteKey(other), byteKey(bytes));
  }
});

test('kept response bodies are bounded, the least used go first, and all expire', () => {
  const layer = newLayer({ blockSize: 16, maxResponseBodiesPerPeer: 4, totalResponseBodyBytes: 13_000 });
  const ask = (from: string, path: string, num: number) => {
    const options: [number, Uint8Array | string][] = [[UriPath, path]];
    if (num > 0) options.push([Block2, block(num, false, 0)]);
    layer.receiveRequest(from, message(Code.Get, { options }), 'reply', now);
    const outputs = drain(layer);
    const asked = outputs.find((output) => output.kind === 'request');
    if (asked) layer.respond(asked.exchange, answer(Code.Content, { payload: pattern(100) }), now);
    drain(layer);
    return asked !== undefined;
  };
  for (let i = 0; i < 4; i++) ask(peer, `${i}`, 0);
  assert.equal(ask(peer, '0', 1), false, 'kept');
  ask(peer, '4', 0);
  assert.equal(layer.load().responseBodies, 4);
  assert.equal(ask(peer, '0', 2), false, 'used since');
  assert.equal(ask(peer, '1', 1), true, 'evicted: the application is asked again');
  for (let i = 0; i < 20; i++) ask(`peer ${i}`, 'r', 0);
  assert.ok(layer.load().responseBodyBytes <= 13_000);
  assert.ok(layer.load().responseBodies < 7);
  layer.handleTimeout(instant(247_000));
  assert.deepEqual([layer.load().responseBodies, layer.load().responseBodyBytes], [0, 0]);
});

test('a body the application changes after its answer stays as it was', () => {
  const layer = newLayer({ blockSize: 16 });
  const body = pattern(40);
  layer.receiveRequest(peer, message(Code.Get), 'reply', now);
  layer.respond(only(layer, 'request').exchange, answer(Code.Content, { payload: body }), now);
  const parts = [only(layer, 'send-response').message.payload];
  body.fill(0);
  for (const num of [1, 2]) {
    layer.receiveRequest(
      peer,
      message(Code.Get, { options: [[Block2, block(num, false, 0)]] }),
      'reply',
      now,
    );
    parts.push(only(layer, 'send-response').message.payload);
  }
  assert.deepEqual(concatBytes(...parts), pattern(40));
});

test('a shorter body sent anew over an unfinished longer one is taken in its own length', () => {
  const layer = newLayer();
  const long = pattern(5000);
  for (const num of [0, 1, 2]) put(layer, peer, long, num, noBytes);
  put(layer, peer, long.subarray(0, 1500), 0, noBytes);
  assert.deepEqual(put(layer, peer, long.subarray(0, 1500), 1, noBytes), long.subarray(0, 1500));
});

test('a finished body, kept only for a repetition, makes room before an unfinished one', () => {
  const layer = newLayer({ maxRequestBodiesPerPeer: 2 });
  const send = (path: string, num: number, more: boolean) => {
    const options: OptionList = [
      [UriPath, path],
      [Block1, block(num, more, 0)],
    ];
    layer.receiveRequest(peer, message(Code.Put, { options, payload: pattern(16) }), 'reply', now);
    return drained(layer, 'send-response')[0]?.message.code;
  };
  send('unfinished', 0, true);
  send('finished', 0, true);
  send('finished', 1, false);
  send('third', 0, true);
  assert.equal(send('unfinished', 1, true), Code.Continue);
  assert.equal(layer.counters.droppedRequestBodies, 0);
});

test('4.13 to a block with too small a Size1 is the answer, whatever size Block1 hints at', () => {
  const { reply } = sending(pattern(3000));
  const options: OptionList = [
    [Block1, block(0, true, 2)],
    [OptionNumber.Size1, 2999],
  ];
  assert.equal(reply(Code.RequestEntityTooLarge, options).response?.code, Code.RequestEntityTooLarge);
});

test('the Request-Tag is free again when its upload has ended', () => {
  const layer = newLayer();
  for (let i = 0; i < 3; i++) {
    const exchange = layer.request(peer, clientRequest(Code.Put, { payload: pattern(2000) }), now);
    assert.equal(only(layer, 'send-request').message.options.has(OptionNumber.RequestTag), false);
    layer.cancel(exchange, now);
    drain(layer);
  }
});

test('with Block1 the size wish for the response is in the last block only', () => {
  const { layer, reply } = sending(pattern(40), 16);
  assert.equal(layer.load().clientExchanges, 1);
  assert.equal(reply(Code.Continue, [[Block1, block(0, true, 0)]]).sent?.options.has(Block2), false);
  assert.equal(reply(Code.Continue, [[Block1, block(1, true, 0)]]).sent?.options.has(Block2), true);
});

test('the client asks for its own block size, though the server sends larger blocks', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get, { blockSize: 64 }), now);
  const { token } = only(layer, 'send-request').message;
  // RFC 7959 Figure 4: two blocks of 64 bytes are there already, the third is next.
  const options: OptionList = [[Block2, block(0, true, 3)]];
  layer.receiveResponse(
    peer,
    message(Code.Content, { type: 'ACK', token, options, payload: pattern(128) }),
    now,
  );
  const wanted = only(layer, 'send-request').message.options.first(Block2);
  assert.deepEqual(decodeBlock(wanted ?? noBytes), { num: 2, more: false, szx: 2 });
});

test("a caller's own Block2 option for a later block gets that block and no more", () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get, { options: [[Block2, block(3, false, 0)]] }), now);
  const { token } = only(layer, 'send-request').message;
  const options: OptionList = [[Block2, block(3, true, 0)]];
  layer.receiveResponse(
    peer,
    message(Code.Content, { type: 'ACK', token, options, payload: pattern(16) }),
    now,
  );
  const { response, final } = only(layer, 'response');
  assert.deepEqual([response.payload, final], [pattern(16), true]);
});

test('later blocks are asked for without Observe, also when the server did not accept the registration', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get, { observe: true }), now);
  const { token } = only(layer, 'send-request').message;
  const options: OptionList = [[Block2, block(0, true, 0)]];
  layer.receiveResponse(
    peer,
    message(Code.Content, { type: 'ACK', token, options, payload: pattern(16) }),
    now,
  );
  assert.equal(only(layer, 'send-request').message.options.has(OptionNumber.Observe), false);
});

test('a FETCH that begins again sends its payload again', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Fetch, { payload: pattern(10) }), now);
  let sent = only(layer, 'send-request').message;
  const give = (num: number, etag: number) => {
    const options: OptionList = [
      [Block2, block(num, true, 0)],
      [ETag, Uint8Array.of(etag)],
    ];
    const fields = { type: 'ACK' as const, token: sent.token, options, payload: pattern(16) };
    layer.receiveResponse(peer, message(Code.Content, fields), now);
    sent = only(layer, 'send-request').message;
    return sent.payload.length;
  };
  assert.equal(give(0, 1), 0);
  assert.equal(give(1, 2), 10);
});

test('a FETCH for a later block that is not kept is answered from its payload, without one 4.08', () => {
  const layer = newLayer();
  const ask = (payload: Uint8Array) => {
    const options: OptionList = [[Block2, block(1, false, 0)]];
    layer.receiveRequest(peer, message(Code.Fetch, { options, payload }), 'reply', now);
    return drain(layer).map((output) =>
      output.kind === 'send-response' ? output.message.code : output.kind,
    );
  };
  assert.deepEqual(ask(pattern(4)), ['request']);
  assert.deepEqual(ask(noBytes), ['peer-fault', Code.RequestEntityIncomplete, 'exchange-ended']);
});

test('kept bodies are told apart by query and Accept', () => {
  const layer = newLayer({ blockSize: 16 });
  const bodies = [pattern(40, 1), pattern(40, 2), pattern(40, 3), pattern(40, 4)];
  const variants: OptionList[] = [
    [
      [OptionNumber.UriQuery, 'a'],
      [OptionNumber.UriQuery, 'b'],
    ],
    [[OptionNumber.UriQuery, 'a\n15,:b']],
    [[OptionNumber.Accept, 50]],
    [[OptionNumber.Accept, 60]],
  ];
  const ask = (variant: OptionList, more: OptionList, body?: Uint8Array) => {
    const options = [[UriPath, 'r'] as const, ...variant, ...more];
    layer.receiveRequest(peer, message(Code.Get, { options }), 'reply', now);
    const outputs = drain(layer);
    const asked = outputs.find((output) => output.kind === 'request');
    if (asked) layer.respond(asked.exchange, answer(Code.Content, { payload: body ?? noBytes }), now);
    drain(layer);
    return outputs.find((output) => output.kind === 'send-response')?.message.payload;
  };
  variants.forEach((variant, i) => {
    ask(variant, [], bodies[i]);
  });
  variants.forEach((variant, i) => {
    assert.deepEqual(ask(variant, [[Block2, block(1, false, 0)]]), bodies[i]?.subarray(16, 32));
  });
});

test("the options of this layer in an application's response do not reach the client", () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get), 'reply', now);
  const options: OptionList = [
    [OptionNumber.Observe, 5],
    [Block1, block(0, false, 0)],
    [Block2, block(3, true, 0)],
    [OptionNumber.MaxAge, 9],
  ];
  layer.respond(only(layer, 'request').exchange, answer(Code.Content, { options }), now);
  const sent = only(layer, 'send-response').message;
  assert.deepEqual(
    [...sent.options.entries()].map(({ number }) => number),
    [OptionNumber.MaxAge],
  );
});

test('no response a server can send makes the client throw, and every request ends at most once', () => {
  const options = fc.array(
    fc.tuple(fc.constantFrom(4, 6, 12, 14, 23, 27, 28, 60, 9, 258), fc.uint8Array({ maxLength: 4 })),
    { maxLength: 4 },
  );
  const response = fc.record({
    code: fc.constantFrom(0x45, 0x44, 0x5f, 0x84, 0x88, 0x8d, 0x41, 0xa0),
    type: fc.constantFrom('ACK' as const, 'CON' as const, 'NON' as const),
    options,
    payload: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(
      fc.array(response, { maxLength: 12 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 100 }),
      (responses, observe, size) => {
        const layer = newLayer();
        const body = pattern(size);
        layer.request(peer, clientRequest(Code.Fetch, { observe, blockSize: 16, payload: body }), now);
        let token = only(layer, 'send-request').message.token;
        let ends = 0;
        for (const fields of responses) {
          layer.receiveResponse(peer, message(fields.code, { ...fields, token }), now);
          for (const output of drain(layer)) {
            if (output.kind === 'send-request') token = output.message.token;
            if (output.kind === 'failed' || (output.kind === 'response' && output.final)) ends++;
          }
        }
        layer.peerClosed(peer, now);
        for (const output of drain(layer)) if (output.kind === 'failed') ends++;
        assert.equal(ends, 1);
        assert.deepEqual([layer.load().clientExchanges, layer.nextTimeout()], [0, undefined]);
      },
    ),
    { numRuns: 500, seed: 3 },
  );
});

test('no request a client can send makes the server throw, and every request has one answer or is silent', () => {
  const options = fc.array(
    fc.tuple(
      fc.constantFrom(3, 4, 6, 11, 12, 17, 23, 27, 28, 60, 35, 9, 292),
      fc.uint8Array({ maxLength: 4 }),
    ),
    { maxLength: 4 },
  );
  const request = fc.record({
    code: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 0x1f),
    type: fc.constantFrom('CON' as const, 'NON' as const),
    token: fc.uint8Array({ maxLength: 1 }),
    options,
    payload: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 20 }), (requests) => {
      const layer = newLayer({ blockSize: 16 });
      for (const fields of requests) {
        layer.receiveRequest(peer, message(fields.code, fields), 'reply', now);
        let answers = 0;
        for (const output of drain(layer)) {
          if (output.kind === 'request') {
            layer.respond(
              output.exchange,
              answer(Code.Content, { payload: pattern(50), observe: true }),
              now,
            );
          } else if (output.kind === 'send-response') answers++;
        }
        answers += drained(layer, 'send-response').length;
        assert.ok(answers === 1 || (answers === 0 && fields.type === 'NON'), `${answers}`);
      }
      layer.peerClosed(peer, now);
      const left = layer.load();
      assert.deepEqual(
        [left.serverExchanges, left.observers, left.requestBodyBytes, left.responseBodyBytes],
        [0, 0, 0, 0],
      );
      assert.equal(layer.nextTimeout(), undefined);
    }),
    { numRuns: 500, seed: 4 },
  );
});
