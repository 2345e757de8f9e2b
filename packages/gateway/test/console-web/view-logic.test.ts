/** What the console's views work out without a browser. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EventParser } from '../../console/gateway/event-parser.ts';
import { ownServers, trialOf, usualServers, whyNoTrial } from '../../console/learn/code-trials.ts';
import { cleanShare, expectedExtraMs } from '../../console/learn/handshake-loss.ts';
import { figure, percent } from '../../console/parts/figures.ts';
import { toHex } from '../../console/parts/hex-text.ts';
import { dateAndTime, timeOfDay } from '../../console/parts/times.ts';
import { matches } from '../../console/shell/find.ts';
import {
  choice,
  flag,
  formatState,
  number,
  parseState,
  text,
  words as wordList,
} from '../../console/shell/url-state.ts';
import { findResponseCodes } from '../../src/advice/response-codes.ts';

const schema = {
  mode: choice(['psk', 'oscore'], 'psk'),
  latency: number(1, 1000, 20),
  cookie: flag(true),
  search: text('', 20),
  met: wordList(['rest', 'ipv6', 'broker']),
};

describe('the state of a view in its address', () => {
  test('is what it was before, for every state', () => {
    fc.assert(
      fc.property(
        fc.record({
          mode: fc.constantFrom('psk' as const, 'oscore' as const),
          latency: fc.integer({ min: 1, max: 1000 }),
          cookie: fc.boolean(),
          search: fc.string({ maxLength: 20 }),
          met: fc.subarray(['rest' as const, 'ipv6' as const, 'broker' as const]),
        }),
        (state) => {
          assert.deepEqual(parseState(schema, new URLSearchParams(formatState(schema, state))), { ...state });
        },
      ),
      { numRuns: 200 },
    );
  });

  test('leaves out what is as usual, and takes the usual for what is no value', () => {
    const usual = parseState(schema, new URLSearchParams());
    assert.equal(formatState(schema, usual), '');
    assert.equal(formatState(schema, { ...usual, latency: 50 }), '?latency=50');
    const wrong = new URLSearchParams('mode=rot13&latency=&cookie=maybe&met=rest+nothing&other=1');
    assert.deepEqual(parseState(schema, wrong), { ...usual, met: ['rest'] });
    assert.equal(parseState(schema, new URLSearchParams('latency=99999')).latency, 1000);
    assert.equal(parseState(schema, new URLSearchParams('latency=NaN')).latency, 20);
  });
});

test('numbers are grouped by thousands and have no needless zeros', () => {
  assert.equal(figure(1234567.891, 2), '1\u202f234\u202f567.89');
  assert.equal(figure(20), '20');
  assert.equal(figure(0.5, 3), '0.5');
  assert.equal(figure(Number.POSITIVE_INFINITY), '∞');
  assert.equal(percent(0.99999, 3), '99.999 %');
  assert.equal(toHex(Uint8Array.of(0, 255), ' '), '00 ff');
});

test('the palette finds by letters of several words, whatever their case', () => {
  assert.ok(matches('DTLS Handshake Step Explorer', 'hand expl'));
  assert.ok(!matches('DTLS Handshake Step Explorer', 'hand battery'));
});

test('the events of a stream come whole, however its text is cut', () => {
  const stream =
    'event: step\ndata: {"a":1}\n\n: comment\r\n\r\ndata: one\ndata: two\n\nevent: end\ndata: null\n\n';
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (lengths) => {
      const events: [string, string][] = [];
      const parser = new EventParser((name, data) => events.push([name, data]));
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const length = lengths[turn % lengths.length]!;
        parser.push(stream.slice(at, at + length));
        at += length;
      }
      assert.deepEqual(events, [
        ['step', '{"a":1}'],
        ['message', 'one\ntwo'],
        ['end', 'null'],
      ]);
    }),
    { numRuns: 50 },
  );
});

test('loss adds nothing where nothing is lost, and what the timers of RFC 6347 say where something is', () => {
  assert.equal(expectedExtraMs(6, 0), 0);
  assert.equal(cleanShare(6, 0), 1);
  // 10 %: an exchange fails with 0.19; 1 s, then 2 s with 0.19 of that, then 4 s …
  const perExchange = 190 + 0.0361 * 2000 + 0.006859 * 4000 + 0.00130321 * 8000;
  assert.ok(Math.abs(expectedExtraMs(6, 0.1) / 3 - perExchange) < 15, String(expectedExtraMs(6, 0.1)));
  assert.ok(Math.abs(cleanShare(6, 0.1) - 0.531441) < 1e-9);
});

test('each of the 27 response codes has a trial or says why not: 20 and 7', () => {
  const codes = findResponseCodes({ all: true }).found.map(({ text: code }) => code);
  const tried = codes.filter((code) => trialOf(code) !== undefined);
  const untried = codes.filter((code) => whyNoTrial(code) !== undefined);
  assert.deepEqual([codes.length, tried.length], [27, 20]);
  assert.deepEqual(untried, ['4.09', '4.22', '4.29', '5.01', '5.02', '5.03', '5.08']);
  assert.deepEqual([...tried, ...untried].sort(), [...codes].sort());
  assert.equal(trialOf('9.99'), undefined);
});

test('trials go where the gateway listens, and to the usual ports where that is not known', () => {
  const own = ownServers([
    { name: 'coap', address: '[::]:5683' },
    { name: 'coaps', address: '192.0.2.7:7000' },
  ]);
  assert.deepEqual(own, { coap: 'coap://127.0.0.1:5683', coaps: 'coaps://192.0.2.7:7000' });
  assert.deepEqual(ownServers([]), usualServers);
  assert.equal(trialOf('4.03', own)?.inputs['uri'], 'coaps://192.0.2.7:7000/admin/config');
  assert.equal(trialOf('2.05')?.inputs['uri'], 'coap://127.0.0.1/temperature');
});

test('times are those of ISO 8601 with 24 hours, whatever the language of the browser', () => {
  const afternoon = new Date(2026, 2, 1, 16, 5, 9).getTime();
  assert.equal(timeOfDay(afternoon), '16:05:09');
  assert.equal(dateAndTime(afternoon), '2026-03-01 16:05:09');
});
