import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { encodeMessage } from '../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { clientAddress, Pair, type PairOptions, pairPsk, serverAddress } from '../../src/testing/pair.ts';

function securedPair(options: PairOptions = {}): Pair {
  return new Pair({ security: 'dtls', ...options });
}

function connections(pair: Pair): number {
  return pair.events.filter(({ side, output }) => side === 'server' && output.kind === 'connected').length;
}

test('a thousand requests to one server make exactly one handshake', () => {
  const pair = securedPair();
  for (let i = 0; i < 1_000; i++) {
    const request = pair.request('/temperature');
    assert.ok(pair.runUntil(() => request.final || request.error !== undefined));
    assert.equal(request.responses[0]?.code, Code.Content);
  }
  assert.equal(connections(pair), 1);
  assert.equal(pair.served.length, 1_000);
});

test('nothing of a secured exchange is readable on the line: no path, no payload, no option', () => {
  const pair = securedPair({ handler: () => ({ code: Code.Content, payload: 'heart rate 72' }) });
  const request = pair.request('/vitals/heart-rate', { payload: encodeUtf8('patient 17') });
  assert.ok(pair.runUntil(() => request.final));
  const wire = pair.network.sent.map(({ datagram }) => toHex(datagram)).join('');
  for (const secret of ['vitals', 'heart', 'patient', pairPsk.key]) {
    const bytes = typeof secret === 'string' ? encodeUtf8(secret) : secret;
    assert.ok(!wire.includes(toHex(bytes)));
  }
});

test('one protected message costs 29 bytes more than the plain one with AES-128-CCM-8', () => {
  const suites = ['TLS_PSK_WITH_AES_128_CCM_8'] as const;
  const withoutId = { suites, connectionIdLength: 'off' } as const;
  const pair = securedPair({ client: { dtls: withoutId }, server: { dtls: withoutId } });
  const plain = new Pair();
  const sizes = [pair, plain].map((each) => {
    const first = each.request('/temperature', { token: Uint8Array.of(1, 2) });
    assert.ok(each.runUntil(() => first.final));
    const before = each.network.sent.length;
    const second = each.request('/temperature', { token: Uint8Array.of(1, 2) });
    assert.ok(each.runUntil(() => second.final));
    return each.network.sent.slice(before).map(({ datagram }) => datagram.length);
  });
  assert.deepEqual(
    sizes[0],
    sizes[1]?.map((length) => length + 29),
  );
});

for (const [what, psk, cause] of [
  ['a wrong key', { identity: 'sensor-042', key: encodeUtf8('AnotherKey16Byt!') }, 'psk-mismatch'],
  ['an unknown identity', { identity: 'sensor-999', key: pairPsk.key }, 'unknown-identity'],
] as const) {
  test(`${what} fails within seconds on both ends, and no request reaches the server`, () => {
    const pair = securedPair({ psk });
    const start = pair.now;
    const request = pair.request('/temperature');
    assert.ok(pair.runUntil(() => request.error !== undefined, 10_000));
    assert.ok(pair.now - start < 10_000);
    const { error } = request;
    assert.equal(error?.kind === 'handshake' && error.failure.cause, 'identity-or-key');
    pair.run(10_000);
    const failures = pair.events.flatMap(({ side, output }) =>
      side === 'server' && output.kind === 'handshake-failed' ? [output.failure.cause] : [],
    );
    assert.deepEqual(failures, [cause]);
    assert.equal(pair.served.length, 0);
    // The Finished that did not open is counted by its reason (P04).
    assert.ok((pair.server.counters.droppedByDtls['authentication-failed'] ?? 0) > 0);
    const applicationRecords = pair.network.sent.filter(({ datagram }) => datagram[0] === 23);
    assert.equal(applicationRecords.length, 0);
  });
}

for (const mtu of [128, 256, 1024]) {
  test(`a body of 8 KiB passes both ways in datagrams of at most ${mtu} bytes`, () => {
    const body = new Uint8Array(8192).map((_, i) => 65 + (i % 26));
    const pair = securedPair({
      conditions: { mtu },
      client: { mtu },
      server: { mtu },
      handler: (request) =>
        request.code === Code.Put ? { code: Code.Changed } : { code: Code.Content, payload: body },
    });
    const put = pair.request('/store', { code: Code.Put, payload: body });
    assert.ok(pair.runUntil(() => put.final || put.error !== undefined, 600_000));
    assert.deepEqual(pair.served[0]?.request.payload, body);
    const get = pair.request('/store');
    assert.ok(pair.runUntil(() => get.final || get.error !== undefined, 600_000));
    assert.deepEqual(get.responses[0]?.payload, body);
    assert.equal(pair.network.droppedForMtu, 0);
  });
}

test('observation works over DTLS, and ends when the association is closed', () => {
  let reading = 0;
  const pair = securedPair({
    handler: () => ({ code: Code.Content, payload: `${reading}`, observe: true }),
  });
  const request = pair.request('/temperature', { observe: true });
  pair.run(1_000);
  for (reading = 1; reading <= 3; reading++) {
    pair.notify('/temperature');
    pair.run(5_000);
  }
  assert.deepEqual(
    request.responses.map(({ payload }) => decodeUtf8(payload)),
    ['0', '1', '2', '3'],
  );
  pair.command('server', (server, now) => server.closeAll(now));
  pair.run(1_000);
  assert.ok(request.error !== undefined);
});

test('a restarted client reaches the server again from the same address, within 3 s', () => {
  const pair = securedPair();
  const first = pair.request('/temperature');
  assert.ok(pair.runUntil(() => first.final));
  pair.restart('client');
  const start = pair.now;
  const second = pair.request('/temperature');
  assert.ok(pair.runUntil(() => second.final, 3_000));
  assert.ok(pair.now - start <= 3_000);
  assert.equal(connections(pair), 2);
});

test('a request after a time-out makes a new handshake, when the server has lost its memory', () => {
  const pair = securedPair();
  const first = pair.request('/temperature');
  assert.ok(pair.runUntil(() => first.final));
  pair.restart('server');
  const lost = pair.request('/temperature');
  assert.ok(pair.runUntil(() => lost.error !== undefined));
  const again = pair.request('/temperature');
  assert.ok(pair.runUntil(() => again.final || again.error !== undefined));
  assert.equal(again.responses[0]?.code, Code.Content);
});

test('at 10 % loss each secured POST is answered and runs once', () => {
  const pair = securedPair({
    seed: 11,
    conditions: { lossRate: 0.1, duplicateRate: 0.1, reorderRate: 0.1 },
    handler: () => ({ code: Code.Changed }),
  });
  let answered = 0;
  for (let i = 0; i < 200; i++) {
    const request = pair.request('/counter', { code: Code.Post, payload: encodeUtf8(`reading ${i}`) });
    pair.runUntil(() => request.final || request.error !== undefined);
    if (request.responses[0]?.code === Code.Changed) answered++;
  }
  const bodies = pair.served.map(({ request }) => decodeUtf8(request.payload));
  assert.equal(new Set(bodies).size, bodies.length);
  assert.ok(answered >= 199, `${answered}`);
});

test('requirement J07: a well-formed plain CON GET to the port of DTLS draws not one byte, with or without an association', () => {
  const get = encodeMessage({
    type: 'CON',
    code: Code.Get,
    messageId: 7,
    token: Uint8Array.of(1, 2),
    options: new OptionSet().add(OptionNumber.UriPath, 'temperature'),
    payload: noBytes,
  });
  for (const isConnected of [false, true]) {
    const pair = securedPair();
    if (isConnected) {
      const request = pair.request('/temperature');
      assert.ok(pair.runUntil(() => request.final));
    }
    const served = pair.served.length;
    const before = pair.network.sent.length;
    for (let copy = 0; copy < 5; copy++) {
      pair.network.send(clientAddress, serverAddress, get.slice(), pair.now);
      pair.run(50_000);
    }
    const since = pair.network.sent.slice(before);
    assert.equal(since.filter(({ from }) => from.key === serverAddress.key).length, 0);
    const dropped = Object.values(pair.server.counters.droppedByDtls).reduce((sum, count) => sum + count, 0);
    assert.equal(dropped, 5);
    assert.equal(pair.served.length, served);
    const request = pair.request('/temperature');
    assert.ok(pair.runUntil(() => request.final));
    assert.equal(connections(pair), 1, 'the association is not harmed');
  }
});

test('a ping ends when its association is closed', () => {
  const pair = securedPair();
  const first = pair.request('/temperature');
  assert.ok(pair.runUntil(() => first.final));
  pair.network.setConditions({ lossRate: 1 });
  pair.command('client', (client, now) => client.ping(serverAddress, now));
  pair.command('client', (client, now) => client.closeAll(now));
  assert.ok(pair.events.some(({ output }) => output.kind === 'request-failed'));
});
