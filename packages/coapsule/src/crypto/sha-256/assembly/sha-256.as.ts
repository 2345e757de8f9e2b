/**
 * SHA-256 (FIPS 180-4 §6.2) and HMAC with it (RFC 2104) on fixed areas of the module's memory, in AssemblyScript.
 *
 * The caller writes a message, at most `messageCapacity` bytes of it at a time, and reads a digest. Constant time for a given
 * length. Nothing of what was hashed is left, but for the digest.
 */

/** Eight words: H of FIPS 180-4, in the byte order of the machine. */
export const stateAt: usize = 1024;
/** The state after the inner pad of an HMAC key, then that after the outer one: 64 bytes. */
export const keyAt: usize = 1056;
/** 32 bytes. */
export const digestAt: usize = 1120;
/** Message schedule: 64 words. */
const scheduleAt: usize = 1152;
export const messageAt: usize = 1408;
/** Whole blocks; behind them is room for the padding. */
export const messageCapacity: usize = 16_384;

/** FIPS 180-4 §4.2.2 */
const constants: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
], 16);

/** FIPS 180-4 §5.3.3 */
const initial: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
], 16);

export function begin(): void {
  memory.copy(stateAt, initial, 32);
}

/** T_1 of FIPS 180-4 §6.2.2, without the schedule and the constant. */
@inline
function first(e: u32, f: u32, g: u32, h: u32): u32 {
  return h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g)));
}

/** T_2 */
@inline
function second(a: u32, b: u32, c: u32): u32 {
  return (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));
}

/** The t-th word of the schedule, and its constant. */
@inline
function input(at: usize, offset: usize): u32 {
  return load<u32>(scheduleAt + at + offset) + load<u32>(constants + at + offset);
}

function compress(block: usize): void {
  for (let at: usize = 0; at < 64; at += 4) {
    store<u32>(scheduleAt + at, bswap<u32>(load<u32>(block + at)));
  }
  for (let at: usize = 64; at < 256; at += 4) {
    const w2 = load<u32>(scheduleAt + at - 8);
    const w15 = load<u32>(scheduleAt + at - 60);
    const sum = load<u32>(scheduleAt + at - 28) + load<u32>(scheduleAt + at - 64);
    const s0 = rotr(w15, 7) ^ rotr(w15, 18) ^ (w15 >> 3);
    const s1 = rotr(w2, 17) ^ rotr(w2, 19) ^ (w2 >> 10);
    store<u32>(scheduleAt + at, sum + s0 + s1);
  }
  let a = load<u32>(stateAt);
  let b = load<u32>(stateAt, 4);
  let c = load<u32>(stateAt, 8);
  let d = load<u32>(stateAt, 12);
  let e = load<u32>(stateAt, 16);
  let f = load<u32>(stateAt, 20);
  let g = load<u32>(stateAt, 24);
  let h = load<u32>(stateAt, 28);
  // Eight rounds at a time: then every variable has its place again without being moved.
  for (let at: usize = 0; at < 256; at += 32) {
    h = first(e, f, g, h) + input(at, 0);
    d += h;
    h += second(a, b, c);
    g = first(d, e, f, g) + input(at, 4);
    c += g;
    g += second(h, a, b);
    f = first(c, d, e, f) + input(at, 8);
    b += f;
    f += second(g, h, a);
    e = first(b, c, d, e) + input(at, 12);
    a += e;
    e += second(f, g, h);
    d = first(a, b, c, d) + input(at, 16);
    h += d;
    d += second(e, f, g);
    c = first(h, a, b, c) + input(at, 20);
    g += c;
    c += second(d, e, f);
    b = first(g, h, a, b) + input(at, 24);
    f += b;
    b += second(c, d, e);
    a = first(f, g, h, a) + input(at, 28);
    e += a;
    a += second(b, c, d);
  }
  store<u32>(stateAt, load<u32>(stateAt) + a);
  store<u32>(stateAt, load<u32>(stateAt, 4) + b, 4);
  store<u32>(stateAt, load<u32>(stateAt, 8) + c, 8);
  store<u32>(stateAt, load<u32>(stateAt, 12) + d, 12);
  store<u32>(stateAt, load<u32>(stateAt, 16) + e, 16);
  store<u32>(stateAt, load<u32>(stateAt, 20) + f, 20);
  store<u32>(stateAt, load<u32>(stateAt, 24) + g, 24);
  store<u32>(stateAt, load<u32>(stateAt, 28) + h, 28);
}

/** Takes whole blocks of the message into the state. @param length a multiple of 64, at most the capacity. */
export function absorb(length: usize): void {
  for (let at: usize = 0; at < length; at += 64) compress(messageAt + at);
  memory.fill(messageAt, 0, length);
}

/**
 * Takes the rest of the message and its padding (FIPS 180-4 §5.1.1) and leaves the digest.
 *
 * @param length of the rest, at most the capacity.
 * @param total length of the whole message.
 */
export function finish(length: usize, total: f64): void {
  const end = messageAt + length;
  store<u8>(end, 0x80);
  const blocks = (length + 9 + 63) >> 6;
  const last = messageAt + (blocks << 6);
  memory.fill(end + 1, 0, last - 8 - (end + 1));
  store<u64>(last - 8, bswap<u64>(<u64>total << 3));
  for (let at: usize = messageAt; at < last; at += 64) compress(at);
  for (let at: usize = 0; at < 32; at += 4) {
    store<u32>(digestAt + at, bswap<u32>(load<u32>(stateAt + at)));
  }
  memory.fill(stateAt, 0, 32);
  memory.fill(scheduleAt, 0, last - scheduleAt);
}

/** Makes the two states of an HMAC key from its 64 bytes, padded with zeros, in place of a message. */
export function expandHmacKey(): void {
  for (let at: usize = messageAt; at < messageAt + 64; at += 8) {
    store<u64>(at, load<u64>(at) ^ 0x3636363636363636);
  }
  begin();
  compress(messageAt);
  memory.copy(keyAt, stateAt, 32);
  for (let at: usize = messageAt; at < messageAt + 64; at += 8) {
    // 0x36 ^ 0x5c
    store<u64>(at, load<u64>(at) ^ 0x6a6a6a6a6a6a6a6a);
  }
  begin();
  absorb(64);
  memory.copy(keyAt + 32, stateAt, 32);
  memory.fill(stateAt, 0, 32);
  memory.fill(scheduleAt, 0, 256);
}

/** The HMAC of a message by the key whose states are at `keyAt`, where they are wiped. */
export function hmac(length: usize): void {
  memory.copy(stateAt, keyAt, 32);
  finish(length, 64.0 + <f64>length);
  finishHmac();
}

/** The outer hash, when the digest of the inner one is there. For messages that do not fit at once. */
export function finishHmac(): void {
  memory.copy(messageAt, digestAt, 32);
  memory.copy(stateAt, keyAt + 32, 32);
  memory.fill(keyAt, 0, 64);
  finish(32, 96.0);
}
