/** Who a request comes from, as servers in front of the endpoint say it, and as strangers would like to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpOptions } from '../../src/cli/http-options.ts';
import { parseProxyNetwork, TrustedProxies } from '../../src/http/trusted-proxies.ts';

type Headers = Readonly<Partial<Record<'x-forwarded-for' | 'x-forwarded-proto' | 'forwarded', string>>>;

function networks(...texts: readonly string[]): TrustedProxies {
  return new TrustedProxies(
    texts.map((text) => {
      const network = parseProxyNetwork(text);
      return typeof network === 'string' ? assert.fail(`${text}: ${network}`) : network;
    }),
  );
}

const trusted = networks('127.0.0.1', '10.0.0.0/8', 'fd00::/8');

function client(headers: Headers, peer = '127.0.0.1', isTls = false): string {
  const { address, isSecure } = trusted.clientOf({ peer, isTls, header: (name) => headers[name] });
  return `${address}${isSecure ? ' secure' : ''}`;
}

function from(list: string, peer?: string): string {
  return client({ 'x-forwarded-for': list }, peer);
}

test('from a stranger no header counts, and without the option from nobody', () => {
  const headers: Headers = {
    'x-forwarded-for': '198.51.100.1',
    'x-forwarded-proto': 'https',
    forwarded: 'for=198.51.100.2;proto=https',
  };
  for (const peer of ['192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1', 'unknown'])
    assert.equal(client(headers, peer), peer.replace('::ffff:', ''));
  assert.equal(client(headers, '192.0.2.1', true), '192.0.2.1 secure');
  const nobody = networks().clientOf({ peer: '127.0.0.1', isTls: false, header: (name) => headers[name] });
  assert.deepEqual(nobody, { address: '127.0.0.1', isSecure: false });
});

test('the client is the rightmost address that is none of the proxies: what it said itself stands left of it', () => {
  assert.equal(from('192.0.2.1'), '192.0.2.1');
  assert.equal(from('198.51.100.66, 192.0.2.1'), '192.0.2.1');
  assert.equal(from('127.0.0.1, 10.9.9.9, 192.0.2.1'), '192.0.2.1', 'a client that says it is a proxy');
  assert.equal(from('198.51.100.66,192.0.2.1 ,10.1.2.3,fd00::7'), '192.0.2.1', 'a chain');
  assert.equal(from('10.1.2.4, 10.1.2.3'), '10.1.2.4', 'somebody within the trusted network');
});

test('IPv6 is read with port and without, in brackets and without, and IPv4 within it as IPv4', () => {
  for (const text of [
    '2001:db8::1',
    '[2001:db8::1]',
    '[2001:db8::1]:443',
    '2001:DB8:0::0:1',
    '2001:db8::1%eth0',
  ])
    assert.equal(from(text), '2001:db8::1', text);
  for (const text of ['192.0.2.1:5000', '::ffff:192.0.2.1', '[::ffff:192.0.2.1]:1', '::ffff:c000:201'])
    assert.equal(from(text), '192.0.2.1', text);
  assert.equal(from('192.0.2.1', '::ffff:127.0.0.1'), '192.0.2.1', 'a proxy on a socket of both families');
  assert.equal(from('192.0.2.1', 'fd00::1%eth0'), '192.0.2.1');
});

test('rubbish is nobody: the proxy that passed it on stands for it', () => {
  for (const text of [
    ...[
      '',
      ' ',
      ',',
      'unknown',
      '_hidden',
      'localhost',
      '192.0.2.256',
      '192.0.2.1.',
      '0x7f.1',
      '1',
      '[192.0.2.1]',
    ],
    ...[
      '[2001:db8::1',
      '2001:db8::1]:1',
      '[::1].evil',
      '192.0.2.1:',
      '192.0.2.1:999999',
      '"192.0.2.1"',
      'a b',
    ],
    ...['192.0.2.1;192.0.2.2', '<script>', '\u202e1.2.0.291', `${'9,'.repeat(5000)}x`],
  ])
    assert.equal(from(text), '127.0.0.1', JSON.stringify(text.slice(0, 30)));
  assert.equal(from('198.51.100.66, unknown, 10.1.2.3'), '10.1.2.3', 'and nothing left of it counts');
});

test('Forwarded says the same in its own form, with quotes, and rubbish in it is nobody', () => {
  const forwarded = (text: string): string => client({ forwarded: text });
  assert.equal(forwarded('for=192.0.2.1'), '192.0.2.1');
  assert.equal(forwarded('FOR="[2001:db8::1]:4711" ; proto=HTTPS;by=10.0.0.1'), '2001:db8::1 secure');
  assert.equal(
    forwarded('for=198.51.100.66, for=192.0.2.1;proto=https, for=10.1.2.3;proto=http'),
    '192.0.2.1 secure',
  );
  assert.equal(forwarded('for="a,for=198.51.100.66", for=192.0.2.1'), '192.0.2.1');
  assert.equal(forwarded('for="192.0.2.\\1"'), '192.0.2.1');
  for (const text of [
    '',
    'for',
    'for=',
    'for=unknown',
    'for=_x',
    'by=192.0.2.1',
    'for="192.0.2.1',
    'for="a\\',
    ';;,,=',
  ])
    assert.equal(forwarded(text), '127.0.0.1', text);
});

test('where X-Forwarded-For and Forwarded name different clients neither counts: one is what the client said', () => {
  const both = (one: string, other: string): string => client({ 'x-forwarded-for': one, forwarded: other });
  assert.equal(both('192.0.2.1', 'for=198.51.100.66'), '127.0.0.1');
  assert.equal(both('198.51.100.66', 'for=192.0.2.1'), '127.0.0.1');
  assert.equal(both('192.0.2.1', 'for="192.0.2.1:80";proto=https'), '192.0.2.1 secure');
});

test('TLS of the browser is what the proxy beside it says', () => {
  const secure = (list: string, proto: string): boolean =>
    client({ 'x-forwarded-for': list, 'x-forwarded-proto': proto }).endsWith(' secure');
  assert.ok(secure('192.0.2.1', 'https'));
  assert.ok(secure('192.0.2.1', 'HTTPS'));
  assert.ok(secure('192.0.2.1, 10.1.2.3', 'https, http'), 'TLS ends at the outer one');
  assert.ok(secure('192.0.2.1, 10.1.2.3', 'https'), 'one value for all');
  assert.ok(!secure('192.0.2.1', 'https, http'), 'what the client said stands left');
  for (const proto of ['http', '', 'https://x', 'ws']) assert.ok(!secure('192.0.2.1', proto), proto);
  assert.equal(client({ 'x-forwarded-proto': 'https' }), '127.0.0.1 secure', 'a proxy that tells no address');
});

test('a network is an address with a prefix that leaves somebody out', () => {
  for (const [text, address, prefix] of [
    ['127.0.0.1', '127.0.0.1', 32],
    ['10.1.0.0/16', '10.1.0.0', 16],
    ['::1', '::1', 128],
    ['fd00::/8', 'fd00::', 8],
  ] as const)
    assert.deepEqual(parseProxyNetwork(text), { address, prefix });
  for (const text of [
    ...[
      '',
      '/8',
      '10.0.0.0/33',
      'fd00::/129',
      '0.0.0.0/0',
      '::/0',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      '10.0.0.0/',
    ],
    ...['localhost', '[::1]', '10.0.0/8', '127.0.0.1:80', 'fe80::1%eth0', '*'],
  ]) {
    assert.equal(typeof parseProxyNetwork(text), 'string', text);
    assert.throws(
      () => httpOptions({ http: { host: '127.0.0.1', port: 0 }, trustedProxy: [text] }),
      /--trusted-proxy /,
      text,
    );
  }
  assert.throws(() => httpOptions({ http: 'off', trustedProxy: ['::1'] }), /--trusted-proxy is for the http/);
});
