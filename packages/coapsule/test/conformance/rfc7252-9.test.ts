/**
 * RFC 7252 §9.1.1 and §9.1.2: a message, its acknowledgement and its response belong to one DTLS session and epoch. There is
 * no renegotiation here, so that a session has one epoch in which CoAP is spoken.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { toHex } from '../../src/core/foundation/bytes.ts';
import { clientAddress, Pair, serverAddress } from '../../src/testing/pair.ts';
import { RawDevice, request } from '../scenarios/raw-device.ts';

const token = Uint8Array.of(0xca, 0xfe);

/** A secured pair whose server answers /slow only when the test does, and tells what it sends and receives. */
function securedPair(): Pair {
  return new Pair({
    security: 'dtls',
    client: { trace: true },
    server: { trace: true },
    handler: ({ options }) =>
      options.texts(OptionNumber.UriPath).join() === 'slow'
        ? undefined
        : { code: Code.Content, payload: 'at once' },
  });
}

/** The CoAP messages that a side has sent or received, as it knows them. */
function messages(pair: Pair, side: 'client' | 'server', direction: 'sent' | 'received'): MessageView[] {
  return pair.events.flatMap(({ side: of, output }) => {
    if (of !== side || output.kind !== 'trace' || output.event.kind !== 'message') return [];
    return output.event.direction === direction ? [decodeMessage(output.event.bytes) as MessageView] : [];
  });
}

function sessions(pair: Pair, side: 'client' | 'server'): number[] {
  return pair.events.flatMap(({ side: of, output }) =>
    of === side && output.kind === 'connected' ? [output.association as number] : [],
  );
}

/** Ends the client's session without a word that arrives. */
function closeUnheard(pair: Pair): void {
  pair.network.hook = ({ from }) => (from.key === clientAddress.key ? { kind: 'drop' } : undefined);
  const [association] = sessions(pair, 'client').slice(-1);
  pair.command('client', (endpoint, now) => endpoint.closeAssociation(association as never, now));
  pair.network.hook = undefined;
}

test('§9.1.2: a response from another session is none, though its token is that of a request', () => {
  const pair = securedPair();
  const first = pair.request('/slow', { token });
  pair.run(1000);
  const exchange = pair.served[0]?.exchange as number;
  closeUnheard(pair);
  assert.ok(first.error !== undefined, 'it ended with its session');
  // The server does not know of it, and answers: on its way for five seconds, while the client asks in a new session.
  pair.network.hook = ({ from }) =>
    from.key === serverAddress.key ? { kind: 'delay', extraMs: 5000 } : undefined;
  pair.respond(exchange, { code: Code.Content, payload: 'of the first session' });
  pair.network.hook = undefined;
  const second = pair.request('/slow', { token });
  pair.run(4000);
  assert.equal(sessions(pair, 'client').length, 2);
  const before = messages(pair, 'client', 'received').length;
  pair.run(2000);
  assert.equal(messages(pair, 'client', 'received').length, before, 'it was not opened');
  assert.deepEqual([second.responses.length, second.error], [0, undefined]);
  pair.respond(pair.served[1]?.exchange as number, { code: Code.Content, payload: 'of the second session' });
  pair.run(1000);
  assert.equal(new TextDecoder().decode(second.responses[0]?.payload), 'of the second session');
});

test('§9.1.2: a server does not send the response to a request of one session in the next', () => {
  const pair = securedPair();
  pair.request('/slow', { token });
  pair.run(1000);
  const exchange = pair.served[0]?.exchange as number;
  pair.restart('client');
  const second = pair.request('/slow', { token });
  pair.run(2000);
  assert.equal(sessions(pair, 'server').length, 2);
  const count = pair.network.sent.length;
  pair.respond(exchange, { code: Code.Content, payload: 'of the first session' });
  pair.run(2000);
  assert.equal(pair.network.sent.length, count);
  assert.deepEqual([second.responses.length, second.error], [0, undefined]);
});

test('§9.1.1: a request that was not acknowledged is not retransmitted in the next session', () => {
  const pair = securedPair();
  const hello = pair.request('/hello');
  pair.runUntil(() => hello.final);
  pair.network.hook = ({ from }) => (from.key === clientAddress.key ? { kind: 'drop' } : undefined);
  const lost = pair.request('/lost');
  pair.run(500);
  const former = messages(pair, 'client', 'sent').at(-1);
  assert.deepEqual(former?.options.texts(OptionNumber.UriPath), ['lost']);
  closeUnheard(pair);
  assert.ok(lost.error !== undefined, 'it ended with its session');
  const sentBefore = messages(pair, 'client', 'sent').length;
  const next = pair.request('/next');
  pair.run(100_000);
  assert.ok(next.final);
  assert.equal(sessions(pair, 'client').length, 2);
  const later = messages(pair, 'client', 'sent').slice(sentBefore);
  assert.ok(later.length > 0);
  assert.ok(later.every(({ datagram }) => toHex(datagram) !== toHex(former.datagram)));
  assert.ok(
    pair.served.every(({ request }) => request.options.texts(OptionNumber.UriPath).join() !== 'lost'),
  );
});

test('§9.1.1: nor is a response', () => {
  const pair = securedPair();
  pair.request('/slow', { token });
  pair.run(1000);
  const exchange = pair.served[0]?.exchange as number;
  // Nothing that the server sends arrives: it would repeat its separate response for 45 s.
  pair.network.hook = ({ from }) => (from.key === serverAddress.key ? { kind: 'drop' } : undefined);
  pair.respond(exchange, { code: Code.Content, payload: 'separate' });
  pair.run(500);
  const response = messages(pair, 'server', 'sent').at(-1);
  assert.deepEqual([response?.type, response?.code], ['CON', Code.Content]);
  pair.network.hook = undefined;
  pair.restart('client');
  const next = pair.request('/next');
  pair.runUntil(() => next.final);
  assert.equal(sessions(pair, 'server').length, 2);
  const sentBefore = messages(pair, 'server', 'sent').length;
  pair.run(100_000);
  assert.equal(messages(pair, 'server', 'sent').length, sentBefore, 'it is not sent again');
  assert.equal(pair.server.layerCounters().messages['outstanding'], 0);
});

for (const type of ['CON', 'NON'] as const) {
  test(`§9.1.1: the Message ID of a ${type} message of one session says nothing in the next, from the same address`, () => {
    const device = new RawDevice();
    const message = request(type, Code.Post, 0x1234);
    device.send(message);
    device.send(message);
    assert.equal(device.served, 1, 'the second is a copy');
    const answers = device.received.length;
    device.reboot();
    assert.equal(device.all('connected').length, 2);
    device.send(message);
    assert.equal(device.served, 2, 'it is a new message');
    assert.equal(device.received.length, answers + 1);
    device.send(message);
    assert.equal(device.served, 2);
  });
}
