import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { transmissionParameters } from '../../../src/core/coap/transmission-parameters.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { decodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import { requestResponseTimes } from '../../../src/core/request-response/request-response-config.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { answer, clientRequest, drain, drained, MessagePump, message, newLayer, only } from './harness.ts';

const now = instant(0);
const peer = 'peer';

test('100 requests under way at once, answered in any order, get each its own response', () => {
  const layer = newLayer();
  const exchanges = Array.from({ length: 100 }, (_, i) =>
    layer.request(peer, clientRequest(Code.Get, { options: [[OptionNumber.UriPath, `${i}`]] }), now),
  );
  const sent = drained(layer, 'send-request');
  const random = new SeededRandom(5);
  const order = sent.map((output) => ({ output, key: random.fraction() })).sort((a, b) => a.key - b.key);
  for (const { output } of order) {
    const path = output.message.options.text(OptionNumber.UriPath) ?? '';
    const type = random.fraction() < 0.5 ? 'ACK' : 'CON';
    const response = message(Code.Content, { type, token: output.message.token, payload: `to ${path}` });
    assert.equal(layer.receiveResponse(peer, response, now), 'matched');
  }
  const delivered = drained(layer, 'response');
  assert.equal(delivered.length, 100);
  for (const { exchange, response } of delivered) {
    assert.equal(decodeUtf8(response.payload), `to ${exchanges.indexOf(exchange)}`);
  }
  assert.equal(layer.load().clientExchanges, 0);
});

test('100 requests answered separately after different times arrive with their own responses', () => {
  const pump = new MessagePump({ link: { jitterMs: 500 }, seed: 3 });
  const random = new SeededRandom(8);
  pump.serve(({ options }) => {
    const payload = options.text(OptionNumber.UriPath) ?? '';
    return { afterMs: random.integer(5000), response: answer(Code.Content, { payload }) };
  });
  const exchanges = Array.from({ length: 100 }, (_, i) =>
    pump.request(clientRequest(Code.Get, { options: [[OptionNumber.UriPath, `${i}`]] })),
  );
  pump.run();
  exchanges.forEach((exchange, i) => {
    const [result, ...more] = pump.of(exchange);
    assert.ok(result?.kind === 'response' && more.length === 0);
    assert.equal(decodeUtf8(result.response.payload), `${i}`);
  });
});

test('after an empty ACK the client waits for the separate response, then gives up', () => {
  const layer = newLayer({ responseTimeoutMs: 93_000 });
  const exchange = layer.request(peer, clientRequest(Code.Get), now);
  drain(layer);
  assert.equal(layer.nextTimeout(), undefined, 'until then the message layer watches the time');
  layer.requestAcknowledged(exchange, instant(1000));
  assert.equal(layer.nextTimeout(), 94_000);
  layer.handleTimeout(instant(94_000));
  assert.equal(only(layer, 'failed').error, 'timeout');
  assert.equal(layer.load().clientExchanges, 0);
});

test("the caller's timeoutMs bounds the whole request", () => {
  const layer = newLayer();
  const exchange = layer.request(peer, clientRequest(Code.Get, { timeoutMs: 500 }), now);
  layer.requestAcknowledged(exchange, instant(400));
  drain(layer);
  layer.handleTimeout(instant(500));
  const outputs = drain(layer);
  assert.deepEqual(
    outputs.map(({ kind }) => kind),
    ['stop-request', 'failed'],
  );
  assert.equal(layer.nextTimeout(), undefined);
});

test('a NON request without a response fails after the response time-out', () => {
  const layer = newLayer({ responseTimeoutMs: 1000 });
  layer.request(peer, clientRequest(Code.Get, { type: 'NON' }), now);
  drain(layer);
  layer.handleTimeout(instant(1000));
  assert.equal(only(layer, 'failed').error, 'timeout');
});

test('Reset, time-out, closed peer and cancel each end a request once', () => {
  for (const [end, error] of [
    ['requestReset', 'reset'],
    ['requestTimedOut', 'timeout'],
    ['cancel', 'cancelled'],
  ] as const) {
    const layer = newLayer();
    const exchange = layer.request(peer, clientRequest(Code.Get), now);
    drain(layer);
    layer[end](exchange, now);
    layer[end](exchange, now);
    layer.peerClosed(peer, now);
    assert.equal(only(layer, 'failed').error, error);
    assert.equal(layer.load().clientExchanges, 0);
  }
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get), now);
  layer.peerClosed(peer, now);
  assert.equal(only(layer, 'failed').error, 'peer-closed');
});

test('a request with the application ends when its peer is gone, and a late answer is dropped', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get), 'reply', now);
  const { exchange } = only(layer, 'request');
  layer.peerClosed(peer, now);
  assert.deepEqual(drain(layer), [{ kind: 'exchange-ended', exchange }]);
  layer.respond(exchange, answer(Code.Content), now);
  assert.deepEqual(drain(layer), []);
  assert.equal(layer.counters.lateAnswers, 1);
  assert.equal(layer.nextTimeout(), undefined);
});

test('a request the application never answers is given up after EXCHANGE_LIFETIME', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get), 'reply', now);
  drain(layer);
  layer.handleTimeout(instant(247_000));
  assert.equal(drained(layer, 'exchange-ended').length, 1);
  assert.deepEqual([layer.load().serverExchanges, layer.counters.abandonedRequests], [0, 1]);
});

test('too many requests with the application are answered 5.03 with Max-Age, for each peer and in total', () => {
  const layer = newLayer({ maxServerExchanges: 3, maxServerExchangesPerPeer: 2 });
  const ask = (from: string) => {
    layer.receiveRequest(from, message(Code.Get), 'reply', now);
    return drain(layer).find((output) => output.kind === 'send-response')?.message;
  };
  assert.deepEqual([ask('a'), ask('a')], [undefined, undefined]);
  const refused = ask('a');
  assert.equal(refused?.code, Code.ServiceUnavailable);
  assert.ok((refused?.options.uint(OptionNumber.MaxAge) ?? 0) > 0);
  assert.equal(ask('b'), undefined);
  assert.equal(ask('c')?.code, Code.ServiceUnavailable);
  assert.equal(layer.counters.overloaded, 2);
});

test('too many own requests fail at once', () => {
  const layer = newLayer({ maxClientExchanges: 1 });
  layer.request(peer, clientRequest(Code.Get), now);
  layer.request(peer, clientRequest(Code.Get), now);
  assert.equal(only(layer, 'failed').error, 'too-many-exchanges');
});

test('a setting out of range is refused at the door', () => {
  for (const config of [{ blockSize: 100 }, { blockSize: 2048 }, { confirmableAtLeastEveryMs: 86_400_001 }]) {
    assert.throws(() => newLayer(config), ApiMisuseError);
  }
  assert.throws(() => newLayer({ notificationsInFlight: 0 }), ApiMisuseError);
  assert.throws(() => newLayer({ maxObservers: -1 }), ApiMisuseError);
});

test('a request that cannot be encoded throws, and nothing is remembered of it', () => {
  const layer = newLayer({ maxClientExchanges: 1 });
  const request =
    (fields: Parameters<typeof clientRequest>[1], code: Code = Code.Get) =>
    () =>
      layer.request(peer, clientRequest(code, fields), now);
  assert.throws(request({ token: new Uint8Array(9) }), ApiMisuseError);
  assert.throws(request({}, Code.Content), ApiMisuseError);
  assert.throws(request({ observe: true, type: 'NON', expectResponse: false }), ApiMisuseError);
  const illegal = {
    ...clientRequest(Code.Get),
    options: { ...new OptionSet(), entries: () => [{ number: 65_536, value: noBytes }] },
  };
  assert.throws(
    () => layer.request(peer, illegal as unknown as ReturnType<typeof clientRequest>, now),
    ApiMisuseError,
  );
  assert.deepEqual(drain(layer), []);
  assert.equal(layer.load().clientExchanges, 0);
  request({})();
  assert.equal(drained(layer, 'send-request').length, 1);
});

test('a NON request that expects no response ends with its message, and a response to it is matched to nothing', () => {
  const layer = newLayer();
  const exchange = layer.request(
    peer,
    clientRequest(Code.Post, { type: 'NON', expectResponse: false, payload: '22.5' }),
    now,
  );
  const [sent, end, ...more] = drain(layer);
  assert.ok(sent?.kind === 'send-request' && sent.exchange === exchange);
  assert.deepEqual([end, more], [{ kind: 'sent', exchange }, []]);
  assert.equal(layer.load().clientExchanges, 0);
  assert.equal(layer.nextTimeout(), undefined);
  const response = message(Code.Changed, { type: 'NON', token: sent.message.token });
  assert.equal(layer.receiveResponse(peer, response, now), 'unmatched');
  assert.deepEqual(drain(layer), []);
});

test('a body in blocks cannot be sent without responses', () => {
  const layer = newLayer();
  const payload = new Uint8Array(2000);
  layer.request(peer, clientRequest(Code.Post, { type: 'NON', expectResponse: false, payload }), now);
  assert.equal(only(layer, 'failed').error, 'message-too-large');
});

test('a CON request expects its response whatever the caller says', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Post, { expectResponse: false }), now);
  assert.equal(layer.load().clientExchanges, 1);
});

test('a request that the message layer refuses fails at once, and not as a time-out', () => {
  const layer = newLayer();
  const exchange = layer.request(peer, clientRequest(Code.Get), now);
  drain(layer);
  layer.requestRefused(exchange, now);
  assert.equal(only(layer, 'failed').error, 'too-many-exchanges');
  assert.equal(layer.load().clientExchanges, 0);
});

test('a response with a critical option is told from one whose token belongs to nothing', () => {
  const layer = newLayer();
  const token = Uint8Array.of(7);
  layer.request(peer, clientRequest(Code.Get, { token }), now);
  const options: [number, number][] = [[OptionNumber.UriPort, 5]];
  assert.equal(layer.receiveResponse(peer, message(Code.Content, { token, options }), now), 'rejected');
  assert.equal(layer.receiveResponse(peer, message(Code.Content, { token, options }), now), 'unmatched');
  assert.equal(layer.counters.unmatchedResponses, 1);
});

test('the times of the layer follow from the transmission parameters', () => {
  assert.deepEqual(requestResponseTimes(transmissionParameters()), {
    responseTimeoutMs: 93_000,
    exchangeLifetimeMs: 247_000,
    emptyAckDelayMs: 500,
    silenceAfterMs: 6000,
    leisureMs: 5000,
    groupWindowMs: 8000,
    // NON_LIFETIME + MAX_LATENCY + more than 250 s: draft-ietf-core-groupcomm-bis §3.1.5
    groupTokenReuseMs: 501_000,
    // RFC 9177 §7.2, Table 3
    qBlock: {
      maxPayloads: 10,
      nonTimeoutMs: 2000,
      nonTimeoutRandomFactor: 1.5,
      nonReceiveTimeoutMs: 4000,
      nonMaxRetransmit: 4,
      nonPartialTimeoutMs: 247_000,
      confirmableReceiveTimeoutMs: 45_000,
    },
  });
  assert.deepEqual(
    requestResponseTimes(transmissionParameters({ ackTimeoutMs: 100, maxRetransmit: 1, maxLatencyMs: 1000 })),
    {
      responseTimeoutMs: 450,
      exchangeLifetimeMs: 2250,
      emptyAckDelayMs: 25,
      silenceAfterMs: 300,
      leisureMs: 5000,
      groupWindowMs: 5150,
      groupTokenReuseMs: 258_150,
      qBlock: {
        maxPayloads: 10,
        nonTimeoutMs: 100,
        nonTimeoutRandomFactor: 1.5,
        // More than NON_TIMEOUT_RANDOM by a second.
        nonReceiveTimeoutMs: 1150,
        nonMaxRetransmit: 1,
        nonPartialTimeoutMs: 2250,
        confirmableReceiveTimeoutMs: 150,
      },
    },
  );
});

test('a request that is answered in the turn in which it came waits for no time', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get), 1, now);
  const { exchange } = only(layer, 'request');
  layer.respond(exchange, answer(Code.Content), now);
  drain(layer);
  assert.equal(layer.nextTimeout(), undefined);
  assert.equal(layer.load().serverExchanges, 0);
});

test('of two requests that came in one turn the one that is not answered gets its Empty ACK, counted from when it came', () => {
  const layer = newLayer({ emptyAckDelayMs: 500 });
  layer.receiveRequest(peer, message(Code.Get, { token: Uint8Array.of(1) }), 'first', now);
  layer.receiveRequest(peer, message(Code.Get, { token: Uint8Array.of(2) }), 'second', now);
  const [, second] = drained(layer, 'request');
  layer.respond(second?.exchange ?? 0, answer(Code.Content), now);
  drain(layer);
  assert.equal(layer.nextTimeout(), 500);
  layer.handleTimeout(instant(500));
  assert.deepEqual(
    drained(layer, 'acknowledge').map(({ reply }) => reply),
    ['first'],
  );
});

test('whose time has come before anybody asked for the next timeout gets its Empty ACK all the same', () => {
  const layer = newLayer({ emptyAckDelayMs: 500 });
  layer.receiveRequest(peer, message(Code.Get), 'late', now);
  drain(layer);
  layer.handleTimeout(instant(700));
  assert.deepEqual(
    drained(layer, 'acknowledge').map(({ reply }) => reply),
    ['late'],
  );
});
