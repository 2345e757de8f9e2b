import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { diagnose } from 'cbor2/diagnostic';
import { SeededRandom } from 'coapsule/testing';
import { mutate } from '../../../coapsule/test/fuzz/mutate.ts';
import { diagnosticFaultText, encodeDiagnostic } from '../../src/payload/cbor-diagnostic.ts';
import { prettyPayload } from '../../src/payload/pretty-payload.ts';

const { vectors } = JSON.parse(
  readFileSync(
    new URL('../../../coapsule/test/vectors/cbor/rfc8949-appendix-a.json', import.meta.url),
    'utf8',
  ),
) as { vectors: readonly { readonly diagnostic: string; readonly hex: string }[] };

function hexOf(text: string): string {
  const encoded = encodeDiagnostic(text);
  return encoded instanceof Uint8Array ? Buffer.from(encoded).toString('hex') : diagnosticFaultText(encoded);
}

/** Forms that appendix A has beside the shortest one; the notation alone does not tell them apart. */
const otherForms = /^f(?:a7f80|a7fc0|aff80|b7ff|bfff)/;

describe('RFC 8949 appendix A', () => {
  const shortest = vectors.filter(({ hex }) => !otherForms.test(hex));

  test('its notation gives its bytes', () => {
    const wrong = shortest.filter(({ diagnostic, hex }) => hexOf(diagnostic) !== hex);
    assert.deepEqual(wrong, []);
    assert.ok(shortest.length >= 75, `${shortest.length} vectors`);
  });

  test('its bytes, written as notation by another implementation, are its bytes again', () => {
    for (const { hex } of vectors) assert.equal(hexOf(diagnose(hex)), hex);
  });
});

describe('RFC 8949 section 8', () => {
  for (const [notation, hex] of [
    // §8.1
    ['[_ 1, 2]', '9f0102ff'],
    ['[_0 1, 2]', '98020102'],
    ['1.5_1', 'f93e00'],
    ['1.5_3', 'fb3ff8000000000000'],
    ["(_ h'0123', h'4567')", '5f420123424567ff'],
    ["''_", '5fff'],
    ['""_', '7fff'],
    ['1_2', '1a00000001'],
    ['"a"_0', '780161'],
    ['{_1 1: 2}', 'b900010102'],
    ['1_0(2)', 'd80102'],
    // §8
    ["h'12345678'", '4412345678'],
    ["b32'CI2FM6A='", '4412345678'],
    ["h32'28Q5CU0='", '4412345678'],
    ["b64'EjRWeA=='", '4412345678'],
    ["b64'_-8'", '42ffef'],
    ['simple(99)', 'f863'],
    ['[false, true, null, undefined]', '84f4f5f6f7'],
    ['100000000000000000000', 'c249056bc75e2d63100000'],
    ['{"a": 1, "b": [2, 3]}', 'a26161016162820203'],
    ['"ü水"', '65c3bce6b0b4'],
    // RFC 8610 appendix G
    ['<<1, "a">>', '43016161'],
    ["'it\\'s'", '4469742773'],
    ["h'68 65\n 6c' / he, and l / # to the end", '4368656c'],
    ['[0x1f, 0o17, -0b101]', '83181f0f24'],
    ['1, 2', '0102'],
  ] as const) {
    test(notation.replaceAll('\n', ' '), () => assert.equal(hexOf(notation), hex));
  }

  for (const [notation, fault] of [
    ['', 'character 1: a data item is missing'],
    ['[1, 2', 'character 6: , or ] is missing'],
    ['{"a" 1}', 'character 6: a key is followed by : and its value'],
    ["h'123'", "character 1: this is not in the form of h'…'"],
    ['"abc', 'character 1: the closing " is missing'],
    ['"\\x"', 'character 2: no escape begins like this'],
    ['1 2', 'character 3: one data item ends here, and more follows'],
    ['simple(24)', 'character 8: simple values are 0 to 23 and 32 to 255'],
    ['300_0', 'character 1: the encoding indicator does not fit what it belongs to'],
    ['1.1_1', 'character 4: the number does not fit 16 bits'],
    ['(_ "a", h\'00\')', 'character 14: text and bytes are not joined'],
    [
      'yes',
      'character 1: neither a number, a string, [, {, nor true, false, null, undefined, NaN, Infinity or simple(…)',
    ],
    ['['.repeat(100), 'character 66: deeper than 64 levels'],
  ] as const) {
    test(`${notation.slice(0, 20)} is refused with the place`, () => assert.equal(hexOf(notation), fault));
  }
});

// COAPSULE_FUZZ_COUNT inputs; otherwise 20,000, or 1,000,000 with COAPSULE_LONG=1.
const { COAPSULE_FUZZ_COUNT, COAPSULE_LONG, COAPSULE_FUZZ_SEED } = process.env;
const count = Number(COAPSULE_FUZZ_COUNT ?? (COAPSULE_LONG === '1' ? 1_000_000 : 20_000));

test(`${count} mutated texts are CBOR that another implementation reads, or a fault with a place inside; nothing throws`, () => {
  const corpus = [
    ...vectors.map(({ diagnostic }) => diagnostic),
    '<<1, [_ 2]>>',
    "'a'_0",
    "1_1(b64'AA')",
  ].map((text) => new TextEncoder().encode(text));
  const random = new SeededRandom(Number(COAPSULE_FUZZ_SEED ?? 1));
  let read = 0;
  for (let index = 0; index < count; index++) {
    const bytes = mutate(corpus, random);
    const text = new TextDecoder().decode(bytes);
    const encoded = encodeDiagnostic(text);
    if (encoded instanceof Uint8Array) {
      read++;
      assert.ok(encoded.length > 0, text);
    } else assert.ok(encoded.offset >= 0 && encoded.offset <= text.length, text);
    prettyPayload(bytes, [0, 40, 42, 50, 60, 110, 112][index % 7]);
  }
  assert.ok(read > count / 20, `${read} were read`);
});
