/**
 * AEAD keys on `node:crypto`: AES-CCM (RFC 3610, RFC 6655), AES-GCM (RFC 5288), ChaCha20-Poly1305 (RFC 8439).
 *
 * Node has no operation in place, so results are copied back; a plaintext only after its tag verified.
 *
 * @module
 */

import {
  type CipherCCM,
  type CipherCCMTypes,
  type CipherChaCha20Poly1305,
  type CipherGCM,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherCCM,
  type DecipherChaCha20Poly1305,
  type DecipherGCM,
  type KeyObject,
} from 'node:crypto';
import { equalBytesConstantTime } from '../core/foundation/bytes.ts';
import type { AeadAlgorithm, AeadKey } from '../core/foundation/crypto-provider.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';

type Cipher = CipherCCM | CipherGCM | CipherChaCha20Poly1305;
type Decipher = DecipherCCM | DecipherGCM | DecipherChaCha20Poly1305;

type NodeAlgorithm =
  | { readonly mode: 'ccm'; readonly name: CipherCCMTypes }
  | { readonly mode: 'gcm'; readonly name: CipherGCMTypes }
  | { readonly mode: 'chacha'; readonly name: 'chacha20-poly1305' };

type Row = NodeAlgorithm & { readonly keyLength: 16 | 32; readonly tagLength: 8 | 16 };

const algorithms: Readonly<Record<AeadAlgorithm, Row>> = {
  AES_128_CCM_8: { mode: 'ccm', name: 'aes-128-ccm', keyLength: 16, tagLength: 8 },
  AES_128_CCM: { mode: 'ccm', name: 'aes-128-ccm', keyLength: 16, tagLength: 16 },
  AES_256_CCM_8: { mode: 'ccm', name: 'aes-256-ccm', keyLength: 32, tagLength: 8 },
  AES_256_CCM: { mode: 'ccm', name: 'aes-256-ccm', keyLength: 32, tagLength: 16 },
  AES_128_GCM: { mode: 'gcm', name: 'aes-128-gcm', keyLength: 16, tagLength: 16 },
  AES_256_GCM: { mode: 'gcm', name: 'aes-256-gcm', keyLength: 32, tagLength: 16 },
  CHACHA20_POLY1305: { mode: 'chacha', name: 'chacha20-poly1305', keyLength: 32, tagLength: 16 },
};

/**
 * An AEAD key held as a KeyObject. Its `open` never throws for bytes of a peer.
 *
 * @param key 16 or 32 bytes, as the algorithm says; copied.
 * @throws ApiMisuseError for another length.
 */
export function nodeAead(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey {
  return nodeAeadWith(algorithm, keyObject(algorithm, key));
}

/**
 * The KeyObject of a key.
 *
 * @param key 16 or 32 bytes, as the algorithm says; copied.
 * @throws ApiMisuseError for another length.
 */
export function keyObject(algorithm: AeadAlgorithm, key: Uint8Array): KeyObject {
  const { keyLength } = algorithms[algorithm];
  if (key.length !== keyLength) {
    throw new ApiMisuseError(`key: got ${key.length} bytes, expected ${keyLength} for ${algorithm}`);
  }
  return createSecretKey(key);
}

/** An AEAD key of what `keyObject` made for the same algorithm. */
export function nodeAeadWith(algorithm: AeadAlgorithm, key: KeyObject): AeadKey {
  return new NodeAeadKey(algorithms[algorithm], key);
}

class NodeAeadKey implements AeadKey {
  readonly tagLength: number;
  readonly #row: Row;
  readonly #key: KeyObject;

  constructor(row: Row, key: KeyObject) {
    this.tagLength = row.tagLength;
    this.#row = row;
    this.#key = key;
  }

  seal(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const end = offset + length;
    if (end + this.tagLength > buffer.length) {
      throw new ApiMisuseError(
        `buffer: got ${buffer.length} bytes, expected room for ${end + this.tagLength}`,
      );
    }
    const cipher = this.#cipher(nonce);
    cipher.setAAD(additionalData, { plaintextLength: length });
    // CCM wants its one `update` also for an empty plaintext: without it there is no tag. The view has memory
    // behind it, since there is room for the tag.
    const ciphertext = cipher.update(buffer.subarray(offset, end));
    cipher.final();
    buffer.set(ciphertext, offset);
    buffer.set(cipher.getAuthTag(), end);
  }

  open(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): number {
    const plaintextLength = length - this.tagLength;
    const end = offset + plaintextLength;
    if (plaintextLength < 0 || end + this.tagLength > buffer.length) return -1;
    const tag = buffer.subarray(end, end + this.tagLength);
    if (plaintextLength === 0) return this.#verifyEmpty(nonce, additionalData, tag);
    const decipher = this.#decipher(nonce);
    try {
      decipher.setAuthTag(tag);
      // Throws when CCM cannot count that far: with a nonce of 13 bytes, above 65,535.
      decipher.setAAD(additionalData, { plaintextLength });
      const plaintext = decipher.update(buffer.subarray(offset, end));
      decipher.final();
      buffer.set(plaintext, offset);
      return plaintextLength;
    } catch {
      return -1;
    }
  }

  /**
   * An empty plaintext is verified by making its tag again. OpenSSL's CCM accepts any tag when no payload came
   * before `final`, and Node passes an empty payload on only when its view has memory behind it
   * (openssl/openssl#32253, nodejs/node#62342).
   */
  #verifyEmpty(nonce: Uint8Array, additionalData: Uint8Array, tag: Uint8Array): number {
    const expected = new Uint8Array(this.tagLength);
    this.seal(nonce, additionalData, expected, 0, 0);
    return equalBytesConstantTime(expected, tag) ? 0 : -1;
  }

  #cipher(nonce: Uint8Array): Cipher {
    const row = this.#row;
    const options = { authTagLength: row.tagLength };
    switch (row.mode) {
      case 'ccm':
        return createCipheriv(row.name, this.#key, nonce, options);
      case 'gcm':
        return createCipheriv(row.name, this.#key, nonce, options);
      case 'chacha':
        return createCipheriv(row.name, this.#key, nonce, options);
    }
  }

  #decipher(nonce: Uint8Array): Decipher {
    const row = this.#row;
    const options = { authTagLength: row.tagLength };
    switch (row.mode) {
      case 'ccm':
        return createDecipheriv(row.name, this.#key, nonce, options);
      case 'gcm':
        return createDecipheriv(row.name, this.#key, nonce, options);
      case 'chacha':
        return createDecipheriv(row.name, this.#key, nonce, options);
    }
  }
}
