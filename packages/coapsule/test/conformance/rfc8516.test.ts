/**
 * RFC 8516 (4.29) and RFC 7252 §5.9.3.4 (5.03): a client leaves a server alone for as long as it asked for.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { BackOff } from '../../src/core/endpoint/back-off.ts';
import type { RequestError } from '../../src/core/endpoint/outputs.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import {
  Pair,
  type PairAnswer,
  type PairOptions,
  type PairRequest,
  serverAddress,
} from '../../src/testing/pair.ts';
import { StreamPair, type StreamPairRequest } from '../scenarios/stream-pair.ts';

const maxAge = (seconds: number): OptionSet => new OptionSet().add(OptionNumber.MaxAge, seconds);
const busy = (seconds: number): PairAnswer => ({ code: Code.ServiceUnavailable, options: maxAge(seconds) });
const tooMany = (seconds?: number): PairAnswer =>
  seconds === undefined
    ? { code: Code.TooManyRequests }
    : { code: Code.TooManyRequests, options: maxAge(seconds) };

/** A server that gives its answers in order, and 2.05 afterwards. */
function pairThatAnswers(answers: readonly PairAnswer[], options: PairOptions = {}): Pair {
  let next = 0;
  return new Pair({ ...options, handler: () => answers[next++] ?? { code: Code.Content, payload: 'ok' } });
}

function settled(pair: Pair, request: PairRequest): PairRequest {
  assert.ok(
    pair.runUntil(() => request.final || request.error !== undefined),
    'it ended',
  );
  return request;
}

const codeOf = (request: PairRequest): Code | undefined => request.responses[0]?.code;

function backOff(error: RequestError | undefined): { code: Code; retryAfterMs: number } {
  assert.equal(error?.kind, 'back-off');
  return error as Extract<RequestError, { kind: 'back-off' }>;
}

for (const security of ['none', 'dtls'] as const) {
  describe(`5.03 with Max-Age, security ${security}`, () => {
    test('no request reaches the server before Max-Age is over, whatever its path; then they do', () => {
      const pair = pairThatAnswers([busy(30)], { security });
      const first = settled(pair, pair.request('/a'));
      assert.equal(codeOf(first), Code.ServiceUnavailable);
      const sent = pair.network.sent.length;
      pair.run(29_000);
      for (const [path, code] of [
        ['/a', Code.Get],
        ['/b', Code.Post],
      ] as const) {
        const { code: why, retryAfterMs } = backOff(pair.request(path, { code }).error);
        assert.equal(why, Code.ServiceUnavailable);
        assert.ok(retryAfterMs > 0 && retryAfterMs <= 1000, `${retryAfterMs} ms`);
      }
      assert.equal(pair.network.sent.length, sent, 'nothing was sent');
      assert.equal(pair.client.counters.backedOff, 2);
      pair.run(1000);
      assert.equal(codeOf(settled(pair, pair.request('/a'))), Code.Content);
      assert.equal(pair.served.length, 2);
    });

    test('a request that may wait is sent when Max-Age is over, and not earlier', () => {
      const pair = pairThatAnswers([busy(30)], { security });
      const first = settled(pair, pair.request('/a'));
      const waiting = pair.request('/a', { whenBusy: 'wait' });
      pair.run(29_900);
      assert.equal(pair.served.length, 1);
      assert.equal(waiting.error, undefined);
      assert.equal(codeOf(settled(pair, waiting)), Code.Content);
      assert.ok((waiting.answeredAt as number) - (first.answeredAt as number) >= 30_000);
    });
  });
}

test('§5.9.3.4: a request that waits is told when the server asks for more time, and sent after that', () => {
  const pair = pairThatAnswers([busy(30), busy(10)]);
  settled(pair, pair.request('/a'));
  const [one, two] = [pair.request('/a', { whenBusy: 'wait' }), pair.request('/b', { whenBusy: 'wait' })];
  pair.run(35_000);
  // The first one had its turn and got 5.03 again; the other, which was next in the queue, waits with it.
  assert.equal(codeOf(one), Code.ServiceUnavailable);
  assert.equal(two.responses.length, 0);
  assert.equal(codeOf(settled(pair, two)), Code.Content);
  assert.equal(pair.served.length, 3);
});

test('requests that wait for their turn (NSTART) when 5.03 comes are not sent either', () => {
  const pair = pairThatAnswers([busy(30)]);
  const [first, second, patient] = [
    pair.request('/a'),
    pair.request('/b'),
    pair.request('/c', { whenBusy: 'wait' }),
  ];
  settled(pair, first);
  assert.equal(backOff(second.error).retryAfterMs, 30_000);
  assert.equal(pair.served.length, 1);
  assert.equal(codeOf(settled(pair, patient)), Code.Content);
  assert.ok((patient.answeredAt as number) >= 30_000);
});

test('a request that would give up before Max-Age is over fails at once', () => {
  const pair = pairThatAnswers([busy(30)]);
  settled(pair, pair.request('/a'));
  const { error } = pair.request('/a', { whenBusy: 'wait', timeoutMs: 20_000 });
  assert.equal(backOff(error).retryAfterMs, 30_000);
});

test('a person may ask all the same', () => {
  const pair = pairThatAnswers([busy(30)]);
  settled(pair, pair.request('/a'));
  assert.equal(codeOf(settled(pair, pair.request('/a', { whenBusy: 'send' }))), Code.Content);
  backOff(pair.request('/a').error);
});

test('a request that waits can be given up, and is not sent then', () => {
  const pair = pairThatAnswers([busy(30)]);
  settled(pair, pair.request('/a'));
  const waiting = pair.request('/a', { whenBusy: 'wait' });
  pair.command('client', (endpoint, now) => endpoint.cancel(waiting.id, now));
  pair.run(60_000);
  assert.equal(pair.served.length, 1);
});

test('Max-Age 0 asks for nothing', () => {
  const pair = pairThatAnswers([busy(0)]);
  settled(pair, pair.request('/a'));
  assert.equal(codeOf(settled(pair, pair.request('/a'))), Code.Content);
});

test('a Max-Age of years, which anybody may have forged, holds for a day', () => {
  const pair = pairThatAnswers([busy(2 ** 32 - 1)]);
  settled(pair, pair.request('/a'));
  assert.equal(backOff(pair.request('/a').error).retryAfterMs, 24 * 3_600_000);
});

test('RFC 8516 §4: after 4.29 a request with the same method and URI is not sent, others are', () => {
  const pair = pairThatAnswers([tooMany(20)]);
  assert.equal(codeOf(settled(pair, pair.request('/a', { code: Code.Post }))), Code.TooManyRequests);
  assert.equal(backOff(pair.request('/a', { code: Code.Post }).error).code, Code.TooManyRequests);
  assert.equal(codeOf(settled(pair, pair.request('/a', { code: Code.Get }))), Code.Content);
  assert.equal(codeOf(settled(pair, pair.request('/b', { code: Code.Post }))), Code.Content);
  const query = new OptionSet().add(OptionNumber.UriQuery, 'x=1');
  assert.equal(codeOf(settled(pair, pair.request('/a', { code: Code.Post, options: query }))), Code.Content);
  pair.run(20_000);
  assert.equal(codeOf(settled(pair, pair.request('/a', { code: Code.Post }))), Code.Content);
});

test('RFC 8516 §4: without a Max-Age Option it is 60 seconds', () => {
  const pair = pairThatAnswers([tooMany()]);
  settled(pair, pair.request('/a'));
  assert.equal(backOff(pair.request('/a').error).retryAfterMs, 60_000);
});

test('another virtual host at the same address is another server', () => {
  const pair = pairThatAnswers([busy(30)]);
  const host = (name: string): { options: OptionSet } => ({
    options: new OptionSet().add(OptionNumber.UriHost, name),
  });
  settled(pair, pair.request('/a', host('one.example')));
  backOff(pair.request('/a', host('one.example')).error);
  assert.equal(codeOf(settled(pair, pair.request('/a', host('two.example')))), Code.Content);
});

describe('what is remembered', () => {
  const address = ipAddress('192.0.2.2', 5683);
  const now = instant(0);
  const request = (options: OptionSet, code: Code = Code.Get): { code: Code; options: OptionSet } => ({
    code,
    options,
  });
  const through = (uri: string): OptionSet => new OptionSet().add(OptionNumber.ProxyUri, uri);

  test('an origin behind a proxy that is unavailable leaves other origins of the proxy alone', () => {
    const backOff = new BackOff();
    const response = { code: Code.ServiceUnavailable, options: maxAge(30) };
    backOff.note(address, request(through('coap://one.example/a?b')), response, now);
    assert.equal(backOff.heldUntil(address, request(through('coap://one.example/c')), now)?.until, 30_000);
    assert.equal(backOff.heldUntil(address, request(through('coap://two.example/a?b')), now), undefined);
    assert.equal(
      backOff.heldUntil(address, request(new OptionSet()), now),
      undefined,
      'nor the proxy itself',
    );
    assert.equal(
      backOff.heldUntil(ipAddress('192.0.2.3', 5683), request(through('coap://one.example')), now),
      undefined,
    );
  });

  test('a thousand kinds of requests and no more, those that are free first are forgotten first', () => {
    const backOff = new BackOff();
    const path = (n: number): OptionSet => new OptionSet().add(OptionNumber.UriPath, String(n));
    for (let n = 0; n < 2000; n++) {
      const response = { code: Code.TooManyRequests, options: maxAge(10 + n) };
      backOff.note(address, request(path(n)), response, now);
    }
    assert.equal(backOff.heldUntil(address, request(path(0)), now), undefined);
    assert.equal(backOff.heldUntil(address, request(path(1999)), now)?.code, Code.TooManyRequests);
  });
});

test('a 5.03 with a token of no request asks for nothing', () => {
  const pair = pairThatAnswers([]);
  settled(pair, pair.request('/a'));
  const datagram = Uint8Array.of(0x51, Code.ServiceUnavailable, 1, 2, 0x99, 0xd1, 1, 30);
  pair.command('client', (endpoint, now) => endpoint.handle({ address: serverAddress, datagram }, now));
  assert.equal(codeOf(settled(pair, pair.request('/a'))), Code.Content);
});

describe('5.03 and 4.29 over a reliable transport', () => {
  /** A server that gives its answers in order, and 2.05 afterwards. */
  function streamsThatAnswer(answers: readonly PairAnswer[]): StreamPair {
    let next = 0;
    return new StreamPair({ handler: () => answers[next++] ?? { code: Code.Content, payload: 'ok' } });
  }

  const failure = ({ error }: StreamPairRequest) => backOff(error);

  test('5.03: nothing goes to the server before Max-Age is over; what may wait goes then', () => {
    const pair = streamsThatAnswer([busy(30)]);
    assert.equal(pair.answer(pair.request('/a')).code, Code.ServiceUnavailable);
    pair.run(29_000);
    const refused = failure(pair.request('/b', { code: Code.Post }));
    assert.equal(refused.code, Code.ServiceUnavailable);
    assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= 1000, `${refused.retryAfterMs} ms`);
    const waiting = pair.request('/a', { whenBusy: 'wait' });
    pair.run(900);
    assert.equal(pair.served.length, 1);
    assert.equal(pair.answer(waiting).code, Code.Content);
    assert.equal(pair.client.counters.backedOff, 2);
  });

  test('4.29 is about requests like the one that it answers; without Max-Age it lasts a minute', () => {
    const pair = streamsThatAnswer([tooMany()]);
    assert.equal(pair.answer(pair.request('/a')).code, Code.TooManyRequests);
    assert.equal(pair.answer(pair.request('/b')).code, Code.Content);
    assert.equal(failure(pair.request('/a')).code, Code.TooManyRequests);
    pair.run(60_000);
    assert.equal(pair.answer(pair.request('/a')).code, Code.Content);
  });

  test('a caller may send all the same, or give up what waits', () => {
    const pair = streamsThatAnswer([busy(30)]);
    pair.answer(pair.request('/a'));
    assert.equal(pair.answer(pair.request('/a', { whenBusy: 'send' })).code, Code.Content);
    const waiting = pair.request('/a', { whenBusy: 'wait' });
    pair.command('client', (client, now) => client.cancel(waiting.id, now));
    pair.run(60_000);
    assert.equal(pair.served.length, 2);
  });

  test('it holds for the server, not for one connection', () => {
    const pair = streamsThatAnswer([busy(30)]);
    pair.answer(pair.request('/a'));
    pair.breakLink();
    assert.equal(failure(pair.request('/a')).code, Code.ServiceUnavailable);
    assert.equal(pair.links.length, 0);
  });

  test('a ping is no request', () => {
    const pair = streamsThatAnswer([busy(30)]);
    pair.answer(pair.request('/a'));
    const ping = pair.ping();
    pair.answer(ping);
    assert.ok(ping.isPong);
  });
});
