/**
 * AES-CCM (RFC 3610) on fixed areas of the module's memory, in AssemblyScript. No allocation; nothing that the caller passes
 * can reach outside of the areas as long as lengths are within the capacities, which the caller checks.
 *
 * The caller writes the nonce (bytes 1 … of a block, zeros behind it), the additional data and the payload, and names a slot
 * of round keys. CBC-MAC is a chain, so that a block of key stream is made beside each block of it, for the payload block
 * after: opening and sealing take the same steps.
 */

import { expand128, expand256 } from './key-schedule.as';
import { firstBytes } from './tables.as';
import { encrypt, encryptTwo, resultsAt } from './vector-permute.as';

/** 16 bytes: the flags, which are written here, then 7 … 13 bytes of nonce, then zeros. */
export const nonceAt: usize = 1056;
/** 16 or 32 bytes; wiped when they are expanded. */
export const keyAt: usize = 1072;
/** The length of the additional data, as it is encoded, goes right before it. */
export const additionalDataAt: usize = 1120;
export const additionalDataCapacity: usize = 66_400;
/** Payload and tag; up to 16 bytes behind them are overwritten. */
export const payloadAt: usize = 67_584;
export const payloadCapacity: usize = 65_536;
/** Plaintext before its tag is verified. */
const plaintextAt: usize = 133_632;
/** Round keys: slots of 240 bytes up to the end of the memory. */
export const slotsAt: usize = 199_680;
export const slotLength: usize = 240;

export function expandKey128(slot: usize): void {
  expand128(keyAt, slot);
  v128.store(keyAt, i64x2.splat(0));
}

export function expandKey256(slot: usize): void {
  expand256(keyAt, slot);
  v128.store(keyAt, i64x2.splat(0));
  v128.store(keyAt, i64x2.splat(0), 16);
}

/** All ones in the first n bytes, n = 0 … 16. */
@inline
function mask(n: usize): v128 {
  return v128.load(firstBytes + 16 - n);
}

/** A_i: the counter i in the last bytes (RFC 3610 §2.3). No more than 2^16 blocks fit in the memory. */
@inline
function counterBlock(first: v128, i: u32): v128 {
  return i16x8.replace_lane(first, 7, <i16>bswap<u16>(<u16>i));
}

/** The block A_0; also the flags and lengths of B_0 (§2.2). */
@inline
function firstCounterBlock(nonceLength: u32): v128 {
  return i8x16.replace_lane(v128.load(nonceAt), 0, <i8>(14 - nonceLength));
}

/** What `begin` leaves: S_0, S_1 and the MAC so far. */
let firstKeyStream: v128 = i64x2.splat(0);
let keyStream: v128 = i64x2.splat(0);
let macSoFar: v128 = i64x2.splat(0);

/** Starts the MAC: B_0 (RFC 3610 §2.2) and the additional data. */
function begin(
  keys: usize,
  lastKey: usize,
  a0: v128,
  additionalDataLength: u32,
  length: u32,
  tagLength: u32,
): void {
  const flags = (additionalDataLength ? 64 : 0) | (((tagLength - 2) >> 1) << 3);
  const lengths = v128.or(a0, i32x4.replace_lane(i64x2.splat(0), 3, bswap<u32>(length)));
  const b0 = v128.or(lengths, i8x16.replace_lane(i64x2.splat(0), 0, <i8>flags));
  encryptTwo(keys, lastKey, a0, b0);
  firstKeyStream = v128.load(resultsAt);
  let mac = v128.load(resultsAt, 16);
  if (additionalDataLength == 0) {
    keyStream = encrypt(keys, lastKey, counterBlock(a0, 1));
    macSoFar = mac;
    return;
  }
  // RFC 3610 §2.2: two bytes of length below 2^16 - 2^8, else six.
  let at = additionalDataAt - 2;
  if (additionalDataLength < 0xff00) {
    store<u16>(at, bswap<u16>(<u16>additionalDataLength));
  } else {
    at -= 4;
    store<u16>(at, 0xfeff);
    store<u32>(at, bswap<u32>(additionalDataLength), 2);
  }
  let rest = additionalDataLength + <u32>(additionalDataAt - at);
  while (rest > 16) {
    mac = encrypt(keys, lastKey, v128.xor(mac, v128.load(at)));
    at += 16;
    rest -= 16;
  }
  encryptTwo(keys, lastKey, counterBlock(a0, 1), v128.xor(mac, v128.and(v128.load(at), mask(rest))));
  keyStream = v128.load(resultsAt);
  macSoFar = v128.load(resultsAt, 16);
}

/** Encrypts the payload where it is and writes a tag of 16 bytes behind it, of which the caller takes what it wants. */
export function seal(
  keys: usize,
  lastKey: usize,
  nonceLength: u32,
  additionalDataLength: u32,
  length: u32,
  tagLength: u32,
): void {
  const a0 = firstCounterBlock(nonceLength);
  begin(keys, lastKey, a0, additionalDataLength, length, tagLength);
  let mac = macSoFar;
  let stream = keyStream;
  let at = payloadAt;
  let rest = length;
  let i: u32 = 2;
  while (rest > 16) {
    const block = v128.load(at);
    v128.store(at, v128.xor(block, stream));
    encryptTwo(keys, lastKey, counterBlock(a0, i++), v128.xor(mac, block));
    stream = v128.load(resultsAt);
    mac = v128.load(resultsAt, 16);
    at += 16;
    rest -= 16;
  }
  if (rest) {
    const block = v128.and(v128.load(at), mask(rest));
    v128.store(at, v128.xor(block, stream));
    mac = encrypt(keys, lastKey, v128.xor(mac, block));
  }
  v128.store(payloadAt + length, v128.xor(mac, firstKeyStream));
}

/**
 * Verifies and decrypts the payload of `length` bytes where it is, with the tag behind it.
 *
 * Takes the same steps whether the tag is good or not, and leaves no plaintext of a bad one: the payload is then as it was.
 *
 * @returns `length`, or -1 when the tag is not good.
 */
export function open(
  keys: usize,
  lastKey: usize,
  nonceLength: u32,
  additionalDataLength: u32,
  length: u32,
  tagLength: u32,
): i32 {
  const a0 = firstCounterBlock(nonceLength);
  begin(keys, lastKey, a0, additionalDataLength, length, tagLength);
  let mac = macSoFar;
  let stream = keyStream;
  let at: usize = 0;
  let rest = length;
  let i: u32 = 2;
  while (rest > 16) {
    const block = v128.xor(v128.load(payloadAt + at), stream);
    v128.store(plaintextAt + at, block);
    encryptTwo(keys, lastKey, counterBlock(a0, i++), v128.xor(mac, block));
    stream = v128.load(resultsAt);
    mac = v128.load(resultsAt, 16);
    at += 16;
    rest -= 16;
  }
  if (rest) {
    const block = v128.and(v128.xor(v128.load(payloadAt + at), stream), mask(rest));
    v128.store(plaintextAt + at, block);
    mac = encrypt(keys, lastKey, v128.xor(mac, block));
  }
  const tag = v128.xor(mac, firstKeyStream);
  const difference = v128.and(v128.xor(tag, v128.load(payloadAt + length)), mask(tagLength));
  // All ones when the tag is good, else zero; no jump.
  const verified = <i32>v128.any_true(difference) - 1;
  const select = i32x4.splat(verified);
  for (at = 0; at < <usize>length; at += 16) {
    const kept = v128.load(payloadAt + at);
    v128.store(payloadAt + at, v128.bitselect(v128.load(plaintextAt + at), kept, select));
    v128.store(plaintextAt + at, i64x2.splat(0));
  }
  return (<i32>length & verified) | ~verified;
}
