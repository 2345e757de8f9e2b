/**
 * HKDF (RFC 5869): keys from keying material, in two steps.
 *
 * @module
 */

import { concatBytes, noBytes } from './bytes.ts';
import type { CryptoProvider, HashAlgorithm } from './crypto-provider.ts';
import { ApiMisuseError } from './errors.ts';

type Hmac = Pick<CryptoProvider, 'hmac'>;

const hashLengths: Readonly<Record<HashAlgorithm, number>> = { 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 };

/**
 * RFC 5869 §2.2: a pseudorandom key as long as the hash.
 *
 * @param salt Any length; an empty one is the same as zeros as long as the hash.
 */
export function hkdfExtract(
  crypto: Hmac,
  hash: HashAlgorithm,
  salt: Uint8Array,
  keyingMaterial: Uint8Array,
): Uint8Array {
  return crypto.hmac(hash, salt).sign(keyingMaterial);
}

/**
 * RFC 5869 §2.3: output keying material.
 *
 * @param length In bytes, 0 … 255 times the length of the hash.
 * @throws ApiMisuseError for another length.
 */
export function hkdfExpand(
  crypto: Hmac,
  hash: HashAlgorithm,
  pseudorandomKey: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const longest = 255 * hashLengths[hash];
  if (!Number.isInteger(length) || length < 0 || length > longest) {
    throw new ApiMisuseError(`length: got ${length}, expected 0 to ${longest} bytes for ${hash}`);
  }
  const key = crypto.hmac(hash, pseudorandomKey);
  const blocks: Uint8Array[] = [];
  let block = noBytes;
  for (let counter = 1; (counter - 1) * hashLengths[hash] < length; counter++) {
    block = key.sign(block, info, Uint8Array.of(counter));
    blocks.push(block);
  }
  return concatBytes(...blocks).slice(0, length);
}
