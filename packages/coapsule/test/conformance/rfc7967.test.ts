/**
 * RFC 7967, No-Response: what the server does not send, and what the client then waits for.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { isCritical, isUnsafe, OptionNumber, optionDefinition } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import type { OutgoingRequest } from '../../src/core/endpoint/outputs.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { noResponseValue } from '../../src/core/request-response/response-suppression.ts';
import { Pair, type PairOptions, type PairRequest } from '../../src/testing/pair.ts';

const { NoResponse, Observe } = OptionNumber;
const every = 26;

const wish = (value: number | Uint8Array): OptionSet => new OptionSet().add(NoResponse, value);

/** Asks with No-Response and lets five minutes pass. */
function ask(
  value: number | Uint8Array,
  code: Code,
  request: Partial<OutgoingRequest>,
  options: PairOptions = {},
): { pair: Pair; asked: PairRequest; replies: MessageView[]; endedAfterMs: number | undefined } {
  const pair = new Pair({ handler: () => ({ code, payload: 'x' }), ...options });
  const start = pair.now;
  const asked = pair.request('/x', { options: wish(value), ...request });
  const isOver = (): boolean => asked.final || asked.error !== undefined || isSilent(pair, asked);
  const endedAfterMs = pair.runUntil(isOver) ? pair.now - start : undefined;
  pair.run(300_000);
  const replies = pair.network.sent
    .filter(({ from }) => from.key === '192.0.2.2:5683')
    .map(({ datagram }) => decodeMessage(datagram) as MessageView);
  return { pair, asked, replies, endedAfterMs };
}

/** The client was told that its request is over, and has no response. */
function isSilent(pair: Pair, { id }: PairRequest): boolean {
  return pair.events.some(({ output }) => output.kind === 'sent' && output.request === id);
}

test('§2: the option is elective, unsafe to forward, a uint of at most one byte, and not repeatable', () => {
  assert.equal(NoResponse, 258);
  assert.deepEqual([isCritical(NoResponse), isUnsafe(NoResponse)], [false, true]);
  const { format, minLength, maxLength, repeatable } = optionDefinition(NoResponse) ?? {};
  assert.deepEqual([format, minLength, maxLength, repeatable], ['uint', 0, 1, false]);
});

test('§2.1: the value has bit n - 1 for class n', () => {
  assert.deepEqual(
    [
      noResponseValue([]),
      noResponseValue([2]),
      noResponseValue([4]),
      noResponseValue([5]),
      noResponseValue([2, 5]),
    ],
    [0, 2, 8, 16, 18],
  );
  assert.equal(noResponseValue([2, 4, 5]), every);
});

for (const [value, code, isSent] of [
  [2, Code.Changed, false],
  [2, Code.NotFound, true],
  [2, Code.InternalServerError, true],
  [8, Code.Changed, true],
  [8, Code.NotFound, false],
  [16, Code.InternalServerError, false],
  [18, Code.NotFound, true],
  [every, Code.Changed, false],
  [every, Code.NotFound, false],
  [every, Code.InternalServerError, false],
  [0, Code.Changed, true],
  [new Uint8Array(0), Code.NotFound, true],
  [0xff, Code.Changed, false],
] as const) {
  test(`§2.1: with value ${value} a response of class ${code >> 5} is ${isSent ? '' : 'not '}sent`, () => {
    const { pair, replies } = ask(value, code, { type: 'NON', code: Code.Put });
    assert.equal(pair.served.length, 1, 'the request is carried out');
    assert.equal(replies.length, isSent ? 1 : 0);
    assert.equal(pair.server.layerCounters().exchanges['unwantedResponses'], isSent ? 0 : 1);
  });
}

test('§2: without regard to the message type: a Confirmable request is acknowledged, and not answered', () => {
  const { replies, endedAfterMs, asked } = ask(every, Code.Changed, { code: Code.Put });
  assert.deepEqual(
    replies.map(({ type, code }) => [type, code]),
    [['ACK', Code.Empty]],
  );
  assert.equal(endedAfterMs, 20, 'the acknowledgement ends it');
  assert.equal(asked.error, undefined);
});

test('a slow handler: the Empty ACK is sent once, and nothing after it', () => {
  const pair = new Pair({ handler: () => undefined });
  const asked = pair.request('/x', { options: wish(every), code: Code.Put });
  pair.run(3000);
  pair.respond(pair.served[0]?.exchange ?? 0, { code: Code.Changed });
  pair.run(300_000);
  assert.equal(pair.network.sent.length, 2);
  assert.ok(isSilent(pair, asked));
});

test('a copy of a Confirmable request without response is acknowledged again, and carried out once', () => {
  let dropped = 0;
  const pair = new Pair({ handler: () => ({ code: Code.Changed }) });
  pair.network.hook = ({ from }) =>
    from.key === '192.0.2.2:5683' && dropped++ < 2 ? { kind: 'drop' } : undefined;
  const asked = pair.request('/x', { options: wish(every), code: Code.Post });
  pair.run(100_000);
  assert.equal(pair.served.length, 1);
  assert.ok(isSilent(pair, asked));
});

test('§2.1: with no interest in any class a NON request is over as soon as it is sent', () => {
  const { endedAfterMs, pair } = ask(every, Code.Changed, { type: 'NON', code: Code.Put });
  assert.equal(endedAfterMs, 0);
  assert.equal(pair.network.sent.length, 1);
});

test('§2.1: with interest in errors alone silence ends the wait, and is no error', () => {
  for (const type of ['NON', 'CON'] as const) {
    const { asked, endedAfterMs } = ask(2, Code.Changed, { type, code: Code.Put });
    assert.equal(asked.error, undefined);
    assert.deepEqual(asked.responses, []);
    assert.equal(endedAfterMs, type === 'NON' ? 6000 : 6020);
  }
});

test('§2.1: with interest in errors an error is a response like any other', () => {
  for (const type of ['NON', 'CON'] as const) {
    const { asked, endedAfterMs } = ask(2, Code.NotFound, { type, code: Code.Put });
    assert.equal(asked.responses[0]?.code, Code.NotFound);
    assert.equal(endedAfterMs, 20);
  }
});

test('§2.1: the wait is that of timeoutMs where it is given', () => {
  const { asked, endedAfterMs } = ask(2, Code.Changed, { type: 'NON', code: Code.Put, timeoutMs: 1500 });
  assert.deepEqual([asked.error, endedAfterMs], [undefined, 1500]);
});

test('requirement L05: on a lossy line a reading without response never hangs', () => {
  const conditions = { lossRate: 0.5 };
  for (const value of [0, 2, 8, every]) {
    for (let seed = 1; seed <= 20; seed++) {
      const { endedAfterMs } = ask(
        value,
        Code.Changed,
        { type: 'NON', code: Code.Put },
        { conditions, seed },
      );
      assert.ok(endedAfterMs !== undefined && endedAfterMs <= 93_000, `value ${value}, seed ${seed}`);
    }
  }
});

test('a Confirmable request that nobody acknowledges fails, whatever responses are wanted', () => {
  const { asked } = ask(every, Code.Changed, { code: Code.Put }, { conditions: { lossRate: 1 } });
  assert.deepEqual(asked.error, { kind: 'exchange', failure: 'timeout' });
});

test('a response that comes though it is not wanted, from a server without the option, is given to the caller', () => {
  const pair = new Pair({ handler: () => ({ code: Code.Changed, payload: 'done' }) });
  // A server that does not know the option: it never sees it.
  pair.network.hook = ({ datagram }) => {
    const message = decodeMessage(datagram) as MessageView;
    if (!message.options.has(NoResponse)) return undefined;
    // Without the option, which is the last: a byte of header, one of extended delta, one of value.
    return { kind: 'edit', datagram: datagram.subarray(0, datagram.length - 3) };
  };
  const asked = pair.request('/x', { options: wish(2), code: Code.Put });
  pair.runUntil(() => asked.final);
  assert.equal(asked.responses[0]?.code, Code.Changed);
});

test('a registration whose notifications are not wanted makes no observer, and a deregistration may be silent (§2.2)', () => {
  const pair = new Pair({ handler: () => ({ code: Code.Content, payload: 'x', observe: true }) });
  pair.request('/x', { options: new OptionSet().add(Observe, 0).add(NoResponse, 2), type: 'NON' });
  pair.run(1000);
  assert.deepEqual(pair.server.activeObservations(), []);
  const token = Uint8Array.of(5);
  pair.request('/x', { options: new OptionSet().add(Observe, 0), type: 'NON', token });
  pair.run(1000);
  assert.equal(pair.server.activeObservations().length, 1);
  const before = pair.network.sent.length;
  pair.request('/x', { options: new OptionSet().add(Observe, 1).add(NoResponse, every), type: 'NON', token });
  pair.run(1000);
  assert.deepEqual(pair.server.activeObservations(), []);
  assert.equal(pair.network.sent.length, before + 1);
});

test('2.31 Continue is sent whatever the option says, so that the body can go on', () => {
  const pair = new Pair({ handler: () => ({ code: Code.Changed }) });
  const block1 = new OptionSet().add(NoResponse, every).add(OptionNumber.Block1, 0b1000);
  pair.request('/x', { code: Code.Put, options: block1, payload: encodeUtf8('0123456789abcdef') });
  pair.run(1000);
  const [, reply] = pair.network.sent.map(({ datagram }) => decodeMessage(datagram) as MessageView);
  assert.equal(reply?.code, Code.Continue);
});

test('a body in blocks cannot be sent without responses', () => {
  const { asked } = ask(every, Code.Changed, { code: Code.Put, payload: new Uint8Array(5000) });
  assert.equal(asked.error?.kind === 'exchange' ? asked.error.failure : undefined, 'message-too-large');
});

test('with DTLS the option works as without', () => {
  const { asked, pair } = ask(every, Code.Changed, { type: 'NON', code: Code.Put }, { security: 'dtls' });
  assert.equal(asked.error, undefined);
  assert.equal(pair.served.length, 1);
  assert.equal(pair.server.layerCounters().exchanges['unwantedResponses'], 1);
});
