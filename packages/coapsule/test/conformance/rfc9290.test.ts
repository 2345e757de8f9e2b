/**
 * RFC 9290: Concise Problem Details, its examples and its rules.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeCbor } from '../../src/core/cbor/encode.ts';
import type { CborKey, CborMap, CborValue } from '../../src/core/cbor/value.ts';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import {
  decodeProblemDetails,
  encodeProblemDetails,
  type ProblemDetails,
  plainText,
  problemDetailsFormat,
} from '../../src/core/content/problem-details.ts';
import { fromHex, toHex } from '../../src/core/foundation/bytes.ts';
import { ApiMisuseError, isDecodeFault } from '../../src/core/foundation/errors.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { message, newLayer, only } from '../unit/request-response/harness.ts';

const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(' ', '')) as Uint8Array;
const map = (...entries: [CborKey, CborValue][]): CborMap => new Map(entries);

function decoded(payload: Uint8Array): ProblemDetails {
  const details = decodeProblemDetails(payload);
  assert.ok(!isDecodeFault(details), isDecodeFault(details) ? details.reason : '');
  return details;
}

test('§3.2, Figure 3: the example decodes to its entries, the custom one with all that is in it', () => {
  const custom = map(
    [0, 'machine-readable error cause'],
    [1, [['first parameter name', 'must be a positive integer'], ['second parameter name']]],
  );
  const payload = encodeCbor(
    map(
      [-1, 'title of the error'],
      [-2, 'detailed information about the error'],
      [-3, 'coaps://pd.example/FA317434'],
      [-4, 128],
      ['tag:3gpp.org,2022-03:TS29112', custom],
    ),
  );
  const details = decoded(payload);
  assert.deepEqual(details, {
    title: 'title of the error',
    detail: 'detailed information about the error',
    instance: 'coaps://pd.example/FA317434',
    responseCode: Code.BadRequest,
    custom: new Map([['tag:3gpp.org,2022-03:TS29112', custom]]),
  });
  assert.equal(toHex(encodeProblemDetails(details)), toHex(payload));
});

describe('Appendix A.3: language-tagged texts', () => {
  for (const [language, text, hex, direction] of [
    ['en', 'Hello', 'd826 82 62656e 6548656c6c6f', undefined],
    ['fr', 'Bonjour', 'd826 82 626672 67426f6e6a6f7572', undefined],
    ['he', 'שלום', 'd826 83 626865 68d7a9d79cd795d79d f5', 'rtl'],
  ] as const) {
    test(`${text} in ${language}`, () => {
      const title = { text, language, ...(direction === undefined ? {} : { direction }) };
      assert.equal(toHex(encodeProblemDetails({ title })), toHex(bytes(`a1 20 ${hex}`)));
      const details = decoded(bytes(`a1 20 ${hex}`));
      assert.deepEqual(details, { title });
      assert.equal(plainText(details.title), text);
    });
  }

  test('a language tag or a direction that is none is refused', () => {
    for (const hex of [
      'd826 82 63652d21 6141', // "e-!"
      'd826 82 60 6141',
      'd826 83 62656e 6141 00',
      'd826 81 62656e',
      'd826 84 62656e 6141 f5 f5',
      'd825 82 62656e 6141',
    ]) {
      assert.ok(isDecodeFault(decodeProblemDetails(bytes(`a1 20 ${hex}`))), hex);
    }
    assert.throws(() => encodeProblemDetails({ title: { text: 'a', language: 'e n' } }), ApiMisuseError);
    assert.throws(() => encodeProblemDetails({ baseDirection: 'up' as 'ltr' }), ApiMisuseError);
  });

  test('tag and text may be annotated with CBOR tags, and each direction has its value', () => {
    assert.deepEqual(decoded(bytes('a1 20 d826 83 c1 62656e c1 6141 f6')).title, {
      text: 'A',
      language: 'en',
      direction: 'auto',
    });
    assert.equal(decoded(bytes('a1 26 f4')).baseDirection, 'ltr');
  });
});

test('§2: every standard entry has its key and is read back', () => {
  const details: ProblemDetails = {
    title: 't',
    detail: 'd',
    instance: '/i',
    responseCode: 132,
    baseUri: 'coap://h/',
    baseLanguage: 'de-AT',
    baseDirection: 'auto',
    unprocessedOptions: [9, 65_001],
  };
  const payload = encodeProblemDetails(details);
  assert.equal(
    toHex(payload),
    toHex(
      bytes(
        'a8 20 6174 21 6164 22 622f69 23 1884 24 69636f61703a2f2f682f 25 6564652d4154 26 f6 27 82 09 19fde9',
      ),
    ),
  );
  assert.deepEqual(decoded(payload), details);
});

test('§2: an empty map, and what is no map, are no problem details', () => {
  for (const hex of ['a0', '80', '6161', '00', ''])
    assert.ok(isDecodeFault(decodeProblemDetails(bytes(hex))));
  assert.throws(() => encodeProblemDetails({}), ApiMisuseError);
});

test('§2: an entry of a wrong type makes the whole invalid', () => {
  for (const hex of [
    'a1 20 01',
    'a1 22 40',
    'a1 23 190100',
    'a1 23 20',
    'a1 25 01',
    'a1 26 01',
    'a1 27 80',
    'a1 27 6161',
  ]) {
    assert.ok(isDecodeFault(decodeProblemDetails(bytes(hex))), hex);
  }
});

test('§3: entries nobody here knows are kept, and come out as they came in', () => {
  const payload = encodeCbor(
    map([-1, 't'], [-300, [1, 2]], [7807, map([0, 'about:blank'])], ['tag:example,2022:x', map(['k', null])]),
  );
  const details = decoded(payload);
  assert.deepEqual(details.standard, new Map([[-300, [1, 2]]]));
  assert.deepEqual([...(details.custom?.keys() ?? [])].sort(), [7807, 'tag:example,2022:x']);
  assert.equal(toHex(encodeProblemDetails(details)), toHex(payload));
});

test('§3.2: a custom entry is a map, by an unsigned integer or an absolute URI', () => {
  for (const entries of [map([5, 1]), map([5, map()]), map(['relative', map([0, 1])])]) {
    assert.ok(isDecodeFault(decodeProblemDetails(encodeCbor(entries))));
  }
  for (const key of [-9, 'relative']) {
    assert.throws(() => encodeProblemDetails({ custom: new Map([[key, map([0, 1])]]) }), ApiMisuseError);
  }
  assert.throws(() => encodeProblemDetails({ standard: new Map([[-8, 1]]) }), ApiMisuseError);
});

describe('§3.1.1: what the layer itself refuses', () => {
  const token = Uint8Array.of(1);
  const accept: [number, number] = [OptionNumber.Accept, problemDetailsFormat];

  test('a 4.02 to a request that accepts 257 names the option that was not processed, with the code of the response', () => {
    const layer = newLayer();
    const options: [number, string | number][] = [accept, [2049, 'x']];
    layer.receiveRequest('peer', message(Code.Get, { token, options }), 'reply', instant(0));
    const { message: sent } = only(layer, 'send-response');
    assert.equal(sent.code, Code.BadOption);
    assert.equal(sent.options.uint(OptionNumber.ContentFormat), problemDetailsFormat);
    const details = decoded(sent.payload);
    assert.deepEqual(details.unprocessedOptions, [2049]);
    assert.equal(details.responseCode, Code.BadOption);
    assert.match(String(details.title), /2049/);
  });

  test('to any other request it is a diagnostic text (RFC 7252 §5.5.2)', () => {
    const layer = newLayer();
    layer.receiveRequest('peer', message(Code.Get, { token, options: [[2049, 'x']] }), 'reply', instant(0));
    const { message: sent } = only(layer, 'send-response');
    assert.equal(sent.options.has(OptionNumber.ContentFormat), false);
    assert.match(decodeUtf8(sent.payload) ?? '', /2049/);
  });

  test('a refusal without a text has nothing to detail', () => {
    const layer = newLayer();
    layer.receiveRequest('peer', message(0x1f, { token, options: [accept] }), 'reply', instant(0));
    const { message: sent } = only(layer, 'send-response');
    assert.equal(sent.code, Code.MethodNotAllowed);
    assert.equal(sent.payload.length, 0);
    assert.equal(sent.options.has(OptionNumber.ContentFormat), false);
  });
});
