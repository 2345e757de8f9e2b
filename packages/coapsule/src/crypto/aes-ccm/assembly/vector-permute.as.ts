/**
 * The AES block function as vector permutations (FIPS 197 §5.1), in AssemblyScript.
 *
 * A byte is two nibbles of GF(2^4) here; `scripts/vector-permute-tables.ts` makes the tables and explains them. Constant time:
 * the only addresses and jumps that vary come from the number of rounds and from the round, which are public.
 */

import {
  affineConstant,
  inverse,
  inverseTimesA,
  lowNibbles,
  neighbours,
  resultPlaces,
  splitHigh,
  splitLow,
  substituteLastU,
  substituteLastV,
  substituteTwiceU,
  substituteTwiceV,
  substituteU,
  substituteV,
} from './tables.as';

/** Where `encryptTwo` leaves its results: the first block, then the second. */
export const resultsAt: usize = 1024;

@inline
export function lookUp(table: v128, indices: v128): v128 {
  return i8x16.swizzle(table, indices);
}

@inline
function low(x: v128): v128 {
  return v128.and(x, v128.load(lowNibbles));
}

@inline
function high(x: v128): v128 {
  return v128.and(v128.shr<u16>(x, 4), v128.load(lowNibbles));
}

/** A byte of AES → its two nibbles; linear. */
@inline
export function split(x: v128): v128 {
  return v128.xor(lookUp(v128.load(splitLow), low(x)), lookUp(v128.load(splitHigh), high(x)));
}

/** One half of an inversion: u' from i and j, or v' from j and i. */
@inline
function inverseHalf(one: v128, other: v128, aOverK: v128): v128 {
  return v128.xor(lookUp(v128.load(inverse), v128.xor(lookUp(v128.load(inverse), one), aOverK)), other);
}

@inline
function sum(u: v128, v: v128, tableU: usize, tableV: usize): v128 {
  return v128.xor(lookUp(v128.load(tableU), u), lookUp(v128.load(tableV), v));
}

/** MixColumns (FIPS 197 §5.1.3): 2·s(r) + 3·s(r+1) + s(r+2) + s(r+3), from s and 2·s, and a round key on top. */
@inline
function mixColumns(once: v128, twice: v128, below: v128, above: v128, roundKey: v128): v128 {
  const part = v128.xor(lookUp(once, below), twice);
  return v128.xor(v128.xor(v128.xor(lookUp(once, above), roundKey), part), lookUp(part, below));
}

/** SubBytes of bytes as they are in FIPS 197, without its constant; for the key schedule. */
@inline
export function substitute(x: v128): v128 {
  const state = split(x);
  const i = high(state);
  const k = low(state);
  const j = v128.xor(i, k);
  const aOverK = lookUp(v128.load(inverseTimesA), k);
  return sum(inverseHalf(i, j, aOverK), inverseHalf(j, i, aOverK), substituteLastU, substituteLastV);
}

/** @param lastKey address of the last of the round keys that begin at `keys`. */
export function encrypt(keys: usize, lastKey: usize, x: v128): v128 {
  let state = v128.xor(split(x), v128.load(keys));
  let turn: usize = 0;
  while (true) {
    const i = high(state);
    const k = low(state);
    const j = v128.xor(i, k);
    const aOverK = lookUp(v128.load(inverseTimesA), k);
    const u = inverseHalf(i, j, aOverK);
    const v = inverseHalf(j, i, aOverK);
    keys += 16;
    const roundKey = v128.load(keys);
    if (keys == lastKey) {
      const last = sum(u, v, substituteLastU, substituteLastV);
      return v128.xor(lookUp(last, v128.load(resultPlaces)), roundKey);
    }
    const below = v128.load(neighbours + turn);
    const above = v128.load(neighbours + turn, 16);
    turn = (turn + 32) & 96;
    state = mixColumns(
      sum(u, v, substituteU, substituteV),
      sum(u, v, substituteTwiceU, substituteTwiceV),
      below,
      above,
      roundKey,
    );
  }
}

/** Two blocks side by side, for what a CPU does at the same time; results at `resultsAt`. */
export function encryptTwo(keys: usize, lastKey: usize, x: v128, y: v128): void {
  const firstKey = v128.load(keys);
  let stateX = v128.xor(split(x), firstKey);
  let stateY = v128.xor(split(y), firstKey);
  let turn: usize = 0;
  while (true) {
    const iX = high(stateX);
    const iY = high(stateY);
    const kX = low(stateX);
    const kY = low(stateY);
    const jX = v128.xor(iX, kX);
    const jY = v128.xor(iY, kY);
    const aOverKX = lookUp(v128.load(inverseTimesA), kX);
    const aOverKY = lookUp(v128.load(inverseTimesA), kY);
    const uX = inverseHalf(iX, jX, aOverKX);
    const uY = inverseHalf(iY, jY, aOverKY);
    const vX = inverseHalf(jX, iX, aOverKX);
    const vY = inverseHalf(jY, iY, aOverKY);
    keys += 16;
    const roundKey = v128.load(keys);
    if (keys == lastKey) {
      const places = v128.load(resultPlaces);
      const lastX = sum(uX, vX, substituteLastU, substituteLastV);
      const lastY = sum(uY, vY, substituteLastU, substituteLastV);
      v128.store(resultsAt, v128.xor(lookUp(lastX, places), roundKey));
      v128.store(resultsAt, v128.xor(lookUp(lastY, places), roundKey), 16);
      return;
    }
    const below = v128.load(neighbours + turn);
    const above = v128.load(neighbours + turn, 16);
    turn = (turn + 32) & 96;
    const onceX = sum(uX, vX, substituteU, substituteV);
    const onceY = sum(uY, vY, substituteU, substituteV);
    const twiceX = sum(uX, vX, substituteTwiceU, substituteTwiceV);
    const twiceY = sum(uY, vY, substituteTwiceU, substituteTwiceV);
    stateX = mixColumns(onceX, twiceX, below, above, roundKey);
    stateY = mixColumns(onceY, twiceY, below, above, roundKey);
  }
}

/** SubBytes of the constant that round keys carry. */
@inline
export function withConstant(x: v128): v128 {
  return v128.xor(x, v128.load(affineConstant));
}
