/**
 * RFC 9175 §4 and RFC 7252 §5.3.1: tokens that bind responses to requests.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import type { Message } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { RequestResponseLayer } from '../../src/core/request-response/request-response-layer.ts';
import { Pair, serverAddress } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { clientRequest, drain, drained, message, newLayer, only } from '../unit/request-response/harness.ts';

const long = process.env['COAPSULE_LONG'] === '1';
const now = instant(0);
const peer = 'peer';

function decoded(datagram: Uint8Array): Message {
  const one = decodeMessage(datagram);
  assert.ok(!isDecodeFault(one));
  return one;
}

test('RFC 9175 §4.2: on a secured association tokens count from zero, and go on counting', () => {
  const layer = newLayer();
  for (let i = 0; i < 300; i++) {
    const exchange = layer.request(peer, clientRequest(Code.Get, { secure: true }), now);
    const { token } = only(layer, 'send-request').message;
    assert.equal(toHex(token), i < 256 ? i.toString(16).padStart(2, '0') : i.toString(16).padStart(4, '0'));
    // Whether the exchange goes on, is answered or is given up: its token is not used again.
    if (i % 3 === 0) layer.cancel(exchange, now);
    if (i % 3 === 1) layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token }), now);
    drain(layer);
  }
});

test('RFC 9175 §4.2: another association begins at zero, and the former one is not mixed up with it', () => {
  const layer = newLayer();
  layer.request('dtls:1', clientRequest(Code.Get, { secure: true }), now);
  layer.request('dtls:2', clientRequest(Code.Get, { secure: true }), now);
  assert.deepEqual(
    drained(layer, 'send-request').map(({ message: { token } }) => toHex(token)),
    ['00', '00'],
  );
  const late = message(Code.Content, { type: 'NON', token: Uint8Array.of(0), payload: 'for the second' });
  assert.equal(layer.receiveResponse('dtls:2', late, now), 'matched');
  assert.equal(drained(layer, 'response')[0]?.peer, 'dtls:2');
});

test('RFC 9175 §4.1: an old response on a secured association is never taken for that of a later request', () => {
  const pair = new Pair({
    security: 'dtls',
    handler: ({ options }) => ({ code: Code.Content, payload: options.text(OptionNumber.UriPath) ?? '' }),
  });
  const seen = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const request = pair.request(`/r${i}`);
    if (i % 2 === 0) pair.command('client', (client, at) => client.cancel(request.id, at));
    else assert.ok(pair.runUntil(() => request.final));
    pair.run(1_000);
  }
  for (const { request } of pair.served) {
    assert.ok(!seen.has(toHex(request.token)), 'no token twice');
    seen.add(toHex(request.token));
  }
});

test('RFC 7252 §5.3.1: without security a token has 4 random bytes, and none that is in use with the server', () => {
  // A generator with so little variety that tokens in use come up again and again.
  const random = new SeededRandom(1);
  const poor = { fill: (bytes: Uint8Array) => bytes.fill(Math.floor(random.fraction() * 8)) };
  const layer = new RequestResponseLayer({ random: poor });
  const used = new Set<string>();
  for (let i = 0; i < 8; i++) {
    layer.request(peer, clientRequest(Code.Get), now);
    const { token } = only(layer, 'send-request').message;
    assert.equal(token.length, 4);
    assert.ok(!used.has(toHex(token)));
    used.add(toHex(token));
  }
  // In use with another server, they may well be used with this one.
  layer.request('another', clientRequest(Code.Get), now);
  assert.ok(used.has(toHex(drained(layer, 'send-request')[0]?.message.token ?? noBytes)));
});

test('RFC 7252 §5.3.1: the tokens of a plain client do not follow from each other', () => {
  const layer = newLayer();
  const tokens: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    layer.request(peer, clientRequest(Code.Get), now);
    const { token } = only(layer, 'send-request').message;
    tokens.push(new DataView(token.buffer, token.byteOffset).getUint32(0));
  }
  assert.equal(new Set(tokens).size, 1_000);
  const ones = tokens.reduce((sum, token) => sum + token.toString(2).replaceAll('0', '').length, 0);
  assert.ok(Math.abs(ones / 32_000 - 0.5) < 0.02, `${ones}`);
});

test('RFC 7252 §5.3.2: the token of a caller that is in use already is refused', () => {
  const layer = newLayer();
  const token = Uint8Array.of(7);
  layer.request(peer, clientRequest(Code.Get, { token }), now);
  drain(layer);
  layer.request(peer, clientRequest(Code.Get, { token }), now);
  assert.equal(only(layer, 'failed').error, 'token-in-use');
});

for (const security of ['none', 'dtls'] as const) {
  test(`C11: 100 requests at once, answered in any other order, each get their own answer (${security})`, () => {
    const pair = new Pair({
      security,
      handler: () => undefined,
      client: { transmission: { nstart: 100 } },
      server: { transmission: { nstart: 100 } },
    });
    const requests = Array.from({ length: 100 }, (_, i) => pair.request(`/r/${i}`));
    pair.run(1_000);
    assert.equal(pair.served.length, 100);
    const random = new SeededRandom(3);
    const open = [...pair.served];
    while (open.length > 0) {
      const [next] = open.splice(Math.floor(random.fraction() * open.length), 1);
      assert.ok(next);
      const [, number] = next.request.options.texts(OptionNumber.UriPath);
      pair.respond(next.exchange, { code: Code.Content, payload: `answer ${number}` });
      pair.run(5);
    }
    assert.ok(pair.runUntil(() => requests.every(({ final }) => final)));
    for (const [i, request] of requests.entries()) {
      assert.equal(decodeUtf8(request.responses[0]?.payload ?? noBytes), `answer ${i}`);
    }
  });
}

test('G05: two observations on one socket, their notifications mixed, late and doubled: none goes to the other', () => {
  const state = new Map([
    ['temperature', 0],
    ['humidity', 0],
  ]);
  const pair = new Pair({
    conditions: { duplicateRate: 0.3, reorderRate: 0.3, jitterMs: 50 },
    handler: ({ options }) => {
      const name = options.text(OptionNumber.UriPath) as string;
      return { code: Code.Content, payload: `${name} ${state.get(name)}`, observe: true };
    },
  });
  const observations = [...state.keys()].map((name) => ({
    name,
    request: pair.request(`/${name}`, { observe: true }),
  }));
  pair.run(5_000);
  for (let round = 1; round <= 100; round++) {
    for (const name of round % 3 === 0 ? ['humidity', 'temperature'] : ['temperature', 'humidity']) {
      state.set(name, round);
      pair.notify(`/${name}`);
    }
    pair.run(500);
  }
  pair.run(30_000);
  for (const { name, request } of observations) {
    const texts = request.responses.map(({ payload }) => decodeUtf8(payload) ?? '');
    assert.ok(texts.length > 10);
    assert.ok(
      texts.every((text) => text.startsWith(`${name} `)),
      `${texts}`,
    );
    assert.equal(texts.at(-1), `${name} 100`);
  }
});

test('G06: the map from token to resource shows each observation while it lasts, on both sides', () => {
  const pair = new Pair({ handler: () => ({ code: Code.Content, payload: 'x', observe: true }) });
  const temperature = pair.request('/temperature', { observe: true });
  pair.request('/humidity', { observe: true });
  pair.run(1_000);
  for (const side of [pair.client, pair.server]) {
    const active = side.activeObservations();
    assert.deepEqual(active.map(({ resource }) => resource).sort(), ['/humidity', '/temperature']);
    assert.equal(new Set(active.map(({ token }) => toHex(token))).size, 2);
    for (const { token } of active) assert.equal(token.length, 4);
  }
  pair.command('client', (client, at) => client.cancel(temperature.id, at));
  pair.run(1_000);
  for (const side of [pair.client, pair.server]) {
    assert.deepEqual(
      side.activeObservations().map(({ resource }) => resource),
      ['/humidity'],
    );
  }
});

const observations = long ? 1_000_000 : 1_000;
test(`G07: ${observations} observations, each cancelled: no token stays in the map, and nothing is confused`, () => {
  const pair = new Pair({ handler: () => ({ code: Code.Content, payload: 'x', observe: true }) });
  for (let i = 0; i < observations; i++) {
    const request = pair.request(`/r${i % 7}`, { observe: true });
    assert.ok(pair.runUntil(() => request.responses.length > 0));
    assert.equal(pair.client.activeObservations().length, 1);
    pair.command('client', (client, at) => client.cancel(request.id, at));
    assert.ok(pair.runUntil(() => request.error !== undefined));
    // What a test looks at must not be what grows.
    pair.network.sent.length = 0;
    pair.served.length = 0;
    pair.events.length = 0;
  }
  assert.deepEqual(pair.client.activeObservations(), []);
  assert.deepEqual(pair.server.activeObservations(), []);
  pair.run(300_000);
  for (const side of [pair.client, pair.server]) {
    const { messages } = side.layerCounters();
    assert.equal(messages['outstanding'], 0);
    assert.equal(messages['deduplicationEntries'], 0);
  }
});

function notification(type: 'CON' | 'NON', token: Uint8Array, messageId = 777): Uint8Array {
  const options = new OptionSet().set(OptionNumber.Observe, 5);
  return encodeMessage({ type, code: Code.Content, messageId, token, options, payload: encodeUtf8('x') });
}

test('G08: a CON notification whose token belongs to nothing is answered by a Reset, and counted', () => {
  const pair = new Pair();
  pair.network.send(
    serverAddress,
    pair.clientAddress,
    notification('CON', Uint8Array.of(1, 2, 3, 4)),
    pair.now,
  );
  pair.run(100);
  const answers = pair.network.sent.slice(1).map(({ datagram }) => decoded(datagram));
  assert.deepEqual(
    answers.map(({ type, messageId }) => [type, messageId]),
    [['RST', 777]],
  );
  assert.equal(pair.client.counters.unmatchedResponses, 1);
});

test('G08: a NON response whose token belongs to nothing is ignored, and counted; a notification ends its observation', () => {
  const pair = new Pair();
  const options = new OptionSet();
  const token = Uint8Array.of(1, 2, 3, 4);
  const plain = encodeMessage({
    type: 'NON',
    code: Code.Content,
    messageId: 1,
    token,
    options,
    payload: noBytes,
  });
  pair.network.send(serverAddress, pair.clientAddress, plain, pair.now);
  pair.run(100);
  assert.equal(pair.network.sent.length, 1);
  assert.equal(pair.client.counters.unmatchedResponses, 1);
  // RFC 7641 §3.6: rejecting a notification is how a client that has forgotten an observation ends it.
  pair.network.send(serverAddress, pair.clientAddress, notification('NON', token), pair.now);
  pair.run(100);
  assert.equal(decoded(pair.network.sent.at(-1)?.datagram ?? noBytes).type, 'RST');
  assert.equal(pair.client.counters.unmatchedResponses, 2);
});
