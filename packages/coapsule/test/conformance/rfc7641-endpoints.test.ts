/**
 * RFC 7641 between whole endpoints, in virtual time: messages as they are on the wire. The sections one by one are in
 * `rfc7641.test.ts`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, codeText } from '../../src/core/coap/code.ts';
import { decodeMessage } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { clientAddress, Pair, type PairOptions } from '../../src/testing/pair.ts';

/** A server whose resources are text, by path. */
function observed(states: Map<string, string>, options: PairOptions = {}): Pair {
  // Which address is proved, and how, is not the matter here: no ping of the server's stands between the messages.
  const server = { dangerouslyUnlimitedAmplification: true, ...options.server };
  return new Pair({
    handler: (request) => {
      const path = `/${request.options.texts(OptionNumber.UriPath).join('/')}`;
      return { code: Code.Content, payload: states.get(path) ?? '', observe: true };
    },
    ...options,
    server,
  });
}

/** Sender, type, code, Observe value and payload of each message. */
function conversation(pair: Pair): string[] {
  return pair.network.sent.map(({ from, datagram }) => {
    const { type, code, options, payload } = decodeMessage(datagram) as MessageView;
    const observe = options.uint(OptionNumber.Observe);
    return [
      from.key === clientAddress.key ? 'client' : 'server',
      type,
      code === Code.Get ? 'GET' : code === Code.Empty ? 'Empty' : codeText(code),
      ...(observe === undefined ? [] : [`Observe:${observe}`]),
      ...(payload.length === 0 ? [] : [decodeUtf8(payload)]),
    ].join(' ');
  });
}

test('requirement H09: registration with Observe 12, and CON notifications 13 and 14 every 30 s', () => {
  const states = new Map([['/temperature', '22.5°C']]);
  const pair = observed(states, {
    server: { requestResponse: { observeSequenceStart: 11, notificationType: 'CON' } },
  });
  const start = pair.now;
  const observation = pair.request('/temperature', { observe: true });
  for (const state of ['23.1°C', '22.9°C']) {
    pair.run(start + 30_000 * (state === '23.1°C' ? 1 : 2) - pair.now);
    states.set('/temperature', state);
    pair.notify('/temperature');
  }
  pair.run(1000);
  assert.deepEqual(conversation(pair), [
    'client CON GET Observe:0',
    'server ACK 2.05 Observe:12 22.5°C',
    'server CON 2.05 Observe:13 23.1°C',
    'client ACK Empty',
    'server CON 2.05 Observe:14 22.9°C',
    'client ACK Empty',
  ]);
  const notifiedAfter = pair.network.sent
    .filter((_, i) => i === 2 || i === 4)
    .map(({ sentAt }) => sentAt - start);
  assert.deepEqual(notifiedAfter, [30_000, 60_000]);
  assert.deepEqual(
    observation.responses.map(({ payload }) => decodeUtf8(payload)),
    ['22.5°C', '23.1°C', '22.9°C'],
  );
});

test('requirement H08, pattern 1: a reading by CON GET is 2 messages, and 22.5°C is 7 bytes', () => {
  const pair = observed(new Map([['/temperature', '22.5°C']]));
  const asked = pair.request('/temperature');
  pair.runUntil(() => asked.final);
  assert.deepEqual(conversation(pair), ['client CON GET', 'server ACK 2.05 22.5°C']);
  assert.equal(asked.responses[0]?.payload.length, 7);
});

test('requirement G05: interleaved notifications of two resources on one socket go where they belong', () => {
  const states = new Map([
    ['/temperature', 't0'],
    ['/humidity', 'h0'],
  ]);
  const pair = observed(states, { conditions: { jitterMs: 400 }, seed: 7 });
  const observations = [...states.keys()].map((path) => pair.request(path, { observe: true }));
  for (let i = 1; i <= 50; i++) {
    for (const path of states.keys()) {
      states.set(path, `${path[1]}${i}`);
      pair.notify(path);
    }
    pair.run(1500);
  }
  pair.run(60_000);
  for (const [i, letter] of ['t', 'h'].entries()) {
    const seen = observations[i]?.responses.map(({ payload }) => decodeUtf8(payload) ?? '') ?? [];
    assert.ok(
      seen.every((state) => state.startsWith(letter)),
      seen.join(),
    );
    assert.equal(seen.at(-1), `${letter}50`);
  }
  assert.deepEqual(
    pair.client.activeObservations().map(({ resource }) => resource),
    ['/temperature', '/humidity'],
  );
});

test('§3.4: a notification that is overtaken on the way is dropped, whatever it says', () => {
  const states = new Map([['/x', '0']]);
  const pair = observed(states, {
    server: {
      requestResponse: { confirmFirstNotification: false, nonNotificationSpacingMs: 0, confirmableEvery: 99 },
    },
  });
  const observation = pair.request('/x', { observe: true });
  pair.run(1000);
  let held = 0;
  pair.network.hook = ({ from }) =>
    from.key !== clientAddress.key && held++ === 0 ? { kind: 'delay', extraMs: 2000 } : undefined;
  for (const state of ['1', '2']) {
    states.set('/x', state);
    pair.notify('/x');
    pair.run(100);
  }
  pair.run(3000);
  assert.deepEqual(
    observation.responses.map(({ payload }) => decodeUtf8(payload)),
    ['0', '2'],
  );
  assert.equal(pair.client.layerCounters().exchanges['staleNotifications'], 1);
});

test('§3.6: a client that forgot its observation ends it by a Reset, of a NON notification as of a CON', () => {
  for (const notificationType of ['NON', 'CON'] as const) {
    const states = new Map([['/x', '0']]);
    const pair = observed(states, {
      server: { requestResponse: { notificationType, confirmFirstNotification: false } },
    });
    pair.request('/x', { observe: true });
    pair.run(1000);
    pair.restart('client');
    pair.notify('/x');
    pair.run(1000);
    assert.deepEqual(conversation(pair).slice(2), [
      `server ${notificationType} 2.05 Observe:2 0`,
      'client RST Empty',
    ]);
    assert.deepEqual(pair.server.activeObservations(), []);
  }
});

test('§3.6: a client that cancels says so with the token of its registration, and nothing is left on either side', () => {
  const pair = observed(new Map([['/x', '0']]));
  const observation = pair.request('/x', { observe: true });
  pair.run(1000);
  pair.command('client', (endpoint, now) => endpoint.cancel(observation.id, now));
  pair.run(1000);
  const [registration, , deregistration] = pair.network.sent.map(
    ({ datagram }) => decodeMessage(datagram) as MessageView,
  );
  assert.equal(deregistration?.options.uint(OptionNumber.Observe), 1);
  assert.deepEqual(deregistration?.token, registration?.token);
  assert.deepEqual([...pair.server.activeObservations(), ...pair.client.activeObservations()], []);
});

test('robustness C8: a client that was killed is removed within 93 s of the next CON notification', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const pair = observed(new Map([['/x', '0']]), { seed });
    pair.request('/x', { observe: true });
    pair.run(1000);
    pair.restart('client');
    pair.network.detach(clientAddress);
    const killedAt = pair.now;
    pair.notify('/x');
    assert.ok(pair.runUntil(() => pair.server.activeObservations().length === 0, 120_000));
    assert.ok(pair.now - killedAt <= 93_000, `${pair.now - killedAt} ms`);
  }
});

test('§4.5: of a day of silence one notification is CON, and finds out who is gone', () => {
  const pair = observed(new Map([['/x', '0']]));
  pair.request('/x', { observe: true });
  pair.run(1000);
  pair.restart('client');
  pair.network.detach(clientAddress);
  pair.run(86_400_000 + 93_000);
  assert.deepEqual(pair.server.activeObservations(), []);
});

/** The notifications that the server sent: when, Message ID, Observe value and payload. */
function notifications(pair: Pair): { at: number; messageId: number; observe: number; state: string }[] {
  return pair.network.sent.flatMap(({ from, datagram, sentAt }) => {
    const { code, messageId, options, payload } = decodeMessage(datagram) as MessageView;
    if (from.key === clientAddress.key || code !== Code.Content) return [];
    const observe = options.uint(OptionNumber.Observe) ?? -1;
    return [{ at: sentAt, messageId, observe, state: decodeUtf8(payload) ?? '' }];
  });
}

/** An observer of /x, to whom nothing comes any more, and who was sent a CON notification of state 1. */
function unreached(isCut: (side: 'client' | 'server') => boolean) {
  const states = new Map([['/x', '0']]);
  const pair = observed(states, { server: { requestResponse: { notificationType: 'CON' } } });
  const observation = pair.request('/x', { observe: true });
  pair.run(1000);
  pair.network.hook = ({ from }) =>
    isCut(from.key === clientAddress.key ? 'client' : 'server') ? { kind: 'drop' } : undefined;
  const change = (state: number): void => {
    states.set('/x', `${state}`);
    pair.notify('/x');
  };
  const from = pair.now;
  change(1);
  return { pair, observation, change, from };
}

test('§4.4, §4.5.2: a retransmission has the state and number of its time, and a Message ID of its own', () => {
  const { pair, change, from } = unreached((side) => side === 'server');
  for (let state = 2; state <= 40; state++) {
    pair.run(1000);
    change(state);
  }
  const sent = notifications(pair).slice(1);
  assert.equal(sent.length, 5);
  assert.equal(new Set(sent.map(({ messageId }) => messageId)).size, 5);
  for (const { at, state } of sent) assert.equal(Number(state), 1 + Math.floor((at - from) / 1000));
  for (const [i, { observe, state }] of sent.entries()) {
    assert.equal(observe, 1 + Number(state), 'one for each change');
    if (i > 0) assert.ok(observe > (sent[i - 1]?.observe ?? 0));
  }
});

test('§4.5.2 step 4: counter and timeout are those of the former: five messages, each after twice the time', () => {
  const { pair, change } = unreached(() => true);
  for (let state = 2; state <= 100; state++) {
    pair.run(1000);
    change(state);
  }
  const times = notifications(pair)
    .slice(1)
    .map(({ at }) => at);
  const [first = 0] = times.slice(1).map((at, i) => at - (times[i] ?? 0));
  assert.ok(first >= 2000 && first <= 3000, `${first}`);
  for (const [i, at] of times.slice(1).entries()) {
    assert.ok(Math.abs(at - (times[i] ?? 0) - first * 2 ** i) < 1, `${times}`);
  }
  assert.equal(times.length, 5);
  assert.deepEqual(pair.server.activeObservations(), [], 'step 2: the last attempt timed out');
});

test('§4.4: the retransmission of a state that is still current is a copy', () => {
  const { pair } = unreached((side) => side === 'server');
  pair.run(40_000);
  const sent = notifications(pair).slice(1);
  assert.equal(sent.length, 5);
  assert.equal(new Set(sent.map(({ messageId, observe }) => `${messageId} ${observe}`)).size, 1);
});

test('§4.5.2: acknowledgements of superseded notifications alone keep an observer on the list', () => {
  const { pair, observation, change } = unreached(() => false);
  // Each acknowledgement is on its way until a newer state has gone.
  let acknowledgements = 0;
  pair.network.hook = ({ from }) => {
    if (from.key !== clientAddress.key) return undefined;
    return ++acknowledgements <= 4
      ? { kind: 'delay', extraMs: 3000 * 2 ** acknowledgements }
      : { kind: 'drop' };
  };
  for (let state = 2; state <= 100; state++) {
    pair.run(1000);
    change(state);
  }
  assert.equal(pair.server.activeObservations().length, 1);
  pair.network.hook = undefined;
  pair.run(120_000);
  assert.equal(decodeUtf8(observation.responses.at(-1)?.payload ?? noBytes), '100');
});

test('§4.5.2: a Reset of a superseded notification ends the observation', () => {
  const { pair, change } = unreached((side) => side === 'server');
  change(2);
  pair.run(4000);
  const [, former, latest] = notifications(pair);
  assert.deepEqual([former?.state, latest?.state], ['1', '2']);
  pair.network.hook = undefined;
  const { messageId } = former as { messageId: number };
  const reset = Uint8Array.of(0x70, 0, messageId >> 8, messageId & 255);
  pair.command('server', (endpoint, now) =>
    endpoint.handle({ address: clientAddress, datagram: reset }, now),
  );
  assert.deepEqual(pair.server.activeObservations(), []);
  const count = pair.network.sent.length;
  pair.run(50_000);
  assert.equal(pair.network.sent.length, count, 'nothing goes any more');
});

test('§4.5.2: a client that cancels while a notification is due leaves nothing behind', () => {
  const { pair, observation, change } = unreached((side) => side === 'server');
  const { handler } = pair;
  pair.handler = (request, peer) => (request.refresh ? undefined : handler(request, peer));
  change(2);
  pair.run(4000);
  assert.equal(notifications(pair).length, 2, 'the application takes its time');
  pair.network.hook = undefined;
  pair.command('client', (endpoint, now) => endpoint.cancel(observation.id, now));
  pair.run(400_000);
  assert.deepEqual(pair.server.activeObservations(), []);
  assert.equal(pair.server.layerCounters().messages['outstanding'], 0);
  assert.equal(notifications(pair).filter(({ observe }) => observe >= 0).length, 2);
});
