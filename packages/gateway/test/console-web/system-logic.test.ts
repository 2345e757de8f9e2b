/** What the views of the running system work out without a browser. */

import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { parseState } from '../../console/shell/url-state.ts';
import { withStep } from '../../console/system/collection-step.ts';
import { deviceAddress, deviceIdOf } from '../../console/system/device-address.ts';
import { issuedCertificate, newDeviceKeys } from '../../console/system/device-keys.ts';
import { ago, until } from '../../console/system/durations.ts';
import { exchangeFacts, handshakeStep } from '../../console/system/exchange-facts.ts';
import { withNewest } from '../../console/system/explorer-history.ts';
import {
  namedOptions,
  optionRows,
  optionsOf,
  optionText,
  payloadHex,
  tokenOf,
} from '../../console/system/explorer-input.ts';
import { explorerSchema } from '../../console/system/explorer-request.ts';
import { firmwareSnippets } from '../../console/system/firmware-snippets.ts';
import { withAsked, withListed } from '../../console/system/known-links.ts';
import { linkTree } from '../../console/system/link-nodes.ts';
import {
  groupsOf,
  joined,
  keyOf,
  longestHistory,
  longestPlot,
  mostEntries,
  numbersOf,
  sparkline,
  withValues,
} from '../../console/system/live-board.ts';
import { type Notification, plottedNotifications } from '../../console/system/notification-values.ts';
import { withSaved } from '../../console/system/saved-requests.ts';
import { mostMessages, withMessages } from '../../console/system/traffic-ring.ts';
import { parseCollection } from '../../src/collection/parse-collection.ts';
import type {
  GeneratedSecret,
  LadderStep,
  LiveValue,
  SecurityKind,
  SnippetFacts,
  TrafficMessage,
} from '../../src/console/api-types.ts';
import { issueAuthority } from '../../src/keys/issue-certificate.ts';

function live(path: string, value: LiveValue['value'], atMs = 0): LiveValue {
  return { path, name: '', value, unit: 'Cel', identity: null, atMs, updates: 1 };
}

describe('live values', () => {
  test('have their change and a past that is bounded; what is no number has none', () => {
    let entries = withValues(new Map(), [live('/a', 20, 1), live('/b', 'open', 1)]);
    entries = withValues(entries, [live('/a', 21.5, 2)]);
    assert.equal(entries.get(keyOf(live('/a', 0)))?.change, 1.5);
    assert.deepEqual(entries.get(keyOf(live('/b', '')))?.history, []);
    // One that comes again as it was is no change that is shown.
    entries = withValues(entries, [live('/a', 21.5, 3), live('/b', 'open', 3)]);
    assert.deepEqual(
      [...entries.values()].map(({ changes }) => changes),
      [1, 0],
    );
    for (let at = 0; at < longestHistory + 5; at++) entries = withValues(entries, [live('/a', at, at)]);
    assert.equal(entries.get(keyOf(live('/a', 0)))?.history.length, longestHistory);
  });

  test('go on from what the gateway has kept, which knows when a device has measured', () => {
    const [was, came] = ['2026-03-01T10:00:00.000Z', '2026-03-01T10:05:00.000Z'].map((time) =>
      Date.parse(time),
    );
    assert.ok(was !== undefined && came !== undefined);
    const row = { name: '', receivedAt: new Date(came).toISOString(), at: new Date(was).toISOString() };
    const past = numbersOf(
      {
        measurements: [
          { ...row, value: 21 },
          { ...row, value: 'open' },
          { ...row, name: 'x', value: 1 },
        ],
      },
      '',
    );
    assert.deepEqual(past, [{ atMs: was, receivedAtMs: came, value: 21 }]);
    const shown = joined([], { live: [[came, 21]] });
    assert.deepEqual(joined(joined(shown, { past }), { live: [[came + 1000, 22]] }), [
      [was, 21],
      [came + 1000, 22],
    ]);
    assert.deepEqual(numbersOf({ problem: 'no store' }, ''), []);
    const many = Array.from({ length: longestPlot + 5 }, (_, at) => [at, at] as const);
    assert.equal(joined([], { live: many }).length, longestPlot);
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
    ...{ commands: [], missing: null, fileBase: 'sensor-7' },
    trust: {
      ...{
        fingerprint: 'sha256:00',
        authorityPem: '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n',
      },
      publicKeyPem: '-----BEGIN PUBLIC KEY-----\nAP8=\n-----END PUBLIC KEY-----\n',
    },
  };
  const firmware = (
    secret: GeneratedSecret | null,
    security: SecurityKind,
    given: Partial<SnippetFacts> = {},
  ): readonly (readonly [title: string, text: string])[] =>
    firmwareSnippets({ secret, security, facts: { ...facts, ...given }, files: undefined }).map((one) => [
      one.title,
      'text' in one ? one.text : `cannot: ${one.cannot}`,
    ]);
  const textOf = (snippets: ReturnType<typeof firmware>, begin: string): string =>
    snippets.find(([title]) => title.startsWith(begin))?.[1] ?? assert.fail(begin);

  test('are there for libcoap and ESP-IDF, Zephyr, aiocoap and this library, with the key in each', () => {
    const snippets = firmware({ kind: 'psk', identity: 'sensor-7', keyHex: '00ff10', keyText: null }, 'psk');
    assert.deepEqual(
      snippets.map(([title]) => title),
      ['libcoap, ESP-IDF (C)', 'Zephyr (C)', 'aiocoap (credentials.json)', 'coapsule (TypeScript)'],
    );
    for (const [, text] of snippets) assert.match(text, /0x00, 0xff, 0x10|00ff10/);
    JSON.parse(textOf(snippets, 'aiocoap'));
  });

  test('say plainly which stacks lack what a credential needs', () => {
    const limits = (snippets: ReturnType<typeof firmware>): readonly string[] =>
      snippets.flatMap(([title, text]) => (text.startsWith('cannot') ? [`${title}: ${text}`] : []));
    assert.deepEqual(limits(firmware(null, 'rpk')), [
      'libcoap with Mbed TLS or OpenSSL, ESP-IDF: cannot: rpk-mbedtls',
      'Zephyr: cannot: rpk-zephyr',
      'aiocoap: cannot: rpk-aiocoap',
    ]);
    assert.deepEqual(limits(firmware(null, 'x509')), ['aiocoap: cannot: x509-aiocoap']);
    const long = { kind: 'psk', identity: 'sensor-7', keyHex: '00'.repeat(22), keyText: 'x' } as const;
    assert.deepEqual(limits(firmware(long, 'psk')), ['aiocoap: cannot: psk-aiocoap']);
    const none = { fingerprint: null, publicKeyPem: null, authorityPem: null };
    assert.deepEqual(firmware(null, 'rpk', { trust: none }), [], 'a gateway without a key');
  });

  test('trust the gateway by its key, its authority, or its fingerprint where the authority is not known', () => {
    assert.match(textOf(firmware(null, 'rpk'), 'libcoap'), /gateway_key\[\] = \{ 0x00, 0xff \}/);
    assert.match(textOf(firmware(null, 'rpk'), 'coapsule'), /peerPublicKeys: "sha256:00"/);
    const certified = firmware(null, 'x509');
    assert.match(textOf(certified, 'coapsule'), /trustAnchors: readFileSync\('ca\.pem'\)/);
    assert.match(textOf(certified, 'Zephyr'), /TLS_HOSTNAME, NULL, 0/);
    const named = firmware(null, 'x509', { host: 'gateway.example' });
    assert.match(textOf(named, 'Zephyr'), /host\[\] = "gateway\.example";/);
    assert.match(textOf(named, 'libcoap'), /pki\.client_sni = host;/);
    const unknown = firmware(null, 'x509', { trust: { ...facts.trust, authorityPem: null } });
    assert.match(textOf(unknown, 'coapsule'), /peerPublicKeys: "sha256:00"/);
  });

  test('are not broken out of by an identity', () => {
    const identity = '"; system("x"); //\\\n';
    const snippets = firmware({ kind: 'psk', identity, keyHex: '00', keyText: null }, 'psk');
    assert.match(
      textOf(snippets, 'libcoap'),
      /identity\[\] = "\\042; system\(\\042x\\042\); \/\/\\134\\012";/,
    );
    assert.equal(
      Object.values(
        JSON.parse(textOf(snippets, 'aiocoap')) as Record<
          string,
          { dtls: { 'client-identity': { ascii: string } } }
        >,
      )[0]?.dtls['client-identity'].ascii,
      identity,
    );
    assert.ok(textOf(snippets, 'coapsule').includes(JSON.stringify(identity)));
  });
});

describe('keys and certificates of devices', () => {
  const authority = async () => {
    const validity = {
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 86_400_000),
    };
    return issueAuthority('Authority', { type: 'p384', ...validity });
  };

  test('are made in the page: the certificate names the device, is of the authority, and ends no later than it', async () => {
    const { certificatePem, privateKeyPem } = await authority();
    const { publicKey, privateKeyPem: own } = await newDeviceKeys();
    const issued = await issuedCertificate(
      { certificatePem, privateKeyPem },
      { commonName: 'sensor 7', publicKey, days: 365 },
    );
    assert.ok('value' in issued, JSON.stringify(issued));
    const [certificate, root] = [new X509Certificate(issued.value), new X509Certificate(certificatePem)];
    assert.equal(certificate.subject, 'CN=sensor 7');
    assert.ok(certificate.verify(root.publicKey) && certificate.checkIssued(root));
    assert.ok(certificate.checkPrivateKey(createPrivateKey(own)));
    assert.ok(certificate.validToDate <= root.validToDate);
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  });

  test('need the certificate of an authority and its own key, without a passphrase', async () => {
    const [one, other] = [await authority(), await authority()];
    const { publicKey } = await newDeviceKeys();
    for (const [certificatePem, privateKeyPem, reason] of [
      ['no certificate', one.privateKeyPem, /no certificate in PEM/],
      [one.certificatePem, one.privateKeyPem.replaceAll('PRIVATE', 'EC PRIVATE'), /not PKCS #8/],
      [one.certificatePem, other.privateKeyPem, /not that of the certificate/],
    ] as const) {
      const issued = await issuedCertificate(
        { certificatePem, privateKeyPem },
        { commonName: 's', publicKey, days: 1 },
      );
      assert.match('fault' in issued ? issued.fault : '', reason);
    }
  });
});

describe('the explorer', () => {
  test('has options in lines, of which one that is empty yet is one, too', () => {
    assert.deepEqual(optionRows(''), []);
    assert.deepEqual(optionRows('\n'), [{ name: '', value: '' }]);
    const rows = [
      { name: 'Uri-Query', value: 'a: b' },
      { name: 'If-None-Match', value: '' },
    ];
    assert.deepEqual(optionRows(optionText(rows)), rows);
    assert.deepEqual(optionRows('If-Match: 0x01'), [{ name: 'If-Match', value: '0x01' }]);
  });

  test('finds type, Message ID and Token of the response, and counts what went over the wire', () => {
    const field = (name: string, value: string) => ({ name, value, start: 0, end: 1 });
    const step = (kind: LadderStep['kind'], code: string, bytesHex: string): LadderStep => ({
      ...{ atMs: 1, kind, text: '', bytesHex },
      fields: [field('Type', 'ACK'), field('Code', code), field('Message ID', 'beef'), field('Token', '01')],
    });
    const facts = exchangeFacts([
      step('sent', '0.01 GET', '4001'),
      { ...step('retransmission', '', ''), bytesHex: null, fields: [] },
      step('sent', '0.01 GET', '4001'),
      step('received', '0.00 Empty', '60'),
      step('received', '2.05 Content', '6045ff'),
    ]);
    assert.deepEqual(facts, {
      ...{ type: 'ACK', messageId: 'beef', token: '01', sent: 2, received: 2 },
      ...{ sentBytes: 4, receivedBytes: 4, retransmissions: 1 },
    });
  });

  test('shows flights of a handshake by their side, without the address that all have', () => {
    assert.deepEqual(handshakeStep('→ 127.0.0.1:5684 DTLS     0.0 ms  flight 1  128 B  ClientHello'), {
      ...{ side: 'client', text: '→ flight 1  128 B  ClientHello' },
    });
    assert.equal(handshakeStep('← [::1]:5684 DTLS 3.8 ms flight 2').side, 'server');
    assert.deepEqual(handshakeStep('* [::1]:5684 DTLS association closed: local'), {
      ...{ side: 'between', text: 'association closed: local' },
    });
    assert.equal(handshakeStep('something else').text, 'something else');
  });

  test('knows resources that answered without being listed, until they are gone or listed', () => {
    const link = (target: string) => ({ target, attributes: [] });
    let known = withAsked([], '/hidden', true);
    known = withListed(known, [link('/a')]);
    assert.deepEqual(
      known.map(({ target, isListed }) => [target, isListed]),
      [
        ['/a', true],
        ['/hidden', false],
      ],
    );
    assert.deepEqual(withAsked(known, '/a', true), known);
    assert.equal(withListed(known, [link('/hidden')]).length, 1);
    assert.deepEqual(
      withAsked(known, '/hidden', false).map(({ target }) => target),
      ['/a'],
    );
  });

  test('plots the numbers of notifications by their names: of text, JSON and SenML', () => {
    const one = (atMs: number, text: string, contentFormat: number | null): Notification => ({
      ...{ atMs, payloadHex: Buffer.from(text).toString('hex'), contentFormat, formatName: null },
      ...{ code: '2.05', sequence: null, skipped: 0 },
    });
    assert.deepEqual(plottedNotifications([one(1000, '20.5', 0), one(2000, 'tick 7', 0)], 'value'), {
      x: [1, 2],
      lines: [{ label: 'value', values: [20.5, 7] }],
    });
    assert.deepEqual(plottedNotifications([one(1000, '{"a":1,"b":"x"}', 50)], 'value').lines, [
      { label: 'a', values: [1] },
    ]);
    const pack = (value: number) => `[{"bn":"s/","n":"t","u":"Cel","v":${value}},{"n":"h","v":5}]`;
    const { lines } = plottedNotifications(
      [one(1000, pack(1), 110), one(2000, '[]', 110), one(3000, pack(3), 110)],
      'value',
    );
    assert.deepEqual(lines, [
      { label: 's/t (Cel)', values: [1, null, 3] },
      { label: 's/h', values: [5, null, 5] },
    ]);
  });

  test('makes steps of collections that coapsule run reads as the same request', () => {
    const state = parseState(
      explorerSchema,
      new URLSearchParams(
        'uri=coap://[::1]/a%20b?c%3D"1"&method=PUT&type=NON&payload=22.5&format=0&accept=50&options=Uri-Query%3A+d%0AUri-Query%3A+e%0A&etag=01&block=64',
      ),
    );
    const first = withStep('', state, undefined, '2.04') ?? assert.fail();
    const both =
      withStep(first, { ...state, method: 'GET', payload: '' }, undefined, undefined) ?? assert.fail();
    const read = parseCollection(both);
    assert.ok('collection' in read, JSON.stringify(read));
    const [one, other] = read.collection.requests;
    assert.deepEqual(
      { ...one, name: '' },
      {
        ...{ name: '', method: 'PUT', uri: state.uri, non: true, accept: 50 },
        ...{ contentFormat: 0, payload: { hex: '32322e35' }, blockSize: 64 },
        options: { 'Uri-Query': ['d', 'e'], ETag: '0x01' },
        expect: { code: '2.04' },
      },
    );
    assert.equal(other?.method, 'GET');
    assert.equal(withStep('', { ...state, notation: 'hex' }, undefined, undefined), undefined, 'no digits');
  });

  test('keeps requests under names, one for each', () => {
    const list = withSaved([{ name: 'b', search: '?1' }], { name: 'a', search: '?2' });
    assert.deepEqual(
      withSaved(list, { name: 'b', search: '?3' }).map(({ name, search }) => name + search),
      ['a?2', 'b?3'],
    );
  });
});
