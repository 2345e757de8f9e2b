/**
 * RFC 7252 §3 (message format) and §12 (registries): each MUST by its section. What is done with messages that break
 * them is in bad-input.test.ts, URIs (§6) are in uri.test.ts.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  codeName,
  codeText,
  isRequestCode,
  isReservedCode,
  isResponseCode,
} from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import {
  isCritical,
  isNoCacheKey,
  isUnsafe,
  OptionNumber,
  optionDefinition,
} from '../../src/core/coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../../src/core/coap/option-set.ts';
import { fromHex, noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';

const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(' ', '')) as Uint8Array;

function decoded(hex: string): MessageView {
  const message = decodeMessage(bytes(hex));
  assert.ok(!isDecodeFault(message), isDecodeFault(message) ? message.reason : '');
  return message;
}

function encoded(options: OptionReader, payload: Uint8Array = noBytes): string {
  const message = { type: 'CON', code: Code.Get, messageId: 0x1234, token: noBytes } as const;
  return toHex(encodeMessage({ ...message, options, payload }));
}

describe('§3: header', () => {
  test('implementations MUST set the version to 1, and type, code and Message ID stand where Figure 7 has them', () => {
    for (const [type, first] of [
      ['CON', 0x42],
      ['NON', 0x52],
      ['ACK', 0x62],
      ['RST', 0x72],
    ] as const) {
      const message = { type, code: Code.Content, messageId: 0xbeef, token: bytes('0102') };
      const datagram = encodeMessage({ ...message, options: new OptionSet(), payload: noBytes });
      assert.equal(toHex(datagram), `${first.toString(16)}45beef0102`);
    }
  });

  test('a token has 0 to 8 bytes; a longer one MUST NOT be sent', () => {
    for (let length = 0; length <= 8; length++) {
      const token = new Uint8Array(length).fill(7);
      const message = { type: 'CON', code: Code.Get, messageId: 1, token } as const;
      const datagram = encodeMessage({ ...message, options: new OptionSet(), payload: noBytes });
      assert.deepEqual((decodeMessage(datagram) as MessageView).token, token);
    }
    const message = { type: 'CON', code: Code.Get, messageId: 1, token: new Uint8Array(9) } as const;
    assert.throws(() => encodeMessage({ ...message, options: new OptionSet(), payload: noBytes }));
  });

  test('the payload extends to the end of the datagram, whatever is in it, and an empty one has no marker', () => {
    assert.equal(encoded(new OptionSet(), bytes('ffff')), '40011234ffffff');
    assert.equal(toHex(decoded('40011234 ff ff00ff').payload), 'ff00ff');
    assert.equal(encoded(new OptionSet()), '40011234');
  });
});

describe('§3.1: options', () => {
  test('instances MUST appear in order of their numbers, and those of one number in their own order', () => {
    const options = new OptionSet().add(15, 'q').add(11, 'b').add(3, 'h').add(11, 'a');
    assert.deepEqual(
      Array.from(decoded(encoded(options)).options.entries(), ({ number, value }) => [number, toHex(value)]),
      [
        [3, '68'],
        [11, '62'],
        [11, '61'],
        [15, '71'],
      ],
    );
  });

  test('delta and length of 12, 13, 268, 269 and up to 65,804 take no, one or two more bytes', () => {
    for (const [value, nibble, extension] of [
      [0, '0', ''],
      [12, 'c', ''],
      [13, 'd', '00'],
      [268, 'd', 'ff'],
      [269, 'e', '0000'],
      [65_535, 'e', 'fef2'],
    ] as const) {
      assert.equal(encoded(new OptionSet().add(value, noBytes)), `40011234${nibble}0${extension}`);
      const [option] = decoded(`40011234${nibble}0${extension}`).options.entries();
      assert.equal(option?.number, value);
      if (value === 0) continue;
      const long = new Uint8Array(value).fill(0x61);
      assert.equal(encoded(new OptionSet().add(1, long)), `400112341${nibble}${extension}${toHex(long)}`);
      assert.equal(decoded(`400112341${nibble}${extension}${toHex(long)}`).options.first(1)?.length, value);
    }
  });
});

describe('§3.2: values', () => {
  test('an uint SHOULD have as few bytes as it can, and a recipient MUST take leading zero bytes', () => {
    assert.equal(encoded(new OptionSet().add(OptionNumber.MaxAge, 0)), '40011234d001');
    assert.equal(encoded(new OptionSet().add(OptionNumber.MaxAge, 256)), '40011234d2010100');
    assert.equal(decoded('40011234 d4 01 0000003c').options.uint(OptionNumber.MaxAge), 60);
  });

  test('a string is UTF-8, and passes unchanged: not normalized', () => {
    for (const text of ['ä', 'a\u0308', '水', '😀']) {
      const options = decoded(encoded(new OptionSet().add(OptionNumber.UriPath, text))).options;
      assert.deepEqual(options.first(OptionNumber.UriPath), encodeUtf8(text));
      assert.deepEqual(options.texts(OptionNumber.UriPath), [text]);
    }
  });
});

describe('§5.4.6: what a number says', () => {
  test('critical is bit 0, unsafe bit 1, and NoCacheKey bits 1 to 4 being 0, 1, 1, 1', () => {
    for (let number = 0; number < 65_536; number++) {
      assert.equal(isCritical(number), (number & 1) === 1);
      assert.equal(isUnsafe(number), (number & 2) === 2);
      assert.equal(isNoCacheKey(number), ((number >> 1) & 15) === 0b1110);
    }
    assert.deepEqual([isCritical(OptionNumber.UriPath), isUnsafe(OptionNumber.UriPath)], [true, true]);
    assert.equal(isNoCacheKey(OptionNumber.Size1), true);
  });
});

describe('§12.1: codes', () => {
  test('0.00 is Empty, 0.01 to 0.31 are requests, 2.00 to 5.31 responses, all others are reserved', () => {
    for (let code = 0; code < 256; code++) {
      const kinds = [code === 0, isRequestCode(code), isResponseCode(code), isReservedCode(code)];
      assert.equal(kinds.filter(Boolean).length, 1, codeText(code));
      assert.equal(kinds[2], code >= 0x40 && code < 0xc0);
    }
  });

  test('J18: a code is one byte, 4.04 is 0x84', () => {
    assert.equal(Code.NotFound, 0x84);
    assert.equal(codeText(0x84), '4.04');
  });

  for (const line of `
0.01 GET
0.02 POST
0.03 PUT
0.04 DELETE
0.05 FETCH
0.06 PATCH
0.07 iPATCH
2.01 Created
2.02 Deleted
2.03 Valid
2.04 Changed
2.05 Content
2.31 Continue
4.00 Bad Request
4.01 Unauthorized
4.02 Bad Option
4.03 Forbidden
4.04 Not Found
4.05 Method Not Allowed
4.06 Not Acceptable
4.08 Request Entity Incomplete
4.09 Conflict
4.12 Precondition Failed
4.13 Request Entity Too Large
4.15 Unsupported Content-Format
4.22 Unprocessable Entity
4.29 Too Many Requests
5.00 Internal Server Error
5.01 Not Implemented
5.02 Bad Gateway
5.03 Service Unavailable
5.04 Gateway Timeout
5.05 Proxying Not Supported
5.08 Hop Limit Reached`
    .trim()
    .split('\n')) {
    test(`${line} is registered`, () => {
      const [text = '', ...name] = line.split(' ');
      const [major = 0, detail = 0] = text.split('.').map(Number);
      const code = (major << 5) | detail;
      assert.equal(codeName(code), name.join(' '));
      assert.ok(Object.values(Code).includes(code as (typeof Code)[keyof typeof Code]));
    });
  }
});

test('§12.2: each option of Table 4 has the length that it has there', () => {
  for (const [number, min, max] of [
    [1, 0, 8],
    [3, 1, 255],
    [4, 1, 8],
    [5, 0, 0],
    [7, 0, 2],
    [8, 0, 255],
    [11, 0, 255],
    [12, 0, 2],
    [14, 0, 4],
    [15, 0, 255],
    [17, 0, 2],
    [20, 0, 255],
    [35, 1, 1034],
    [39, 1, 255],
    [60, 0, 4],
  ] as const) {
    const definition = optionDefinition(number);
    assert.deepEqual([definition?.minLength, definition?.maxLength], [min, max], String(number));
  }
});
