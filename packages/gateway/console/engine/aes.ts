/**
 * The AES block cipher, encryption alone, with keys of 128 and 256 bits (FIPS 197 §5.1, §5.2).
 *
 * For demonstrations in a page, with keys that protect nothing: its table look-ups depend on the key, so that who shares the
 * processor could learn it. WebCrypto has no AES-CCM and none that is synchronous; the library itself uses neither this nor that.
 *
 * @module
 */

/** FIPS 197 §5.1.1, made as it is defined: the inverse in GF(2^8), then an affine map. */
const sBox: Uint8Array = (() => {
  const box = new Uint8Array(256);
  let p = 1;
  let q = 1;
  do {
    p = (p ^ (p << 1) ^ (p & 0x80 ? 0x11b : 0)) & 0xff;
    q ^= q << 1;
    q ^= q << 2;
    q ^= q << 4;
    if (q & 0x80) q ^= 0x09;
    q &= 0xff;
    const rotated = q ^ rotate(q, 1) ^ rotate(q, 2) ^ rotate(q, 3) ^ rotate(q, 4);
    box[p] = rotated ^ 0x63;
  } while (p !== 1);
  box[0] = 0x63;
  return box;
})();

function rotate(byte: number, bits: number): number {
  return ((byte << bits) | (byte >> (8 - bits))) & 0xff;
}

function double(byte: number): number {
  return ((byte << 1) ^ (byte & 0x80 ? 0x1b : 0)) & 0xff;
}

/** One key. */
export class Aes {
  readonly #roundKeys: Uint8Array;
  readonly #rounds: number;

  /** @param key 16 or 32 bytes. */
  constructor(key: Uint8Array) {
    const words = key.length / 4;
    if (words !== 4 && words !== 8)
      throw new RangeError(`an AES key of ${key.length} bytes; expected 16 or 32`);
    this.#rounds = words + 6;
    this.#roundKeys = expand(key, words, 16 * (this.#rounds + 1));
  }

  /** Encrypts 16 bytes in place. */
  encrypt(block: Uint8Array): void {
    const keys = this.#roundKeys;
    addRoundKey(block, keys, 0);
    for (let round = 1; round <= this.#rounds; round++) {
      substituteAndShift(block);
      if (round < this.#rounds) mixColumns(block);
      addRoundKey(block, keys, 16 * round);
    }
  }
}

/** FIPS 197 §5.2. */
function expand(key: Uint8Array, words: number, length: number): Uint8Array {
  const keys = new Uint8Array(length);
  keys.set(key);
  let constant = 1;
  for (let at = key.length; at < length; at += 4) {
    let word: readonly number[] = [...keys.subarray(at - 4, at)];
    const index = at / 4;
    if (index % words === 0) {
      word = [1, 2, 3, 0].map((place) => sBox[word[place]!]!);
      word = [word[0]! ^ constant, ...word.slice(1)];
      constant = double(constant);
    } else if (words > 6 && index % words === 4) word = word.map((byte) => sBox[byte]!);
    for (let byte = 0; byte < 4; byte++) keys[at + byte] = keys[at + byte - key.length]! ^ word[byte]!;
  }
  return keys;
}

function addRoundKey(block: Uint8Array, keys: Uint8Array, at: number): void {
  for (let byte = 0; byte < 16; byte++) block[byte]! ^= keys[at + byte]!;
}

/** SubBytes and ShiftRows: the byte of row r moves r columns to the left. */
function substituteAndShift(block: Uint8Array): void {
  const before = block.slice(0, 16);
  for (let byte = 0; byte < 16; byte++) {
    const row = byte % 4;
    block[byte] = sBox[before[(byte + 4 * row) % 16]!]!;
  }
}

function mixColumns(block: Uint8Array): void {
  for (let at = 0; at < 16; at += 4) {
    const [a, b, c, d] = block.subarray(at, at + 4) as unknown as [number, number, number, number];
    const all = a ^ b ^ c ^ d;
    block[at] = a ^ all ^ double(a ^ b);
    block[at + 1] = b ^ all ^ double(b ^ c);
    block[at + 2] = c ^ all ^ double(c ^ d);
    block[at + 3] = d ^ all ^ double(d ^ a);
  }
}
