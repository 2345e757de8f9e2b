/**
 * The failing cursor and the growing buffer.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ByteReader } from '../../../src/core/foundation/byte-reader.ts';
import { ByteWriter } from '../../../src/core/foundation/byte-writer.ts';
import { noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import { InvariantError } from '../../../src/core/foundation/errors.ts';

describe('ByteReader', () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => 0xf0 + index);

  it('reads in network byte order, exact up to 48 bits', () => {
    const reader = new ByteReader(bytes);
    assert.equal(reader.u8(), 0xf0);
    assert.equal(reader.u16(), 0xf1f2);
    assert.equal(reader.u24(), 0xf3f4f5);
    assert.equal(reader.u32(), 0xf6f7f8f9);
    assert.equal(reader.u48(), 0xfafbfcfdfeff);
    assert.equal(reader.finished, true);
  });

  it('views share memory with what is read', () => {
    const reader = new ByteReader(bytes, 2);
    const view = reader.view(3);
    assert.equal(view.buffer, bytes.buffer);
    assert.deepEqual(view, bytes.subarray(2, 5));
    assert.deepEqual(reader.rest(), bytes.subarray(5));
    assert.equal(reader.remaining, 0);
    assert.deepEqual(reader.rest(), noBytes);
    assert.equal(reader.failed, false);
  });

  it('a read that does not fit fails, returns zero and leaves the position', () => {
    const reader = new ByteReader(bytes, 13);
    assert.equal(reader.u32(), 0);
    assert.equal(reader.failed, true);
    assert.equal(reader.position, 13);
  });

  it('after a failure every read fails, also one that would fit', () => {
    const reader = new ByteReader(bytes, 13);
    reader.view(4);
    assert.equal(reader.u8(), 0);
    assert.deepEqual(reader.view(0), noBytes);
    assert.equal(reader.position, 13);
    assert.equal(reader.finished, false);
  });

  it('a negative length fails', () => {
    const reader = new ByteReader(bytes, 4);
    assert.deepEqual(reader.view(-1), noBytes);
    assert.equal(reader.failed, true);
  });

  it('the end is a border, also when more bytes follow, and is never behind the bytes', () => {
    const reader = new ByteReader(bytes, 0, 2);
    assert.equal(reader.u16(), 0xf0f1);
    assert.equal(reader.finished, true);
    assert.equal(reader.u8(), 0);
    assert.equal(reader.failed, true);
    assert.equal(new ByteReader(bytes, 0, 100).remaining, 16);
  });

  it('a vector whose length is more than what is left fails', () => {
    assert.deepEqual(new ByteReader(Uint8Array.of(2, 7, 8, 9)).vector8(), Uint8Array.of(7, 8));
    assert.deepEqual(new ByteReader(Uint8Array.of(0, 1, 7)).vector16(), Uint8Array.of(7));
    for (const cut of [[], [1], [3, 1, 2], [255, 0]]) {
      const reader = new ByteReader(Uint8Array.from(cut));
      assert.deepEqual(reader.vector8(), noBytes);
      assert.equal(reader.failed, true);
    }
    for (const cut of [[], [0], [0, 1], [255, 255, 1]]) {
      const reader = new ByteReader(Uint8Array.from(cut));
      assert.deepEqual(reader.vector16(), noBytes);
      assert.equal(reader.failed, true);
    }
  });

  it('any reads over any bytes stay inside and never throw', () => {
    const reads = fc.array(
      fc.oneof(
        fc.constantFrom('u8', 'u16', 'u24', 'u32', 'u48', 'vector8', 'vector16', 'rest'),
        fc.integer({ min: -5, max: 50 }),
      ),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), reads, (input, names) => {
        const reader = new ByteReader(input);
        for (const name of names) {
          const before = reader.position;
          if (typeof name === 'number') reader.view(name);
          else reader[name as 'u8']();
          assert.ok(reader.position >= before && reader.position <= input.length);
        }
      }),
      { seed: 8 },
    );
  });
});

describe('ByteWriter', () => {
  it('writes in network byte order, exact up to 48 bits', () => {
    const writer = new ByteWriter(1).u8(0xf0).u16(0xf1f2).u24(0xf3f4f5).u32(0xf6f7f8f9).u48(0xfafbfcfdfeff);
    assert.equal(toHex(writer.finish()), 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
    assert.equal(writer.length, 16);
  });

  it('nested lengths count what is written inside them', () => {
    const writer = new ByteWriter(2).nested(3, (outer) =>
      outer.u8(1).nested(2, (inner) => inner.vector8(Uint8Array.of(7, 8))),
    );
    assert.equal(toHex(writer.finish()), '000006' + '01' + '0003' + '02' + '0708');
  });

  it('a buffer of no capacity grows', () => {
    assert.equal(toHex(new ByteWriter(0).u8(1).bytes(Uint8Array.of(2, 3)).u8(4).finish()), '01020304');
  });

  it('what was finished does not change when more is written', () => {
    const writer = new ByteWriter().u8(1);
    const finished = writer.finish();
    writer.u8(2);
    assert.deepEqual(finished, Uint8Array.of(1));
  });

  it('a vector longer than its length field can say is not written cut off', () => {
    const long = new Uint8Array(256);
    assert.equal(new ByteWriter().vector8(long.subarray(1)).length, 256);
    assert.throws(() => new ByteWriter().vector8(long), InvariantError);
    assert.throws(() => new ByteWriter().vector16(new Uint8Array(65_536)), InvariantError);
    assert.throws(() => new ByteWriter().nested(1, (writer) => writer.bytes(long)), InvariantError);
  });

  it('what is written is read back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 48 - 1 }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.uint8Array({ maxLength: 255 }),
        (large, small, vector) => {
          const written = new ByteWriter(3).u48(large).u32(small).vector8(vector).vector16(vector).finish();
          const reader = new ByteReader(written);
          assert.equal(reader.u48(), large);
          assert.equal(reader.u32(), small);
          assert.deepEqual(reader.vector8(), vector);
          assert.deepEqual(reader.vector16(), vector);
          assert.equal(reader.finished, true);
        },
      ),
      { seed: 8 },
    );
  });
});
