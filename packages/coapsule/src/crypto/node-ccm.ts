/**
 * AES-CCM for short records from `node:crypto`: RFC 3610 put together of AES in ECB and in CBC mode.
 *
 * A cipher object in CCM mode is good for one record, and to make it, to ask it for four results and to give it back to the
 * garbage collector costs many times what its AES does. Cipher objects in the other two modes stay: one call makes the key
 * stream of a record, and one its CBC-MAC. For long records the single pass of OpenSSL is faster, and does them.
 *
 * Constant time for key and plaintext as far as OpenSSL's AES is: what is done here are additions without a branch.
 *
 * @module
 */

import { type Cipheriv, createCipheriv, type KeyObject } from 'node:crypto';
import type { AeadKey } from '../core/foundation/crypto-provider.ts';
import { type CcmAlgorithm, ccmAlgorithms } from './aes-ccm/aes-ccm-key.ts';
import { KeySlots } from './aes-ccm/key-slots.ts';
import { keyObject, nodeAeadWith } from './node-aead.ts';

const blockLength = 16;

/** Payloads up to this length are put together here. */
const longestShort = 512;

/** Additional data up to this length are. */
const longestAdditionalData = 238;

/** Keys whose cipher objects are kept; each pair takes some 5 KB. */
const keysKept = 4096;

/** What one key encrypts with. */
interface Ciphers {
  /** AES of each block by itself. */
  readonly blocks: Cipheriv;
  /** AES of each block under the result of the one before, which is never begun anew. */
  readonly chain: Cipheriv;
  /** That result. */
  readonly chained: Uint8Array;
}

/**
 * An AES-CCM key held as a KeyObject. Its `open` never throws for bytes of a peer.
 *
 * @param key 16 or 32 bytes, as the algorithm says; copied.
 * @throws ApiMisuseError for another length.
 */
export class NodeCcmKey implements AeadKey {
  readonly tagLength: 8 | 16;
  readonly #key: KeyObject;
  readonly #whole: AeadKey;
  readonly #mode: 'aes-128' | 'aes-256';
  readonly #owner: number;
  #slot = 0;

  constructor(algorithm: CcmAlgorithm, key: Uint8Array) {
    const { keyLength, tagLength } = ccmAlgorithms[algorithm];
    this.tagLength = tagLength;
    this.#key = keyObject(algorithm, key);
    this.#whole = nodeAeadWith(algorithm, this.#key);
    this.#mode = keyLength === 16 ? 'aes-128' : 'aes-256';
    this.#owner = slots.newOwner();
  }

  seal(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const { tagLength } = this;
    const end = offset + length;
    if (!isShort(nonce, additionalData, length) || end + tagLength > buffer.length) {
      this.#whole.seal(nonce, additionalData, buffer, offset, length);
      return;
    }
    const ciphers = this.#ciphers();
    const stream = keyStream(ciphers, nonce, length);
    const at = writeHead(nonce, additionalData, length, tagLength);
    for (let i = 0; i < length; i++) {
      const byte = buffer[offset + i] as number;
      input.bytes[at + i] = byte;
      buffer[offset + i] = byte ^ (stream[blockLength + i] as number);
    }
    const tag = macOf(ciphers, at, length);
    for (let i = 0; i < tagLength; i++) buffer[end + i] = (tag[i] as number) ^ (stream[i] as number);
  }

  open(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): number {
    const { tagLength } = this;
    const plaintextLength = length - tagLength;
    const end = offset + plaintextLength;
    if (plaintextLength < 0 || end + tagLength > buffer.length) return -1;
    if (!isShort(nonce, additionalData, plaintextLength)) {
      return this.#whole.open(nonce, additionalData, buffer, offset, length);
    }
    const ciphers = this.#ciphers();
    const stream = keyStream(ciphers, nonce, plaintextLength);
    const at = writeHead(nonce, additionalData, plaintextLength, tagLength);
    for (let i = 0; i < plaintextLength; i++) {
      input.bytes[at + i] = (buffer[offset + i] as number) ^ (stream[blockLength + i] as number);
    }
    const tag = macOf(ciphers, at, plaintextLength);
    let difference = 0;
    for (let i = 0; i < tagLength; i++) {
      difference |= (buffer[end + i] as number) ^ (tag[i] as number) ^ (stream[i] as number);
    }
    if (difference !== 0) return -1;
    for (let i = 0; i < plaintextLength; i++) {
      buffer[offset + i] = (buffer[offset + i] as number) ^ (stream[blockLength + i] as number);
    }
    return plaintextLength;
  }

  /** Gives up the cipher objects. They are made again if the key is used all the same. */
  rest(): void {
    if (slots.owners[this.#slot] !== this.#owner) return;
    slots.release(this.#slot);
    ciphersOf[this.#slot] = undefined;
  }

  #ciphers(): Ciphers {
    const known = ciphersOf[this.#slot];
    if (known !== undefined && slots.owners[this.#slot] === this.#owner) {
      slots.used[this.#slot] = 1;
      return known;
    }
    const chained = new Uint8Array(blockLength);
    const ciphers: Ciphers = {
      blocks: createCipheriv(`${this.#mode}-ecb`, this.#key, null).setAutoPadding(false),
      chain: createCipheriv(`${this.#mode}-cbc`, this.#key, chained).setAutoPadding(false),
      chained,
    };
    this.#slot = slots.claim(this.#owner);
    ciphersOf[this.#slot] = ciphers;
    return ciphers;
  }
}

/** Memory for blocks that are to be encrypted. */
class Blocks {
  readonly bytes: Uint8Array;
  /** The first blocks, by their number: to make a view takes as long as to encrypt a few. */
  readonly #first: (Uint8Array | undefined)[] = [];

  constructor(count: number) {
    this.bytes = new Uint8Array(count * blockLength);
  }

  first(count: number): Uint8Array {
    const known = this.#first[count];
    if (known !== undefined) return known;
    const first = this.bytes.subarray(0, count * blockLength);
    this.#first[count] = first;
    return first;
  }
}

const slots = new KeySlots(keysKept);
const ciphersOf: (Ciphers | undefined)[] = [];

/** What is given to the ciphers; written anew for each record. */
const counters = new Blocks(blocksOf(blockLength + longestShort));
const input = new Blocks(blocksOf(2 * blockLength + 2 + longestAdditionalData + longestShort));

function blocksOf(length: number): number {
  return Math.ceil(length / blockLength);
}

/** Whether a record is put together here. A nonce that no CCM has is refused by OpenSSL (RFC 3610 §2). */
function isShort(nonce: Uint8Array, additionalData: Uint8Array, length: number): boolean {
  return (
    length >= 0 &&
    length <= longestShort &&
    additionalData.length <= longestAdditionalData &&
    nonce.length >= 7 &&
    nonce.length <= 13
  );
}

/** S_0, which hides the tag, and as much of S_1, S_2, … as the payload is long (RFC 3610 §2.3). */
function keyStream({ blocks }: Ciphers, nonce: Uint8Array, length: number): Uint8Array {
  const count = 1 + blocksOf(length);
  const { bytes } = counters;
  for (let block = 0; block < count; block++) {
    const at = block * blockLength;
    bytes[at] = 14 - nonce.length;
    for (let i = 0; i < nonce.length; i++) bytes[at + 1 + i] = nonce[i] as number;
    for (let i = 1 + nonce.length; i < blockLength; i++) bytes[at + i] = 0;
    // A short payload has fewer blocks than a byte can count.
    bytes[at + blockLength - 1] = block;
  }
  return blocks.update(counters.first(count));
}

/** Writes B_0 and the additional data (§2.2). @returns where the payload comes. */
function writeHead(nonce: Uint8Array, additionalData: Uint8Array, length: number, tagLength: number): number {
  const { bytes } = input;
  const hasData = additionalData.length > 0;
  bytes[0] = (hasData ? 64 : 0) | (((tagLength - 2) / 2) << 3) | (14 - nonce.length);
  for (let i = 0; i < nonce.length; i++) bytes[1 + i] = nonce[i] as number;
  for (let i = 1 + nonce.length; i < blockLength; i++) bytes[i] = 0;
  bytes[blockLength - 2] = length >> 8;
  bytes[blockLength - 1] = length & 255;
  if (!hasData) return blockLength;
  bytes[blockLength] = 0;
  bytes[blockLength + 1] = additionalData.length;
  let at = blockLength + 2;
  for (let i = 0; i < additionalData.length; i++) bytes[at++] = additionalData[i] as number;
  while (at % blockLength !== 0) bytes[at++] = 0;
  return at;
}

/**
 * The CBC-MAC of what `input` has: the head, and a payload of so many bytes behind it. A chain that is not begun anew is as
 * good as one that is, when its first block has the last result added, which takes it away again.
 */
function macOf({ chain, chained }: Ciphers, payloadAt: number, length: number): Uint8Array {
  const { bytes } = input;
  const end = payloadAt + length;
  const count = blocksOf(end);
  for (let i = end; i < count * blockLength; i++) bytes[i] = 0;
  for (let i = 0; i < blockLength; i++) bytes[i] = (bytes[i] as number) ^ (chained[i] as number);
  const results = chain.update(input.first(count));
  const last = (count - 1) * blockLength;
  for (let i = 0; i < blockLength; i++) chained[i] = results[last + i] as number;
  // No plaintext stays.
  for (let i = payloadAt; i < end; i++) bytes[i] = 0;
  return chained;
}
