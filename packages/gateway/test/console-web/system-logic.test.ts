/** What the views of the running system work out without a browser. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deviceAddress, deviceIdOf } from '../../console/system/device-address.ts';
import { ago, until } from '../../console/system/durations.ts';
import { withNewest } from '../../console/system/explorer-history.ts';
import { namedOptions, optionsOf, payloadHex, tokenOf } from '../../console/system/explorer-input.ts';
import { firmwareSnippets } from '../../console/system/firmware-snippets.ts';
import { linkTree } from '../../console/system/link-nodes.ts';
import {
  groupsOf,
  keyOf,
  longestHistory,
  mostEntries,
  sparkline,
  withValues,
} from '../../console/system/live-board.ts';
import { mostMessages, withMessages } from '../../console/system/traffic-ring.ts';
import type { LiveValue, SnippetFacts, TrafficMessage } from '../../src/console/api-types.ts';

function live(path: string, value: LiveValue['value'], atMs = 0): LiveValue {
  return { path, name: '', value, unit: 'Cel', identity: null, atMs, updates: 1 };
}

describe('live values', () => {
  test('have their change and a past that is bounded; what is no number has none', () => {
    let entries = withValues(new Map(), [live('/a', 20, 1), live('/b', 'open', 1)]);
    entries = withValues(entries, [live('/a', 21.5, 2)]);
    assert.equal(entries.get(keyOf(live('/a', 0)))?.change, 1.5);
    assert.deepEqual(entries.get(keyOf(live('/b', '')))?.history, []);
    for (let at = 0; at < longestHistory + 5; at++) entries = withValues(entries, [live('/a', at, at)]);
    assert.equal(entries.get(keyOf(live('/a', 0)))?.history.length, longestHistory);
  });

  test('are no more than can be shown, whoever invents paths', () => {
    const many = Array.from({ length: mostEntries + 10 }, (_, at) => live(`/p${at}`, at));
    assert.equal(withValues(new Map(), many).size, mostEntries);
  });

  test('are found by path and device, in the order of their paths', () => {
    const entries = withValues(new Map(), [live('/b', 1), live('/a', 1)]);
    assert.deepEqual(
      groupsOf(entries, '').map(([path]) => path),
      ['/a', '/b'],
    );
    assert.deepEqual(
      groupsOf(entries, ' B ').map(([path]) => path),
      ['/b'],
    );
  });

  test('have a line that goes through their numbers, also where all are the same', () => {
    assert.equal(sparkline([[0, 1]]), '');
    assert.equal(
      sparkline([
        [0, 1],
        [1, 3],
      ]),
      'M0.0 18.0L100.0 2.0',
    );
    assert.doesNotMatch(
      sparkline([
        [0, 5],
        [1, 5],
      ]),
      /NaN/,
    );
  });
});

test('traffic is kept in its order, each message once, and no more than there is room for', () => {
  const message = (n: number) => ({ number: n }) as TrafficMessage;
  const numbers = (all: readonly TrafficMessage[]): readonly number[] => all.map(({ number: n }) => n);
  assert.deepEqual(numbers(withMessages([1, 2].map(message), [3, 4].map(message))), [1, 2, 3, 4]);
  assert.deepEqual(numbers(withMessages([3, 4].map(message), [1, 2, 3].map(message))), [1, 2, 3, 4]);
  const many = Array.from({ length: mostMessages + 3 }, (_, n) => message(n));
  assert.equal(withMessages([], many)[0]?.number, 3);
});

test('durations are told in their two largest units', () => {
  assert.equal(ago(0), '0 s');
  assert.equal(ago(59.6), '1 min');
  assert.equal(ago(3661), '1 h 1 min');
  assert.equal(ago(90_061), '1 d 1 h');
  assert.equal(ago(86_400 + 5), '1 d');
  assert.equal(until(-5000), '5 s ago');
  assert.equal(until(5000), 'in 5 s');
});

test('a device of any name has an address of its own, which is not that of the wizard', () => {
  for (const id of ['sensor-7', 'new', 'a b/c?d', '%6eew', 'ü']) {
    const address = deviceAddress(id);
    assert.notEqual(address, 'devices/new');
    assert.equal(deviceIdOf(address.slice('devices/'.length)), id);
  }
});

test('links become a tree by their paths; those of other servers stand whole', () => {
  const links = ['/sensors/temp', '/sensors', '/light', 'coap://other/x'].map((target) => ({
    target,
    attributes: [],
  }));
  const tree = linkTree(links);
  assert.deepEqual(
    tree.map(({ segment }) => segment),
    ['sensors', 'light', 'coap://other/x'],
  );
  assert.equal(tree[0]?.link?.target, '/sensors');
  assert.equal(tree[0]?.children[0]?.link?.target, '/sensors/temp');
});

test('a link of a device with segments without end is a tree of some levels, in which nothing is lost', () => {
  const target = '/a'.repeat(30_000);
  let nodes = linkTree([{ target, attributes: [] }]);
  let path = '';
  let levels = 0;
  for (; nodes[0] !== undefined; nodes = nodes[0].children) {
    path += `/${nodes[0].segment}`;
    levels++;
  }
  assert.equal(levels, 16);
  assert.equal(path, target);
});

describe('what is typed into the explorer', () => {
  test('is a payload in each notation, or told to be none', () => {
    assert.deepEqual(payloadHex('22.5', 'text'), { value: '32322e35' });
    assert.deepEqual(payloadHex('DE AD', 'hex'), { value: 'dead' });
    assert.deepEqual(payloadHex('{"a":[1,true]}', 'cbor'), { value: 'a161618201f5' });
    assert.deepEqual(payloadHex("{1: h'00ff', 2: 1.5_1}", 'diagnostic'), { value: 'a2014200ff02f93e00' });
    assert.deepEqual(payloadHex('[ {"n":"t","v":1} ]', 'senml'), {
      value: Buffer.from('[{"n":"t","v":1}]').toString('hex'),
    });
    for (const [given, notation] of [
      ['abc', 'hex'],
      ['{', 'json'],
      ['{}', 'senml'],
      ['[1', 'diagnostic'],
    ] as const) {
      assert.ok('fault' in payloadHex(given, notation), given);
    }
  });

  test('has options by name and number, one a line', () => {
    assert.deepEqual(optionsOf('If-Match: 0x01\n\n 2048 : text with: colon \nIf-None-Match'), {
      value: [
        { option: 'If-Match', value: '0x01' },
        { option: 2048, value: 'text with: colon' },
        { option: 'If-None-Match', value: '' },
      ],
    });
    assert.ok('fault' in optionsOf('no option at all!'));
  });

  test('has conditions, host and size in fields of their own, and a token', () => {
    const none = { ifMatch: '', etag: '', ifNoneMatch: false, uriHost: '', size1: '' };
    assert.deepEqual(namedOptions(none), { value: [] });
    assert.deepEqual(
      namedOptions({
        ifMatch: '01ab empty',
        etag: '02,03',
        ifNoneMatch: true,
        uriHost: 'a.example',
        size1: '7',
      }),
      {
        value: [
          { option: 'If-Match', value: '0x01ab' },
          { option: 'If-Match', value: '0x' },
          { option: 'ETag', value: '0x02' },
          { option: 'ETag', value: '0x03' },
          { option: 'If-None-Match', value: '' },
          { option: 'Uri-Host', value: 'a.example' },
          { option: 'Size1', value: '7' },
        ],
      },
    );
    for (const ifMatch of ['0', 'x', '010203040506070809'])
      assert.ok('fault' in namedOptions({ ...none, ifMatch }), ifMatch);
    assert.ok('fault' in namedOptions({ ...none, etag: 'empty' }), 'ETags of requests have a byte or more');
    assert.deepEqual(tokenOf('C0 ff ee'), { value: 'c0ffee' });
    assert.deepEqual(tokenOf(''), { value: '' });
    assert.ok('fault' in tokenOf('010203040506070809'));
  });

  test('is remembered with the newest first, each once', () => {
    assert.deepEqual(withNewest(['a', 'b'], 'b'), ['b', 'a']);
    assert.equal(
      withNewest(
        Array.from({ length: 40 }, (_, at) => String(at)),
        'x',
      ).length,
      30,
    );
  });
});

describe('firmware snippets', () => {
  const facts: SnippetFacts = {
    ...{ gatewayUri: 'coaps://192.0.2.1:5684', host: '192.0.2.1', port: 5684, path: '/sensors/7' },
    commands: [],
    missing: null,
  };

  test('are there for libcoap and ESP-IDF, Zephyr, aiocoap and this library, with the key in each', () => {
    const snippets = firmwareSnippets(
      { kind: 'psk', identity: 'sensor-7', keyHex: '00ff10', keyText: '' },
      facts,
    );
    assert.deepEqual(
      snippets.map(({ title }) => title),
      ['libcoap, ESP-IDF (C)', 'Zephyr (C)', 'aiocoap (credentials.json)', 'coapsule (TypeScript)'],
    );
    for (const { text } of snippets) assert.match(text, /0x00, 0xff, 0x10|00ff10/);
    JSON.parse(snippets[2]?.text ?? '');
  });

  test('are not broken out of by an identity', () => {
    const identity = '"; system("x"); //\\\n';
    const [c, , json, typescript] = firmwareSnippets(
      { kind: 'psk', identity, keyHex: '00', keyText: '' },
      facts,
    );
    assert.match(c?.text ?? '', /identity\[\] = "\\042; system\(\\042x\\042\); \/\/\\134\\012";/);
    assert.equal(
      Object.values(
        JSON.parse(json?.text ?? '') as Record<string, { dtls: { 'client-identity': { ascii: string } } }>,
      )[0]?.dtls['client-identity'].ascii,
      identity,
    );
    assert.ok(typescript?.text.includes(JSON.stringify(identity)));
  });
});
