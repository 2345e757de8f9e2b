/**
 * The strict reader of DER (ITU-T X.690).
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { concatBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import { DerReader } from '../../../src/core/x509/der.ts';
import * as write from '../../x509/der-writer.ts';

suite('the reader of DER', () => {
  const read = (bytes: readonly number[], what: (reader: DerReader) => unknown): unknown => {
    const reader = DerReader.of(Uint8Array.from(bytes));
    const value = what(reader);
    return reader.fault === undefined ? value : undefined;
  };

  test('lengths have one form', () => {
    const length = (reader: DerReader): number => reader.any('x').contents.length;
    const rows: readonly [readonly number[], number | undefined][] = [
      [[4, 0], 0],
      [[4, 0x81, 0x80, ...new Array(128).fill(0)], 128],
      [[4, 0x81, 0x7f, ...new Array(127).fill(0)], undefined],
      [[4, 0x82, 0, 0x80, ...new Array(128).fill(0)], undefined],
      [[4, 0x82, 1, 0, ...new Array(256).fill(0)], 256],
      [[4, 0x80, 0, 0], undefined],
      [[4, 0x84, 0, 0, 0, 1, 0], undefined],
      [[4, 0x84, 0xff, 0xff, 0xff, 0xff, 0], undefined],
      [[4, 1], undefined],
      [[4], undefined],
      [[], undefined],
      [[0x1f, 1, 0], undefined],
    ];
    for (const [bytes, expected] of rows)
      assert.equal(read(bytes, length), expected, toHex(Uint8Array.from(bytes.slice(0, 8))));
  });

  test('integers, bit strings and identifiers have one form', () => {
    const integer = (reader: DerReader): number => reader.smallInteger('x');
    assert.equal(read([2, 1, 127], integer), 127);
    assert.equal(read([2, 2, 0, 128], integer), 128);
    assert.equal(read([2, 4, 0x7f, 0xff, 0xff, 0xff], integer), 2 ** 31 - 1);
    for (const bytes of [
      [2, 0],
      [2, 1, 0x80],
      [2, 2, 0, 127],
      [2, 2, 0xff, 0x80],
      [2, 5, 0, 0x80, 0, 0, 0],
    ]) {
      assert.equal(read(bytes, integer), undefined, bytes.join());
    }
    const bits = (reader: DerReader): string => toHex(reader.bitString('x').bytes);
    assert.equal(read([3, 1, 0], bits), '');
    assert.equal(read([3, 2, 7, 0x80], bits), '80');
    for (const bytes of [
      [3, 0],
      [3, 1, 1],
      [3, 2, 8, 0],
      [3, 2, 1, 1],
    ])
      assert.equal(read(bytes, bits), undefined);
    const oid = (reader: DerReader): string => reader.objectIdentifier('x');
    assert.equal(read([6, 3, 0x88, 0x37, 3], oid), '2.999.3');
    assert.equal(read([6, 1, 0x27], oid), '0.39');
    for (const bytes of [
      [6, 0],
      [6, 2, 0x80, 1],
      [6, 1, 0x81],
      [6, 9, ...new Array(8).fill(0xff), 1],
    ]) {
      assert.equal(read(bytes, oid), undefined);
    }
  });

  test('any identifier and any tree of elements comes back as it was written', () => {
    const arc = fc.integer({ min: 0, max: 2 ** 40 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 39 }), fc.array(arc, { maxLength: 8 }), (second, rest) => {
        const text = ['1', second, ...rest].join('.');
        assert.equal(DerReader.of(write.objectIdentifier(text)).objectIdentifier('x'), text);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (parts) => {
        const reader = DerReader.of(write.sequence(...parts.map(write.octetString))).enter(0x30, 'x');
        for (const part of parts) assert.deepEqual(reader.element(4, 'y').contents, part);
        reader.close('x');
        assert.equal(reader.fault, undefined);
      }),
    );
  });

  test('nesting has an end', () => {
    let nested: Uint8Array = write.derNull;
    for (let i = 0; i < 40; i++) nested = write.sequence(nested);
    let reader = DerReader.of(nested);
    for (let i = 0; i < 40; i++) reader = reader.enter(0x30, 'x');
    assert.equal(reader.fault?.reason, 'is nested too deeply');
  });

  test('after a fault there is nothing more, and the first fault stays', () => {
    const reader = DerReader.of(concatBytes(write.derNull, write.integer(1)));
    reader.boolean('first');
    assert.equal(reader.more, false);
    assert.equal(reader.smallInteger('second'), 0);
    assert.equal(reader.objectIdentifier('third'), '');
    assert.equal(reader.time('fourth'), 0);
    assert.deepEqual(reader.fault, {
      kind: 'decode-fault',
      layer: 'x509',
      offset: 0,
      reason: 'first has another type',
    });
  });
});
