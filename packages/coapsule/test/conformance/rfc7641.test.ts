/**
 * RFC 7641: the figures of Appendix A, and the sentences of sections 3 and 4.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { fromHex, toHex } from '../../src/core/foundation/bytes.ts';
import { type Instant, instant } from '../../src/core/foundation/instant.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import type {
  ExchangeId,
  RequestResponseConfig,
  RequestResponseLayer,
} from '../../src/core/request-response/request-response-layer.ts';
import {
  answer,
  clientRequest,
  drain,
  drained,
  message,
  newLayer,
  type OptionList,
  only,
} from '../unit/request-response/harness.ts';

interface FigureMessage {
  readonly label: string;
  readonly encoded: string;
}
const { figures } = JSON.parse(
  readFileSync(new URL('../vectors/coap/rfc7641-appendix-a.json', import.meta.url), 'utf8'),
) as { figures: { figure: number; messages: FigureMessage[] }[] };

const { Observe, MaxAge } = OptionNumber;
const peer = 'peer';
const seconds = (s: number): Instant => instant(s * 1000);
const now = seconds(0);
const token = Uint8Array.of(0x4a);
const figure = (number: number): MessageView[] =>
  (figures.find((f) => f.figure === number)?.messages ?? []).map(
    (m) => decodeMessage(fromHex(m.encoded) as Uint8Array) as MessageView,
  );

/** Begins the observation a registration message asks for. */
function observe(layer: RequestResponseLayer, registration: MessageView, at: Instant): ExchangeId {
  const options: OptionList = [...registration.options.entries()]
    .filter(({ number }) => number !== Observe)
    .map(({ number, value }) => [number, value]);
  const request = clientRequest(registration.code, { token: registration.token, options, observe: true });
  return layer.request(peer, request, at);
}

/** Takes a message; the payloads given to the application for it. */
function receive(layer: RequestResponseLayer, received: MessageView, at: Instant): (string | undefined)[] {
  assert.equal(layer.receiveResponse(peer, received, at), 'matched');
  return drained(layer, 'response').map(({ response }) => decodeUtf8(response.payload));
}

test('Figure 3: the client registers, and gets the current state and a new one', () => {
  const layer = newLayer();
  const [registration, first, second] = figure(3) as [MessageView, MessageView, MessageView];
  observe(layer, registration, now);
  const sent = only(layer, 'send-request').message;
  assert.deepEqual([...sent.options.entries()], [...registration.options.entries()]);
  assert.equal(toHex(sent.token), '4a');
  assert.deepEqual(receive(layer, first, now), ['18.5 Cel']);
  assert.deepEqual(receive(layer, second, seconds(10)), ['19.2 Cel']);
  assert.equal(layer.activeObservations()[0]?.sequence, 16);
});

test('Figure 4: the client registers again 5 to 15 seconds after Max-Age, with the same token (§3.3.1)', () => {
  const layer = newLayer();
  const [registration, first, second] = figure(3) as [MessageView, MessageView, MessageView];
  observe(layer, registration, now);
  receive(layer, first, now);
  receive(layer, second, seconds(10)); // Max-Age 15; the notification of 25 is lost
  const due = layer.nextTimeout() ?? now;
  assert.ok(due >= seconds(10 + 15 + 5) && due <= seconds(10 + 15 + 15), `${due}`);
  layer.handleTimeout(due);
  const again = only(layer, 'send-request').message;
  assert.equal(toHex(again.token), '4a');
  assert.deepEqual([...again.options.entries()], [...registration.options.entries()]);
  assert.equal(layer.counters.reregistrations, 1);
});

test('Figures 5 and 6: the client may name a stored response, and is told 2.03 for it; a Reset ends it', () => {
  const layer = newLayer();
  const [registration, first, valid] = figure(5) as [MessageView, MessageView, MessageView];
  const exchange = observe(layer, registration, now);
  assert.deepEqual(
    [...only(layer, 'send-request').message.options.entries()],
    [...registration.options.entries()],
  );
  assert.deepEqual(receive(layer, first, now), ['20.0 Cel']);
  assert.equal(layer.receiveResponse(peer, valid, seconds(20)), 'matched');
  const { response, final } = only(layer, 'response');
  assert.equal(response.code, Code.Valid);
  assert.equal(final, false);
  // Figure 6: the client has forgotten the observation.
  layer.peerClosed(peer, seconds(30));
  assert.equal(only(layer, 'failed').exchange, exchange);
  assert.equal(layer.receiveResponse(peer, figure(6)[0] as MessageView, seconds(40)), 'unmatched');
});

test('Figures 7 and 8: the server side of a registration answered separately, then notified', () => {
  const layer = newLayer();
  const messages = figure(8);
  const registration = messages[0] as MessageView;
  layer.receiveRequest(peer, registration, 'reply', now);
  const asked = only(layer, 'request');
  assert.equal(asked.request.observe, 'register');
  layer.handleTimeout(seconds(1));
  assert.equal(only(layer, 'acknowledge').reply, 'reply');
  const state = (payload: string) =>
    answer(Code.Content, { payload, observe: true, options: [[MaxAge, 60]] });
  layer.respond(asked.exchange, state('ready'), seconds(1));
  const first = only(layer, 'send-response');
  assert.equal(decodeUtf8(first.message.payload), 'ready');
  // The separate response is not acknowledged yet: a change waits for that (§4.5.1), or for its retransmission (§4.5.2).
  layer.notify('/', seconds(2));
  assert.deepEqual(drain(layer), [{ kind: 'response-outdated', exchange: asked.exchange }]);
  layer.responseAcknowledged(asked.exchange, seconds(2));
  const refresh = only(layer, 'request');
  assert.equal(refresh.request.refresh, true);
  layer.respond(refresh.exchange, state('busy'), seconds(2));
  const second = only(layer, 'send-response');
  assert.equal(decodeUtf8(second.message.payload), 'busy');
  assert.equal(toHex(second.message.token), '6a');
  const [a, b] = [first, second].map((m) => m.message.options.uint(Observe) ?? -1) as [number, number];
  assert.ok(b > a);
});

const notification = (sequence: number, payload: string, fields: { type?: 'ACK' | 'NON' | 'CON' } = {}) =>
  message(Code.Content, { type: 'NON', ...fields, token, options: [[Observe, sequence]], payload });

function observing(sequence: number, config: Partial<RequestResponseConfig> = {}) {
  const layer = newLayer(config);
  const exchange = layer.request(
    peer,
    clientRequest(Code.Get, { token, observe: true, options: [[OptionNumber.UriPath, 't']] }),
    now,
  );
  drain(layer);
  receive(layer, notification(sequence, 'first', { type: 'ACK' }), now);
  return { layer, exchange };
}

const half = 2 ** 23;
for (const [v1, v2, afterSeconds, fresher] of [
  [10, 11, 1, true],
  [10, 10, 1, false],
  [10, 9, 1, false],
  [0, half - 1, 1, true],
  [0, half, 1, false],
  [half + 1, 0, 1, true],
  [half, 0, 1, false],
  [2 ** 24 - 1, 0, 1, true],
  [10, 9, 128, false],
  [10, 9, 128.001, true],
] as const) {
  const what = fresher ? 'replaces' : 'does not replace';
  test(`§3.4: a notification of ${v2} ${what} one of ${v1} after ${afterSeconds} s`, () => {
    const { layer } = observing(v1);
    assert.deepEqual(
      receive(layer, notification(v2, 'next'), seconds(afterSeconds)),
      fresher ? ['next'] : [],
    );
    assert.equal(layer.counters.staleNotifications, fresher ? 0 : 1);
  });
}

test('§3.2: a non-2.xx notification is the last', () => {
  const { layer, exchange } = observing(1);
  layer.receiveResponse(peer, message(Code.NotFound, { type: 'NON', token }), now);
  const last = only(layer, 'response');
  assert.deepEqual([last.exchange, last.response.code, last.final], [exchange, Code.NotFound, true]);
  assert.deepEqual([layer.load().clientExchanges, layer.nextTimeout()], [0, undefined]);
});

test('§3.1: a response without Observe means that the server does not notify', () => {
  const layer = newLayer();
  layer.request(peer, clientRequest(Code.Get, { token, observe: true }), now);
  drain(layer);
  layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token, payload: 'x' }), now);
  assert.equal(only(layer, 'response').final, true);
  assert.deepEqual(layer.activeObservations(), []);
});

test('§3.5: a notification with an unknown token is not taken', () => {
  const { layer } = observing(1);
  const other = message(Code.Content, { token: Uint8Array.of(9), options: [[Observe, 2]] });
  assert.equal(layer.receiveResponse(peer, other, now), 'unmatched');
});

test('§3.6: cancelling sends the registration with Observe 1 and the same token, and frees it after the answer', () => {
  const { layer, exchange } = observing(1);
  layer.cancel(exchange, now);
  const sent = only(layer, 'send-request').message;
  assert.equal(toHex(sent.token), toHex(token));
  assert.equal(sent.options.uint(Observe), 1);
  assert.deepEqual(sent.options.texts(OptionNumber.UriPath), ['t']);
  // A notification that was on its way is acknowledged and dropped.
  assert.deepEqual(receive(layer, notification(2, 'late', { type: 'CON' }), now), []);
  assert.equal(layer.receiveResponse(peer, message(Code.Content, { type: 'ACK', token }), now), 'matched');
  assert.equal(only(layer, 'failed').error, 'cancelled');
  assert.equal(layer.load().clientExchanges, 0);
});

/** A server with one observer of /t whose registration was answered. */
function observed(config: Partial<RequestResponseConfig> = {}, options: OptionList = []) {
  const layer = newLayer(config);
  const register = (at: Instant, by: Uint8Array = token, from: string = peer): ExchangeId => {
    const list: OptionList = [[Observe, 0], [OptionNumber.UriPath, 't'], ...options];
    layer.receiveRequest(from, message(Code.Get, { token: by, options: list }), 'reply', at);
    const { exchange } = only(layer, 'request');
    layer.respond(exchange, answer(Code.Content, { payload: 'state', observe: true }), at);
    sequences.push(only(layer, 'send-response').message.options.uint(Observe) ?? -1);
    return exchange;
  };
  const sequences: number[] = [];
  /** The resource changes: the message type and Observe value of what is sent. */
  const change = (at: Instant) => {
    layer.notify('/t', at);
    for (const { exchange } of drained(layer, 'request')) {
      layer.respond(exchange, answer(Code.Content, { payload: 'state', observe: true }), at);
    }
    return drained(layer, 'send-response').map(({ type, message: { options: o } }) => {
      sequences.push(o.uint(Observe) ?? -1);
      return type;
    });
  };
  return { layer, register, change, sequences };
}

test('§4.1: a registration with the same token replaces the entry and does not add one', () => {
  const { layer, register, change } = observed();
  const first = register(now);
  const second = register(now);
  assert.equal(layer.load().observers, 1);
  assert.notEqual(first, second);
  assert.equal(change(now).length, 1);
});

test('§4.1: Observe 1, or a GET without Observe with the same token, removes the entry', () => {
  for (const options of [[[Observe, 1]], []] as OptionList[]) {
    const { layer, register } = observed();
    const exchange = register(now);
    const list: OptionList = [...options, [OptionNumber.UriPath, 't']];
    layer.receiveRequest(peer, message(Code.Get, { token, options: list }), 'reply', now);
    const outputs = drain(layer);
    assert.deepEqual(
      outputs.find((o) => o.kind === 'exchange-ended'),
      { kind: 'exchange-ended', exchange },
    );
    const asked = outputs.find((o) => o.kind === 'request');
    layer.respond(asked?.exchange ?? 0, answer(Code.Content, { observe: true }), now);
    assert.equal(only(layer, 'send-response').message.options.has(Observe), false);
    assert.equal(layer.load().observers, 0);
  }
});

test('§4.1: a server that does not accept the registration answers without Observe', () => {
  const layer = newLayer();
  layer.receiveRequest(peer, message(Code.Get, { token, options: [[Observe, 0]] }), 'reply', now);
  layer.respond(only(layer, 'request').exchange, answer(Code.Content), now);
  assert.equal(only(layer, 'send-response').message.options.has(Observe), false);
  assert.equal(layer.load().observers, 0);
});

test('§4.2: a non-2.xx notification has no Observe, and ends the observation', () => {
  const { layer, register } = observed();
  register(now);
  layer.notify('/t', now);
  layer.respond(only(layer, 'request').exchange, answer(Code.NotFound), now);
  const outputs = drain(layer);
  const sent = outputs.find((o) => o.kind === 'send-response');
  assert.equal(sent?.message.code, Code.NotFound);
  assert.equal(sent?.message.options.has(Observe), false);
  assert.ok(outputs.some((o) => o.kind === 'exchange-ended'));
  assert.equal(layer.load().observers, 0);
});

test('§4.2: a notification in another Content-Format becomes 4.06 and ends the observation', () => {
  const { layer, register } = observed();
  register(now);
  layer.notify('/t', now);
  const cbor = answer(Code.Content, {
    payload: 'x',
    observe: true,
    options: [[OptionNumber.ContentFormat, 60]],
  });
  layer.respond(only(layer, 'request').exchange, cbor, now);
  assert.equal(only(layer, 'send-response').message.code, Code.NotAcceptable);
  assert.equal(layer.load().observers, 0);
});

test('§4.4: Observe values increase strictly, also when a token is used again', () => {
  const { layer, register, change, sequences } = observed({ notificationType: 'CON' });
  for (let round = 0; round < 3; round++) {
    const exchange = register(now);
    for (let i = 0; i < 3; i++) {
      assert.equal(change(now).length, 1);
      layer.responseAcknowledged(exchange, now);
    }
    layer.responseReset(exchange, now);
    drain(layer);
  }
  assert.equal(sequences.length, 12);
  for (let i = 1; i < sequences.length; i++) assert.ok((sequences[i] ?? 0) > (sequences[i - 1] ?? 0));
});

test('§4.4: the Observe value is the low 24 bits of the sequence number', () => {
  const { register, change, sequences } = observed({ observeSequenceStart: 2 ** 24 - 3 });
  register(now);
  change(now);
  assert.deepEqual(sequences, [2 ** 24 - 2, 2 ** 24 - 1]);
  const wrapped = observed({ observeSequenceStart: 2 ** 24 - 2 });
  wrapped.register(now);
  wrapped.change(now);
  assert.deepEqual(wrapped.sequences, [2 ** 24 - 1, 0]);
});

test('§4.5: the first notification is CON and then every fifth', () => {
  const { layer, register, change } = observed({ nonNotificationSpacingMs: 0 });
  const exchange = register(now);
  const types: (string | undefined)[] = [];
  for (let i = 0; i < 11; i++) {
    const [type] = change(seconds(i));
    types.push(type);
    if (type === 'CON') layer.responseAcknowledged(exchange, seconds(i));
  }
  assert.equal(types.map((type) => type?.[0]).join(''), 'CNNNNCNNNNC');
});

test('§4.5: an observer without a notification for 24 hours gets a CON one', () => {
  const { layer, register } = observed();
  register(now);
  assert.equal(layer.nextTimeout(), seconds(86_400));
  layer.handleTimeout(seconds(86_400));
  layer.respond(only(layer, 'request').exchange, answer(Code.Content, { observe: true }), seconds(86_400));
  assert.equal(only(layer, 'send-response').type, 'CON');
});

test('§4.5: a Reset removes the observer', () => {
  const { layer, register, change } = observed({ confirmFirstNotification: false });
  const exchange = register(now);
  assert.deepEqual(change(now), ['NON']);
  layer.responseReset(exchange, now);
  assert.deepEqual(drain(layer), [{ kind: 'exchange-ended', exchange }]);
  assert.equal(layer.load().observers, 0);
});

test('§4.5: a CON notification that times out removes all observers of that peer, and no other', () => {
  const { layer, register, change } = observed({ notificationType: 'CON' });
  const exchange = register(now);
  register(now, Uint8Array.of(2));
  register(now, Uint8Array.of(3), 'other peer');
  change(now);
  layer.responseTimedOut(exchange, seconds(93));
  assert.deepEqual(
    layer.activeObservations().map((o) => o.peer),
    ['other peer'],
  );
  assert.equal(layer.counters.lostObservers, 2);
});

test('§4.5.1: one notification is outstanding to a peer at a time', () => {
  const { layer, register, change } = observed({ notificationType: 'CON' });
  const first = register(now);
  const second = register(now, Uint8Array.of(2));
  assert.deepEqual(change(now), ['CON']);
  layer.responseAcknowledged(first, now);
  assert.equal(only(layer, 'send-response').exchange, second);
});

test('§4.5.1: NON notifications keep the measured round-trip time between them', () => {
  const { layer, register, change } = observed();
  const exchange = register(now);
  assert.deepEqual(change(now), ['CON']);
  layer.responseAcknowledged(exchange, instant(200));
  assert.deepEqual(change(instant(300)), ['NON']);
  assert.deepEqual(change(instant(400)), []);
  assert.equal(layer.nextTimeout(), 500);
  layer.handleTimeout(instant(500));
  assert.equal(only(layer, 'send-response').type, 'NON');
});

test('§4.5.2: while a notification is unacknowledged changes are skipped but the last', () => {
  const { layer, register, change } = observed({ notificationType: 'CON' });
  const exchange = register(now);
  change(now);
  for (let i = 0; i < 5; i++) assert.deepEqual(change(now), []);
  assert.equal(layer.counters.conflatedNotifications, 4);
  layer.responseAcknowledged(exchange, now);
  layer.respond(
    only(layer, 'request').exchange,
    answer(Code.Content, { payload: 'latest', observe: true }),
    now,
  );
  assert.equal(decodeUtf8(only(layer, 'send-response').message.payload), 'latest');
});

/** A server whose CON notification is out of date, and would be sent once more. */
function dueNotification() {
  const server = observed({ notificationType: 'CON' });
  const { layer, register, change } = server;
  const exchange = register(now);
  assert.deepEqual(change(now), ['CON']);
  layer.notify('/t', now);
  assert.deepEqual(drain(layer), [{ kind: 'response-outdated', exchange }]);
  layer.notify('/t', now);
  assert.deepEqual(drain(layer), [], 'told once');
  assert.equal(layer.responseDue(exchange, seconds(2)), true);
  return { ...server, exchange };
}

const current = (payload: string) => answer(Code.Content, { payload, observe: true });

test('§4.4, §4.5.2 steps 1 and 3: in the place of a retransmission goes the state of that time, with its number', () => {
  const { layer, exchange, sequences } = dueNotification();
  const asked = only(layer, 'request');
  assert.deepEqual([asked.exchange, asked.request.refresh], [exchange, true]);
  layer.respond(exchange, current('third'), seconds(2));
  const { supersedes, type, message: sent } = only(layer, 'send-response');
  assert.deepEqual([supersedes, type, decodeUtf8(sent.payload)], [true, 'CON', 'third']);
  assert.equal(sent.options.uint(Observe), (sequences.at(-1) ?? 0) + 2, 'two changes since');
  layer.responseAcknowledged(exchange, seconds(3));
  assert.deepEqual(drain(layer), []);
  assert.equal(layer.load().observers, 1);
});

test('§4.5.2: a state that changes while the application is asked for it is asked for again, but only once', () => {
  const { layer, exchange } = dueNotification();
  drain(layer);
  for (const skipped of [true, false]) {
    layer.notify('/t', seconds(2));
    layer.respond(exchange, current('busy'), seconds(2));
    const outputs = drain(layer).map(({ kind }) => kind);
    assert.deepEqual(outputs, skipped ? ['request'] : ['send-response', 'response-outdated']);
  }
});

test('§4.5.2: an acknowledgement while the application is asked makes its answer a notification of its own', () => {
  const { layer, exchange } = dueNotification();
  drain(layer);
  layer.responseAcknowledged(exchange, seconds(2));
  layer.respond(exchange, current('third'), seconds(2));
  assert.equal(only(layer, 'send-response').supersedes, undefined);
});

test('§4.5.2 step 2: a Reset while the application is asked ends the observation', () => {
  const { layer, exchange } = dueNotification();
  drain(layer);
  layer.responseReset(exchange, seconds(2));
  assert.deepEqual(drain(layer), [{ kind: 'exchange-ended', exchange }]);
  assert.equal(layer.load().observers, 0);
});

test('§4.5.2: the client is interested that acknowledged a former notification, though no later one', () => {
  const { layer, exchange } = dueNotification();
  layer.respond(exchange, current('third'), seconds(2));
  // Retransmitted to the end; the message layer knows of the other acknowledgement.
  layer.responseRefused(exchange, seconds(60));
  drain(layer);
  assert.equal(layer.load().observers, 1);
  layer.handleTimeout(layer.nextTimeout() ?? now);
  assert.equal(only(layer, 'request').request.refresh, true, 'it is told again');
});

test('§4.5.2: a registration that comes meanwhile has the present state: nothing goes in the place of the old one', () => {
  for (const isDue of [true, false]) {
    const { layer, register, change } = observed({ notificationType: 'CON' });
    const former = register(now);
    change(now);
    layer.notify('/t', now);
    if (isDue) layer.responseDue(former, seconds(2));
    drain(layer);
    layer.receiveRequest(
      peer,
      message(Code.Get, {
        token,
        options: [
          [Observe, 0],
          [OptionNumber.UriPath, 't'],
        ],
      }),
      'reply',
      seconds(2),
    );
    const { exchange } = only(layer, 'request');
    layer.respond(exchange, current('present'), seconds(2));
    const ended = drain(layer).some((o) => o.kind === 'exchange-ended' && o.exchange === former);
    assert.equal(ended, isDue);
    if (!isDue) assert.equal(layer.responseDue(former, seconds(3)), false);
    drain(layer);
    // Neither does a late Reset of the old one say anything about the new registration.
    layer.responseReset(former, seconds(4));
    assert.equal(layer.load().observers, 1);
    layer.notify('/t', seconds(5));
    assert.equal(only(layer, 'request').exchange, exchange);
  }
});

test('§4.5.2: an application that never answers does not hold up the others of its peer', () => {
  const { layer, register, exchange } = dueNotification();
  drain(layer);
  const other = register(seconds(3), Uint8Array.of(2));
  layer.notify('/t', seconds(3));
  layer.respond(other, current('other'), seconds(3));
  drain(layer);
  layer.handleTimeout(seconds(300));
  const outputs = drain(layer);
  assert.ok(outputs.some((o) => o.kind === 'stop-response' && o.exchange === exchange));
  const sent = outputs.filter((o) => o.kind === 'send-response').map((o) => o.exchange);
  assert.deepEqual(sent, [other]);
});

test('§4.5.2: a change while the application answers is sent after that answer', () => {
  const { layer, register } = observed({ notificationType: 'CON' });
  const exchange = register(now);
  layer.notify('/t', now);
  drain(layer);
  layer.notify('/t', now);
  assert.deepEqual(drain(layer), [], 'the application is asked once at a time');
  layer.respond(exchange, answer(Code.Content, { payload: 'one', observe: true }), now);
  const sent = drained(layer, 'send-response');
  assert.equal(sent.length, 0, 'a newer state is known: ask again first');
  layer.respond(exchange, answer(Code.Content, { payload: 'two', observe: true }), now);
  assert.equal(decodeUtf8(only(layer, 'send-response').message.payload), 'two');
});
test('RFC 7959 §2.6: a late request for a block of the former state takes no block of the present one from its reader', () => {
  for (const late of [1, 2]) {
    const layer = newLayer({ blockSize: 64, nonNotificationSpacingMs: 0, confirmFirstNotification: false });
    const get = (token: Uint8Array, num: number): string => {
      const options: OptionList = [
        [OptionNumber.UriPath, 'r'],
        [OptionNumber.Block2, encodeBlock({ num, more: false, szx: 2 })],
      ];
      layer.receiveRequest('peer', message(Code.Get, { token, options }), 'reply', instant(0));
      return toHex(only(layer, 'send-response').message.payload).slice(0, 2);
    };
    const state = (value: number) =>
      answer(Code.Content, { payload: new Uint8Array(256).fill(value), observe: true });
    const notified = (value: number): void => {
      layer.notify('/r', instant(0));
      layer.respond(only(layer, 'request').exchange, state(value), instant(0));
      drain(layer);
    };
    const options: OptionList = [
      [OptionNumber.UriPath, 'r'],
      [OptionNumber.Observe, 0],
    ];
    layer.receiveRequest(
      'peer',
      message(Code.Get, { token: Uint8Array.of(1), options }),
      'reply',
      instant(0),
    );
    layer.respond(only(layer, 'request').exchange, state(0xaa), instant(0));
    drain(layer);
    notified(0xbb);
    if (late === 2) assert.equal(get(Uint8Array.of(2), 1), 'bb');
    notified(0xcc);
    get(Uint8Array.of(3), late);
    for (const num of [1, 2, 3])
      assert.equal(get(Uint8Array.of(4), num), 'cc', `block ${num}, with block ${late} late`);
  }
});
