/** Which URIs a rule of a forward-proxy is about, and which hosts it lets pass. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type CoapUri, parseCoapUri } from '../../../src/core/coap/uri.ts';
import { ownAddresses } from '../../../src/node/own-addresses.ts';
import { TargetPolicy } from '../../../src/proxy/target-rule.ts';

const made: TargetPolicy[] = [];
after(() => Promise.all(made.map(({ upstream }) => upstream.close())));

function policy(uri: string, networks: readonly string[] = []): TargetPolicy {
  const one = new TargetPolicy({ uri, networks }, 0);
  made.push(one);
  return one;
}

const uriOf = (text: string): CoapUri => parseCoapUri(text) as CoapUri;

const cases: [pattern: string, about: readonly string[], notAbout: readonly string[]][] = [
  [
    'coap://sensors.example',
    [
      'coap://sensors.example',
      'coap://SENSORS.example:5683/a/b?c',
      'coap://sensors.example./',
      'coap://sensors%2Eexample/',
    ],
    [
      'coaps://sensors.example',
      'coap://sensors.example:5684',
      'coap://a.sensors.example',
      'coap://xsensors.example',
      'coap://sensors.example.evil',
    ],
  ],
  [
    'coap://*.sensors.example',
    ['coap://a.sensors.example', 'coap://a.b.sensors.example/', 'coap://a.sensors.example.'],
    [
      'coap://sensors.example',
      'coap://xsensors.example',
      'coap://a.sensors.example.evil',
      'coap://a.sensors.example:1',
    ],
  ],
  ['coap://*', ['coap://a', 'coap://1.1.1.1', 'coap://[2606:4700::1]/'], ['coap://a:1', 'coaps://a']],
  ['coaps://*:*', ['coaps://a', 'coaps://a:1'], ['coap://a']],
  [
    'coap://a.example:*/x',
    ['coap://a.example:1/x', 'coap://a.example/x?y'],
    ['coap://a.example/', 'coap://a.example/x/y', 'coap://a.example/X'],
  ],
  [
    'coap://a.example/x/*',
    ['coap://a.example/x/y', 'coap://a.example/x/y/z', 'coap://a.example/./x/y'],
    ['coap://a.example/x', 'coap://a.example/xy', 'coap://a.example/x/../y'],
  ],
  ['coap://a.example/*', ['coap://a.example', 'coap://a.example/x/y'], ['coap://b.example/']],
  [
    'coap://a.example/',
    ['coap://a.example', 'coap://a.example/', 'coap://a.example?q'],
    ['coap://a.example/x'],
  ],
  ['coap://10.1.2.3', ['coap://10.1.2.3/'], ['coap://10.1.2.30/', 'coap://10.1.2.3.example/']],
  ['coap://[2001:DB8::1]', ['coap://[2001:db8:0::1]/'], ['coap://[2001:db8::2]/']],
];

for (const [pattern, about, notAbout] of cases) {
  test(`${pattern} is about what it says and nothing else`, () => {
    const rule = policy(pattern);
    for (const uri of about) assert.equal(rule.matches(uriOf(uri)), true, uri);
    for (const uri of notAbout) assert.equal(rule.matches(uriOf(uri)), false, uri);
  });
}

test('an address is judged as it stands, whatever it looks like', () => {
  const rule = policy('coap://*:*', ['10.1.0.0/16']);
  const allows = (host: string): boolean => rule.allowsHost(uriOf(`coap://${host}/`));
  for (const host of ['1.1.1.1', '10.1.2.3', '[::ffff:10.1.2.3]', '[2606:4700::1]'])
    assert.equal(allows(host), true, host);
  for (const host of [
    ...[
      '10.2.0.1',
      '127.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:a9fe:a9fe]',
      '169.254.169.254',
      '0.0.0.0',
    ],
    ...['%31%32%37.0.0.1', '[fe80::1%25eth0]', '[64:ff9b::127.0.0.1]', '224.0.1.187', '[ff02::fd]'],
  ]) {
    assert.equal(allows(host), false, host);
  }
});

test('addresses of this machine are local, and can be named as a network', () => {
  for (const address of ownAddresses()) {
    const host = address.includes(':') ? `[${address}]` : address;
    assert.equal(policy('coap://*').allowsHost(uriOf(`coap://${host}/`)), false, address);
    assert.equal(policy('coap://*', [address]).allowsHost(uriOf(`coap://${host}/`)), true, address);
  }
});

test('a group is not asked, whatever network is named', () => {
  const rule = policy('coap://*', ['0.0.0.0/0', '::/0']);
  for (const host of ['224.0.1.187', '[ff02::fd]', '0.0.0.0', '255.255.255.255', '[::]']) {
    assert.equal(rule.allowsHost(uriOf(`coap://${host}/`)), false, host);
  }
  assert.equal(rule.allowsHost(uriOf('coap://127.0.0.1/')), true);
});
