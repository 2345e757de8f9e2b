import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isInNetwork,
  isNoHostAddress,
  isPublicAddress,
  parseIpNetwork,
} from '../../../src/core/foundation/ip-network.ts';

const publicAddresses = [
  ...[
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.1',
  ],
  ...['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0'],
  ...[
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '::ffff:1.1.1.1',
    '64:ff9b::1.1.1.1',
    '2606:4700::1111',
  ],
  ...['2001:200::1', '2003::1'],
];

const others = [
  // this host, and no host
  ...['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.255.255.255', '::', '::1'],
  // private and shared networks
  ...[
    '10.0.0.0',
    '10.255.255.255',
    '172.16.0.0',
    '172.31.255.255',
    '192.168.0.1',
    '100.64.0.0',
    '100.127.255.255',
  ],
  ...['fc00::1', 'fdff::1'],
  // links, and where clouds keep their metadata
  ...[
    '169.254.0.0',
    '169.254.169.254',
    '169.254.255.255',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'fd00:ec2::254',
  ],
  ...['100.100.100.200', '192.0.0.192', '168.63.129.16'],
  // groups and reserved
  ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', 'ff02::fd', 'fec0::1', '4000::1'],
  // documentation, benchmarks
  ...['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '2001:db8::1', '3fff::1'],
  // the same in other clothes
  ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:169.254.169.254', '::ffff:10.0.0.1', '::ffff:0:127.0.0.1'],
  ...['64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b::10.0.0.1', '2002:7f00:1::', '::127.0.0.1'],
  // no addresses
  ...['', 'localhost', '127.1', '0x7f.0.0.1', '017700000001', '1.1.1', '1.1.1.1.1', '2130706433'],
];

for (const address of publicAddresses) {
  test(`${address} is an address of the public Internet`, () => assert.equal(isPublicAddress(address), true));
}
for (const address of others) {
  test(`'${address}' is none`, () => assert.equal(isPublicAddress(address), false));
}

test('groups, broadcast and the unspecified address are no host', () => {
  for (const address of [
    '0.0.0.0',
    '224.0.1.187',
    '255.255.255.255',
    '::',
    'ff05::fd',
    '::ffff:224.0.0.1',
    'x',
  ]) {
    assert.equal(isNoHostAddress(address), true, address);
  }
  for (const address of ['127.0.0.1', '10.0.0.1', '::1', 'fe80::1%eth0', '1.1.1.1']) {
    assert.equal(isNoHostAddress(address), false, address);
  }
});

test('a network has the addresses that share its prefix, bit by bit', () => {
  const cases: [string, string, boolean][] = [
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.128/25', '10.0.0.129', true],
    ['10.0.0.128/25', '10.0.0.127', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['0.0.0.0/0', '2606:4700::1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['::ffff:10.0.0.0', '10.0.0.0', true],
    ['::1', '::1', true],
    ['fd00::/8', 'fc00::1', false],
  ];
  for (const [text, address, expected] of cases) {
    const network = parseIpNetwork(text);
    assert.ok(network, text);
    assert.equal(isInNetwork(address, network), expected, `${address} in ${text}`);
  }
});

test('what is no network is refused', () => {
  for (const text of [
    '',
    'localhost',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '::/129',
    '10.0.0/8',
    '10.0.0.0/8/8',
  ]) {
    assert.equal(parseIpNetwork(text), undefined, text);
  }
});

test('an IPv4 address is as public as its IPv4-mapped and its NAT64 form', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      assert.equal(isPublicAddress(`::ffff:${address}`), isPublicAddress(address));
      assert.equal(isPublicAddress(`64:ff9b::${address}`), isPublicAddress(address));
    }),
    { numRuns: 500, seed: 6890 },
  );
});
