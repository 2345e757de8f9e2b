import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { after, type Instant, instant } from '../../../src/core/foundation/instant.ts';
import { decodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import {
  type ExchangeId,
  type RequestResponseConfig,
  RequestResponseLayer,
} from '../../../src/core/request-response/request-response-layer.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { answer, drain, drained, type MessageFields, message, newLayer, only } from './harness.ts';

const { Observe, UriPath } = OptionNumber;
const now = instant(0);
const peer = 'peer';

/** Registers under a token, and returns the Exchange. */
function register(
  layer: RequestResponseLayer,
  token: number,
  path: string,
  fields: MessageFields & { from?: string; code?: Code } = {},
): ExchangeId {
  const { from = peer, code = Code.Get, ...rest } = fields;
  const request = message(code, {
    token: Uint8Array.of(token),
    options: [
      [Observe, 0],
      [UriPath, path],
    ],
    ...rest,
  });
  layer.receiveRequest(from, request, 'reply', now);
  const { exchange } = only(layer, 'request');
  layer.respond(exchange, answer(Code.Content, { observe: true }), now);
  drain(layer);
  return exchange;
}

/** Changes `path`, answers for each observer that is asked for, and returns what is sent. */
function change(
  layer: RequestResponseLayer,
  path: string,
  at: Instant = now,
  payload = '',
): SentNotification[] {
  layer.notify(path, at);
  return answerAll(layer, at, payload);
}

interface SentNotification {
  readonly exchange: ExchangeId;
  readonly type: 'CON' | 'NON' | undefined;
  readonly sequence: number | undefined;
  readonly payload: string | undefined;
}

function answerAll(layer: RequestResponseLayer, at: Instant, payload = ''): SentNotification[] {
  const sent: SentNotification[] = [];
  for (let outputs = drain(layer); outputs.length > 0; outputs = drain(layer)) {
    for (const output of outputs) {
      if (output.kind === 'request') {
        layer.respond(output.exchange, answer(Code.Content, { payload, observe: true }), at);
      } else if (output.kind === 'send-response') {
        const { options, payload: bytes } = output.message;
        sent.push({
          exchange: output.exchange,
          type: output.type,
          sequence: options.uint(Observe),
          payload: decodeUtf8(bytes),
        });
      }
    }
  }
  return sent;
}

function conLayer(config: Partial<RequestResponseConfig> = {}): RequestResponseLayer {
  return newLayer({ notificationType: 'CON', ...config });
}

test('a registration renewed while its notification is unacknowledged ends when that one is acknowledged', () => {
  const layer = conLayer();
  const former = register(layer, 1, 't');
  assert.deepEqual(
    change(layer, '/t').map((sent) => sent.exchange),
    [former],
  );
  layer.receiveRequest(
    peer,
    message(Code.Get, {
      token: Uint8Array.of(1),
      options: [
        [Observe, 0],
        [UriPath, 't'],
      ],
    }),
    'reply',
    now,
  );
  const { exchange } = only(layer, 'request');
  layer.respond(exchange, answer(Code.Content, { observe: true }), now);
  assert.deepEqual(
    drained(layer, 'exchange-ended'),
    [],
    'its owner must still be known to the message layer',
  );
  assert.deepEqual(change(layer, '/t'), [], 'one notification at a time');
  layer.responseAcknowledged(former, now);
  const outputs = drain(layer);
  assert.deepEqual(outputs[0], { kind: 'exchange-ended', exchange: former });
  assert.ok(outputs[1]?.kind === 'request' && outputs[1].exchange === exchange);
});

for (const [end, outcome] of [
  ['a time-out', 'responseTimedOut'],
  ['a Reset', 'responseReset'],
] as const) {
  test(`${end} of a notification from before the client registered again lets the next one go`, () => {
    const layer = conLayer();
    const former = register(layer, 1, 't');
    change(layer, '/t');
    const exchange = register(layer, 1, 't');
    change(layer, '/t');
    layer[outcome](former, now);
    assert.deepEqual(
      answerAll(layer, now).map((sent) => sent.exchange),
      [exchange],
    );
    assert.equal(layer.load().observers, 1);
  });
}

test('a deregistration while a notification is unacknowledged lets the other observers of its peer be notified', () => {
  const layer = conLayer();
  register(layer, 1, 'a');
  const second = register(layer, 2, 'b');
  change(layer, '/a');
  assert.deepEqual(change(layer, '/b', now, 'state'), []);
  const options: [number, number | string][] = [
    [Observe, 1],
    [UriPath, 'a'],
  ];
  layer.receiveRequest(peer, message(Code.Get, { token: Uint8Array.of(1), options }), 'reply', now);
  drain(layer);
  assert.equal(layer.nextTimeout(), now);
  layer.handleTimeout(now);
  assert.deepEqual(
    answerAll(layer, now).map(({ exchange, payload }) => [exchange, payload]),
    [[second, 'state']],
  );
});

test('the last state of a burst, sent as NON, is followed by a CON notification with a greater number', () => {
  const layer = newLayer({ confirmFirstNotification: false, nonNotificationSpacingMs: 0 });
  register(layer, 1, 't');
  const burst = [0, 1, 2].flatMap((i) => change(layer, '/t', instant(i), `${i}`));
  assert.deepEqual(
    burst.map(({ type, payload }) => [type, payload]),
    [
      ['NON', '0'],
      ['NON', '1'],
      ['NON', '2'],
    ],
  );
  const due = layer.nextTimeout() as Instant;
  assert.equal(due, 10_002);
  layer.handleTimeout(due);
  const [confirmation, ...more] = answerAll(layer, due, '2');
  assert.deepEqual(more, []);
  assert.equal(confirmation?.type, 'CON');
  assert.ok((confirmation?.sequence ?? 0) > (burst[2]?.sequence ?? 0));
});

test('a CON notification that was acknowledged is not repeated', () => {
  const layer = newLayer({ notificationType: 'CON' });
  const exchange = register(layer, 1, 't');
  change(layer, '/t');
  layer.responseAcknowledged(exchange, now);
  layer.handleTimeout(instant(60_000));
  assert.deepEqual(drain(layer), []);
});

test('a state that waits for its turn when the last one should be repeated goes as CON instead', () => {
  const layer = newLayer({
    confirmFirstNotification: false,
    nonNotificationSpacingMs: 20_000,
    confirmableEvery: 100,
  });
  register(layer, 1, 't');
  change(layer, '/t');
  assert.deepEqual(change(layer, '/t', instant(9_000), 'new'), []);
  layer.handleTimeout(instant(10_000));
  assert.deepEqual(answerAll(layer, instant(10_000)), []);
  layer.handleTimeout(instant(20_000));
  assert.deepEqual(
    answerAll(layer, instant(20_000)).map(({ type, payload }) => [type, payload]),
    [['CON', 'new']],
  );
});

test('a notification that the message layer refuses is not lost: the observer stays and is asked for again', () => {
  const layer = conLayer();
  const exchange = register(layer, 1, 't');
  change(layer, '/t');
  layer.responseRefused(exchange, now);
  assert.equal(layer.load().observers, 1);
  const due = layer.nextTimeout() as Instant;
  layer.handleTimeout(due);
  assert.equal(answerAll(layer, due).length, 1);
});

test('a registration renewed while the application is asked gives up that question, and no time-out is counted', () => {
  const layer = newLayer();
  register(layer, 1, 't');
  layer.notify('/t', now);
  drain(layer);
  register(layer, 1, 't');
  layer.handleTimeout(instant(247_000));
  assert.equal(layer.counters.abandonedRequests, 0);
});

test('an observer that leaves while the application is asked leaves no timer', () => {
  const layer = newLayer();
  const exchange = register(layer, 1, 't');
  layer.notify('/t', now);
  layer.responseReset(exchange, now);
  assert.equal(layer.nextTimeout(), undefined);
});

test('an answer for a replaced registration is not taken for one to the question for its successor', () => {
  const layer = conLayer({ notificationsInFlight: 2 });
  const former = register(layer, 1, 't');
  change(layer, '/t');
  register(layer, 1, 't');
  layer.responseAcknowledged(former, now);
  layer.notify('/t', now);
  drain(layer);
  layer.respond(former, answer(Code.Content, { payload: 'old', observe: true }), now);
  assert.deepEqual(drained(layer, 'send-response'), []);
});

test('an observer keeps no byte of the datagram it came in, and no payload of a GET', () => {
  const layer = newLayer();
  const registration = message(Code.Get, {
    token: Uint8Array.of(1),
    options: [
      [Observe, 0],
      [UriPath, 't'],
    ],
    payload: new Uint8Array(1000),
  });
  layer.receiveRequest(peer, registration, 'reply', now);
  layer.respond(only(layer, 'request').exchange, answer(Code.Content, { observe: true }), now);
  drain(layer);
  layer.notify('/t', now);
  const { request } = only(layer, 'request');
  assert.equal(request.payload.length, 0);
  const values = [...request.options.entries()].map(({ value }) => value);
  for (const bytes of [request.token, ...values]) {
    assert.notEqual(bytes.buffer, registration.datagram.buffer);
  }
});

test('a FETCH is refreshed with its payload', () => {
  const layer = newLayer();
  register(layer, 1, 't', { code: Code.Fetch, payload: 'query' });
  layer.notify('/t', now);
  assert.equal(decodeUtf8(only(layer, 'request').request.payload), 'query');
});

test('registrations beyond the bytes for observers are answered without Observe, and bytes come back', () => {
  const layer = newLayer({ totalObserverBytes: 100_000, maxObserversPerPeer: 1000 });
  const accept = (token: number): boolean => {
    const options: [number, string | number][] = [
      [Observe, 0],
      [UriPath, 'p'.repeat(200)],
    ];
    layer.receiveRequest(peer, message(Code.Get, { token: Uint8Array.of(token), options }), 'reply', now);
    layer.respond(only(layer, 'request').exchange, answer(Code.Content, { observe: true }), now);
    return only(layer, 'send-response').message.options.has(Observe);
  };
  const accepted = Array.from({ length: 200 }, (_, i) => accept(i)).filter(Boolean).length;
  assert.ok(accepted > 10 && accepted < 100, `${accepted}`);
  layer.peerClosed(peer, now);
  drain(layer);
  assert.equal(Array.from({ length: 200 }, (_, i) => accept(i)).filter(Boolean).length, accepted);
});

test('whatever observers do, no peer is left with a state that was not sent and nothing to wait for', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new SeededRandom(seed);
    const layer = new RequestResponseLayer({
      random: new SeededRandom(seed),
      config: { confirmableEvery: 2 },
    });
    const inFlight = new Set<ExchangeId>();
    const dirty = new Set<number>();
    let at = now;
    const settle = (): void => {
      for (const output of drain(layer)) {
        if (output.kind === 'request') {
          layer.respond(output.exchange, answer(Code.Content, { observe: true }), at);
          settle();
        } else if (output.kind === 'send-response') {
          if (output.reply === undefined) dirty.delete(output.message.token[0] as number);
          if (output.type === 'CON') inFlight.add(output.exchange);
        } else if (output.kind === 'exchange-ended') inFlight.delete(output.exchange);
      }
    };
    const act = (token: number, observe: number): void => {
      const options: [number, string | number][] = [
        [Observe, observe],
        [UriPath, `${token}`],
      ];
      layer.receiveRequest(peer, message(Code.Get, { token: Uint8Array.of(token), options }), 'reply', at);
      dirty.delete(token);
      settle();
    };
    for (let step = 0; step < 100; step++) {
      const token = random.integer(3);
      const [first] = inFlight;
      switch (random.integer(6)) {
        case 0:
          act(token, 0);
          break;
        case 1:
          act(token, 1);
          break;
        case 2:
          if (first !== undefined) {
            inFlight.delete(first);
            layer.responseAcknowledged(first, at);
            settle();
          }
          break;
        case 3:
          at = after(at, random.integer(5000));
          layer.handleTimeout(at);
          settle();
          break;
        default:
          if (layer.activeObservations().some((o) => o.token[0] === token)) dirty.add(token);
          layer.notify(`/${token}`, at);
          settle();
      }
    }
    for (let i = 0; i < 50; i++) {
      for (const exchange of [...inFlight]) {
        inFlight.delete(exchange);
        layer.responseAcknowledged(exchange, at);
      }
      settle();
      at = after(at, 20_000);
      layer.handleTimeout(at);
      settle();
    }
    assert.deepEqual([...dirty], [], `seed ${seed}`);
  }
});
