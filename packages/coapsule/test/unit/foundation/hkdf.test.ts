/**
 * HKDF vectors: RFC 5869 Appendix A, Wycheproof.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import type { HashAlgorithm } from '../../../src/core/foundation/crypto-provider.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { hkdfExpand, hkdfExtract } from '../../../src/core/foundation/hkdf.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { hex, readVectors, type WycheproofFile } from '../crypto/vector-files.ts';

suite('HKDF', () => {
  test('RFC 5869 Appendix A: both steps of the SHA-256 cases', () => {
    interface Vector {
      readonly hash: string;
      readonly ikm: string;
      readonly salt: string;
      readonly info: string;
      readonly length: number;
      readonly prk: string;
      readonly okm: string;
    }
    let count = 0;
    for (const vector of readVectors<{ vectors: Vector[] }>('crypto/hkdf-rfc5869.json').vectors) {
      if (vector.hash !== 'SHA-256') continue;
      count++;
      const prk = hkdfExtract(nodeCrypto, 'SHA-256', hex(vector.salt), hex(vector.ikm));
      assert.equal(toHex(prk), vector.prk);
      const okm = hkdfExpand(nodeCrypto, 'SHA-256', prk, hex(vector.info), vector.length);
      assert.equal(toHex(okm), vector.okm);
    }
    assert.equal(count, 3);
  });

  interface Case {
    readonly ikm: string;
    readonly salt: string;
    readonly info: string;
    readonly size: number;
    readonly okm: string;
  }

  for (const [hash, expected] of [
    ['SHA-256', 86],
    ['SHA-384', 83],
  ] as const satisfies [HashAlgorithm, number][]) {
    test(`${expected} Wycheproof vectors for ${hash}; more than 255 blocks are a misuse`, () => {
      let count = 0;
      const name = `wycheproof/hkdf_${hash.toLowerCase().replace('-', '')}_test.json`;
      for (const one of readVectors<WycheproofFile<object, Case>>(name).testGroups.flatMap(
        ({ tests }) => tests,
      )) {
        count++;
        const prk = hkdfExtract(nodeCrypto, hash, hex(one.salt), hex(one.ikm));
        const expand = (): Uint8Array => hkdfExpand(nodeCrypto, hash, prk, hex(one.info), one.size);
        if (one.result === 'valid') assert.equal(toHex(expand()), one.okm, `${one.tcId} ${one.comment}`);
        else assert.throws(expand, ApiMisuseError, `${one.tcId} ${one.comment}`);
      }
      assert.equal(count, expected);
    });
  }

  test('an empty salt is the same as zeros, and length zero gives nothing', () => {
    const prk = hkdfExtract(nodeCrypto, 'SHA-512', noBytes, Uint8Array.of(1));
    assert.deepEqual(prk, hkdfExtract(nodeCrypto, 'SHA-512', new Uint8Array(64), Uint8Array.of(1)));
    assert.equal(hkdfExpand(nodeCrypto, 'SHA-512', prk, noBytes, 0).length, 0);
    for (const length of [-1, 0.5, Number.NaN]) {
      assert.throws(() => hkdfExpand(nodeCrypto, 'SHA-512', prk, noBytes, length), ApiMisuseError);
    }
  });
});
