/**
 * RFC 8768: the Hop-Limit option and 5.08 (Hop Limit Reached). The cache's part (§3) is in rfc7252-5.6.test.ts, real
 * loops are in test/api/proxy.test.ts.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import type { Content } from '../../src/core/request-response/exchange.ts';
import { nextHopLimit, relayedHopLimitReached } from '../../src/core/request-response/proxying.ts';
import { drain, message, newLayer, only } from '../unit/request-response/harness.ts';

const now = instant(0);

function hopsOf(limit: number | undefined): OptionSet {
  const options = new OptionSet();
  return limit === undefined ? options : options.add(OptionNumber.HopLimit, limit);
}

function reached(payload: string, contentFormat?: number): Content {
  const options = new OptionSet();
  if (contentFormat !== undefined) options.add(OptionNumber.ContentFormat, contentFormat);
  return { code: Code.HopLimitReached, options, payload: encodeUtf8(payload) };
}

function relayed(response: Content, name: string): string | undefined {
  const relayedResponse = relayedHopLimitReached(response, name);
  return relayedResponse && decodeUtf8(relayedResponse.payload);
}

for (const proxied of [false, true]) {
  const who = proxied ? 'a proxy' : 'a server';
  for (const [value, what] of [
    [0, '0'],
    [Uint8Array.of(0), '0 in one byte'],
    [256, '256'],
    [Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0), '2^64'],
  ] as const) {
    test(`§3: a Hop-Limit of ${what} is rejected by ${who} with 4.00`, () => {
      const layer = newLayer({ route: () => ({ kind: proxied ? 'proxy' : 'origin' }) });
      const options = [[OptionNumber.HopLimit, value]] as const;
      layer.receiveRequest('peer', message(Code.Get, { options }), 'reply', now);
      assert.equal(only(layer, 'send-response').message.code, Code.BadRequest);
    });
  }

  for (const value of [1, 255]) {
    test(`§3: ${who} takes a Hop-Limit of ${value}`, () => {
      const layer = newLayer({ route: () => ({ kind: proxied ? 'proxy' : 'origin' }) });
      const options = [[OptionNumber.HopLimit, value]] as const;
      layer.receiveRequest('peer', message(Code.Get, { options }), 'reply', now);
      assert.equal(only(layer, 'request').request.options.uint(OptionNumber.HopLimit), value);
    });
  }
}

test('§3: of several Hop-Limit options the first counts (RFC 7252 §5.4.5)', () => {
  const layer = newLayer();
  const options = [
    [OptionNumber.HopLimit, 5],
    [OptionNumber.HopLimit, 9],
  ] as const;
  layer.receiveRequest('peer', message(Code.Get, { options }), 'reply', now);
  const { request } = only(layer, 'request');
  assert.deepEqual(request.options.all(OptionNumber.HopLimit), [Uint8Array.of(5)]);
  assert.deepEqual(drain(layer), []);
});

test('§3: a proxy decrements the value by 1, and does not forward a request that would have 0', () => {
  assert.deepEqual(nextHopLimit(hopsOf(16), 16), { kind: 'forward', value: 15 });
  assert.deepEqual(nextHopLimit(hopsOf(2), 16), { kind: 'forward', value: 1 });
  assert.deepEqual(nextHopLimit(hopsOf(1), 16), { kind: 'exhausted' });
});

test('§3: a request without the option gets the initial value', () => {
  assert.deepEqual(nextHopLimit(hopsOf(undefined), 16), { kind: 'forward', value: 16 });
  assert.deepEqual(nextHopLimit(hopsOf(undefined), 3), { kind: 'forward', value: 3 });
});

test('§4: each proxy on the way back puts its name before the others', () => {
  assert.equal(relayed(reached('p3 p4'), 'p2'), 'p2 p3 p4');
  assert.equal(relayed(reached(''), 'p2'), 'p2');
});

test('§4: a 5.08 that has the name of the proxy is not forwarded', () => {
  assert.equal(relayed(reached('p3 p2'), 'p2'), undefined);
  // Not a part of a name.
  assert.equal(relayed(reached('p22'), 'p2'), 'p2 p22');
});

test('§4: without room for the name the message goes on as it is', () => {
  const long = 'x'.repeat(1022);
  assert.equal(relayed(reached(long), 'p2'), long);
  assert.equal(relayed(reached('x'.repeat(1021)), 'p2'), `p2 ${'x'.repeat(1021)}`);
});

test('§4: a payload that is no diagnostic text (RFC 9290) goes on as it is', () => {
  assert.equal(relayed(reached('\u00a1\u0000', 257), 'p2'), '\u00a1\u0000');
});
