import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { targetUri } from '../../src/cli/target-uri.ts';

describe('the URI on the command line', () => {
  test('coap and coaps are taken, in any case', () => {
    assert.deepEqual(targetUri('coap://[::1]:5683/a?b=c'), {
      text: 'coap://[::1]:5683/a?b=c',
      scheme: 'coap',
      host: '::1',
      secure: false,
      port: 5683,
      isGroup: false,
    });
    assert.equal(targetUri('coap://[ff02::fd%25eth0]/').isGroup, true);
    assert.equal(targetUri('COAPS://host').scheme, 'coaps');
  });

  test('so are the schemes over TCP, TLS and WebSocket, with their ports', () => {
    for (const [uri, secure, port] of [
      ['coap+tcp://host/a', false, 5683],
      ['coaps+tcp://host/a', true, 5684],
      ['coap+ws://host/a', false, 80],
      ['coaps+ws://host/a', true, 443],
    ] as const) {
      const target = targetUri(uri);
      assert.deepEqual([target.secure, target.port], [secure, port], uri);
    }
  });

  const refused: readonly [uri: string, message: RegExp, nextStep: RegExp][] = [
    ['localhost/a', /not a URI with a scheme/, /did you mean coap:\/\/localhost\/a\?/],
    ['http://host/', /"http" is not a CoAP scheme/, /coap:\/\/ or coaps/],
    ['coaps+serial://ttyUSB0/', /"coaps\+serial" is not there yet/, /./],
    ['coap://host/a b', /character 14: /, /%20/],
    ['coap://host/%zz', /character 13: /, /percent-encode/],
    ['coap://host/#x', /character 13: .*fragment/, /./],
    ['coap://user@host/', /character 12: .*user/, /./],
    ['coap:///a', /character 8: /, /./],
    ['coap://host:x/', /character 12: /, /./],
    ['coap://::1/x?y', /character 8: /, /brackets: coap:\/\/\[::1\]\/x\?y$/],
    ['coaps://fe80::1', /character \d+: /, /brackets: coaps:\/\/\[fe80::1\]$/],
    ['coap:/host/x', /no \/\/ after the scheme/, /did you mean coap:\/\/host\/x\?/],
    ['coaps:host', /no \/\/ after the scheme/, /did you mean coaps:\/\/host\?/],
    ['coap:5683/x', /not a URI with a scheme/, /did you mean coap:\/\/coap:5683\/x\?/],
    ['coap://[::g]/', /character 8: .*IPv6/, /brackets/],
  ];
  for (const [uri, message, nextStep] of refused) {
    test(`${uri} is refused with the place and a next step`, () => {
      assert.throws(() => targetUri(uri), { message, nextStep, exitCode: 64 });
    });
  }
});
