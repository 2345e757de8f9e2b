/**
 * URIs of serial lines: draft-bormann-t2trg-slipmux §5, RFC 3986, RFC 7252 §6.4.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasSerialScheme, parseSerialUri, serialLineUri } from '../../../src/core/coap/serial-uri.ts';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';

const line = (device: string, baudRate = 115_200) => ({
  secure: false,
  device,
  baudRate,
  path: [],
  query: [],
});

describe('URIs of serial lines', () => {
  it('device, rate, path and query are read', () => {
    assert.deepEqual(parseSerialUri('coaps+serial://ttyUSB0:115200/a'), {
      ...line('ttyUSB0'),
      secure: true,
      path: ['a'],
    });
    assert.deepEqual(parseSerialUri('coap+serial://COM3:9600/a/b%2Fc?x=1&y'), {
      ...line('COM3', 9600),
      path: ['a', 'b/c'],
      query: ['x=1', 'y'],
    });
  });

  it('the authority keeps its case, and the rate may be above 65535', () => {
    assert.deepEqual(
      parseSerialUri('COAP+SERIAL://tty.usbModem1201:921600'),
      line('tty.usbModem1201', 921_600),
    );
  });

  it('115200 baud is the default, also behind a colon', () => {
    assert.deepEqual(parseSerialUri('coap+serial://ttyS1/'), line('ttyS1'));
    assert.deepEqual(parseSerialUri('coap+serial://ttyS1:/'), line('ttyS1'));
  });

  it('a path of the system is percent-encoded', () => {
    assert.deepEqual(parseSerialUri('coap+serial://%2Ftmp%2Fline-a:115200/a'), {
      ...line('/tmp/line-a'),
      path: ['a'],
    });
    assert.deepEqual(parseSerialUri('coap+serial://%5C%5C.%5CCOM10'), line('\\\\.\\COM10'));
  });

  it('coap+uart is coap+serial, with an empty authority for the default line', () => {
    assert.deepEqual(parseSerialUri('coap+uart://ttyUSB0/APlist'), { ...line('ttyUSB0'), path: ['APlist'] });
    assert.deepEqual(parseSerialUri('coap+uart:///APlist'), { ...line(''), path: ['APlist'] });
  });

  it('what is wrong is told with its place', () => {
    const wrong: readonly (readonly [string, number, RegExp])[] = [
      ['coap://ttyUSB0', 0, /scheme is not one of coap\+serial/],
      ['coaps+uart://ttyUSB0', 0, /scheme/],
      ['ttyUSB0', 0, /scheme/],
      ['coap+serial:ttyUSB0', 12, /expected "\/\/"/],
      ['coap+serial://me@ttyUSB0', 16, /no user information/],
      ['coap+serial://ttyUSB0:fast/a', 22, /"fast" is not a baud rate/],
      ['coap+serial://ttyUSB0:0', 22, /not between 1 and/],
      ['coap+serial://ttyUSB0:100000001', 22, /not between 1 and/],
      ['coap+serial://tty USB0', 17, /must be percent-encoded/],
      ['coap+serial://tty%0', 17, /two hexadecimal digits/],
      ['coap+serial://tty%00', 14, /no NUL/],
      ['coap+serial://ttyUSB0/a#b', 23, /no fragment/],
      [`coap+serial://ttyUSB0/${'a'.repeat(256)}`, 22, /longer than 255 bytes/],
    ];
    for (const [uri, offset, reason] of wrong) {
      const result = parseSerialUri(uri);
      assert.ok(isDecodeFault(result), uri);
      assert.equal(result.offset, offset, uri);
      assert.match(result.reason, reason);
    }
  });

  it('its schemes are known whatever follows', () => {
    for (const uri of ['coap+serial:', 'Coaps+Serial://x', 'coap+uart:///']) assert.ok(hasSerialScheme(uri));
    for (const uri of ['coap://a', '', 'serial', 'constructor:x']) assert.ok(!hasSerialScheme(uri));
  });

  it('the URI of any line is read as that line', () => {
    const devices = fc.string({ unit: 'binary' }).filter((device) => !device.includes('\0'));
    fc.assert(
      fc.property(
        fc.boolean(),
        devices,
        fc.integer({ min: 1, max: 4_000_000 }),
        (secure, device, baudRate) => {
          assert.deepEqual(parseSerialUri(serialLineUri({ secure, device, baudRate })), {
            secure,
            device,
            baudRate,
            path: [],
            query: [],
          });
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });
});
