/**
 * RFC 9175 §2: the Echo option: freshness of requests, and addresses that are proved before more than little goes there.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { isLegalOptionValue, OptionNumber, optionDefinition } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { equalBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { EchoValues } from '../../src/core/request-response/echo.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { Pair, type PairOptions, serverAddress } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { body, request, SpoofedSource, text } from '../scenarios/spoofed-source.ts';
import { answer, clientRequest, drained, message, newLayer, only } from '../unit/request-response/harness.ts';

const now = instant(0);
const peer = 'peer';
const large = body(4_000);
const someEcho = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

/** A lock that opens for fresh requests only. */
function lockPair(options: PairOptions = {}, freshWithinMs = 10_000): Pair {
  return new Pair({
    handler: ({ code }) => ({ code: code === Code.Get ? Code.Content : Code.Changed }),
    ...options,
    server: { requestResponse: { freshWithinMs: () => freshWithinMs }, ...options.server },
  });
}

function echoesIn(pair: Pair): (Uint8Array | undefined)[] {
  return pair.served.map(({ request: one }) => one.options.first(OptionNumber.Echo));
}

test('§2.2.1: Echo is option 252, elective, safe to forward, not part of the cache key, of 1 to 40 bytes', () => {
  const definition = optionDefinition(252);
  assert.ok(definition);
  assert.equal(definition.name, 'Echo');
  assert.equal(definition.repeatable, false);
  assert.equal(252 & 1, 0, 'elective');
  assert.equal(252 & 2, 0, 'safe to forward');
  assert.equal(252 & 0x1e, 0x1c, 'not part of the cache key');
  assert.equal(isLegalOptionValue(definition, noBytes), false);
  assert.ok(isLegalOptionValue(definition, new Uint8Array(1)));
  assert.ok(isLegalOptionValue(definition, new Uint8Array(40)));
  assert.equal(isLegalOptionValue(definition, new Uint8Array(41)), false);
});

test('§2.2.1: a server verifies that a value is its own, given to this peer, and when', () => {
  const values = new EchoValues(nodeCrypto, new SeededRandom(1));
  const value = values.issue('a', instant(5_040));
  assert.equal(value.length, 12);
  assert.equal(values.issuedAt('a', value), 5_000, 'never later than it was given');
  assert.equal(values.issuedAt('b', value), undefined, 'given to another peer');
  for (let bit = 0; bit < 96; bit++) {
    const changed = value.slice();
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.equal(values.issuedAt('a', changed), undefined, `bit ${bit} changed`);
  }
  assert.equal(values.issuedAt('a', value.subarray(0, 11)), undefined);
  assert.equal(values.issuedAt('a', new Uint8Array(12)), undefined);
  // Appendix A: a key of another process accepts nothing of this one.
  assert.equal(new EchoValues(nodeCrypto, new SeededRandom(2)).issuedAt('a', value), undefined);
});

for (const security of ['none', 'dtls'] as const) {
  test(`§2.3, over ${security}: a request that must be fresh is answered 4.01 with Echo, not processed, and repeated by the client`, () => {
    const pair = lockPair({ security });
    const put = pair.request('/lock', { code: Code.Put, payload: text('0') });
    assert.ok(pair.runUntil(() => put.final || put.error !== undefined));
    assert.equal(put.responses[0]?.code, Code.Changed);
    assert.equal(pair.served.length, 1, 'the application saw it once');
    assert.equal(echoesIn(pair)[0]?.length, 12);
    assert.equal(pair.client.layerCounters().exchanges['echoesRepeated'], 1);
    assert.equal(pair.server.layerCounters().exchanges['echoesAsked'], 1);
  });

  test(`§2.4, over ${security}: the same value serves further requests while it is young, and is asked anew after`, () => {
    const pair = lockPair({ security });
    const asked = (): number | undefined => pair.server.layerCounters().exchanges['echoesAsked'];
    const lock = (): void => {
      const put = pair.request('/lock', { code: Code.Put, payload: text('1') });
      assert.ok(pair.runUntil(() => put.final || put.error !== undefined));
      assert.equal(put.responses[0]?.code, Code.Changed);
    };
    lock();
    assert.equal(asked(), 1);
    pair.run(5_000);
    lock();
    assert.equal(asked(), 1);
    pair.run(6_000);
    lock();
    assert.equal(asked(), 2);
    assert.equal(pair.served.length, 3);
  });
}

test('§2.3: what need not be fresh is processed with an Echo of any kind, or none', () => {
  const pair = new Pair({ handler: () => ({ code: Code.Changed }) });
  const options = new OptionSet().set(OptionNumber.Echo, someEcho);
  const put = pair.request('/lock', { code: Code.Put, payload: text('0'), options });
  assert.ok(pair.runUntil(() => put.final));
  assert.equal(put.responses[0]?.code, Code.Changed);
});

test('§2.3: requests that change nothing need not be fresh', () => {
  const pair = lockPair();
  const get = pair.request('/lock');
  assert.ok(pair.runUntil(() => get.final));
  assert.equal(get.responses[0]?.code, Code.Content);
  assert.equal(pair.server.layerCounters().exchanges['echoesAsked'], 0);
});

test('§2.3: a request that was held back on its way until it is too old does nothing', () => {
  const pair = lockPair();
  const first = pair.request('/lock', { code: Code.Put, payload: text('1') });
  assert.ok(pair.runUntil(() => first.final));
  // The attacker takes the next request off the wire, and lets it through a minute later.
  let held: Uint8Array | undefined;
  pair.network.hook = ({ to, datagram }) => {
    if (to.key !== serverAddress.key) return undefined;
    held ??= datagram;
    return { kind: 'drop' };
  };
  const second = pair.request('/lock', { code: Code.Put, payload: text('0') });
  pair.command('client', (client, at) => client.cancel(second.id, at));
  pair.run(60_000);
  pair.network.hook = undefined;
  assert.ok(held);
  pair.network.send(pair.clientAddress, serverAddress, held, pair.now);
  pair.run(1_000);
  assert.equal(pair.served.length, 1, 'it was not carried out');
});

test('§2.3: an Echo of one association says nothing in another', () => {
  const values = new EchoValues(nodeCrypto, new SeededRandom(1));
  assert.equal(values.issuedAt('dtls:2', values.issue('dtls:1', now)), undefined);
});

test('§2.3: a body in blocks is asked for freshness with its first block, and judged by its last', () => {
  const pair = lockPair({ security: 'dtls' }, 60_000);
  const put = pair.request('/firmware', { code: Code.Put, payload: body(5_000) });
  assert.ok(pair.runUntil(() => put.final || put.error !== undefined));
  assert.equal(put.responses[0]?.code, Code.Changed);
  assert.equal(pair.served.length, 1);
  assert.ok(equalBytes(pair.served[0]?.request.payload ?? noBytes, body(5_000)));
  assert.equal(pair.server.layerCounters().exchanges['echoesAsked'], 1);
  assert.equal(pair.client.layerCounters().exchanges['requestsSent'], 6, 'five blocks, the first one twice');
});

test('§2.3: a body whose last block comes when its Echo is too old is finished with another one', () => {
  const pair = lockPair({ security: 'dtls', conditions: { delayMs: 400 } }, 3_000);
  const put = pair.request('/firmware', { code: Code.Put, payload: body(8_192) });
  assert.ok(pair.runUntil(() => put.final || put.error !== undefined));
  assert.equal(put.responses[0]?.code, Code.Changed);
  assert.ok(equalBytes(pair.served[0]?.request.payload ?? noBytes, body(8_192)));
  assert.equal(pair.server.layerCounters().exchanges['echoesAsked'], 2);
});

test('§2.3: the client repeats a request once, and gives the second 4.01 to the caller: it never loops', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Put, { options: [[OptionNumber.UriPath, 'lock']] }), now);
  const first = only(layer, 'send-request').message;
  assert.equal(first.options.has(OptionNumber.Echo), false);
  const challenge = (token: Uint8Array, echo: Uint8Array): void => {
    layer.receiveResponse(
      peer,
      message(Code.Unauthorized, { type: 'ACK', token, options: [[OptionNumber.Echo, echo]] }),
      now,
    );
  };
  challenge(first.token, someEcho);
  const second = drained(layer, 'send-request')[0]?.message;
  assert.ok(second);
  assert.deepEqual(second.options.first(OptionNumber.Echo), someEcho);
  assert.equal(second.options.text(OptionNumber.UriPath), 'lock');
  assert.notDeepEqual(second.token, first.token, 'RFC 9175 §4: another token');
  challenge(second.token, Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9));
  const response = only(layer, 'response');
  assert.equal(response.response.code, Code.Unauthorized);
  assert.equal(response.final, true);
});

test('§2.3: a 4.01 without an Echo is for the caller at once', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get), now);
  const { token } = only(layer, 'send-request').message;
  layer.receiveResponse(peer, message(Code.Unauthorized, { type: 'ACK', token }), now);
  assert.equal(only(layer, 'response').response.code, Code.Unauthorized);
});

test('§2.3: the Echo of any other response is sent in the next request to that server, and to no other', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get), now);
  const { token } = only(layer, 'send-request').message;
  layer.receiveResponse(
    peer,
    message(Code.Content, { type: 'ACK', token, options: [[OptionNumber.Echo, someEcho]], payload: 'x' }),
    now,
  );
  assert.equal(only(layer, 'response').response.code, Code.Content);
  layer.request(peer, clientRequest(Code.Get), now);
  assert.deepEqual(only(layer, 'send-request').message.options.first(OptionNumber.Echo), someEcho);
  layer.request('another', clientRequest(Code.Get), now);
  assert.equal(only(layer, 'send-request').message.options.has(OptionNumber.Echo), false);
  // The newer one takes its place, and the end of the association takes it away.
  layer.peerClosed(peer, now);
  layer.request(peer, clientRequest(Code.Get), now);
  assert.equal(drained(layer, 'send-request')[0]?.message.options.has(OptionNumber.Echo), false);
});

test('§2.3, §6: a value is discarded after ten minutes', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get), now);
  const { token } = only(layer, 'send-request').message;
  const options = [[OptionNumber.Echo, someEcho]] as const;
  layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, options, payload: 'x' }), now);
  layer.request(peer, clientRequest(Code.Get), instant(599_999));
  assert.ok(drained(layer, 'send-request')[0]?.message.options.has(OptionNumber.Echo));
  layer.request(peer, clientRequest(Code.Get), instant(600_000));
  assert.equal(drained(layer, 'send-request')[0]?.message.options.has(OptionNumber.Echo), false);
});

test("§2.3: an Echo that the caller gave is the caller's matter, and so is the answer to it", () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Put, { options: [[OptionNumber.Echo, someEcho]] }), now);
  const { token } = only(layer, 'send-request').message;
  const options = [[OptionNumber.Echo, Uint8Array.of(9)]] as const;
  layer.receiveResponse(peer, message(Code.Unauthorized, { type: 'ACK', token, options }), now);
  assert.equal(only(layer, 'response').response.code, Code.Unauthorized);
});

test('§2.3: registrations of observers are repeated with their Echo like any request', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get, { observe: true }), now);
  const first = only(layer, 'send-request').message;
  const options = [[OptionNumber.Echo, someEcho]] as const;
  layer.receiveResponse(peer, message(Code.Unauthorized, { type: 'ACK', token: first.token, options }), now);
  const second = drained(layer, 'send-request')[0]?.message;
  assert.equal(second?.options.uint(OptionNumber.Observe), 0);
  assert.deepEqual(second.options.first(OptionNumber.Echo), someEcho);
  layer.receiveResponse(
    peer,
    message(Code.Content, {
      type: 'ACK',
      token: second.token,
      options: [[OptionNumber.Observe, 1]],
      payload: 'x',
    }),
    now,
  );
  assert.equal(only(layer, 'response').final, false);
});

test('§2.4, item 3, and §2.6: where no block fits, an unauthenticated peer gets 4.01 with Echo, piggybacked', () => {
  const server = new SpoofedSource(() => ({ payload: large }));
  server.send(request('/a', { token: Uint8Array.of(1, 2) }));
  const [response] = server.received;
  assert.equal(response?.type, 'ACK');
  assert.equal(response.code, Code.Unauthorized);
  assert.equal(response.options.first(OptionNumber.Echo)?.length, 12);
  assert.equal(response.payload.length, 0);
});

test('§2.4, item 3: never as a separate response: after an empty ACK it is Non-confirmable', () => {
  const server = new SpoofedSource(() => undefined);
  server.send(request('/a', { token: Uint8Array.of(1, 2, 3, 4) }));
  server.pass(1_000);
  server.respond(server.asked[0]?.exchange as number, { payload: large });
  server.pass(247_000);
  const responses = server.received.filter(({ code }) => code === Code.Unauthorized);
  assert.deepEqual(
    responses.map(({ type }) => type),
    ['NON'],
  );
  assert.ok(server.ratio <= 3);
});

test('§2.4, item 3: a request with the Echo that was sent to its address proves it, and is answered in full', () => {
  const server = new SpoofedSource(() => ({ payload: large }));
  server.send(request('/a', { token: Uint8Array.of(1) }));
  const echo = server.received[0]?.options.first(OptionNumber.Echo);
  assert.ok(echo);
  const options = new OptionSet().set(OptionNumber.Echo, echo);
  server.send(request('/a', { messageId: 2, token: Uint8Array.of(2), options }));
  assert.equal(server.received.at(-1)?.payload.length, 1024);
});

test('§2.4, item 3: an Echo that was sent to another address, or is not ours, proves nothing', () => {
  const values = new EchoValues(nodeCrypto, new SeededRandom(99));
  const server = new SpoofedSource(() => ({ payload: large }));
  for (const echo of [values.issue('203.0.113.66:53', server.now), new Uint8Array(12), someEcho]) {
    const options = new OptionSet().set(OptionNumber.Echo, echo);
    server.send(request('/a', { messageId: echo[0] ?? 0, options }));
    assert.ok(server.ratio <= 3);
  }
});

test('§2.4, item 3: an Echo that is repeated proves no more than it did: ten minutes from when it was given', () => {
  const server = new SpoofedSource(() => ({ payload: large }));
  server.send(request('/a', { token: Uint8Array.of(1) }));
  const echo = server.received[0]?.options.first(OptionNumber.Echo) ?? noBytes;
  const options = new OptionSet().set(OptionNumber.Echo, echo);
  const blockOf = (messageId: number): number | undefined => {
    server.send(request('/a', { messageId, token: Uint8Array.of(2), options }));
    return server.received.at(-1)?.payload.length;
  };
  assert.equal(blockOf(2), 1024);
  server.pass(595_000);
  assert.equal(blockOf(3), 1024);
  server.pass(6_000);
  const before = server.bytesOut;
  blockOf(4);
  assert.ok(server.bytesOut - before <= 4_096);
  assert.notEqual(server.received.at(-1)?.payload.length, 1024);
});

test('§2.4: one that sends Echoes back is given another before its proof ends, and stays proved', () => {
  const pair = new Pair({ handler: () => ({ code: Code.Content, payload: large }) });
  for (let minute = 0; minute < 60; minute += 4) {
    const get = pair.request('/a');
    assert.ok(pair.runUntil(() => get.final));
    assert.equal(get.responses[0]?.code, Code.Content);
    pair.run(240_000);
  }
  // Only the first request met the limit.
  const limited = pair.server.layerCounters().exchanges['limitedResponses'] ?? 0;
  assert.ok(limited <= 3, `${limited}`);
});

test('the application of a server answers with an Echo of its own like with any option', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Put), 'handle', now);
  const { exchange } = only(layer, 'request');
  layer.respond(exchange, answer(Code.Unauthorized, { options: [[OptionNumber.Echo, someEcho]] }), now);
  const sent = drained(layer, 'send-response')[0]?.message;
  assert.deepEqual(sent?.options.first(OptionNumber.Echo), someEcho);
});
