/**
 * HMAC (RFC 2104) from two one-shot digests, with both pads of a key made once.
 *
 * Measured: half the time of `createHmac`, whose objects also wait for the garbage collector, which shows in the
 * memory of a server that answers a flood of ClientHellos.
 *
 * @module
 */

import { hash } from 'node:crypto';
import type { HashAlgorithm, MacKey } from '../core/foundation/crypto-provider.ts';
import { plainBytes } from './plain-bytes.ts';

interface Row {
  readonly name: string;
  /** Input block and digest, in bytes (RFC 6234 §4). */
  readonly blockLength: 64 | 128;
  readonly digestLength: 32 | 48 | 64;
}

const rows: Readonly<Record<HashAlgorithm, Row>> = {
  'SHA-256': { name: 'sha256', blockLength: 64, digestLength: 32 },
  'SHA-384': { name: 'sha384', blockLength: 128, digestLength: 48 },
  'SHA-512': { name: 'sha512', blockLength: 128, digestLength: 64 },
};

/** Room for messages of up to so many bytes behind the inner pad; longer ones get a buffer of their own. */
const usualMessageLength = 512;

/** A key, which may have any length, also zero. */
export function nodeHmac(algorithm: HashAlgorithm, key: Uint8Array): MacKey {
  return new NodeMacKey(rows[algorithm], key);
}

class NodeMacKey implements MacKey {
  readonly #row: Row;
  /** The pads of RFC 2104 §2, each with room for what is hashed behind it. */
  readonly #inner: Uint8Array;
  readonly #outer: Uint8Array;

  constructor(row: Row, key: Uint8Array) {
    const { name, blockLength, digestLength } = row;
    this.#row = row;
    this.#inner = new Uint8Array(blockLength + usualMessageLength);
    this.#outer = new Uint8Array(blockLength + digestLength);
    const padded = key.length > blockLength ? hash(name, key, 'buffer') : key;
    for (let i = 0; i < blockLength; i++) {
      const byte = padded[i] ?? 0;
      this.#inner[i] = byte ^ 0x36;
      this.#outer[i] = byte ^ 0x5c;
    }
  }

  sign(...parts: readonly Uint8Array[]): Uint8Array {
    const { name, blockLength } = this.#row;
    let end = blockLength;
    for (const part of parts) end += part.length;
    let inner = this.#inner;
    if (end > inner.length) {
      inner = new Uint8Array(end);
      inner.set(this.#inner.subarray(0, blockLength));
    }
    let offset = blockLength;
    for (const part of parts) {
      inner.set(part, offset);
      offset += part.length;
    }
    this.#outer.set(hash(name, inner.subarray(0, end), 'buffer'), blockLength);
    return plainBytes(hash(name, this.#outer, 'buffer'));
  }
}
