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

  test('a serial line is a device that keeps its case, and a rate of 115200 by default', () => {
    const { text, scheme, secure, line, isGroup } = targetUri('COAPS+Serial://ttyUSB0/a?b');
    assert.deepEqual(line, { device: 'ttyUSB0', baudRate: 115_200 });
    assert.deepEqual(
      [text, scheme, secure, isGroup],
      ['coaps+serial://ttyUSB0:115200/a?b', 'coaps+serial', true, false],
    );
    assert.deepEqual(targetUri('coap+serial://%2Ftmp%2Fline-a:1000000/a').line, {
      device: '/tmp/line-a',
      baudRate: 1_000_000,
    });
    assert.equal(targetUri('coap+uart://COM3:9600/a').text, 'coap+serial://COM3:9600/a');
  });

  test('the line of a URI without one is that of the environment', () => {
    const line = { COAPSULE_SERIAL: '/dev/ttyACM0,9600' };
    assert.equal(targetUri('coap+serial:///a', line).text, 'coap+serial://%2Fdev%2FttyACM0:9600/a');
    assert.equal(targetUri('coaps+serial://:57600/a', line).text, 'coaps+serial://%2Fdev%2FttyACM0:57600/a');
    assert.equal(targetUri('coap+serial://COM1/a', line).text, 'coap+serial://COM1:115200/a');
    for (const COAPSULE_SERIAL of ['/dev/ttyUSB0,fast', '/dev/ttyUSB0,9600,secured', ',9600']) {
      assert.throws(() => targetUri('coap+serial:///a', { COAPSULE_SERIAL }), {
        message: /^COAPSULE_SERIAL is /,
        exitCode: 64,
      });
    }
  });

  const refused: readonly [uri: string, message: RegExp, nextStep: RegExp][] = [
    ['localhost/a', /not a URI with a scheme/, /did you mean coap:\/\/localhost\/a\?/],
    ['http://host/', /"http" is not a CoAP scheme/, /coap:\/\/ or coaps/],
    [
      'coaps+serial://ttyUSB0:x/',
      /character 24: "x" is not a baud rate/,
      /coap\+serial:\/\/ttyUSB0:115200\/a/,
    ],
    ['coap+serial:///a', /names no serial device/, /COAPSULE_SERIAL.*coapsule serial list/],
    [
      'coap+serial:///dev/ttyUSB0:9600/a',
      /names no serial device/,
      /: coap\+serial:\/\/%2Fdev%2FttyUSB0, or coap\+serial:\/\/ttyUSB0 for/,
    ],
    ['coap+serial:ttyUSB0/a', /character 13: /, /percent-encoded/],
    ['coap+can://x/', /"coap\+can" is not a CoAP scheme/, /coap\+serial:\/\//],
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
