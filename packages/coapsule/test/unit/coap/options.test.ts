/**
 * Option numbers, definitions, values and sets: RFC 7252 §3.2, §5.4 and §5.10.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  isCritical,
  isLegalOptionLength,
  isLegalOptionValue,
  isNoCacheKey,
  isUnsafe,
  OptionNumber,
  optionDefinition,
} from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { decodeUint, encodeUint } from '../../../src/core/coap/option-value.ts';
import { concatBytes, noBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { hex } from './vectors.ts';

/**
 * The columns of the RFCs: No., C U N R (RFC 7252 Table 4; 7641 §2; 7959 §2.1, §4; 7967 §2; 8613 §2;
 * 8768 §3; 9175 §2.2.1, §3.2.1; 9177 §4.1), name, format, length. N is a dash for Unsafe options.
 */
const table = `
1    C - - R  If-Match        opaque  0-8
3    C U - -  Uri-Host        string  1-255
4    - - - R  ETag            opaque  1-8
5    C - - -  If-None-Match   empty   0-0
6    - U - -  Observe         uint    0-3
7    C U - -  Uri-Port        uint    0-2
8    - - - R  Location-Path   string  0-255
9    C - - -  OSCORE          opaque  0-255
11   C U - R  Uri-Path        string  0-255
12   - - - -  Content-Format  uint    0-2
14   - U - -  Max-Age         uint    0-4
15   C U - R  Uri-Query       string  0-255
16   - - - -  Hop-Limit       uint    1-1
17   C - - -  Accept          uint    0-2
19   C U - -  Q-Block1        uint    0-3
20   - - - R  Location-Query  string  0-255
21   C - - -  EDHOC           empty   0-0
23   C U - -  Block2          uint    0-3
27   C U - -  Block1          uint    0-3
28   - - N -  Size2           uint    0-4
31   C U - R  Q-Block2        uint    0-3
35   C U - -  Proxy-Uri       string  1-1034
39   C U - -  Proxy-Scheme    string  1-255
60   - - N -  Size1           uint    0-4
252  - - N -  Echo            opaque  1-40
258  - U - -  No-Response     uint    0-1
292  - - - R  Request-Tag     opaque  0-8`;

describe('option registry', () => {
  const rows = table.trim().split('\n');

  it('holds the options of the RFCs with their properties', () => {
    assert.deepEqual(
      rows.map((row) => Number.parseInt(row, 10)),
      Object.values(OptionNumber),
    );
    for (const row of rows) {
      const [number, c, u, n, r, name, format, lengths] = row.split(/\s+/);
      const definition = optionDefinition(Number(number));
      assert.ok(definition, row);
      assert.equal(isCritical(definition.number), c === 'C', row);
      assert.equal(isUnsafe(definition.number), u === 'U', row);
      if (u === '-') assert.equal(isNoCacheKey(definition.number), n === 'N', row);
      assert.equal(definition.repeatable, r === 'R', row);
      assert.equal(definition.name, name);
      assert.equal(definition.format, format, row);
      assert.equal(`${definition.minLength}-${definition.maxLength}`, lengths, row);
    }
  });

  it('does not know other numbers', () => {
    for (const number of [0, 2, 13, 128, 65_535]) assert.equal(optionDefinition(number), undefined);
  });

  it('a value shorter or longer than its definition allows is not legal', () => {
    for (const number of Object.values(OptionNumber)) {
      const definition = optionDefinition(number);
      assert.ok(definition);
      for (const length of [definition.minLength, definition.maxLength]) {
        assert.ok(isLegalOptionLength(definition, length));
        assert.ok(isLegalOptionValue(definition, new Uint8Array(length).fill(0x61)));
      }
      assert.ok(!isLegalOptionLength(definition, definition.minLength - 1));
      assert.ok(!isLegalOptionLength(definition, definition.maxLength + 1));
    }
  });

  it('a string that is not UTF-8 is not legal, an opaque value may be anything', () => {
    const [path, etag] = [optionDefinition(OptionNumber.UriPath), optionDefinition(OptionNumber.ETag)];
    assert.ok(path && etag);
    assert.ok(!isLegalOptionValue(path, hex('ff')));
    assert.ok(isLegalOptionValue(path, hex('c3a4')));
    assert.ok(isLegalOptionValue(etag, hex('ff')));
  });
});

describe('uint values', () => {
  it('a sender represents the integer with as few bytes as possible', () => {
    assert.deepEqual(encodeUint(0), noBytes);
    assert.deepEqual(encodeUint(1), hex('01'));
    assert.deepEqual(encodeUint(255), hex('ff'));
    assert.deepEqual(encodeUint(256), hex('0100'));
    assert.deepEqual(encodeUint(0xffff_ffff), hex('ffffffff'));
    assert.deepEqual(encodeUint(Number.MAX_SAFE_INTEGER), hex('1fffffffffffff'));
  });

  it('a recipient processes values with leading zero bytes', () => {
    assert.equal(decodeUint(hex('000000000000000000000001')), 1);
    assert.equal(decodeUint(hex('0000')), 0);
    assert.equal(decodeUint(hex('0000ff')), 255);
  });

  it('an integer of 2^53 or more is not read inexactly', () => {
    assert.equal(decodeUint(hex('1fffffffffffff')), Number.MAX_SAFE_INTEGER);
    assert.equal(decodeUint(hex('20000000000000')), undefined);
    assert.equal(decodeUint(new Uint8Array(60_000).fill(1)), undefined);
  });

  it('decode(encode(n)) is n, with any leading zeros', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 0, max: 9 }), (integer, zeros) => {
        assert.equal(decodeUint(concatBytes(new Uint8Array(zeros), encodeUint(integer))), integer);
      }),
      { seed: 32 },
    );
  });

  it('what is no whole number of 0 to 2^53 - 1 is refused', () => {
    for (const integer of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => encodeUint(integer), ApiMisuseError);
    }
  });
});

describe('OptionSet', () => {
  it('writes numbers as uint and strings as UTF-8', () => {
    const options = new OptionSet().add(12, 50).add(11, 'ä').add(4, hex('00ff'));
    assert.deepEqual(options.first(12), hex('32'));
    assert.deepEqual(options.first(11), hex('c3a4'));
    assert.deepEqual(options.first(4), hex('00ff'));
    assert.equal(options.uint(12), 50);
    assert.equal(options.text(11), 'ä');
  });

  it('set replaces all instances, delete removes them, others stay', () => {
    const options = new OptionSet().add(11, 'a').add(12, 0).add(11, 'b');
    assert.deepEqual(options.texts(11), ['a', 'b']);
    options.set(11, 'c');
    assert.deepEqual(options.texts(11), ['c']);
    options.delete(11).delete(99);
    assert.equal(options.has(11), false);
    assert.equal(options.size, 1);
  });

  it('a list of entries does not change with the set', () => {
    const options = new OptionSet().add(11, 'a');
    const entries = options.entries();
    options.delete(11);
    assert.equal(entries.length, 1);
  });

  it('reads a string that is not UTF-8 as absent, and as U+FFFD among others so that none is lost', () => {
    const options = new OptionSet().add(11, hex('ff')).add(11, 'b');
    assert.equal(options.text(11), undefined);
    assert.deepEqual(options.texts(11), ['\ufffd', 'b']);
  });

  it('an absent option reads as absent', () => {
    const options = new OptionSet();
    assert.equal(options.first(6), undefined);
    assert.equal(options.uint(6), undefined);
    assert.equal(options.text(6), undefined);
    assert.deepEqual(options.all(6), []);
  });

  it('refuses numbers and values that no message can hold', () => {
    for (const number of [-1, 65_536, 1.5, Number.NaN]) {
      assert.throws(() => new OptionSet().add(number, 'a'), ApiMisuseError);
    }
    assert.throws(() => new OptionSet().add(11, new Uint8Array(65_535 + 270)), ApiMisuseError);
    assert.throws(() => new OptionSet().add(12, -1), ApiMisuseError);
  });
});
