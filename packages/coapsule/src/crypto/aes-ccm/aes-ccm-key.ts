/**
 * An AES-CCM key whose records are sealed and opened in WebAssembly (RFC 3610; RFC 6655 in DTLS, RFC 8613 in OSCORE).
 *
 * What it works on is copied into the module's memory and back. Nothing is allocated for a short record. Constant time for
 * key and plaintext; `open` takes the same steps for a bad tag as for a good one. Long records go to `node:crypto`, which
 * has the AES instructions of the CPU, but takes long to begin.
 *
 * @module
 */

import type { AeadAlgorithm, AeadKey } from '../../core/foundation/crypto-provider.ts';
import { ApiMisuseError, InvariantError } from '../../core/foundation/errors.ts';
import { nodeAead } from '../node-aead.ts';
import type { AesCcmModule } from './aes-ccm-module.ts';

/** The algorithms that the module has, with the lengths of their keys and tags in bytes. */
export const ccmAlgorithms = {
  AES_128_CCM_8: { keyLength: 16, tagLength: 8 },
  AES_128_CCM: { keyLength: 16, tagLength: 16 },
  AES_256_CCM_8: { keyLength: 32, tagLength: 8 },
  AES_256_CCM: { keyLength: 32, tagLength: 16 },
} as const;

export type CcmAlgorithm = keyof typeof ccmAlgorithms;

/** Whether it is one of them. */
export function isCcm(algorithm: AeadAlgorithm): algorithm is CcmAlgorithm {
  return Object.hasOwn(ccmAlgorithms, algorithm);
}

/** Payloads up to this length are for the module: blocks of 1024 bytes with their options and headers among them. */
export const longestInModule = 1280;

/** Up to this length bytes are copied one by one: a view for a copy at once would be garbage. */
const copiedByByte = 64;

/** Where the last round key is, behind the first (FIPS 197 §5: 10 rounds and 14). */
const lastKeyOffset128 = 160;
const lastKeyOffset256 = 224;

/** One key. Round keys are made when they are needed, and may be made again: `KeySlots`. */
export class AesCcmKey implements AeadKey {
  readonly tagLength: 8 | 16;
  readonly #module: AesCcmModule;
  readonly #algorithm: CcmAlgorithm;
  readonly #longest: number;
  readonly #owner: number;
  #slot = 0;
  // The raw key: four numbers take a third of the memory of an array, and there may be many keys.
  readonly #w0: number;
  readonly #w1: number;
  readonly #w2: number;
  readonly #w3: number;
  /** The second half of a key of AES-256. */
  readonly #upper: readonly number[] | undefined;
  /** For long records. */
  #node: AeadKey | undefined;

  /**
   * @param key 16 or 32 bytes, as the algorithm says; copied.
   * @param longest Payloads up to this length are for the module, at most its capacity of 65,536 bytes.
   * @throws ApiMisuseError for another length of the key.
   */
  constructor(
    module: AesCcmModule,
    algorithm: CcmAlgorithm,
    key: Uint8Array,
    longest: number = longestInModule,
  ) {
    const { keyLength, tagLength } = ccmAlgorithms[algorithm];
    if (key.length !== keyLength) {
      throw new ApiMisuseError(`key: got ${key.length} bytes, expected ${keyLength} for ${algorithm}`);
    }
    if (longest > module.payloadCapacity) throw new InvariantError(`no room for ${longest} bytes`);
    this.tagLength = tagLength;
    this.#module = module;
    this.#algorithm = algorithm;
    this.#longest = longest;
    this.#owner = module.slots.newOwner();
    this.#w0 = wordAt(key, 0);
    this.#w1 = wordAt(key, 4);
    this.#w2 = wordAt(key, 8);
    this.#w3 = wordAt(key, 12);
    this.#upper = keyLength === 16 ? undefined : [16, 20, 24, 28].map((at) => wordAt(key, at));
  }

  seal(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const { tagLength } = this;
    const sealedLength = length + tagLength;
    if (!isWithin(buffer, offset, sealedLength) || length < 0) {
      throw new ApiMisuseError(
        `buffer: got ${buffer.length} bytes, expected room for ${sealedLength} at offset ${offset}`,
      );
    }
    checkNonce(nonce);
    if (isTooLong(nonce, length)) {
      throw new ApiMisuseError(`length: got ${length}, expected at most 65535 with a nonce of 13 bytes`);
    }
    if (this.#isForNode(additionalData, length)) {
      this.#forLongRecords().seal(nonce, additionalData, buffer, offset, length);
      return;
    }
    const module = this.#module;
    const keysAt = this.#load(nonce, additionalData, buffer, offset, length);
    module.seal(keysAt, this.#lastKeyAt(keysAt), nonce.length, additionalData.length, length, tagLength);
    const { memory, payloadAt } = module;
    if (sealedLength > copiedByByte) {
      buffer.set(memory.subarray(payloadAt, payloadAt + sealedLength), offset);
    } else {
      for (let i = 0; i < sealedLength; i++) buffer[offset + i] = memory[payloadAt + i] as number;
    }
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
    if (!isWithin(buffer, offset, length) || plaintextLength < 0) return -1;
    checkNonce(nonce);
    if (isTooLong(nonce, plaintextLength)) return -1;
    if (this.#isForNode(additionalData, plaintextLength)) {
      return this.#forLongRecords().open(nonce, additionalData, buffer, offset, length);
    }
    const module = this.#module;
    const keysAt = this.#load(nonce, additionalData, buffer, offset, length);
    const opened = module.open(
      keysAt,
      this.#lastKeyAt(keysAt),
      nonce.length,
      additionalData.length,
      plaintextLength,
      tagLength,
    );
    // Copied back also when the tag is not good, and is then as it was: no step tells one from the other.
    const { memory, payloadAt } = module;
    if (plaintextLength > copiedByByte) {
      buffer.set(memory.subarray(payloadAt, payloadAt + plaintextLength), offset);
      memory.fill(0, payloadAt, payloadAt + plaintextLength);
    } else {
      for (let i = 0; i < plaintextLength; i++) {
        buffer[offset + i] = memory[payloadAt + i] as number;
        memory[payloadAt + i] = 0;
      }
    }
    return opened;
  }

  /** Overwrites the round keys. They are made again if the key is used all the same. */
  rest(): void {
    const { memory, slots, slotsAt, slotLength } = this.#module;
    if (slots.owners[this.#slot] !== this.#owner) return;
    slots.release(this.#slot);
    const slotAt = slotsAt + this.#slot * slotLength;
    memory.fill(0, slotAt, slotAt + slotLength);
  }

  /** Copies all that the module needs. @returns where the round keys are. */
  #load(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): number {
    const { memory, nonceAt, additionalDataAt, payloadAt, slots, slotsAt, slotLength } = this.#module;
    const nonceLength = nonce.length;
    for (let i = 0; i < nonceLength; i++) memory[nonceAt + 1 + i] = nonce[i] as number;
    for (let i = nonceLength + 1; i < 16; i++) memory[nonceAt + i] = 0;
    const additionalDataLength = additionalData.length;
    if (additionalDataLength > copiedByByte) {
      memory.set(additionalData, additionalDataAt);
    } else {
      for (let i = 0; i < additionalDataLength; i++) {
        memory[additionalDataAt + i] = additionalData[i] as number;
      }
    }
    if (length > copiedByByte) {
      memory.set(buffer.subarray(offset, offset + length), payloadAt);
    } else {
      for (let i = 0; i < length; i++) memory[payloadAt + i] = buffer[offset + i] as number;
    }
    if (slots.owners[this.#slot] === this.#owner) slots.used[this.#slot] = 1;
    else this.#expand();
    return slotsAt + this.#slot * slotLength;
  }

  #lastKeyAt(keysAt: number): number {
    return keysAt + (this.#upper === undefined ? lastKeyOffset128 : lastKeyOffset256);
  }

  #expand(): void {
    const { slots, view, keyAt, slotsAt, slotLength, expandKey128, expandKey256 } = this.#module;
    this.#slot = slots.claim(this.#owner);
    const slotAt = slotsAt + this.#slot * slotLength;
    this.#writeKey(view, keyAt);
    if (this.#upper === undefined) expandKey128(slotAt);
    else expandKey256(slotAt);
  }

  #writeKey(view: DataView, at: number): void {
    view.setInt32(at, this.#w0, true);
    view.setInt32(at + 4, this.#w1, true);
    view.setInt32(at + 8, this.#w2, true);
    view.setInt32(at + 12, this.#w3, true);
    this.#upper?.forEach((word, index) => {
      view.setInt32(at + 16 + 4 * index, word, true);
    });
  }

  #isForNode(additionalData: Uint8Array, length: number): boolean {
    return length > this.#longest || additionalData.length > this.#module.additionalDataCapacity;
  }

  #forLongRecords(): AeadKey {
    if (this.#node === undefined) {
      const key = new Uint8Array(ccmAlgorithms[this.#algorithm].keyLength);
      this.#writeKey(new DataView(key.buffer), 0);
      this.#node = nodeAead(this.#algorithm, key);
      key.fill(0);
    }
    return this.#node;
  }
}

/** Four bytes, the lowest first. A `DataView` on a short array costs more than all of the key. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** Whether `length` bytes at `offset` are in the buffer; both are whole numbers then. */
function isWithin(buffer: Uint8Array, offset: number, length: number): boolean {
  return offset >>> 0 === offset && length >>> 0 === length && offset + length <= buffer.length;
}

function checkNonce(nonce: Uint8Array): void {
  if (nonce.length < 7 || nonce.length > 13) {
    throw new ApiMisuseError(`nonce: got ${nonce.length} bytes, expected 7 to 13 (RFC 3610 §2)`);
  }
}

/** RFC 3610 §2: the length of the payload has the 15 - n bytes that a nonce of n bytes leaves. */
function isTooLong(nonce: Uint8Array, length: number): boolean {
  return length > 0xffff && nonce.length === 13;
}
