/**
 * SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104) in WebAssembly, for short messages: a handshake hashes some thirty of them.
 *
 * The two states after the pads of an HMAC key are made once for a key.
 *
 * @module
 */

import type { MacKey, RunningHash } from '../../core/foundation/crypto-provider.ts';
import { InvariantError } from '../../core/foundation/errors.ts';
import type { Sha256Module } from './sha-256-module.ts';

const blockLength = 64;
const stateLength = 32;
const digestLength = 32;
/** Up to this length bytes are copied one by one. */
const copiedByByte = 64;

/** The digest of the parts, joined in order. */
export function sha256(module: Sha256Module, parts: readonly Uint8Array[]): Uint8Array {
  module.begin();
  const rest = absorbParts(module, parts);
  module.finish(rest, lengthOf(parts));
  return takeDigest(module);
}

/** A hash that can go on after its digest was asked for. */
export class Sha256 implements RunningHash {
  readonly #module: Sha256Module;
  /** The state after all whole blocks, and the bytes behind them. */
  readonly #state: Uint8Array;
  readonly #pending: Uint8Array = new Uint8Array(blockLength);
  #total = 0;

  constructor(module: Sha256Module) {
    this.#module = module;
    module.begin();
    this.#state = module.memory.slice(module.stateAt, module.stateAt + stateLength);
  }

  update(bytes: Uint8Array): void {
    const { memory, stateAt, messageAt } = this.#module;
    const pendingLength = this.#total % blockLength;
    this.#total += bytes.length;
    if (pendingLength + bytes.length < blockLength) {
      this.#pending.set(bytes, pendingLength);
      return;
    }
    memory.set(this.#state, stateAt);
    // More than are pending, and what comes behind them is written over.
    memory.set(this.#pending, messageAt);
    const rest = absorbParts(this.#module, [bytes], pendingLength);
    this.#state.set(memory.subarray(stateAt, stateAt + stateLength));
    this.#pending.set(memory.subarray(messageAt, messageAt + rest));
  }

  digest(): Uint8Array {
    const { memory, stateAt, messageAt } = this.#module;
    const pendingLength = this.#total % blockLength;
    memory.set(this.#state, stateAt);
    memory.set(this.#pending, messageAt);
    this.#module.finish(pendingLength, this.#total);
    return takeDigest(this.#module);
  }
}

/** A key of HMAC-SHA256. */
export class HmacSha256 implements MacKey {
  readonly #module: Sha256Module;
  /** The states after the inner pad and after the outer one (RFC 2104 §4). */
  readonly #states: Uint8Array;

  /** @param key of any length, also zero. */
  constructor(module: Sha256Module, key: Uint8Array) {
    this.#module = module;
    const { memory, keyAt, messageAt } = module;
    const padded = key.length > blockLength ? sha256(module, [key]) : key;
    memory.fill(0, messageAt, messageAt + blockLength);
    memory.set(padded, messageAt);
    module.expandHmacKey();
    this.#states = memory.slice(keyAt, keyAt + 2 * stateLength);
  }

  expand(length: number, ...seed: readonly Uint8Array[]): Uint8Array {
    const module = this.#module;
    const { memory, digestAt, messageAt } = module;
    const seedLength = lengthOf(seed);
    if (digestLength + seedLength > module.messageCapacity)
      throw new InvariantError(`a seed of ${seedLength} bytes`);
    const output = new Uint8Array(length);
    let a = this.sign(...seed);
    for (let offset = 0; ; ) {
      for (let i = 0; i < digestLength; i++) memory[messageAt + i] = a[i] as number;
      copyParts(module, seed, digestLength);
      this.#loadKey();
      module.hmac(digestLength + seedLength);
      for (let i = 0; i < digestLength; i++) {
        if (offset < length) output[offset++] = memory[digestAt + i] as number;
        memory[digestAt + i] = 0;
      }
      if (offset === length) return output;
      a = this.sign(a);
    }
  }

  sign(...parts: readonly Uint8Array[]): Uint8Array {
    const module = this.#module;
    const { memory, stateAt, messageCapacity } = module;
    const states = this.#states;
    this.#loadKey();
    const length = lengthOf(parts);
    if (length <= messageCapacity) {
      copyParts(module, parts);
      module.hmac(length);
    } else {
      memory.set(states.subarray(0, stateLength), stateAt);
      const rest = absorbParts(module, parts);
      module.finish(rest, blockLength + length);
      module.finishHmac();
    }
    return takeDigest(module);
  }

  #loadKey(): void {
    const { memory, keyAt } = this.#module;
    const states = this.#states;
    for (let i = 0; i < 2 * stateLength; i++) memory[keyAt + i] = states[i] as number;
  }
}

/** Of all parts together, in bytes. */
export function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (let i = 0; i < parts.length; i++) length += (parts[i] as Uint8Array).length;
  return length;
}

/** All of the parts, which fit, from `offset` on. */
function copyParts({ memory, messageAt }: Sha256Module, parts: readonly Uint8Array[], offset = 0): void {
  let at = messageAt + offset;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as Uint8Array;
    const { length } = part;
    if (length > copiedByByte) memory.set(part, at);
    else for (let j = 0; j < length; j++) memory[at + j] = part[j] as number;
    at += length;
  }
}

/**
 * Takes in all whole blocks of the parts. @returns the bytes that are left, which are where a message begins.
 *
 * @param filled Bytes that are there already, fewer than a block.
 */
function absorbParts(module: Sha256Module, parts: readonly Uint8Array[], filled = 0): number {
  const { memory, messageAt, messageCapacity } = module;
  for (const part of parts) {
    if (part.length < messageCapacity - filled) {
      memory.set(part, messageAt + filled);
      filled += part.length;
      continue;
    }
    for (let offset = 0; offset < part.length; ) {
      const count = Math.min(part.length - offset, messageCapacity - filled);
      memory.set(part.subarray(offset, offset + count), messageAt + filled);
      offset += count;
      filled += count;
      if (filled === messageCapacity) {
        module.absorb(messageCapacity);
        filled = 0;
      }
    }
  }
  const rest = filled % blockLength;
  if (filled > rest) {
    module.absorb(filled - rest);
    memory.copyWithin(messageAt, messageAt + filled - rest, messageAt + filled);
    memory.fill(0, messageAt + Math.max(rest, filled - rest), messageAt + filled);
  }
  return rest;
}

/** A copy of the digest, which is wiped where it was. */
function takeDigest({ memory, digestAt }: Sha256Module): Uint8Array {
  const digest = new Uint8Array(digestLength);
  for (let i = 0; i < digestLength; i++) {
    digest[i] = memory[digestAt + i] as number;
    memory[digestAt + i] = 0;
  }
  return digest;
}
