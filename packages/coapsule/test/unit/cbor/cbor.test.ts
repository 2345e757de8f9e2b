/**
 * CBOR: the examples of RFC 8949 first, then what is refused, then properties.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type CborLimits, decodeCbor, decodeCborSequence } from '../../../src/core/cbor/decode.ts';
import { encodeCbor } from '../../../src/core/cbor/encode.ts';
import { CborSimple, CborTag, type CborValue } from '../../../src/core/cbor/value.ts';
import { concatBytes, fromHex, toHex } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError, isDecodeFault } from '../../../src/core/foundation/errors.ts';

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../vectors/cbor/${name}`, import.meta.url), 'utf8'));
const { vectors } = read('rfc8949-appendix-a.json') as { vectors: { diagnostic: string; hex: string }[] };
const { vectors: notWellFormed } = read('rfc8949-appendix-f-not-well-formed.json') as {
  vectors: { reason: string; values: string[] }[];
};
const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(' ', '')) as Uint8Array;

function decoded(hex: string, limits?: CborLimits): CborValue {
  const result = decodeCbor(bytes(hex), limits);
  assert.ok(!isDecodeFault(result), isDecodeFault(result) ? result.reason : hex);
  return result.value;
}

function faultOf(hex: string, limits?: CborLimits): string {
  const result = decodeCbor(bytes(hex), limits);
  assert.ok(isDecodeFault(result), `${hex} was taken`);
  assert.ok(result.offset >= 0 && result.offset <= hex.length / 2);
  return result.reason;
}

/** Diagnostic notation (RFC 8949 §8); JavaScript's numbers for floats. */
function diagnostic(value: CborValue): string {
  if (value instanceof Uint8Array) return `h'${toHex(value)}'`;
  if (value instanceof CborTag) {
    // Bignums are printed as the integers they are.
    if (value.tag === 2 && value.value instanceof Uint8Array)
      return String(BigInt(`0x${toHex(value.value)}`));
    if (value.tag === 3 && value.value instanceof Uint8Array) {
      return String(-1n - BigInt(`0x${toHex(value.value)}`));
    }
    return `${value.tag}(${diagnostic(value.value)})`;
  }
  if (value instanceof CborSimple) return `simple(${value.number})`;
  if (value instanceof Map) {
    return `{${[...value].map(([key, item]) => `${diagnostic(key)}: ${diagnostic(item)}`).join(', ')}}`;
  }
  if (Array.isArray(value)) return `[${value.map(diagnostic).join(', ')}]`;
  if (typeof value === 'string') return JSON.stringify(value);
  return Object.is(value, -0) ? '-0' : String(value);
}

/** What a diagnostic of the RFC says once lengths are no longer indefinite and numbers are JavaScript's. */
function normal(text: string): string {
  if (text.startsWith("(_ h'")) return "h'0102030405'";
  if (text.startsWith('(_ "')) return '"streaming"';
  if (text.startsWith('"')) return JSON.stringify(JSON.parse(text));
  const plain = text.replaceAll('_ ', '').replaceAll('[_ ]', '[]');
  return /^-?[\d.]+(e[+-]?\d+)?$/.test(plain) && /[.e]/.test(plain) ? diagnostic(Number(plain)) : plain;
}

describe('RFC 8949 Appendix A', () => {
  for (const { diagnostic: text, hex } of vectors) {
    test(`${hex} reads as ${text}`, () => {
      assert.equal(diagnostic(decoded(hex)), normal(text));
    });
  }

  test('each example that is deterministic encodes to its bytes; the others are told from it', () => {
    let same = 0;
    for (const { diagnostic: text, hex } of vectors) {
      const value = decoded(hex);
      // A whole number is written as an integer, whatever it was read from.
      if (
        typeof value === 'number' &&
        Number.isSafeInteger(value) &&
        /^f[9ab]/.test(hex) &&
        !Object.is(value, -0)
      ) {
        continue;
      }
      const isDeterministic = !text.includes('_') && !/^f[ab](7f800000|7fc00000|ff800000|7ff|fff)/.test(hex);
      assert.equal(toHex(encodeCbor(value)) === hex, isDeterministic, text);
      assert.equal(isDecodeFault(decodeCbor(bytes(hex), { deterministic: true })), !isDeterministic, text);
      if (isDeterministic) same++;
    }
    assert.equal(same, 59);
  });
});

describe('RFC 8949 Appendix F', () => {
  for (const { reason, values } of notWellFormed) {
    test(`${reason}: refused`, () => {
      for (const hex of values) faultOf(hex);
    });
  }
});

describe('refused by us', () => {
  test('bytes behind the item, none at all, text that is not UTF-8, also in a chunk', () => {
    assert.match(faultOf('0000'), /behind/);
    assert.match(faultOf(''), /missing/);
    assert.match(faultOf('62c328'), /UTF-8/);
    assert.match(faultOf('7f61c361bcff'), /UTF-8/, 'a character may not be split between chunks (§3.2.3)');
  });

  test('a key twice, in any encoding of it (§5.6)', () => {
    assert.match(faultOf('a201000100'), /twice/);
    assert.match(faultOf('a20100180100'), /twice/);
    assert.match(faultOf('bf6161006161 00ff'.replace(' ', '')), /twice/);
  });

  test('keys that are neither integer nor text', () => {
    for (const key of ['40', 'f93c00', 'f4', '80', 'a0', 'c000', 'f0'])
      assert.match(faultOf(`a1${key}00`), /key/);
  });

  test('nesting above the limit, by arrays, maps, tags and indefinite items', () => {
    const depth = 17;
    for (const [open, close] of [
      ['81', '00'],
      ['a100', '00'],
      ['c1', '00'],
      ['9f', '00'],
    ] as const) {
      assert.match(faultOf(open.repeat(depth) + close), /nested/);
    }
    assert.equal(diagnostic(decoded(`${'81'.repeat(16)}00`)), `${'['.repeat(16)}0${']'.repeat(16)}`);
    assert.match(faultOf('81'.repeat(100_000), { maxDepth: Infinity }), /nested/, 'never deeper than 64');
  });

  test('more items than are taken, also as chunks of one string', () => {
    assert.match(faultOf('83010203', { maxItems: 3 }), /more data items/);
    assert.equal(diagnostic(decoded('83010203', { maxItems: 4 })), '[1, 2, 3]');
    assert.match(faultOf(`5f${'40'.repeat(100)}ff`, { maxItems: 50 }), /more data items/);
  });

  test('a length of 2^64 - 1 costs nothing', () => {
    for (const head of ['5b', '7b', '9b', 'bb']) faultOf(`${head}ffffffffffffffff00`);
  });

  test('in deterministic form: longer heads, indefinite lengths, keys out of order, longer floats, other NaNs', () => {
    const limits = { deterministic: true };
    for (const hex of [
      '1817',
      '190018',
      '1a0000ffff',
      '1b00000000ffffffff',
      '5800',
      '780161',
      '9800',
      'b800',
      'd80000',
    ]) {
      assert.match(faultOf(hex, limits), /longer/, hex);
    }
    for (const hex of ['5fff', '7fff', '9fff', 'bfff']) assert.match(faultOf(hex, limits), /indefinite/);
    assert.match(faultOf('a202000100', limits), /sorted/);
    assert.match(faultOf('a261610001 00'.replace(' ', ''), limits), /sorted/, 'integers before text');
    for (const hex of ['fa3fc00000', 'fb3ff8000000000000', 'fb47efffffe0000000', 'f97e01', 'fa7fc00001']) {
      assert.match(faultOf(hex, limits), /longer/, hex);
    }
    assert.equal(diagnostic(decoded('a3010020006161f5', limits)), '{1: 0, -1: 0, "a": true}');
  });
});

describe('encodeCbor', () => {
  test('keys are sorted by their bytes, whatever order they were given in (§4.2.1)', () => {
    // The example of §4.2.1, with the keys that we take.
    const entries: [number | string, CborValue][] = [
      [-1, 0],
      ['aa', 0],
      [100, 0],
      ['z', 0],
      [10, 0],
    ];
    assert.equal(toHex(encodeCbor(new Map(entries))), 'a50a0018640020006 17a0062616100'.replace(' ', ''));
  });

  test('integers beyond 2^53 need a bigint; a number there is a float', () => {
    assert.equal(toHex(encodeCbor(2n ** 64n - 1n)), '1bffffffffffffffff');
    assert.equal(toHex(encodeCbor(-(2n ** 64n))), '3bffffffffffffffff');
    assert.equal(toHex(encodeCbor(5n)), '05');
    assert.equal(toHex(encodeCbor(2 ** 60)), 'fa5d800000');
    assert.equal(decoded('1b0020000000000000'), 2n ** 53n);
  });

  test('what has no encoding is refused', () => {
    for (const value of [
      2n ** 64n,
      -(2n ** 64n) - 1n,
      new CborTag(-1, 0),
      new CborSimple(24),
      new CborSimple(256),
    ]) {
      assert.throws(() => encodeCbor(value), ApiMisuseError);
    }
    assert.throws(() => encodeCbor({} as unknown as CborValue), ApiMisuseError);
    let deep: CborValue = 0;
    for (let i = 0; i < 70; i++) deep = [deep];
    assert.throws(() => encodeCbor(deep), ApiMisuseError);
  });
});

describe('decodeCborSequence (RFC 8742)', () => {
  test('an empty sequence has no items, others have theirs in order', () => {
    assert.deepEqual(decodeCborSequence(bytes('')), []);
    assert.deepEqual(decodeCborSequence(bytes('0118186161')), [1, 24, 'a']);
  });

  test('an item that is cut off spoils the sequence, and the limit counts all items', () => {
    assert.ok(isDecodeFault(decodeCborSequence(bytes('0118'))));
    assert.ok(isDecodeFault(decodeCborSequence(bytes('010203'), { maxItems: 2 })));
  });
});

const leaf = fc.oneof(
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
  fc.double(),
  fc.float(),
  fc.string({ unit: 'binary' }),
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(true, false, null, undefined, new CborSimple(7)),
);
const { tree } = fc.letrec<{ tree: CborValue }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('tree'), { maxLength: 5 }),
    fc
      .array(fc.tuple(fc.oneof(fc.integer(), fc.string()), tie('tree')), { maxLength: 5 })
      .map((entries) => new Map(entries)),
    fc.tuple(fc.nat(), tie('tree')).map(([tag, value]) => new CborTag(tag, value)),
  ),
}));

test('what is encoded reads as what it was, is deterministic, and has one encoding', () => {
  fc.assert(
    fc.property(tree, (value) => {
      const encoded = encodeCbor(value);
      const again = decodeCbor(encoded, { deterministic: true });
      assert.ok(!isDecodeFault(again));
      assert.equal(toHex(encodeCbor(again.value)), toHex(encoded));
    }),
    { seed: 8949 },
  );
});

test('a sequence of items reads as its items', () => {
  fc.assert(
    fc.property(fc.array(tree, { maxLength: 6 }), (values) => {
      const items = decodeCborSequence(concatBytes(...values.map(encodeCbor)));
      assert.ok(!isDecodeFault(items));
      assert.deepEqual(items.map(encodeCbor), values.map(encodeCbor));
    }),
    { seed: 8742 },
  );
});

test('every float of 16 bits reads exactly and is written in 16 bits', () => {
  for (let bits = 0; bits < 0x1_0000; bits++) {
    const hex = `f9${bits.toString(16).padStart(4, '0')}`;
    const value = decoded(hex) as number;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    // IEEE 754 spelled out, as the twin of the decoder.
    const magnitude =
      exponent === 31
        ? fraction === 0
          ? Infinity
          : Number.NaN
        : exponent === 0
          ? (fraction / 1024) * 2 ** -14
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    assert.ok(Object.is(value, bits & 0x8000 ? -magnitude : magnitude), hex);
    if (Number.isNaN(value)) assert.equal(toHex(encodeCbor(value)), 'f97e00');
    else if (!Number.isInteger(value) || Object.is(value, -0)) assert.equal(toHex(encodeCbor(value)), hex);
  }
});
