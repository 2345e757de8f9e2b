/**
 * Block1 and Block2 values: RFC 7959 §2.2, and the examples of its §3.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { blockSize, decodeBlock, encodeBlock, szxOf } from '../../../src/core/coap/block-option.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { hex, readVectors } from './vectors.ts';

interface Examples {
  readonly figures: readonly {
    figure: number;
    title: string;
    messages: readonly {
      blocks: readonly { num: number; more: boolean; size: number; szx: number; option_value: string }[];
    }[];
  }[];
}

for (const { figure, title, messages } of readVectors<Examples>('rfc7959-examples.json').figures) {
  it(`RFC 7959 figure ${figure}: ${title}`, () => {
    const blocks = messages.flatMap((message) => message.blocks);
    assert.ok(blocks.length > 0);
    for (const { num, more, size, szx, option_value } of blocks) {
      assert.equal(blockSize(szx), size);
      assert.equal(szxOf(size), szx);
      // The figures print the value with its shortest length except for zero.
      const value = option_value === '00' ? noBytes : hex(option_value);
      assert.deepEqual(decodeBlock(hex(option_value)), { num, more, szx });
      assert.deepEqual(encodeBlock({ num, more, szx }), value);
    }
  });
}

it('decode(encode(block)) is the block, in at most 3 bytes', () => {
  const fields = {
    num: fc.integer({ min: 0, max: 0xfffff }),
    more: fc.boolean(),
    szx: fc.integer({ min: 0, max: 6 }),
  };
  const blocks = fc.record(fields, { noNullPrototype: true });
  fc.assert(
    fc.property(blocks, (block) => {
      const value = encodeBlock(block);
      assert.ok(value.length <= 3);
      assert.deepEqual(decodeBlock(value), block);
    }),
    { seed: 7959 },
  );
});

it('an empty value is block 0 of 16 bytes, the last', () => {
  assert.deepEqual(decodeBlock(noBytes), { num: 0, more: false, szx: 0 });
});

it('size exponent 7 is reserved, but for BERT over reliable transports', () => {
  assert.equal(decodeBlock(hex('07')), undefined);
  assert.equal(decodeBlock(hex('ffffff')), undefined);
  assert.deepEqual(decodeBlock(hex('8f'), true), { num: 8, more: true, szx: 7 });
  assert.deepEqual(encodeBlock({ num: 8, more: true, szx: 7 }), hex('8f'));
  assert.throws(() => encodeBlock({ num: 0, more: false, szx: 8 }), ApiMisuseError);
});

it('a value above 3 bytes is no block, even when its number is small', () => {
  assert.equal(decodeBlock(hex('00000016')), undefined);
  assert.deepEqual(decodeBlock(hex('000016')), { num: 1, more: false, szx: 6 });
});

it('block numbers above 2^20 - 1 are refused', () => {
  for (const num of [-1, 0x100000, 0.5]) {
    assert.throws(() => encodeBlock({ num, more: false, szx: 0 }), ApiMisuseError);
  }
});

it('the size exponent of a size is that of the largest block not above it', () => {
  assert.deepEqual([16, 31, 32, 1000, 1024, 5000].map(szxOf), [0, 0, 1, 5, 6, 6]);
  assert.throws(() => szxOf(15), ApiMisuseError);
  assert.throws(() => szxOf(Number.NaN), ApiMisuseError);
});
