/**
 * The AEAD and HKDF algorithms of COSE that OSCORE may use here, as one table.
 *
 * RFC 8613 §3.2 and §5, RFC 9053 §4 (numbers, lengths of nonces and tags). A192GCM is missing: no provider has it.
 *
 * @module
 */

import type { AeadAlgorithm, HashAlgorithm } from '../foundation/crypto-provider.ts';

/** AEAD algorithms by their names in the COSE registry. */
export type OscoreAead =
  | 'A128GCM'
  | 'A256GCM'
  | 'AES-CCM-16-64-128'
  | 'AES-CCM-16-64-256'
  | 'AES-CCM-64-64-128'
  | 'AES-CCM-64-64-256'
  | 'ChaCha20/Poly1305'
  | 'AES-CCM-16-128-128'
  | 'AES-CCM-16-128-256'
  | 'AES-CCM-64-128-128'
  | 'AES-CCM-64-128-256';

/** HKDF algorithms by the name of their hash; SHA-256 is mandatory (RFC 8613 §3.2.1). */
export type OscoreHkdf = Extract<HashAlgorithm, 'SHA-256' | 'SHA-512'>;

/** One row of the table. Lengths are in bytes. */
export interface CoseAead {
  /** Number in the COSE registry: `alg_aead` of key derivation and of the additional data. */
  readonly number: number;
  readonly name: OscoreAead;
  readonly algorithm: AeadAlgorithm;
  readonly keyLength: 16 | 32;
  readonly nonceLength: 7 | 12 | 13;
  readonly tagLength: 8 | 16;
  /** Longest plaintext: CCM counts in 15 bytes less the nonce (RFC 3610 §2). */
  readonly maxPlaintextLength: number;
}

/** The algorithm that every implementation has (RFC 8613 §5). */
export const defaultAead: OscoreAead = 'AES-CCM-16-64-128';

/** CCM with a nonce of 13 bytes counts in 2. */
const maxCcm16Length = 0xffff;

/** No message is longer than its length field can say (RFC 8323 §3.2). */
const maxMessageLength = 2 ** 32;

const table: Readonly<Record<OscoreAead, CoseAead>> = {
  A128GCM: row(1, 'A128GCM', 'AES_128_GCM', 16, 12),
  A256GCM: row(3, 'A256GCM', 'AES_256_GCM', 32, 12),
  'AES-CCM-16-64-128': row(10, 'AES-CCM-16-64-128', 'AES_128_CCM_8', 16, 13),
  'AES-CCM-16-64-256': row(11, 'AES-CCM-16-64-256', 'AES_256_CCM_8', 32, 13),
  'AES-CCM-64-64-128': row(12, 'AES-CCM-64-64-128', 'AES_128_CCM_8', 16, 7),
  'AES-CCM-64-64-256': row(13, 'AES-CCM-64-64-256', 'AES_256_CCM_8', 32, 7),
  'ChaCha20/Poly1305': row(24, 'ChaCha20/Poly1305', 'CHACHA20_POLY1305', 32, 12),
  'AES-CCM-16-128-128': row(30, 'AES-CCM-16-128-128', 'AES_128_CCM', 16, 13),
  'AES-CCM-16-128-256': row(31, 'AES-CCM-16-128-256', 'AES_256_CCM', 32, 13),
  'AES-CCM-64-128-128': row(32, 'AES-CCM-64-128-128', 'AES_128_CCM', 16, 7),
  'AES-CCM-64-128-256': row(33, 'AES-CCM-64-128-256', 'AES_256_CCM', 32, 7),
};

/** All AEAD algorithms that a Security Context may have. */
export const oscoreAeads: readonly CoseAead[] = Object.values(table);

/** The row of an algorithm by its name, or by its number in the COSE registry; `undefined` when it is not here. */
export function coseAead(algorithm: string | number): CoseAead | undefined {
  return oscoreAeads.find(({ name, number }) => name === algorithm || number === algorithm);
}

function row(
  number: number,
  name: OscoreAead,
  algorithm: AeadAlgorithm,
  keyLength: 16 | 32,
  nonceLength: 7 | 12 | 13,
): CoseAead {
  const maxPlaintextLength = nonceLength === 13 ? maxCcm16Length : maxMessageLength;
  const tagLength = algorithm.endsWith('_CCM_8') ? 8 : 16;
  return Object.freeze({ number, name, algorithm, keyLength, nonceLength, tagLength, maxPlaintextLength });
}
