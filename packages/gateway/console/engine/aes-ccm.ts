/**
 * AES-CCM as an AEAD key of the library's core: tags of 8 and 16 bytes (RFC 3610 §2, RFC 6655 §3).
 *
 * @module
 */

import type { CryptoProvider } from 'coapsule/core';
import { Aes } from './aes.ts';

type AeadKey = ReturnType<CryptoProvider['aead']>;

/** One key. Works in place. */
export class AesCcm implements AeadKey {
  readonly tagLength: number;
  readonly #aes: Aes;

  /** @param key 16 or 32 bytes. */
  constructor(key: Uint8Array, tagLength: 8 | 16) {
    this.#aes = new Aes(key);
    this.tagLength = tagLength;
  }

  seal(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const text = buffer.subarray(offset, offset + length);
    const tag = this.#tag(nonce, additionalData, text);
    this.#crypt(nonce, text);
    buffer.set(tag, offset + length);
  }

  open(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): number {
    const plainLength = length - this.tagLength;
    if (plainLength < 0) return -1;
    const text = buffer.subarray(offset, offset + plainLength);
    this.#crypt(nonce, text);
    const tag = this.#tag(nonce, additionalData, text);
    let difference = 0;
    for (let byte = 0; byte < this.tagLength; byte++) {
      difference |= tag[byte]! ^ buffer[offset + plainLength + byte]!;
    }
    if (difference === 0) return plainLength;
    // As it was: the same key stream once more.
    this.#crypt(nonce, text);
    return -1;
  }

  /** RFC 3610 §2.2, and encrypted with the first block of the key stream (§2.3). */
  #tag(nonce: Uint8Array, additionalData: Uint8Array, text: Uint8Array): Uint8Array {
    const lengthBytes = 15 - nonce.length;
    const block = new Uint8Array(16);
    block[0] = (additionalData.length > 0 ? 0x40 : 0) | (((this.tagLength - 2) / 2) << 3) | (lengthBytes - 1);
    block.set(nonce, 1);
    writeLength(block, text.length, lengthBytes);
    this.#aes.encrypt(block);
    if (additionalData.length > 0) {
      // Up to 65,279 bytes the length takes two; nothing longer is protected here.
      const prefixed = new Uint8Array(2 + additionalData.length);
      prefixed[0] = additionalData.length >> 8;
      prefixed[1] = additionalData.length & 0xff;
      prefixed.set(additionalData, 2);
      this.#chain(block, prefixed);
    }
    this.#chain(block, text);
    const stream = this.#keyStream(nonce, 0);
    return block.subarray(0, this.tagLength).map((byte, at) => byte ^ stream[at]!);
  }

  /** CBC-MAC over bytes that are filled up with zeros. */
  #chain(block: Uint8Array, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 16) {
      for (let byte = 0; byte < 16; byte++) block[byte]! ^= bytes[at + byte] ?? 0;
      this.#aes.encrypt(block);
    }
  }

  #crypt(nonce: Uint8Array, text: Uint8Array): void {
    for (let at = 0; at < text.length; at += 16) {
      const stream = this.#keyStream(nonce, at / 16 + 1);
      for (let byte = at; byte < Math.min(at + 16, text.length); byte++) text[byte]! ^= stream[byte - at]!;
    }
  }

  #keyStream(nonce: Uint8Array, counter: number): Uint8Array {
    const block = new Uint8Array(16);
    block[0] = 14 - nonce.length;
    block.set(nonce, 1);
    writeLength(block, counter, 15 - nonce.length);
    this.#aes.encrypt(block);
    return block;
  }
}

function writeLength(block: Uint8Array, value: number, bytes: number): void {
  for (let at = 15, left = value; at > 15 - bytes; at--, left = Math.floor(left / 256))
    block[at] = left & 0xff;
}
