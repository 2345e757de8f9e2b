/**
 * AEAD vectors: RFC 3610, NIST CAVP, Wycheproof; and the promises of `AeadKey`. All of it with each provider.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { concatBytes, noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import type { AeadAlgorithm, CryptoProvider } from '../../../src/core/foundation/crypto-provider.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { choose, instantiateModules } from '../../../src/crypto/fast-crypto.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { hex, readVectors, type WycheproofFile } from './vector-files.ts';

interface AeadCase {
  readonly algorithm: AeadAlgorithm;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly additionalData: Uint8Array;
  readonly ciphertextAndTag: Uint8Array;
}

/** Bytes around the record, to see that nothing outside of it is touched. */
const margin = 3;

function ccmAlgorithm(keyLength: number, tagLength: number): AeadAlgorithm {
  return `AES_${keyLength === 16 ? 128 : 256}_CCM${tagLength === 8 ? '_8' : ''}`;
}

const fast = choose({}, instantiateModules);

test('the module of AES-CCM is there', () => {
  assert.deepEqual([fast.implementation, fast.reason], ['webassembly', undefined]);
});

const providers: readonly (readonly [maker: string, provider: CryptoProvider])[] = [
  ['node:crypto', nodeCrypto],
  ['WebAssembly', fast.provider],
];
for (const [maker, crypto] of providers) testProvider(maker, crypto);

function testProvider(maker: string, crypto: CryptoProvider): void {
  function open(vector: AeadCase): Uint8Array | undefined {
    const aead = crypto.aead(vector.algorithm, vector.key);
    const buffer = new Uint8Array(vector.ciphertextAndTag.length + 2 * margin).fill(0xa5);
    buffer.set(vector.ciphertextAndTag, margin);
    const before = buffer.slice();
    const length = aead.open(
      vector.nonce,
      vector.additionalData,
      buffer,
      margin,
      vector.ciphertextAndTag.length,
    );
    if (length < 0) {
      assert.equal(length, -1);
      assert.deepEqual(buffer, before, 'a refused record stays as it was');
      return undefined;
    }
    assert.equal(length, vector.ciphertextAndTag.length - aead.tagLength);
    assert.deepEqual(buffer.subarray(0, margin), before.subarray(0, margin));
    assert.deepEqual(buffer.subarray(margin + length), before.subarray(margin + length));
    return buffer.slice(margin, margin + length);
  }

  function seal(vector: AeadCase, plaintext: Uint8Array): Uint8Array {
    const aead = crypto.aead(vector.algorithm, vector.key);
    const buffer = new Uint8Array(plaintext.length + aead.tagLength + 2 * margin).fill(0xa5);
    buffer.set(plaintext, margin);
    aead.seal(vector.nonce, vector.additionalData, buffer, margin, plaintext.length);
    assert.equal(toHex(buffer.subarray(0, margin)), 'a5a5a5');
    assert.equal(toHex(buffer.subarray(-margin)), 'a5a5a5');
    return buffer.slice(margin, -margin);
  }

  function check(vector: AeadCase, plaintext: string, valid: boolean, name: string): void {
    const opened = open(vector);
    assert.equal(opened === undefined ? undefined : toHex(opened), valid ? plaintext : undefined, name);
    if (valid) assert.equal(toHex(seal(vector, hex(plaintext))), toHex(vector.ciphertextAndTag), name);
  }

  suite(`AES-CCM vectors with ${maker}`, () => {
    interface CcmVector {
      readonly key: string;
      readonly nonce: string;
      readonly aad: string;
      readonly plaintext: string;
      readonly tag_length: number;
      readonly ciphertext_and_tag: string;
      readonly valid?: boolean;
    }

    function run(file: string): number {
      let count = 0;
      for (const vector of readVectors<{ vectors: CcmVector[] }>(file).vectors) {
        if (vector.tag_length !== 8 && vector.tag_length !== 16) continue;
        count++;
        const key = hex(vector.key);
        check(
          {
            algorithm: ccmAlgorithm(key.length, vector.tag_length),
            key,
            nonce: hex(vector.nonce),
            additionalData: hex(vector.aad),
            ciphertextAndTag: hex(vector.ciphertext_and_tag),
          },
          vector.plaintext,
          vector.valid ?? true,
          `${file} ${vector.key} ${vector.nonce}`,
        );
      }
      return count;
    }

    test('the 12 packet vectors of RFC 3610 §8 with an 8-byte tag open and seal', () => {
      assert.equal(run('crypto/aes-ccm-rfc3610.json'), 12);
    });

    test('1360 NIST CAVP vectors with tags of 8 and 16 bytes open and seal, or are refused', () => {
      assert.equal(run('crypto/aes-ccm-nist-cavp.json'), 1360);
    });
  });

  suite(`Wycheproof AEAD vectors with ${maker}`, () => {
    interface Group {
      readonly ivSize: number;
      readonly keySize: number;
      readonly tagSize: number;
    }
    interface Case {
      readonly key: string;
      readonly iv: string;
      readonly aad: string;
      readonly msg: string;
      readonly ct: string;
      readonly tag: string;
    }

    function run(file: string, algorithmOf: (group: Group) => AeadAlgorithm | undefined): number {
      let count = 0;
      for (const group of readVectors<WycheproofFile<Group, Case>>(`wycheproof/${file}`).testGroups) {
        const algorithm = algorithmOf(group);
        if (algorithm === undefined) continue;
        for (const one of group.tests) {
          count++;
          const vector = {
            algorithm,
            key: hex(one.key),
            nonce: hex(one.iv),
            additionalData: hex(one.aad),
            ciphertextAndTag: concatBytes(hex(one.ct), hex(one.tag)),
          };
          check(vector, one.msg, one.result === 'valid', `${file} ${one.tcId} ${one.comment}`);
        }
      }
      return count;
    }

    test('244 AES-CCM vectors, with nonces of 7 to 13 bytes', () => {
      const count = run('aes_ccm_test.json', ({ ivSize, keySize, tagSize }) =>
        ivSize >= 56 && ivSize <= 104 && keySize !== 192 && (tagSize === 64 || tagSize === 128)
          ? ccmAlgorithm(keySize / 8, tagSize / 8)
          : undefined,
      );
      assert.equal(count, 244);
    });

    test('133 AES-GCM vectors', () => {
      const count = run('aes_gcm_test.json', ({ keySize, ivSize }) => {
        if (ivSize !== 96 || keySize === 192) return undefined;
        return keySize === 128 ? 'AES_128_GCM' : 'AES_256_GCM';
      });
      assert.equal(count, 133);
    });

    test('316 ChaCha20-Poly1305 vectors', () => {
      const count = run('chacha20_poly1305_test.json', ({ ivSize }) =>
        ivSize === 96 ? 'CHACHA20_POLY1305' : undefined,
      );
      assert.equal(count, 316);
    });
  });

  suite(`AeadKey of ${maker}`, () => {
    test('AES-CCM with a 13-byte nonce ends at 65,535 bytes: one more is refused, not thrown', () => {
      const aead = crypto.aead('AES_128_CCM_8', new Uint8Array(16));
      const nonce = new Uint8Array(13);
      const buffer = new Uint8Array(65_536 + 8);
      aead.seal(nonce, noBytes, buffer, 0, 65_535);
      assert.equal(aead.open(nonce, noBytes, buffer, 0, 65_535 + 8), 65_535);
      assert.equal(aead.open(nonce, noBytes, buffer, 0, 65_536 + 8), -1);
    });

    const keyLengths: Readonly<Record<AeadAlgorithm, number>> = {
      AES_128_CCM_8: 16,
      AES_128_CCM: 16,
      AES_256_CCM_8: 32,
      AES_256_CCM: 32,
      AES_128_GCM: 16,
      AES_256_GCM: 32,
      CHACHA20_POLY1305: 32,
    };
    const algorithms = Object.keys(keyLengths) as AeadAlgorithm[];

    for (const algorithm of algorithms) {
      const random = new SeededRandom(7);
      const key = random.fill(new Uint8Array(keyLengths[algorithm]));
      const nonceLengths = algorithm.includes('CCM') ? [12, 13] : [12];

      test(`${algorithm}: any changed bit of a record is refused, also with an empty plaintext`, () => {
        for (const nonceLength of nonceLengths) {
          for (const plaintextLength of [0, 1, 17]) {
            for (const additionalData of [noBytes, random.fill(new Uint8Array(13))]) {
              const nonce = random.fill(new Uint8Array(nonceLength));
              const vector = { algorithm, key, nonce, additionalData };
              const plaintext = random.fill(new Uint8Array(plaintextLength));
              const sealed = seal({ ...vector, ciphertextAndTag: noBytes }, plaintext);
              assert.deepEqual(open({ ...vector, ciphertextAndTag: sealed }), plaintext);
              for (let bit = 0; bit < sealed.length * 8; bit++) {
                const forged = sealed.slice();
                forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
                assert.equal(open({ ...vector, ciphertextAndTag: forged }), undefined);
              }
            }
          }
        }
      });

      test(`${algorithm}: other additional data or another nonce is refused`, () => {
        const nonce = random.fill(new Uint8Array(12));
        const vector = { algorithm, key, nonce, additionalData: hex('0102') };
        for (const plaintext of [noBytes, hex('00')]) {
          const ciphertextAndTag = seal({ ...vector, ciphertextAndTag: noBytes }, plaintext);
          assert.equal(open({ ...vector, additionalData: hex('0103'), ciphertextAndTag }), undefined);
          assert.equal(open({ ...vector, additionalData: noBytes, ciphertextAndTag }), undefined);
          const otherNonce = nonce.slice();
          otherNonce[11] = (nonce[11] as number) ^ 1;
          assert.equal(open({ ...vector, nonce: otherNonce, ciphertextAndTag }), undefined);
        }
      });

      test(`${algorithm}: what is shorter than a tag, or reaches past the buffer, is refused`, () => {
        const aead = crypto.aead(algorithm, key);
        const buffer = new Uint8Array(64);
        const nonce = new Uint8Array(12);
        assert.equal(aead.open(nonce, noBytes, buffer, 0, aead.tagLength - 1), -1);
        assert.equal(aead.open(nonce, noBytes, buffer, 0, 0), -1);
        assert.equal(aead.open(nonce, noBytes, buffer, 32, 33), -1);
        assert.deepEqual(buffer, new Uint8Array(64));
      });

      test(`${algorithm}: a key of another length is a misuse, and the text does not show it`, () => {
        assert.throws(
          () => crypto.aead(algorithm, new Uint8Array(24).fill(0xee)),
          (error) =>
            error instanceof ApiMisuseError &&
            !error.message.includes('238') &&
            !error.message.includes('ee'),
        );
      });

      test(`${algorithm}: the key is copied, and sealing without room for the tag is a misuse`, () => {
        const own = key.slice();
        const aead = crypto.aead(algorithm, own);
        own.fill(0);
        const buffer = new Uint8Array(20 + aead.tagLength);
        aead.seal(new Uint8Array(12), noBytes, buffer, 0, 20);
        const expected = seal(
          { algorithm, key, nonce: new Uint8Array(12), additionalData: noBytes, ciphertextAndTag: noBytes },
          new Uint8Array(20),
        );
        assert.deepEqual(buffer, expected);
        assert.throws(() => aead.seal(new Uint8Array(12), noBytes, buffer, 1, 20), ApiMisuseError);
      });
    }
  });
}
