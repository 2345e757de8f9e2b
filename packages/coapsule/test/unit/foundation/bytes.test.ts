/**
 * Byte strings, and the strict UTF-8 of RFC 3629.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  concatBytes,
  equalBytes,
  equalBytesConstantTime,
  fromHex,
  noBytes,
  toHex,
} from '../../../src/core/foundation/bytes.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/core/foundation/utf8.ts';

const bytes = fc.uint8Array({ maxLength: 40 });

it('joined bytes are all parts in order, in a new array', () => {
  const part = Uint8Array.of(1, 2);
  const joined = concatBytes(part, noBytes, Uint8Array.of(3));
  assert.deepEqual(joined, Uint8Array.of(1, 2, 3));
  part[0] = 9;
  assert.equal(joined[0], 1);
  assert.deepEqual(concatBytes(), noBytes);
});

it('both comparisons agree with the hexadecimal text', () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      for (const [left, right] of [
        [a, b],
        [a, a.slice()],
        [a, a.subarray(1)],
      ] as const) {
        const same = toHex(left) === toHex(right);
        assert.equal(equalBytes(left, right), same);
        assert.equal(equalBytesConstantTime(left, right), same);
      }
    }),
    { seed: 1 },
  );
});

it('a difference in any one bit is a difference', () => {
  const a = new Uint8Array(8);
  for (let bit = 0; bit < 64; bit++) {
    const b = a.slice();
    b[bit >> 3] = 1 << (bit & 7);
    assert.equal(equalBytes(a, b), false);
    assert.equal(equalBytesConstantTime(a, b), false);
  }
});

it('hexadecimal text is lower case and leads back to the bytes, in any case', () => {
  assert.equal(toHex(Uint8Array.of(0, 0x0f, 0xa0, 0xff)), '000fa0ff');
  fc.assert(
    fc.property(bytes, (value) => {
      assert.deepEqual(fromHex(toHex(value)), value);
      assert.deepEqual(fromHex(toHex(value).toUpperCase()), value);
    }),
    { seed: 1 },
  );
});

it('what is not hexadecimal has no bytes', () => {
  for (const text of ['0', '0g', ' 00', '0x00', '00\n', '-1', '1.'])
    assert.equal(fromHex(text), undefined, text);
});

it('UTF-8 is what TextEncoder and a strict TextDecoder make, byte order mark kept', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const strict = (value: Uint8Array): string | undefined => {
    try {
      return decoder.decode(value);
    } catch {
      return undefined;
    }
  };
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), bytes, fc.nat(), (text, noise, at) => {
      const encoded = encodeUtf8(text);
      assert.deepEqual(encoded, new TextEncoder().encode(text));
      assert.equal(decodeUtf8(encoded), text);
      assert.equal(decodeUtf8(noise), strict(noise));
      const mixed = concatBytes(encoded.subarray(0, at % (encoded.length + 1)), noise);
      assert.equal(decodeUtf8(mixed), strict(mixed));
    }),
    { seed: 3629, numRuns: 1000 },
  );
});

it('every pair of bytes is decoded as a strict TextDecoder does', () => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (let pair = 0; pair < 0x10000; pair++) {
    const value = Uint8Array.of(pair >> 8, pair & 255);
    const expected = decoder.decode(value);
    assert.equal(decodeUtf8(value), expected.includes('\ufffd') ? undefined : expected);
  }
});

it('overlong forms, surrogates, code points above U+10FFFF and cut sequences are refused', () => {
  for (const text of [
    'c080',
    'c1bf',
    'e08080',
    'e09fbf',
    'f0808080',
    'f08fbfbf',
    'eda080',
    'edbfbf',
    'f4908080',
  ]) {
    assert.equal(decodeUtf8(fromHex(text) as Uint8Array), undefined, text);
  }
  for (const text of ['80', 'bf', 'c3', 'e282', 'f09f98', 'f5808080', 'fe', 'ff']) {
    assert.equal(decodeUtf8(fromHex(text) as Uint8Array), undefined, text);
  }
});

it('an unpaired surrogate is encoded as U+FFFD', () => {
  for (const text of ['\ud800', '\udc00', '\ud800a', 'a\udfff', '\ud800\ud800\udc00', '\udc00\ud800']) {
    assert.deepEqual(encodeUtf8(text), new TextEncoder().encode(text));
  }
});
