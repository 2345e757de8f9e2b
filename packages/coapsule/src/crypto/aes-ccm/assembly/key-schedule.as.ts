/**
 * The AES key schedule (FIPS 197 §5.2), in AssemblyScript: constant time, as the block function is.
 *
 * Round keys are left as `encrypt` wants them: the first as nibbles; those between as nibbles, with the constant of SubBytes
 * added and bytes where that round has them; the last as plain bytes with the constant added.
 */

import { affineConstantSplit, keyPlaces } from './tables.as';
import { lookUp, split, substitute, withConstant } from './vector-permute.as';

/** Where the last round key is, behind the first: there are 11 of 16 bytes for AES-128, 15 for AES-256. */
const lastKeyOffset128: usize = 160;
const lastKeyOffset256: usize = 224;

/** Words w0 w1 w2 w3 → w0, w0+w1, w0+w1+w2, w0+w1+w2+w3: each word of a round key adds the one before it. */
@inline
function runningSums(words: v128): v128 {
  const zero = i64x2.splat(0);
  const pairs = v128.xor(words, v128.shuffle<u32>(zero, words, 0, 4, 5, 6));
  return v128.xor(pairs, v128.shuffle<u32>(zero, pairs, 0, 0, 4, 5));
}

/** SubWord(RotWord(w3)) in all four words. */
@inline
function rotatedAndSubstituted(words: v128): v128 {
  return withConstant(
    substitute(v128.shuffle<u8>(words, words, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12)),
  );
}

/** SubWord(w3) in all four words. */
@inline
function substituted(words: v128): v128 {
  return withConstant(substitute(v128.shuffle<u32>(words, words, 3, 3, 3, 3)));
}

/** A round key between the first and the last, as the block function wants it. */
@inline
function storeRoundKey(at: usize, round: usize, words: v128): void {
  const prepared = v128.xor(split(words), v128.load(affineConstantSplit));
  v128.store(at + 16 * round, lookUp(prepared, v128.load(keyPlaces + 16 * (round & 3))));
}

export function expand128(from: usize, to: usize): void {
  let words = v128.load(from);
  v128.store(to, split(words));
  let roundConstant: u32 = 1;
  for (let round: usize = 1; ; round++) {
    words = v128.xor(
      runningSums(words),
      v128.xor(rotatedAndSubstituted(words), i32x4.splat(roundConstant)),
    );
    if (round == 10) break;
    storeRoundKey(to, round, words);
    // x times the one before, in GF(2^8); the rounds are public.
    roundConstant = (roundConstant << 1) ^ (roundConstant & 0x80 ? 0x11b : 0);
  }
  v128.store(to + lastKeyOffset128, withConstant(words));
}

export function expand256(from: usize, to: usize): void {
  let even = v128.load(from);
  let odd = v128.load(from, 16);
  v128.store(to, split(even));
  storeRoundKey(to, 1, odd);
  let roundConstant: u32 = 1;
  for (let round: usize = 2; ; round += 2) {
    even = v128.xor(runningSums(even), v128.xor(rotatedAndSubstituted(odd), i32x4.splat(roundConstant)));
    if (round == 14) break;
    storeRoundKey(to, round, even);
    odd = v128.xor(runningSums(odd), substituted(even));
    storeRoundKey(to, round + 1, odd);
    roundConstant <<= 1;
  }
  v128.store(to + lastKeyOffset256, withConstant(even));
}
