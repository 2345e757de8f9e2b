/**
 * RFC 8974: extended tokens over UDP, and clients whose state travels in them. Over TCP: `rfc8323-….test.ts`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import type { Message } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { equalBytes, fromHex, noBytes } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { Pair, serverAddress } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { body } from '../scenarios/spoofed-source.ts';
import { clientRequest, drained, message, newLayer } from '../unit/request-response/harness.ts';

const now = instant(0);
const longest = 65_804;
const tokenOf = (length: number): Uint8Array => new SeededRandom(length + 1).fill(new Uint8Array(length));

function decoded(datagram: Uint8Array, maxTokenLength = longest): Message {
  const one = decodeMessage(datagram, maxTokenLength);
  assert.ok(!isDecodeFault(one), JSON.stringify(one));
  return one;
}

function get(token: Uint8Array, type: 'CON' | 'NON' = 'CON'): Uint8Array {
  const options = new OptionSet().add(OptionNumber.UriPath, 'r');
  return encodeMessage({ type, code: Code.Get, messageId: 99, token, options, payload: noBytes }, longest);
}

/** Sends a datagram to the server as from the client, and returns what comes back. */
function answersTo(pair: Pair, datagram: Uint8Array): Message[] {
  const before = pair.network.sent.length;
  pair.network.send(pair.clientAddress, serverAddress, datagram, pair.now);
  pair.run(100);
  return pair.network.sent
    .slice(before)
    .filter(({ from }) => from.key === serverAddress.key)
    .map((sent) => decoded(sent.datagram))
    .filter(({ code, type }) => code !== Code.Empty || type !== 'CON');
}

test('§2.1: a TKL of 0 to 12 is the length, 13 and 14 are followed by it less 13 or 269', () => {
  for (const [length, head] of [
    [0, '40010063'],
    [8, '48010063'],
    [12, '4c010063'],
    [13, '4d01006300'],
    [268, '4d010063ff'],
    [269, '4e0100630000'],
    [1000, '4e01006302db'],
    [longest, '4e010063ffff'],
  ] as const) {
    const token = tokenOf(length);
    const datagram = get(token);
    assert.deepEqual(datagram.subarray(0, head.length / 2), fromHex(head), `${length}`);
    const message = decoded(datagram);
    assert.ok(equalBytes(message.token, token));
    assert.equal(message.options.text(OptionNumber.UriPath), 'r');
  }
});

test('§2.1: a TKL of 15 is a format error, whatever was agreed on', () => {
  const datagram = get(tokenOf(8));
  datagram[0] = 0x4f;
  for (const max of [8, 9, longest]) {
    const fault = decodeMessage(datagram, max);
    assert.ok(isDecodeFault(fault));
    assert.equal(fault.messageId, 99);
  }
});

test('RFC 7252 §3: without extended tokens a TKL of 9 to 15 is a format error, and a Confirmable message reset', () => {
  const pair = new Pair();
  for (let field = 9; field <= 15; field++) {
    const datagram = new Uint8Array(40);
    datagram.set([0x40 | field, 1, 0, field]);
    const [answer, ...more] = answersTo(pair, datagram);
    assert.equal(answer?.type, 'RST');
    assert.equal(answer.messageId, field);
    assert.equal(more.length, 0);
    datagram[0] = 0x50 | field;
    assert.deepEqual(answersTo(pair, datagram), [], 'a NON is ignored');
  }
  assert.equal(pair.server.counters.malformedMessages, 14);
});

test('§2.1: a token or its length that is cut off is a format error', () => {
  for (const length of [9, 13, 300]) {
    const datagram = get(tokenOf(length));
    for (let end = 4; end < 4 + length; end++) {
      assert.ok(isDecodeFault(decodeMessage(datagram.subarray(0, end), longest)), `${length} at ${end}`);
    }
  }
});

test('§2.1: encode refuses what has no encoding', () => {
  assert.throws(() => get(new Uint8Array(longest + 1)), /expected at most 65804/);
});

for (const security of ['none', 'dtls'] as const) {
  test(`§2.2, §3: a server echoes tokens up to the length that it was told, in responses of each kind (${security})`, () => {
    const config = { maxTokenLength: 200 };
    const pair = new Pair({ security, client: config, server: config, handler: () => undefined });
    const token = tokenOf(200);
    const piggybacked = pair.request('/r', { token });
    pair.run(100);
    pair.respond(pair.served[0]?.exchange as number, { code: Code.Content, payload: 'at once' });
    assert.ok(pair.runUntil(() => piggybacked.final));
    assert.equal(decodeUtf8(piggybacked.responses[0]?.payload ?? noBytes), 'at once');
    assert.ok(equalBytes(pair.served[0]?.request.token ?? noBytes, token));
    const separate = pair.request('/r', { token });
    pair.run(1_500);
    pair.respond(pair.served[1]?.exchange as number, { code: Code.Content, payload: 'late' });
    assert.ok(pair.runUntil(() => separate.final));
    assert.equal(decodeUtf8(separate.responses[0]?.payload ?? noBytes), 'late');
  });
}

test('§2.2: a copy of a request with a long token gets the stored answer with it', () => {
  const pair = new Pair({
    server: { maxTokenLength: 300 },
    handler: () => ({ code: Code.Changed, payload: 'x' }),
  });
  const options = new OptionSet();
  for (const length of [12, 13, 269, 300]) {
    const token = tokenOf(length);
    const fields = { type: 'CON', code: Code.Post, messageId: length, token, options } as const;
    const post = encodeMessage({ ...fields, payload: encodeUtf8('go') }, longest);
    for (let copy = 0; copy < 2; copy++) {
      const [answer] = answersTo(pair, post);
      assert.equal(answer?.code, Code.Changed);
      assert.ok(equalBytes(answer.token, token));
      assert.equal(decodeUtf8(answer.payload), 'x');
    }
  }
  assert.equal(pair.served.length, 4, 'each ran once');
});

test('§2.2.2: a token longer than the server takes is no format error: 4.00 with the token', () => {
  const pair = new Pair({ server: { maxTokenLength: 32 } });
  for (const length of [33, 400]) {
    const [answer] = answersTo(pair, get(tokenOf(length)));
    assert.equal(answer?.type, 'ACK');
    assert.equal(answer.code, Code.BadRequest);
    assert.ok(equalBytes(answer.token, tokenOf(length)));
  }
  assert.equal(pair.served.length, 0);
});

test('§2.2.2: a client that asks a server without support hears a Reset, and is told what that may mean', () => {
  const pair = new Pair({ client: { maxTokenLength: 64 } });
  const request = pair.request('/r', { token: tokenOf(20) });
  assert.ok(pair.runUntil(() => request.error !== undefined));
  assert.deepEqual(request.error, {
    kind: 'exchange',
    failure: 'reset',
    detail: 'it may take tokens of 8 bytes at most',
  });
});

test('§2.2.2: until support is known a request with a long token is Confirmable, and again after half an hour', () => {
  const layer = newLayer({ maxTokenLength: 64 });
  const typeOf = (length: number, at: number): string | undefined => {
    const token = tokenOf(length);
    layer.request('peer', clientRequest(Code.Get, { type: 'NON', token }), instant(at));
    const sent = drained(layer, 'send-request')[0];
    layer.receiveResponse('peer', message(Code.Content, { type: 'NON', token }, 64), instant(at));
    drained(layer, 'response');
    return sent?.type;
  };
  assert.equal(typeOf(8, 0), 'NON', 'needs no support');
  assert.equal(typeOf(20, 0), 'CON');
  assert.equal(typeOf(20, 1_000), 'NON');
  assert.equal(typeOf(21, 1_000), 'CON', 'a longer one');
  assert.equal(typeOf(21, 1_799_000), 'NON');
  assert.equal(typeOf(21, 1_801_001), 'CON');
});

test('§2.2.2: a 4.00 says nothing about support for the length', () => {
  const layer = newLayer({ maxTokenLength: 64 });
  const token = tokenOf(30);
  for (let i = 0; i < 2; i++) {
    layer.request('peer', clientRequest(Code.Get, { type: 'NON', token }), now);
    assert.equal(drained(layer, 'send-request')[0]?.type, 'CON');
    layer.receiveResponse('peer', message(Code.BadRequest, { type: 'NON', token }, 64), now);
    drained(layer, 'response');
  }
});

test('§3: a token of the caller above the length that was configured is refused before anything is sent', () => {
  const pair = new Pair({ client: { maxTokenLength: 16 } });
  assert.throws(() => pair.request('/r', { token: tokenOf(17) }), /token has 17 bytes; expected at most 16/);
  assert.throws(() => new Pair().request('/r', { token: tokenOf(9) }), /expected at most 8/);
  assert.throws(() => new Pair({ client: { maxTokenLength: 65_805 } }), /8 to 65804/);
});

test('§4: a body in blocks and an observation pass with long tokens as well', () => {
  const config = { maxTokenLength: 40 };
  let payload = body(3_000);
  const pair = new Pair({
    client: config,
    server: config,
    handler: () => ({ code: Code.Content, payload, observe: true }),
  });
  const observed = pair.request('/r', { token: tokenOf(40), observe: true });
  assert.ok(pair.runUntil(() => observed.responses.length > 0));
  const former = payload;
  payload = body(2_000);
  pair.notify('/r');
  pair.run(5_000);
  assert.equal(observed.responses.length, 2);
  for (const [i, sent] of [former, payload].entries()) {
    assert.ok(equalBytes(observed.responses[i]?.payload ?? noBytes, sent));
  }
});

test('RFC 7252 §11.3: long tokens count for the amplification limit like all bytes', () => {
  const pair = new Pair({
    server: { maxTokenLength: 600 },
    handler: () => ({ code: Code.Content, payload: body(2_000) }),
  });
  const datagram = get(tokenOf(600));
  pair.network.detach(pair.clientAddress);
  pair.network.send(pair.clientAddress, serverAddress, datagram, pair.now);
  pair.run(247_000);
  const out = pair.network.sent
    .filter(({ from }) => from.key === serverAddress.key)
    .reduce((sum, sent) => sum + sent.datagram.length, 0);
  assert.ok(out > 0 && out <= 3 * datagram.length, `${out} for ${datagram.length}`);
});
