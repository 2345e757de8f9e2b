/**
 * The 16-byte tables of the vector-permute AES, made from their definitions (FIPS 197 §4, §5.1).
 *
 * A byte of AES is a number x of GF(2^8). It is also x = i·t + j·t', with i and j of the subfield GF(2^4), where t + t' = 1
 * and t' is the conjugate t^16. Such a byte is kept as two nibbles: i above, k = i + j below. In that form one inversion in
 * GF(2^8) becomes five look-ups in tables of 16 entries, which an instruction of the CPU does for 16 bytes at once: no address
 * and no jump depends on a secret. With the norm N = x·x^16 = n·k² + i·j, where n = t·t', and a = 1/n:
 *
 *     u' = 1/(1/i + a/k) + j        v' = 1/(1/j + a/k) + i
 *     1/u' = (n·k + i) / N          1/v' = (n·k + j) / N          1/x = (n + t')/u' + (n + t)/v'
 *
 * 1/0 is "infinity", a byte with its highest bit set: adding nibbles keeps that bit, and looking it up gives 0. So the formulas
 * hold for every x; 1/0 in GF(2^8) is 0, as AES wants it. (Technique: Hamburg, "Accelerating AES with Vector Permute
 * Instructions", CHES 2009.)
 *
 * @module
 */

/** Name → 16 bytes, or a multiple of it. */
export type Tables = Readonly<Record<string, readonly number[]>>;

const infinity = 0x80;
const sixteen = Array.from({ length: 16 }, (_, index) => index);

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 §4.2). */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) product ^= a;
    a = (a << 1) ^ (a & 0x80 ? 0x11b : 0);
  }
  return product;
}

function power(x: number, exponent: number): number {
  let result = 1;
  for (let count = 0; count < exponent; count++) result = multiply(result, x);
  return result;
}

/** 1/x, and 0 for 0. */
function inverse(x: number): number {
  return power(x, 254);
}

/** The linear half of the affine map of the S-box (FIPS 197 §5.1.1); the constant 0x63 is in the round keys. */
function affine(x: number): number {
  const rotated = (count: number): number => ((x << count) | (x >> (8 - count))) & 0xff;
  return x ^ rotated(1) ^ rotated(2) ^ rotated(3) ^ rotated(4);
}

/** The subfield GF(2^4): the sixteen x with x^16 = x. */
const subfield = Array.from({ length: 256 }, (_, x) => x).filter((x) => power(x, 16) === x);

/** The smallest numbers of the subfield that are a basis of it over GF(2): bits 0 … 3 of a nibble. */
const basis: number[] = [];
for (const element of subfield) {
  if (!spanned(basis).includes(element)) basis.push(element);
}

function spanned(elements: readonly number[]): number[] {
  return elements.reduce((sums, element) => sums.flatMap((sum) => [sum, sum ^ element]), [0]);
}

/** Nibble → number of the subfield. */
const element = (nibble: number): number =>
  basis.reduce((sum, base, bit) => sum ^ ((nibble >> bit) & 1 ? base : 0), 0);
/** Number of the subfield → nibble. */
const nibble = (value: number): number => sixteen.findIndex((one) => element(one) === value);

/** t: the smallest number that makes 1 with its conjugate. */
const t = Array.from({ length: 256 }, (_, x) => x).find((x) => (x ^ power(x, 16)) === 1) as number;
const conjugate = power(t, 16);
const norm = multiply(t, conjugate);

/** A byte of AES → i above k. Linear: sums stay sums. */
function split(x: number): number {
  const k = x ^ power(x, 16);
  const i = x ^ multiply(k, conjugate);
  return (nibble(i) << 4) | nibble(k);
}

const ofU = (nib: number): number => affine(multiply(inverse(element(nib)), norm ^ conjugate));
const ofV = (nib: number): number => affine(multiply(inverse(element(nib)), norm ^ t));

// Order of bytes. A block is four columns of four rows, byte 4·column + row. ShiftRows moves no byte here: after round n the
// byte at place p is the one that belongs to place(n, p), and MixColumns fetches its neighbours from where they are.
const shiftRows = (to: number): number => (to + 4 * (to & 3)) & 15;
const unshiftRows = (from: number): number => (from - 4 * (from & 3)) & 15;
const place = (round: number, at: number): number => (round === 0 ? at : unshiftRows(place(round - 1, at)));
const placeOf = (round: number, belongs: number): number =>
  round === 0 ? belongs : placeOf(round - 1, shiftRows(belongs));
const below = (at: number, rows: number): number => (at & 12) | ((at + rows) & 3);
const neighbour = (round: number, rows: number): number[] =>
  sixteen.map((at) => placeOf(round, below(place(round, at), rows)));

/** All tables, as `tables.as.ts` has them. */
export const tables: Tables = {
  splitLow: sixteen.map((low) => split(low)),
  splitHigh: sixteen.map((high) => split(high << 4)),
  inverse: sixteen.map((nib) => (nib === 0 ? infinity : nibble(inverse(element(nib))))),
  inverseTimesA: sixteen.map((nib) =>
    nib === 0 ? infinity : nibble(multiply(inverse(norm), inverse(element(nib)))),
  ),
  substituteU: sixteen.map((nib) => split(ofU(nib))),
  substituteV: sixteen.map((nib) => split(ofV(nib))),
  substituteTwiceU: sixteen.map((nib) => split(multiply(2, ofU(nib)))),
  substituteTwiceV: sixteen.map((nib) => split(multiply(2, ofV(nib)))),
  substituteLastU: sixteen.map(ofU),
  substituteLastV: sixteen.map(ofV),
  // For rounds 1, 2, 3, 4 and so on in turn: where the byte one row below is, and one row above.
  neighbours: [1, 2, 3, 0].flatMap((round) => [...neighbour(round, 1), ...neighbour(round, 3)]),
  // For round keys 0, 1, 2, 3 and so on in turn: which byte belongs at each place.
  keyPlaces: [0, 1, 2, 3].flatMap((round) => sixteen.map((at) => place(round, at))),
  // After 10 or 14 rounds: where each byte of the result is.
  resultPlaces: sixteen.map((at) => placeOf(2, at)),
  affineConstant: sixteen.map(() => 0x63),
  affineConstantSplit: sixteen.map(() => split(0x63)),
  lowNibbles: sixteen.map(() => 0x0f),
  // 16 bytes from `firstBytes + 16 - n` on: a mask for the first n bytes, n = 0 … 16.
  firstBytes: [...sixteen.map(() => 0xff), ...sixteen.map(() => 0)],
};
