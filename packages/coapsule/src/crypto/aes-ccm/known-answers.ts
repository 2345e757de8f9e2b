/**
 * What the module is asked before it is used: answers that are known, and a tag that is not good.
 *
 * @module
 */

import { equalBytes, fromHex } from '../../core/foundation/bytes.ts';
import { AesCcmKey, type CcmAlgorithm } from './aes-ccm-key.ts';
import type { AesCcmModule } from './aes-ccm-module.ts';

interface KnownAnswer {
  readonly algorithm: CcmAlgorithm;
  readonly key: string;
  readonly nonce: string;
  readonly additionalData: string;
  readonly plaintext: string;
  readonly sealed: string;
}

const knownAnswers: readonly KnownAnswer[] = [
  {
    // RFC 3610 §8, packet vector 1.
    algorithm: 'AES_128_CCM_8',
    key: 'c0c1c2c3c4c5c6c7c8c9cacbcccdcecf',
    nonce: '00000003020100a0a1a2a3a4a5',
    additionalData: '0001020304050607',
    plaintext: '08090a0b0c0d0e0f101112131415161718191a1b1c1d1e',
    sealed: '588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0',
  },
  {
    // Made with OpenSSL; all bytes in a row.
    algorithm: 'AES_256_CCM',
    key: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    nonce: '202122232425262728292a2b',
    additionalData: '404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60',
    plaintext: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7',
    sealed:
      '7cf36668ee38fad7de5a0a9e5d941179a8190a1a6ca992b45402b65a7a264593f1871079e71e30e7' +
      'e0ae0cea452cb6c015c9d991cf2cd92c',
  },
];

/** Whether the module gives the answers that it should, in both directions, and refuses what it should. */
export function knowsItsAnswers(module: AesCcmModule): boolean {
  return knownAnswers.every(({ algorithm, key, nonce, additionalData, plaintext, sealed }) => {
    const aead = new AesCcmKey(module, algorithm, bytes(key));
    const expected = bytes(sealed);
    const content = bytes(plaintext);
    const buffer = new Uint8Array(expected.length);
    buffer.set(content);
    aead.seal(bytes(nonce), bytes(additionalData), buffer, 0, content.length);
    if (!equalBytes(buffer, expected)) return false;
    if (aead.open(bytes(nonce), bytes(additionalData), buffer, 0, buffer.length) !== content.length)
      return false;
    if (!equalBytes(buffer.subarray(0, content.length), content)) return false;
    expected[expected.length - 1] = (expected[expected.length - 1] as number) ^ 1;
    buffer.set(expected);
    return (
      aead.open(bytes(nonce), bytes(additionalData), buffer, 0, buffer.length) === -1 &&
      equalBytes(buffer, expected)
    );
  });
}

function bytes(text: string): Uint8Array {
  return fromHex(text) as Uint8Array;
}
