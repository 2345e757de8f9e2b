/** RFC 8974 §3: clients whose requests carry their state in their tokens, so that nothing of them is kept. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { Endpoint } from '../../src/core/endpoint/endpoint.ts';
import type { EndpointOutput } from '../../src/core/endpoint/outputs.ts';
import { equalBytes, noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../src/core/foundation/errors.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { RequestResponseLayer } from '../../src/core/request-response/request-response-layer.ts';
import { StatelessTokens, statelessOverhead } from '../../src/core/request-response/stateless-tokens.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { Pair, serverAddress } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { clientRequest, drain, message } from '../unit/request-response/harness.ts';

const long = process.env['COAPSULE_LONG'] === '1';
const now = instant(1_000);
const lifetimeMs = 247_000;
const state = encodeUtf8('meter 4711');
const get = { code: Code.Get, options: new OptionSet(), payload: noBytes, type: 'NON' } as const;
const elsewhere = ipAddress('192.0.2.99', 5683);

function tokens(): StatelessTokens {
  return new StatelessTokens(nodeCrypto, new SeededRandom(4), lifetimeMs);
}

/** A client that knows that the server takes long tokens, and how to talk to it by hand. */
class Scene {
  readonly client = new Endpoint({
    config: { role: 'client', maxTokenLength: 64 },
    random: new SeededRandom(2),
    crypto: nodeCrypto,
  });
  at = now;
  messageId = 0x5000;
  outputs: EndpointOutput[] = [];

  constructor() {
    // As long as tokens may be: the server is known to take the others as well.
    this.client.request(serverAddress, { ...get, state: new Uint8Array(64 - statelessOverhead) }, this.at);
    const first = this.sent();
    this.answer(first.token, { type: 'ACK', messageId: first.messageId });
    this.drain();
  }

  drain(): EndpointOutput[] {
    this.outputs = [];
    for (let output = this.client.poll(); output; output = this.client.poll()) this.outputs.push(output);
    return this.outputs;
  }

  /** The message that went out last. */
  sent(): MessageView {
    const datagram = this.drain().findLast((output) => output.kind === 'transmit')?.datagram;
    const one = decodeMessage(datagram?.slice() ?? noBytes, 64);
    assert.ok(!isDecodeFault(one));
    return one;
  }

  ask(carried: Uint8Array = state): MessageView {
    this.client.request(serverAddress, { ...get, state: carried }, this.at);
    return this.sent();
  }

  answer(
    token: Uint8Array,
    fields: {
      type?: 'ACK' | 'CON' | 'NON';
      messageId?: number;
      from?: typeof serverAddress;
      options?: OptionSet;
    } = {},
  ): void {
    const {
      type = 'NON',
      messageId = this.messageId++,
      from = serverAddress,
      options = new OptionSet(),
    } = fields;
    const datagram = encodeMessage(
      { type, code: Code.Content, messageId, token, options, payload: encodeUtf8('22.5') },
      64,
    );
    this.client.handle({ address: from, datagram }, this.at);
  }

  /** The states that came back, and the types of messages that went to the server. */
  seen(): { states: string[]; types: string[] } {
    const states: string[] = [];
    const types: string[] = [];
    for (const output of this.drain()) {
      if (output.kind === 'stateless-response') states.push(decodeUtf8(output.state) ?? '');
      if (output.kind !== 'transmit') continue;
      const one = decodeMessage(output.datagram.slice());
      assert.ok(!isDecodeFault(one));
      types.push(one.type);
    }
    return { states, types };
  }
}

test('§3.2: the first request to a server is Confirmable and remembered; when it was answered, requests are Non-confirmable and forgotten', () => {
  const pair = new Pair({ client: { role: 'client', maxTokenLength: 64 }, server: { maxTokenLength: 64 } });
  const of = (kind: EndpointOutput['kind']) => pair.events.filter(({ output }) => output.kind === kind);
  const first = pair.request('/r', { ...get, state });
  pair.run(1_000);
  const second = pair.request('/r', { ...get, state: encodeUtf8('meter 4712') });
  pair.run(1_000);
  const answers = of('stateless-response').map(({ output }) => {
    assert.ok(output.kind === 'stateless-response');
    return [
      output.request,
      decodeUtf8(output.state),
      decodeUtf8(output.response.payload),
      output.peer.address,
    ];
  });
  assert.deepEqual(answers, [
    [first.id, 'meter 4711', '22.5', serverAddress],
    [undefined, 'meter 4712', '22.5', serverAddress],
  ]);
  assert.deepEqual(
    of('sent').map(({ output }) => output.kind === 'sent' && output.request),
    [second.id],
  );
  const types = pair.network.sent
    .filter(({ from }) => from.key !== serverAddress.key)
    .map(({ datagram }) => datagram[0]);
  assert.deepEqual(
    types.map((byte) => ((byte ?? 0) >> 4) & 3),
    [0, 1],
    'CON, NON',
  );
});

test('§3.2: a server that does not take such tokens fails the first request with a Reset', () => {
  const pair = new Pair({ client: { maxTokenLength: 64 } });
  const request = pair.request('/r', { ...get, state });
  assert.ok(pair.runUntil(() => request.error !== undefined));
  assert.equal(request.error?.kind === 'exchange' && request.error.failure, 'reset');
});

test('§3.3: the state comes back with a response in a message of its own, of either type; a Confirmable one is acknowledged', () => {
  const scene = new Scene();
  scene.answer(scene.ask().token);
  assert.deepEqual(scene.seen(), { states: ['meter 4711'], types: [] });
  scene.answer(scene.ask().token, { type: 'CON' });
  assert.deepEqual(scene.seen(), { states: ['meter 4711'], types: ['ACK'] });
});

test('§3.3: the response in an acknowledgement of a Non-confirmable request, which RFC 7252 §4.3 does not know, is passed over', () => {
  const scene = new Scene();
  const { token, messageId } = scene.ask();
  scene.answer(token, { type: 'ACK', messageId });
  assert.deepEqual(scene.seen(), { states: [], types: [] });
});

test('§3.1: a token of which any bit was changed is not ours: a Confirmable response is reset, another ignored', () => {
  const scene = new Scene();
  const { token } = scene.ask();
  for (let bit = 0; bit < 8 * token.length; bit++) {
    const changed = token.slice();
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    scene.answer(changed, { type: bit % 2 === 0 ? 'CON' : 'NON' });
    assert.deepEqual(scene.seen(), { states: [], types: bit % 2 === 0 ? ['RST'] : [] }, `bit ${bit}`);
  }
  assert.equal(scene.client.counters.unmatchedResponses, 8 * token.length);
  scene.answer(token);
  assert.deepEqual(scene.seen().states, ['meter 4711'], 'the right one still counts');
});

test('§3.1: tokens of any other bytes and lengths are not ours either', () => {
  const opener = tokens();
  opener.seal('server', state, now);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      (token) => opener.open('server', token, now).kind === 'foreign',
    ),
    { numRuns: long ? 100_000 : 2_000, seed: 1 },
  );
});

test('RFC 7252 §5.3.2: a response from another endpoint than was asked is not taken, whatever its token', () => {
  const scene = new Scene();
  const { token } = scene.ask();
  scene.answer(token, { from: elsewhere });
  assert.deepEqual(scene.seen().states, []);
  scene.answer(token);
  assert.deepEqual(scene.seen().states, ['meter 4711']);
});

test('§3.1: a response is taken once: one that is replayed, with another Message ID, is rejected and counted', () => {
  const scene = new Scene();
  const { token } = scene.ask();
  scene.answer(token);
  assert.equal(scene.seen().states.length, 1);
  scene.answer(token, { type: 'CON' });
  assert.deepEqual(scene.seen(), { states: [], types: ['RST'] });
  assert.equal(scene.client.layerCounters().exchanges['staleTokens'], 1);
});

test('§3.1: a response that comes EXCHANGE_LIFETIME after its request is not fresh any more', () => {
  for (const [waited, taken] of [
    [246_000, 1],
    [248_000, 0],
  ] as const) {
    const scene = new Scene();
    const { token } = scene.ask();
    scene.at = instant(scene.at + waited);
    scene.answer(token);
    assert.equal(scene.seen().states.length, taken, `${waited} ms`);
  }
});

test('§3.1: the state is encrypted, and no two tokens are the same', () => {
  const own = tokens();
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const token = own.seal('server', state, now);
    assert.equal(token.length, statelessOverhead + state.length);
    assert.ok(!toHex(token).includes(toHex(state)));
    seen.add(toHex(token));
  }
  assert.equal(seen.size, 100);
});

test('§3.1: the tokens of another process are not ours', () => {
  const token = tokens().seal('server', state, now);
  const next = new StatelessTokens(nodeCrypto, new SeededRandom(5), lifetimeMs);
  assert.equal(next.open('server', token, now).kind, 'foreign');
});

test('whatever the state, it comes back as it was', () => {
  const own = tokens();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 1e9 }), (carried, at) => {
      const opened = own.open('peer', own.seal('peer', carried, instant(at)), instant(at + 200));
      return opened.kind === 'state' && equalBytes(opened.state, carried);
    }),
    { numRuns: 500, seed: 1 },
  );
});

test('nothing is kept of requests under way, however many; of the latest 65,536 the responses are taken, in any order', () => {
  const count = long ? 1_000_000 : 70_000;
  const stateless = tokens();
  const layer = new RequestResponseLayer({
    random: new SeededRandom(1),
    config: { maxTokenLength: 64 },
    stateless,
  });
  const answered = (token: Uint8Array): string[] => {
    layer.receiveResponse('server', message(Code.Content, { type: 'NON', token }, 64), now);
    return drain(layer).flatMap((output) =>
      output.kind === 'stateless-response' ? [decodeUtf8(output.state) ?? ''] : [],
    );
  };
  const ask = (carried: string): Uint8Array => {
    layer.request('server', clientRequest(Code.Get, { type: 'NON', state: encodeUtf8(carried) }), now);
    const sent = drain(layer).find((output) => output.kind === 'send-request');
    assert.ok(sent?.kind === 'send-request');
    return sent.message.token;
  };
  layer.receiveResponse('server', message(Code.Content, { type: 'NON', token: ask('first') }, 64), now);
  drain(layer);
  const kept: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const token = ask(`${i}`);
    if (i === 0 || i >= count - 3 || i === count - 65_000) kept.push(token);
  }
  assert.equal(layer.load().clientExchanges, 0);
  assert.deepEqual(kept.reverse().map(answered), [
    [`${count - 1}`],
    [`${count - 2}`],
    [`${count - 3}`],
    [`${count - 65_000}`],
    [],
  ]);
});

test('RFC 9175 §2.3: the Echo of such a response goes with the next request', () => {
  const scene = new Scene();
  const echo = Uint8Array.of(1, 2, 3);
  scene.answer(scene.ask().token, { options: new OptionSet().set(OptionNumber.Echo, echo) });
  assert.equal(scene.seen().states.length, 1);
  assert.deepEqual(scene.ask().options.first(OptionNumber.Echo), echo);
});

test('a response with a critical option that nobody knows is rejected', () => {
  const scene = new Scene();
  scene.answer(scene.ask().token, { type: 'CON', options: new OptionSet().set(2049, 'x') });
  assert.deepEqual(scene.seen(), { states: [], types: ['RST'] });
});

test('§4.1: no observation, and nothing else that needs what is not kept; a state that is too long is refused before anything is sent', () => {
  const { client } = new Scene();
  const refused = (fields: object, pattern: RegExp): void =>
    assert.throws(
      () => client.request(serverAddress, { ...get, state, ...fields }, now),
      (error) => error instanceof ApiMisuseError && pattern.test(error.message),
    );
  refused({ observe: true }, /expected an ordinary request/);
  refused({ singleBlock: { num: 1, size: 64 } }, /expected an ordinary request/);
  refused({ token: Uint8Array.of(1) }, /without a token of its own/);
  refused({ options: new OptionSet().set(OptionNumber.NoResponse, 2) }, /expected an ordinary request/);
  refused({ oscore: 'context' }, /no `oscore`/);
  refused({ state: new Uint8Array(47) }, /state has 47 bytes; expected at most 46, as tokens have 64/);
  const plain = new Endpoint({ config: { maxTokenLength: 64 }, random: new SeededRandom(1) });
  assert.throws(
    () => plain.request(serverAddress, { ...get, state }, now),
    ApiMisuseError,
    'without cryptography',
  );
  assert.equal(client.poll(), undefined);
});

test('a request that does not fit one message is refused, as its blocks would have to be kept', () => {
  const scene = new Scene();
  scene.client.request(serverAddress, { ...get, code: Code.Put, state, payload: new Uint8Array(5_000) }, now);
  assert.ok(scene.drain().some((output) => output.kind === 'request-failed'));
});
