import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import type { Message } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { clientAddress, Pair, serverAddress } from '../../src/testing/pair.ts';

function message(datagram: Uint8Array): Message {
  const decoded = decodeMessage(datagram);
  assert.ok(!isDecodeFault(decoded));
  return decoded;
}

/** Sends a datagram to the server as if from the client's address, and returns what comes back at once. */
function injected(pair: Pair, datagram: Uint8Array): Uint8Array[] {
  const before = pair.network.sent.length;
  pair.network.send(clientAddress, serverAddress, datagram, pair.now);
  pair.run(100);
  return pair.network.sent.slice(before + 1).map((sent) => sent.datagram);
}

test('a GET is answered by a piggybacked response in one round trip', () => {
  const pair = new Pair();
  const request = pair.request('/temperature');
  assert.ok(pair.runUntil(() => request.final));
  assert.equal(request.responses[0]?.code, Code.Content);
  assert.equal(decodeUtf8(request.responses[0].payload), '22.5');
  assert.deepEqual(
    pair.network.sent.map(({ datagram }) => message(datagram).type),
    ['CON', 'ACK'],
  );
  assert.equal(pair.served.length, 1);
});

test('a slow handler gets an empty ACK first and its response separately', () => {
  const pair = new Pair({ handler: () => undefined });
  const request = pair.request('/slow');
  pair.run(1_500);
  pair.respond(pair.served[0]?.exchange as number, { code: Code.Content, payload: 'late' });
  assert.ok(pair.runUntil(() => request.final));
  assert.equal(decodeUtf8(request.responses[0]?.payload ?? noBytes), 'late');
  pair.run(10_000);
  assert.deepEqual(
    pair.network.sent.map(({ datagram }) => [message(datagram).type, message(datagram).code]),
    [
      ['CON', Code.Get],
      ['ACK', Code.Empty],
      ['CON', Code.Content],
      ['ACK', Code.Empty],
    ],
  );
});

test('a request nobody answers fails after MAX_TRANSMIT_WAIT at the latest, with five transmissions', () => {
  const pair = new Pair({ conditions: { lossRate: 1 } });
  const request = pair.request('/temperature');
  const start = pair.now;
  assert.ok(pair.runUntil(() => request.error !== undefined));
  assert.deepEqual(request.error, { kind: 'exchange', failure: 'timeout' });
  assert.equal(pair.network.sent.length, 5);
  assert.ok(pair.now - start >= 62_000 && pair.now - start <= 93_000, `${pair.now - start}`);
});

test('at 10 % loss, 10 % duplication and reordering each POST is answered and runs once', () => {
  const count = 300;
  const pair = new Pair({
    seed: 7,
    conditions: { lossRate: 0.1, duplicateRate: 0.1, reorderRate: 0.1, jitterMs: 40 },
    handler: () => ({ code: Code.Changed }),
  });
  let answered = 0;
  for (let i = 0; i < count; i++) {
    const request = pair.request('/counter', { code: Code.Post, payload: encodeUtf8(`reading ${i}`) });
    pair.runUntil(() => request.final || request.error !== undefined);
    if (request.responses[0]?.code === Code.Changed) answered++;
  }
  const bodies = pair.served.map(({ request }) => decodeUtf8(request.payload));
  assert.equal(new Set(bodies).size, bodies.length, 'no POST ran twice');
  // A round trip fails with 1 - 0.9² = 0.19, five in a row with 0.19⁵: one request in 4,000.
  assert.ok(answered >= count - 1, `${answered} answered`);
});

test('a body of 1 MiB passes block-wise in both directions', () => {
  const body = new Uint8Array(1024 * 1024).map((_, i) => i * 31 + (i >> 8));
  const pair = new Pair({
    handler: (request) =>
      request.code === Code.Put ? { code: Code.Changed } : { code: Code.Content, payload: body },
  });
  const put = pair.request('/store', { code: Code.Put, payload: body });
  assert.ok(pair.runUntil(() => put.final || put.error !== undefined, 600_000));
  assert.equal(put.responses[0]?.code, Code.Changed);
  assert.deepEqual(pair.served[0]?.request.payload, body);
  const get = pair.request('/store');
  assert.ok(pair.runUntil(() => get.final || get.error !== undefined, 600_000));
  assert.deepEqual(get.responses[0]?.payload, body);
});

test('two observations on one socket never get notifications of each other', () => {
  const state = new Map([
    ['temperature', 0],
    ['humidity', 0],
  ]);
  const pair = new Pair({
    handler: (request) => {
      const name = request.options.text(OptionNumber.UriPath) as string;
      return { code: Code.Content, payload: `${name} ${state.get(name)}`, observe: true };
    },
  });
  const temperature = pair.request('/temperature', { observe: true });
  const humidity = pair.request('/humidity', { observe: true });
  pair.run(1_000);
  for (let round = 1; round <= 20; round++) {
    for (const name of round % 2 === 0 ? ['temperature', 'humidity'] : ['humidity', 'temperature']) {
      state.set(name, round);
      pair.notify(`/${name}`);
    }
    pair.run(5_000);
  }
  for (const [request, name] of [
    [temperature, 'temperature'],
    [humidity, 'humidity'],
  ] as const) {
    const texts = request.responses.map(({ payload }) => decodeUtf8(payload));
    assert.ok(
      texts.every((text) => text?.startsWith(`${name} `)),
      `${texts}`,
    );
    assert.equal(texts.at(-1), `${name} 20`);
    assert.equal(texts.length, 21);
  }
});

test('pattern 2: notifications 30 s apart carry rising Observe numbers and the new readings', () => {
  const readings = ['22.5°C', '23.1°C', '22.9°C'];
  let current = readings[0] as string;
  const pair = new Pair({
    handler: () => ({ code: Code.Content, payload: current, observe: true }),
  });
  const request = pair.request('/temperature', { observe: true });
  for (const reading of readings.slice(1)) {
    pair.run(30_000);
    current = reading;
    pair.notify('/temperature');
  }
  pair.run(1_000);
  assert.deepEqual(
    request.responses.map(({ payload }) => decodeUtf8(payload)),
    readings,
  );
  const numbers = request.responses.map(({ options }) => options.uint(OptionNumber.Observe) as number);
  assert.ok(
    numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number)),
    `${numbers}`,
  );
});

test('a cancelled observation leaves nothing behind on either side', () => {
  const pair = new Pair({ handler: () => ({ code: Code.Content, payload: 'x', observe: true }) });
  for (let i = 0; i < 50; i++) {
    const request = pair.request('/temperature', { observe: true });
    pair.run(1_000);
    assert.equal(pair.client.activeObservations().length, 1);
    pair.command('client', (client, now) => client.cancel(request.id, now));
    pair.run(1_000);
    assert.equal(pair.client.activeObservations().length, 0);
  }
  const before = pair.network.sent.length;
  pair.notify('/temperature');
  pair.run(1_000);
  assert.equal(pair.network.sent.length, before, 'nobody is notified');
});

test('a malformed CON gets a Reset with its Message ID, a malformed NON silence (RFC 7252 §4.2, §4.3)', () => {
  const pair = new Pair();
  const con = Uint8Array.of(0x40, 0x01, 0x12, 0x34, 0xff);
  const answers = injected(pair, con);
  assert.deepEqual(answers, [Uint8Array.of(0x70, 0x00, 0x12, 0x34)]);
  const non = Uint8Array.of(0x50, 0x01, 0x12, 0x35, 0xff);
  assert.deepEqual(injected(pair, non), []);
  assert.deepEqual(injected(pair, noBytes), []);
  assert.equal(pair.served.length, 0);
  assert.equal(pair.server.counters.malformedMessages, 3);
});

test('a CON response with an unknown token is answered by a Reset, a NON one is ignored', () => {
  const pair = new Pair();
  const response = (type: 'CON' | 'NON', messageId: number): Uint8Array =>
    encodeMessage({
      type,
      code: Code.Content,
      messageId,
      token: Uint8Array.of(1, 2, 3, 4),
      options: new OptionSet(),
      payload: encodeUtf8('stray'),
    });
  assert.deepEqual(injected(pair, response('CON', 0x7001)), [Uint8Array.of(0x70, 0x00, 0x70, 0x01)]);
  assert.deepEqual(injected(pair, response('NON', 0x7002)), []);
  assert.equal(pair.server.counters.unmatchedResponses, 2);
});

test('an unknown critical option is answered 4.02 and names the option (RFC 7252 §5.4.1)', () => {
  const pair = new Pair();
  const request = pair.request('/temperature', { options: new OptionSet().add(65_001, 'x') });
  assert.ok(pair.runUntil(() => request.final));
  assert.equal(request.responses[0]?.code, Code.BadOption);
  assert.match(decodeUtf8(request.responses[0].payload) ?? '', /65001/);
  assert.equal(pair.served.length, 0);
});

test('a ping is answered by a Reset, and one that nobody answers fails', () => {
  const pair = new Pair();
  pair.command('client', (client, now) => client.ping(serverAddress, now));
  pair.run(100);
  assert.deepEqual(
    pair.events.map(({ output }) => output.kind),
    ['pong'],
  );
  pair.network.setConditions({ lossRate: 1 });
  let ping = 0;
  pair.command('client', (client, now) => {
    ping = client.ping(serverAddress, now);
  });
  pair.run(100_000);
  assert.equal(ping > 0, true);
  assert.equal(pair.network.sent.length, 2 + 5);
});

test('100 concurrent requests, answered in reverse order, each get their own answer', () => {
  const pair = new Pair({
    handler: () => undefined,
    client: { transmission: { nstart: 100 } },
  });
  const requests = Array.from({ length: 100 }, (_, i) => pair.request(`/item/${i}`));
  pair.run(1_000);
  assert.equal(pair.served.length, 100);
  for (const { request, exchange } of [...pair.served].reverse()) {
    const name = request.options.texts(OptionNumber.UriPath).join('/');
    pair.respond(exchange, { code: Code.Content, payload: name });
  }
  assert.ok(pair.runUntil(() => requests.every(({ final }) => final)));
  for (const [i, request] of requests.entries()) {
    assert.equal(decodeUtf8(request.responses[0]?.payload ?? noBytes), `item/${i}`);
  }
});

test('a NON notification for an observation that nobody has is answered by a Reset (RFC 7641 §3.6)', () => {
  const pair = new Pair();
  const notification = encodeMessage({
    type: 'NON',
    code: Code.Content,
    messageId: 0x7003,
    token: Uint8Array.of(9),
    options: new OptionSet().add(OptionNumber.Observe, 12),
    payload: encodeUtf8('22.5'),
  });
  assert.deepEqual(injected(pair, notification), [Uint8Array.of(0x70, 0x00, 0x70, 0x03)]);
});

test('a ping that is acknowledged instead of reset is answered as well', () => {
  const pair = new Pair();
  pair.network.hook = (sent) =>
    sent.datagram[0] === 0x70
      ? { kind: 'edit', datagram: Uint8Array.of(0x60, ...sent.datagram.subarray(1)) }
      : undefined;
  pair.command('client', (client, now) => client.ping(serverAddress, now));
  pair.run(100);
  assert.deepEqual(
    pair.events.map(({ output }) => output.kind),
    ['pong'],
  );
});

test('an endpoint that is a client alone rejects requests: Reset for CON, silence for NON', () => {
  const pair = new Pair();
  const toClient = (datagram: Uint8Array): Uint8Array[] => {
    const before = pair.network.sent.length;
    pair.network.send(serverAddress, clientAddress, datagram, pair.now);
    pair.run(100);
    return pair.network.sent.slice(before + 1).map((sent) => sent.datagram);
  };
  assert.deepEqual(toClient(Uint8Array.of(0x40, 0x01, 0x00, 0x07)), [Uint8Array.of(0x70, 0x00, 0x00, 0x07)]);
  assert.deepEqual(toClient(Uint8Array.of(0x50, 0x01, 0x00, 0x08)), []);
});

test('100,000 invented source addresses do not make a server forget an observer', () => {
  const pair = new Pair({
    handler: () => ({ code: Code.Content, payload: 'x', observe: true }),
    server: { maxPlainPeers: 100 },
  });
  const request = pair.request('/temperature', { observe: true });
  pair.run(1_000);
  for (let i = 0; i < 100_000; i++) {
    const address = ipAddress(`198.51.${i >> 8}.${i & 255}`, 5683);
    pair.command('server', (server, now) =>
      server.handle({ address, datagram: Uint8Array.of(0x50, 0, 0, 0) }, now),
    );
  }
  pair.notify('/temperature');
  pair.run(1_000);
  assert.equal(request.responses.length, 2);
});

test('where acknowledging is promising, a slow answer is not preceded by an Empty ACK', () => {
  const pair = new Pair({
    handler: () => undefined,
    server: { requestResponse: { acknowledgeWithAnswer: () => true } },
  });
  const request = pair.request('/sensors/a', { code: Code.Put, payload: encodeUtf8('22.5') });
  pair.run(10_000);
  assert.equal(pair.served.length, 1);
  assert.ok(pair.network.sent.every(({ datagram }) => message(datagram).type === 'CON'));
  assert.ok(pair.network.sent.length > 1, 'the client retransmits meanwhile');
  pair.respond(pair.served[0]?.exchange as number, { code: Code.Changed });
  assert.ok(pair.runUntil(() => request.final));
  assert.equal(request.responses[0]?.code, Code.Changed);
});
