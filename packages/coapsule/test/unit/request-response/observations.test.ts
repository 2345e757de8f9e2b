import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { toHex } from '../../../src/core/foundation/bytes.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { decodeUtf8 } from '../../../src/core/foundation/utf8.ts';
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

const { Observe, UriPath, UriQuery } = OptionNumber;
const now = instant(0);
const peer = 'peer';

test('after 1,000 observations that were made and cancelled nothing is left on either side', () => {
  const pump = new MessagePump();
  pump.serve(() => answer(Code.Content, { payload: 'x', observe: true }));
  for (let i = 0; i < 1000; i++) {
    const exchange = pump.request(
      clientRequest(Code.Get, { observe: true, options: [[UriPath, `${i % 7}`]] }),
    );
    pump.run(100);
    assert.equal(pump.server.layer.load().observers, 1);
    pump.client.layer.cancel(exchange, pump.now);
    pump.run(100);
    assert.deepEqual(
      pump.of(exchange).map((result) => (result.kind === 'failed' ? result.error : result.final)),
      [false, 'cancelled'],
    );
  }
  for (const { layer } of [pump.client, pump.server]) {
    assert.deepEqual(layer.activeObservations(), []);
    assert.equal(layer.nextTimeout(), undefined);
    assert.deepEqual(
      Object.values(layer.load()).filter((n) => n !== 0),
      [],
    );
  }
});

test('whatever is lost, doubled or reordered, the client ends up with the latest state', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const link = { lossRate: 0.2, duplicateRate: 0.2, jitterMs: 1500 };
    const pump = new MessagePump({ link, seed });
    let state = 0;
    pump.serve(() => answer(Code.Content, { payload: `${state} ${'x'.repeat(1500)}`, observe: true }));
    const exchange = pump.request(clientRequest(Code.Get, { observe: true, options: [[UriPath, 's']] }));
    pump.run(60_000);
    for (state = 1; state < 12; state++) {
      pump.server.layer.notify('/s', pump.now);
      pump.run(400 * state);
    }
    state = 12;
    pump.server.layer.notify('/s', pump.now);
    pump.run(600_000);
    const results = pump.of(exchange);
    const last = results.at(-1);
    assert.ok(last?.kind === 'response', `seed ${seed}: ${last?.kind === 'failed' ? last.error : 'nothing'}`);
    assert.match(decodeUtf8(last.response.payload) ?? '', /^12 x{1500}$/, `seed ${seed}`);
  }
});

test('a client that forgot its observation is removed by the Reset of the next notification', () => {
  const pump = new MessagePump();
  pump.serve(() => answer(Code.Content, { observe: true }));
  pump.request(clientRequest(Code.Get, { observe: true, options: [[UriPath, 's']] }));
  pump.run(1000);
  pump.client.layer.peerClosed('server', pump.now);
  pump.server.layer.notify('/s', pump.now);
  pump.run(1000);
  assert.equal(pump.server.layer.load().observers, 0);
});

test('a client that is gone is removed within MAX_TRANSMIT_WAIT of the next CON notification', () => {
  const pump = new MessagePump();
  pump.serve(() => answer(Code.Content, { observe: true }));
  pump.request(clientRequest(Code.Get, { observe: true, options: [[UriPath, 's']] }));
  pump.run(1000);
  pump.server.layer.receiveRequest(
    'dead',
    message(Code.Get, {
      options: [
        [Observe, 0],
        [UriPath, 's'],
      ],
    }),
    {},
    pump.now,
  );
  const { exchange } = only(pump.server.layer, 'request');
  pump.server.layer.respond(exchange, answer(Code.Content, { observe: true }), pump.now);
  drain(pump.server.layer);
  pump.server.layer.notify('/s', pump.now);
  pump.server.layer.responseTimedOut(exchange, pump.now);
  pump.run(93_000);
  assert.deepEqual(
    pump.server.layer.activeObservations().map((o) => o.peer),
    ['client'],
  );
});

function register(layer: RequestResponseLayer, from: string, token: number, path: string, query?: string) {
  const options: [number, string | number][] = [
    [Observe, 0],
    [UriPath, path],
  ];
  if (query !== undefined) options.push([UriQuery, query]);
  layer.receiveRequest(from, message(Code.Get, { token: Uint8Array.of(token), options }), 'reply', now);
  const { exchange } = only(layer, 'request');
  layer.respond(exchange, answer(Code.Content, { observe: true }), now);
  const { options: sent } = only(layer, 'send-response').message;
  return { exchange, accepted: sent.has(Observe) };
}

test('the list of observers is bounded in total, for each peer and for each resource', () => {
  const layer = newLayer({ maxObservers: 5, maxObserversPerPeer: 2, maxObserversPerResource: 3 });
  const accepted = [
    ['a', 'r'],
    ['a', 'r'],
    ['a', 's'], // third of its peer
    ['b', 'r'],
    ['b', 'r'], // fourth of the resource
    ['b', 's'],
    ['c', 's'],
    ['d', 's'], // sixth of all
  ].map(([from, path], i) => register(layer, from as string, i, path as string).accepted);
  assert.deepEqual(accepted, [true, true, false, true, false, true, true, false]);
  assert.equal(layer.counters.refusedObservers, 3);
});

test('the active observations show which token stands for which resource, in both roles', () => {
  const layer = newLayer();
  register(layer, 'client', 0xaa, 'temperature', 'unit=c');
  const options: [number, string][] = [
    [UriPath, 'sensors'],
    [UriPath, 'light'],
  ];
  layer.request(
    'server',
    clientRequest(Code.Get, { observe: true, token: Uint8Array.of(0xbb), options }),
    now,
  );
  assert.deepEqual(
    layer.activeObservations().map(({ role, peer: p, token, resource }) => [role, p, toHex(token), resource]),
    [
      ['client', 'server', 'bb', '/sensors/light'],
      ['server', 'client', 'aa', '/temperature?unit=c'],
    ],
  );
});

test('a change of a path is one for every query, a change of a query for that alone', () => {
  const layer = newLayer({ notificationType: 'CON' });
  const a = register(layer, 'a', 1, 't', 'x=1').exchange;
  const b = register(layer, 'b', 2, 't', 'x=2').exchange;
  layer.notify('/t?x=2', now);
  assert.deepEqual(
    drained(layer, 'request').map((o) => o.exchange),
    [b],
  );
  layer.notify('/t', now);
  assert.deepEqual(
    drained(layer, 'request').map((o) => o.exchange),
    [a],
    'b is being asked already',
  );
  layer.notify('/other', now);
  assert.deepEqual(drain(layer), []);
});

test('a change while the application answers a registration is followed by a notification', () => {
  const layer = newLayer();
  const options: [number, string | number][] = [
    [Observe, 0],
    [UriPath, 't'],
  ];
  layer.receiveRequest(peer, message(Code.Get, { options }), 'reply', now);
  const { exchange } = only(layer, 'request');
  layer.notify('/t', now);
  layer.respond(exchange, answer(Code.Content, { payload: 'old', observe: true }), now);
  const asked = drain(layer).find((output) => output.kind === 'request');
  assert.equal(asked?.exchange, exchange);
  assert.equal(asked?.request.refresh, true);
});

test('an application that never answers for an observer does not block it for ever', () => {
  const layer = newLayer();
  register(layer, peer, 1, 't');
  layer.notify('/t', now);
  drain(layer);
  layer.notify('/t', now);
  layer.handleTimeout(instant(247_000));
  assert.equal(drained(layer, 'request').length, 1);
});

test('a busy resource is sent, though it changes each time the application is asked', () => {
  const layer = newLayer({ notificationType: 'CON' });
  const { exchange } = register(layer, peer, 1, 't');
  layer.notify('/t', now);
  let sent = 0;
  for (let i = 0; i < 20; i++) {
    layer.notify('/t', now);
    layer.respond(exchange, answer(Code.Content, { observe: true }), now);
    if (drained(layer, 'send-response').length > 0) {
      sent++;
      layer.responseAcknowledged(exchange, now);
    }
  }
  assert.ok(sent >= 5, `${sent}`);
});

test('the answer to a re-registration counts as current though a server that restarted counts from a lower number', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  const notify = (type: 'ACK' | 'NON', sequence: number, at: number) => {
    layer.receiveResponse(
      peer,
      message(Code.Content, { type, token, options: [[Observe, sequence]] }),
      instant(at),
    );
    return drained(layer, 'response').length;
  };
  drain(layer);
  assert.equal(notify('ACK', 900, 0), 1);
  layer.handleTimeout(layer.nextTimeout() ?? now);
  assert.equal(drained(layer, 'send-request').length, 1);
  assert.equal(notify('ACK', 1, 76_000), 1);
  assert.equal(notify('NON', 2, 77_000), 1);
});

test('an observation whose re-registration is not answered fails', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  const exchange = layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, options: [[Observe, 1]] }), now);
  drain(layer);
  layer.handleTimeout(layer.nextTimeout() ?? now);
  assert.equal(drained(layer, 'send-request').length, 1);
  layer.requestTimedOut(exchange, instant(200_000));
  assert.equal(only(layer, 'failed').error, 'timeout');
  assert.equal(layer.load().clientExchanges, 0);
});

test('peerClosed takes all observers and observations of the peer', () => {
  const layer = newLayer();
  register(layer, peer, 1, 't');
  register(layer, 'other', 2, 't');
  layer.request(peer, clientRequest(Code.Get, { observe: true }), now);
  layer.peerClosed(peer, now);
  assert.deepEqual(
    layer.activeObservations().map((o) => o.peer),
    ['other'],
  );
});

test('an observation and the fetch of its notification end once each when their peer is gone', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  const exchange = layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  drain(layer);
  const options: [number, number][] = [
    [Observe, 1],
    [OptionNumber.Block2, 8],
  ];
  layer.receiveResponse(
    peer,
    message(Code.Content, { type: 'ACK', token, options, payload: pattern(16) }),
    now,
  );
  const fetch = only(layer, 'send-request').exchange;
  layer.peerClosed(peer, now);
  assert.deepEqual(drain(layer), [
    { kind: 'stop-request', exchange: fetch },
    { kind: 'exchange-ended', exchange: fetch },
    { kind: 'failed', exchange, error: 'peer-closed' },
  ]);
  assert.equal(layer.nextTimeout(), undefined);
});

test('a large observed representation is fetched whole at both ends of a change', () => {
  const pump = new MessagePump();
  let body = pattern(5000, 1);
  pump.serve(() => answer(Code.Content, { payload: body, observe: true }));
  const exchange = pump.request(clientRequest(Code.Get, { observe: true, options: [[UriPath, 'icon']] }));
  pump.run(5000);
  body = pattern(7000, 2);
  pump.server.layer.notify('/icon', pump.now);
  pump.run(5000);
  const bodies = pump.of(exchange).map((r) => (r.kind === 'response' ? toHex(r.response.payload) : r.error));
  assert.deepEqual(bodies, [toHex(pattern(5000, 1)), toHex(body)]);
});

test('a state of a large resource that is told twice, by NON and by CON, is fetched and delivered once', () => {
  for (const [maxAge, delayMs] of [
    [undefined, 10],
    [3600, 10],
    [60, 2000], // the CON comes while the body is on its way
  ] as const) {
    const pump = new MessagePump({ link: { delayMs } });
    const options: [number, number][] = maxAge === undefined ? [] : [[OptionNumber.MaxAge, maxAge]];
    let body = pattern(5000, 1);
    pump.serve(() => answer(Code.Content, { payload: body, observe: true, options }));
    const exchange = pump.request(clientRequest(Code.Get, { observe: true, options: [[UriPath, 'icon']] }));
    pump.run(50_000);
    const changes = [2, 3, 4];
    const datagrams: number[] = [];
    for (const seed of changes) {
      body = pattern(5000, seed);
      const before = pump.datagrams;
      pump.server.layer.notify('/icon', pump.now);
      pump.run(60_000);
      datagrams.push(pump.datagrams - before);
    }
    const bodies = pump
      .of(exchange)
      .map((r) => (r.kind === 'response' ? toHex(r.response.payload) : r.error));
    const told = [1, ...changes].map((seed) => toHex(pattern(5000, seed)));
    if (maxAge === 3600) {
      assert.deepEqual(bodies, told);
      // A notification, four further blocks with their requests, and a CON notification with its acknowledgement.
      assert.ok(
        datagrams.every((count) => count <= 11),
        `${datagrams}`,
      );
      assert.equal(
        pump.client.layer.counters.repeatedNotifications,
        2,
        'the first notification of all is CON',
      );
    } else assert.deepEqual([...new Set(bodies)], told);
    assert.equal(pump.client.layer.counters.incompleteNotifications, 0);
  }
});

test('a body is news again when its fetch failed, when the client registers again, and after half of its Max-Age', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  drain(layer);
  const tag: [number, Uint8Array] = [OptionNumber.ETag, Uint8Array.of(7)];
  let observe = 0;
  /** The notification of a body of two blocks: the tokens of the requests that follow. */
  const notify = (at: number, type: 'ACK' | 'NON' = 'NON'): (Uint8Array | undefined)[] => {
    const options: OptionList = [
      tag,
      [Observe, ++observe],
      [OptionNumber.MaxAge, 60],
      [OptionNumber.Block2, 8],
    ];
    const received = message(Code.Content, { type, token, options, payload: pattern(16) });
    layer.receiveResponse(peer, received, instant(at));
    return drained(layer, 'send-request').map((output) => output.message.token);
  };
  /** The answer to the request for the second block: how many responses the application gets. */
  const arrive = (fetch: Uint8Array | undefined, at: number, code: Code = Code.Content): number => {
    const options: OptionList = [tag, [OptionNumber.MaxAge, 60], [OptionNumber.Block2, 16]];
    const received = message(code, { type: 'ACK', token: fetch ?? token, options, payload: 'end' });
    layer.receiveResponse(peer, received, instant(at));
    return drained(layer, 'response').length;
  };
  const [first] = notify(0, 'ACK');
  assert.deepEqual(notify(500), [], 'it is on its way');
  assert.equal(arrive(first, 1000), 1);
  assert.deepEqual(notify(30_999), []);
  const [second] = notify(31_000);
  assert.equal(arrive(second, 31_000, Code.InternalServerError), 0);
  const [third] = notify(32_000);
  assert.equal(arrive(third, 32_000), 1);
  layer.handleTimeout(instant(120_000));
  assert.equal(drained(layer, 'send-request').length, 1, 'it registers again');
  const [fourth] = notify(120_000, 'ACK');
  assert.equal(arrive(fourth, 120_000), 1);
  assert.equal(layer.counters.repeatedNotifications, 2);
});

test('a FETCH registration of several blocks ends up with one token, and registers again and deregisters with it', () => {
  const pump = new MessagePump({ server: { notificationType: 'CON' } });
  pump.serve(({ payload }) => answer(Code.Content, { payload: `${payload.length}`, observe: true }));
  const payload = pattern(2500);
  const exchange = pump.request(
    clientRequest(Code.Fetch, { payload, observe: true, options: [[UriPath, 'q']] }),
  );
  pump.run(1000);
  const [registered] = pump.client.layer.activeObservations();
  pump.run(90_000); // Max-Age 60 and the 5 to 15 seconds after it
  const [again] = pump.client.layer.activeObservations();
  assert.deepEqual(again?.token, registered?.token);
  assert.equal(pump.client.layer.counters.reregistrations, 1);
  assert.equal(pump.server.layer.load().observers, 1);
  assert.deepEqual(
    pump
      .of(exchange)
      .map((r) => (r.kind === 'response' ? [decodeUtf8(r.response.payload), r.final] : r.error)),
    [
      ['2500', false],
      ['2500', false],
    ],
  );
  pump.server.layer.notify('/q', pump.now);
  pump.run(1000);
  assert.equal(pump.of(exchange).length, 3);
  // The deregistration goes in blocks, as the registration did.
  pump.client.layer.cancel(exchange, pump.now);
  pump.run(1000);
  assert.equal(pump.server.layer.load().observers, 0);
  const end = pump.of(exchange).at(-1);
  assert.equal(end?.kind === 'failed' && end.error, 'cancelled');
  assert.equal(pump.requests.at(-1)?.request.observe, 'deregister');
  assert.equal(pump.client.layer.load().clientExchanges, 0);
});

test('cancelling an observation stops the fetch of its latest notification', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  const exchange = layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  const options: [number, number][] = [
    [Observe, 1],
    [OptionNumber.Block2, 8],
  ];
  layer.receiveResponse(
    peer,
    message(Code.Content, { type: 'ACK', token, options, payload: pattern(16) }),
    now,
  );
  assert.equal(layer.load().clientExchanges, 2);
  layer.cancel(exchange, now);
  assert.equal(layer.load().clientExchanges, 1);
});

test('a separate answer to a re-registration counts as current too', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  const exchange = layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, options: [[Observe, 900]] }), now);
  const due = layer.nextTimeout() ?? now;
  layer.handleTimeout(due);
  layer.requestAcknowledged(exchange, due);
  drain(layer);
  layer.receiveResponse(peer, message(Code.Content, { token, options: [[Observe, 1]] }), due);
  assert.equal(drained(layer, 'response').length, 1);
});

test('a separate answer to a re-registration is taken before the ACK, though the server restarted, and nothing times out', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  const exchange = layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, options: [[Observe, 900]] }), now);
  const due = layer.nextTimeout() ?? now;
  layer.handleTimeout(due);
  drain(layer);
  const notify = (sequence: number) => {
    layer.receiveResponse(peer, message(Code.Content, { token, options: [[Observe, sequence]] }), due);
    return drain(layer).map((output) => output.kind);
  };
  assert.deepEqual(notify(1), ['response'], 'the registration goes on: it may have been a late notification');
  assert.deepEqual(notify(2), ['stop-request', 'response']);
  assert.deepEqual(notify(1), [], 'stale again');
  layer.requestAcknowledged(exchange, due);
  layer.handleTimeout(instant(due + 60_000));
  assert.equal(layer.load().clientExchanges, 1);
});

for (const end of ['requestAcknowledged', 'requestTimedOut'] as const) {
  test(`a registration that was answered early is done with ${end}`, () => {
    const layer = newLayer();
    const token = Uint8Array.of(1);
    const exchange = layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
    layer.receiveResponse(
      peer,
      message(Code.Content, { type: 'ACK', token, options: [[Observe, 900]] }),
      now,
    );
    const due = layer.nextTimeout() ?? now;
    layer.handleTimeout(due);
    const maxAge: [number, number] = [OptionNumber.MaxAge, 1000];
    layer.receiveResponse(peer, message(Code.Content, { token, options: [[Observe, 1], maxAge] }), due);
    drain(layer);
    layer[end](exchange, due);
    layer.handleTimeout(instant(due + 500_000));
    assert.deepEqual(
      drain(layer).map((output) => output.kind),
      ['stop-request'],
    );
    assert.equal(layer.activeObservations()[0]?.sequence, 1);
  });
}

test('the piggybacked answer after a late notification is taken as current', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  const exchange = layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, options: [[Observe, 9]] }), now);
  const due = layer.nextTimeout() ?? now;
  layer.handleTimeout(due);
  layer.receiveResponse(peer, message(Code.Content, { token, options: [[Observe, 8]] }), due);
  layer.requestAcknowledged(exchange, due);
  drain(layer);
  const answered = message(Code.Content, { type: 'ACK', token, options: [[Observe, 10]], payload: 'now' });
  layer.receiveResponse(peer, answered, due);
  assert.equal(decodeUtf8(only(layer, 'response').response.payload), 'now');
});

test('a re-registration that cannot be sent yet is tried again, and the observation goes on', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  const exchange = layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, options: [[Observe, 1]] }), now);
  layer.handleTimeout(layer.nextTimeout() ?? now);
  drain(layer);
  layer.requestRefused(exchange, instant(80_000));
  drain(layer);
  layer.handleTimeout(layer.nextTimeout() ?? now);
  assert.equal(drained(layer, 'send-request').length, 1);
});

test('a late copy of a registration does not begin the observation again that was cancelled since', () => {
  const layer = newLayer();
  register(layer, peer, 1, 't');
  const observing = (observe: number) => {
    const options: [number, string | number][] = [
      [Observe, observe],
      [UriPath, 't'],
    ];
    return message(Code.Get, { token: Uint8Array.of(1), options });
  };
  layer.receiveRequest(peer, observing(1), 'reply', now);
  drain(layer);
  layer.receiveRequest(peer, observing(0), 'reply', now, true);
  layer.respond(only(layer, 'request').exchange, answer(Code.Content, { observe: true }), now);
  assert.equal(only(layer, 'send-response').message.options.has(Observe), false);
  assert.equal(layer.load().observers, 0);
});

test('a repeated registration whose answer was lost is answered as one, and a repeated deregistration ends nothing', () => {
  const layer = newLayer();
  register(layer, peer, 1, 't');
  for (const observe of [0, 1, undefined]) {
    const options: [number, string | number][] = [[UriPath, 't']];
    if (observe !== undefined) options.push([Observe, observe]);
    layer.receiveRequest(peer, message(Code.Get, { token: Uint8Array.of(1), options }), 'reply', now, true);
    layer.respond(only(layer, 'request').exchange, answer(Code.Content, { observe: true }), now);
    assert.equal(only(layer, 'send-response').message.options.has(Observe), observe === 0);
    assert.equal(layer.load().observers, 1);
  }
});

test('a change of a path reaches its observers whatever their query, and no segment is taken for a query', () => {
  const layer = newLayer({ notificationType: 'CON' });
  const plain = register(layer, 'a', 1, 'a').exchange;
  const queried = register(layer, 'b', 1, 'a', 'b').exchange;
  const segment = register(layer, 'c', 1, 'a?b').exchange;
  const asked = (resource: string) => {
    layer.notify(resource, now);
    const requests = drained(layer, 'request').map((output) => output.exchange);
    for (const exchange of requests) layer.respond(exchange, answer(Code.Content, { observe: true }), now);
    for (const exchange of requests) layer.responseAcknowledged(exchange, now);
    drain(layer);
    return requests;
  };
  assert.deepEqual(asked('/a'), [plain, queried]);
  assert.deepEqual(asked('/a?b'), [queried]);
  assert.deepEqual(asked('/a%3Fb'), [segment]);
});

test('a segment with a slash or a percent sign is escaped in the name of a resource', () => {
  const layer = newLayer();
  register(layer, 'a', 1, 'x/y');
  register(layer, 'b', 1, '50%');
  assert.deepEqual(
    layer.activeObservations().map((o) => o.resource),
    ['/x%2Fy', '/50%25'],
  );
  layer.notify('/50%25', now);
  assert.equal(drained(layer, 'request').length, 1);
});

test("the caller's timeoutMs does not end an observation that was established", () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  layer.request(peer, clientRequest(Code.Get, { token, observe: true, timeoutMs: 1000 }), now);
  layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, options: [[Observe, 1]] }), now);
  drain(layer);
  layer.handleTimeout(instant(1000));
  assert.deepEqual(drain(layer), []);
});

test('a token used for another resource ends the observation of the first', () => {
  const layer = newLayer();
  register(layer, peer, 1, 'a');
  register(layer, peer, 1, 'b');
  assert.deepEqual(
    layer.activeObservations().map((o) => o.resource),
    ['/b'],
  );
});

test('a registration the application declines the second time ends the observation', () => {
  const layer = newLayer();
  register(layer, peer, 1, 'a');
  const options: [number, string | number][] = [
    [Observe, 0],
    [UriPath, 'a'],
  ];
  layer.receiveRequest(peer, message(Code.Get, { token: Uint8Array.of(1), options }), 'reply', now);
  layer.respond(only(layer, 'request').exchange, answer(Code.Content), now);
  assert.deepEqual(layer.activeObservations(), []);
});

test('an application that declines a refresh ends the observation with a notification without Observe', () => {
  const layer = newLayer();
  const { exchange } = register(layer, peer, 1, 'a');
  layer.notify('/a', now);
  layer.respond(exchange, answer(Code.Content, { observe: false }), now);
  assert.equal(only(layer, 'send-response').message.options.has(Observe), false);
  assert.deepEqual(layer.activeObservations(), []);
});

test('an observer that leaves while its notification is unacknowledged frees the way for others of its peer', () => {
  const layer = newLayer({ notificationType: 'CON' });
  const first = register(layer, peer, 1, 't').exchange;
  const second = register(layer, peer, 2, 't').exchange;
  layer.notify('/t', now);
  for (const exchange of [first, second])
    layer.respond(exchange, answer(Code.Content, { observe: true }), now);
  assert.deepEqual(
    drained(layer, 'send-response').map((o) => o.exchange),
    [first],
  );
  layer.responseReset(first, now);
  assert.deepEqual(
    drained(layer, 'send-response').map((o) => o.exchange),
    [second],
  );
});

test('a registration renewed while the application is asked for it takes that answer no more', () => {
  const layer = newLayer();
  const { exchange: former } = register(layer, peer, 1, 't');
  layer.notify('/t', now);
  drain(layer);
  const { exchange } = register(layer, peer, 1, 't');
  layer.respond(former, answer(Code.Content, { payload: 'old', observe: true }), now);
  assert.deepEqual(drain(layer), []);
  assert.equal(layer.counters.lateAnswers, 1);
  layer.notify('/t', now);
  assert.equal(only(layer, 'request').exchange, exchange);
});

test('an unacknowledged notification of a former registration does not end the new one when it times out', () => {
  const layer = newLayer({ notificationType: 'CON' });
  const { exchange: former } = register(layer, peer, 1, 't');
  layer.notify('/t', now);
  layer.respond(former, answer(Code.Content, { observe: true }), now);
  drain(layer);
  const { exchange } = register(layer, peer, 1, 't');
  layer.notify('/t', now);
  assert.deepEqual(drained(layer, 'request'), []);
  layer.responseTimedOut(former, now);
  assert.equal(only(layer, 'request').exchange, exchange);
  layer.responseTimedOut(former, now);
  assert.equal(layer.load().observers, 1);
});

test('nothing is left to wait for when the last observer of a peer leaves', () => {
  const layer = newLayer({ confirmFirstNotification: false });
  const { exchange } = register(layer, peer, 1, 't');
  for (let i = 0; i < 2; i++) {
    layer.notify('/t', now);
    layer.respond(exchange, answer(Code.Content, { observe: true }), now);
  }
  assert.equal(layer.nextTimeout(), 3000);
  layer.responseReset(exchange, now);
  assert.equal(layer.nextTimeout(), undefined);
});

test('an answered refresh is not given up later', () => {
  const layer = newLayer();
  const { exchange } = register(layer, peer, 1, 't');
  layer.notify('/t', now);
  layer.respond(exchange, answer(Code.Content, { observe: true }), now);
  layer.responseAcknowledged(exchange, now);
  layer.handleTimeout(instant(247_000));
  assert.equal(layer.counters.abandonedRequests, 0);
});

test('a Reset for a notification from before the client registered again does not end the observation', () => {
  const layer = newLayer({ confirmFirstNotification: false });
  const { exchange: former } = register(layer, peer, 1, 't');
  layer.notify('/t', now);
  layer.respond(former, answer(Code.Content, { observe: true }), now);
  assert.equal(only(layer, 'send-response').type, 'NON');
  register(layer, peer, 1, 't');
  layer.responseReset(former, now);
  assert.equal(layer.load().observers, 1);
});

test('RFC 8613 §4.1.3.5.1: a registration that a proxy passes on protected is not sent again when the state grows old', () => {
  const layer = newLayer();
  const token = Uint8Array.of(1);
  const options: OptionList = [[OptionNumber.Oscore, Uint8Array.of(9, 0, 12)]];
  layer.request(peer, clientRequest(Code.Fetch, { token, observe: true, options, payload: 'x' }), now);
  const notify = (sequence: number, at: number): number => {
    layer.receiveResponse(
      peer,
      message(Code.Content, { type: 'NON', token, options: [[Observe, sequence]] }),
      instant(at),
    );
    return drained(layer, 'response').length;
  };
  assert.equal(notify(1, 0), 1);
  layer.handleTimeout(instant(200_000));
  assert.deepEqual(drained(layer, 'send-request'), []);
  assert.equal(layer.nextTimeout(), undefined);
  assert.equal(notify(2, 200_000), 1);
});
