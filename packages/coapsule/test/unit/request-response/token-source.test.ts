import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { toHex } from '../../../src/core/foundation/bytes.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { TokenSource } from '../../../src/core/request-response/token-source.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { clientRequest, drain, drained, message, newLayer, only } from './harness.ts';

const now = instant(0);
const free = () => false;

test('a token on plain CoAP is 4 random bytes', () => {
  const tokens = new TokenSource(new SeededRandom(1));
  const drawn = Array.from({ length: 50 }, () => tokens.next('peer', false, free));
  assert.ok(drawn.every((token) => token.length === 4));
  assert.equal(new Set(drawn.map(toHex)).size, 50);
});

test('a random token that is in use is drawn again', () => {
  const first = new TokenSource(new SeededRandom(1)).next('peer', false, free);
  const tokens = new TokenSource(new SeededRandom(1));
  const token = tokens.next('peer', false, (t) => toHex(t) === toHex(first));
  assert.notEqual(toHex(token), toHex(first));
});

test('tokens of a secure peer count from 0 in as few bytes as they need (RFC 9175 §4.2)', () => {
  const tokens = new TokenSource(new SeededRandom(1));
  const drawn = Array.from({ length: 65_538 }, () => toHex(tokens.next('peer', true, free)));
  assert.deepEqual(
    [drawn[0], drawn[1], drawn[255], drawn[256], drawn[65_536]],
    ['00', '01', 'ff', '0100', '010000'],
  );
  assert.equal(new Set(drawn).size, drawn.length);
  assert.equal(toHex(tokens.next('other', true, free)), '00');
});

test('tokens of a secure peer are never used again, also after their Exchange ended', () => {
  const layer = newLayer();
  const seen = new Set<string>();
  for (let i = 0; i < 300; i++) {
    layer.request('peer', clientRequest(Code.Get, { secure: true }), now);
    const { token } = only(layer, 'send-request').message;
    assert.equal(seen.has(toHex(token)), false);
    seen.add(toHex(token));
    layer.receiveResponse('peer', message(Code.Content, { type: 'ACK', token }), now);
    drain(layer);
  }
});

test("counting never comes to a token the caller used on a secure peer; another peer's count starts anew", () => {
  const layer = newLayer();
  layer.request('peer', clientRequest(Code.Get, { secure: true, token: Uint8Array.of(1) }), now);
  for (const secure of [true, true]) layer.request('peer', clientRequest(Code.Get, { secure }), now);
  const sent = drained(layer, 'send-request').map(({ message: m }) => toHex(m.token));
  assert.deepEqual(sent, ['01', '02', '03']);
  layer.peerClosed('peer', now);
  drain(layer);
  // In practice a closed association is never named again; its counter is gone all the same.
  layer.request('peer', clientRequest(Code.Get, { secure: true }), now);
  assert.equal(toHex(only(layer, 'send-request').message.token), '00');
});

test('a token the caller uses behind the count does not set it back', () => {
  const tokens = new TokenSource(new SeededRandom(1));
  for (let i = 0; i < 5; i++) tokens.next('peer', true, free);
  tokens.noteUsed('peer', Uint8Array.of(1));
  assert.equal(toHex(tokens.next('peer', true, free)), '05');
});

test("the caller's token is taken when it is free, and refused while it is in use with that peer", () => {
  const layer = newLayer();
  const token = Uint8Array.of(7, 7);
  const first = layer.request('peer', clientRequest(Code.Get, { token }), now);
  layer.request('peer', clientRequest(Code.Get, { token }), now);
  layer.request('other', clientRequest(Code.Get, { token }), now);
  const outputs = drain(layer);
  assert.deepEqual(
    outputs.map((output) => (output.kind === 'failed' ? output.error : output.kind)),
    ['send-request', 'token-in-use', 'send-request'],
  );
  layer.cancel(first, now);
  layer.request('peer', clientRequest(Code.Get, { token }), now);
  assert.equal(drained(layer, 'send-request').length, 1);
});

test("all messages of a transfer carry the caller's token", () => {
  const layer = newLayer();
  const token = Uint8Array.of(7);
  layer.request('peer', clientRequest(Code.Put, { token, blockSize: 16, payload: new Uint8Array(40) }), now);
  for (let i = 0; i < 3; i++) {
    assert.equal(toHex(only(layer, 'send-request').message.token), '07');
    layer.receiveResponse('peer', message(i < 2 ? Code.Continue : Code.Changed, { type: 'ACK', token }), now);
  }
  assert.equal(only(layer, 'response').final, true);
});

test('the tokens of a secure peer go on where another process ended', () => {
  const there = newLayer();
  for (let i = 0; i < 300; i++) there.request('peer', clientRequest(Code.Get, { secure: true }), now);
  const here = newLayer();
  here.continueTokens('peer', there.nextToken('peer'));
  here.request('peer', clientRequest(Code.Get, { secure: true }), now);
  assert.equal(toHex(only(here, 'send-request').message.token), '012c');
});
