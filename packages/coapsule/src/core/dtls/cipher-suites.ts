/**
 * The cipher suites of DTLS 1.2 this library speaks, as one table: key exchange, AEAD and key block lengths.
 *
 * RFC 6655 and RFC 5487 (PSK), RFC 8442 (ECDHE_PSK), RFC 7251 and RFC 5289 (ECDHE_ECDSA, ECDHE_RSA), RFC 7905
 * (ChaCha20-Poly1305). CBC, NULL, anonymous and static RSA suites are not in it (RFC 9325 §4.1). What a suite does is in `key-schedule/` and `record/`; which one is chosen, in `handshake/`.
 *
 * @module
 */

import type { AeadAlgorithm } from '../foundation/crypto-provider.ts';

/** Registered names of the suites in the table below. */
export type CipherSuiteName =
  | 'TLS_PSK_WITH_AES_128_CCM_8'
  | 'TLS_PSK_WITH_AES_128_CCM'
  | 'TLS_PSK_WITH_AES_128_GCM_SHA256'
  | 'TLS_PSK_WITH_AES_256_CCM_8'
  | 'TLS_PSK_WITH_AES_256_CCM'
  | 'TLS_PSK_WITH_AES_256_GCM_SHA384'
  | 'TLS_PSK_WITH_CHACHA20_POLY1305_SHA256'
  | 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384'
  | 'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256'
  | 'TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256'
  | 'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256'
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM'
  | 'TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8'
  | 'TLS_ECDHE_ECDSA_WITH_AES_256_CCM'
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'
  | 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256'
  | 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'
  | 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256';

/** How the premaster secret comes about. A closed union, so that a `switch` over it stays exhaustive. */
export type KeyExchange = 'PSK' | 'ECDHE_PSK' | 'ECDHE_ECDSA' | 'ECDHE_RSA';

/** One suite of the TLS Cipher Suites registry; lengths are in bytes. */
export interface CipherSuite {
  /** Registered value, 16 bits. */
  readonly id: number;
  readonly name: CipherSuiteName;
  readonly keyExchange: KeyExchange;
  readonly aead: AeadAlgorithm;
  /** Hash of the PRF and of the handshake transcript. */
  readonly hash: 'SHA-256' | 'SHA-384';
  /** Length of each write key. */
  readonly keyLength: number;
  /** Part of the nonce taken from the key block: 4 for CCM and GCM (RFC 6655 §3), 12 for ChaCha20 (RFC 7905 §2). */
  readonly fixedIvLength: 4 | 12;
  /** Part of the nonce carried in each record: 8 for CCM and GCM, 0 for ChaCha20. */
  readonly recordIvLength: 8 | 0;
  readonly tagLength: 8 | 16;
  /**
   * Records one key may seal before the association should be replaced (RFC 9325 §4.4, RFC 9147 §4.5.3). Where
   * there is no such limit, all sequence numbers of an epoch.
   */
  readonly maxSealedRecords: number;
  /** Records that may fail authentication under one key before the association should be closed (same sections). */
  readonly maxForgedRecords: number;
}

type AeadColumns = Omit<CipherSuite, 'id' | 'name' | 'keyExchange'>;

const aes128 = { hash: 'SHA-256', keyLength: 16, fixedIvLength: 4, recordIvLength: 8 } as const;

const ccm: AeadColumns = {
  aead: 'AES_128_CCM',
  ...aes128,
  tagLength: 16,
  maxSealedRecords: 2 ** 23,
  maxForgedRecords: Math.floor(2 ** 23.5),
};

// Deviation: RFC 9147 Appendix B.3 gives no limit on forgeries for an 8-byte tag that does not let an attacker
// close associations at will. With that of CCM, one of them succeeds with a probability below 2^-40.
const ccm8: AeadColumns = { ...ccm, aead: 'AES_128_CCM_8', tagLength: 8 };

const gcm: AeadColumns = {
  aead: 'AES_128_GCM',
  ...aes128,
  tagLength: 16,
  maxSealedRecords: Math.floor(2 ** 24.5),
  maxForgedRecords: 2 ** 28,
};

// The same limits as with 128 bits: they follow from the block length.
const aes256 = { keyLength: 32 } as const;
const ccm256: AeadColumns = { ...ccm, ...aes256, aead: 'AES_256_CCM' };
const ccm8x256: AeadColumns = { ...ccm8, ...aes256, aead: 'AES_256_CCM_8' };
const gcm256: AeadColumns = { ...gcm, ...aes256, aead: 'AES_256_GCM', hash: 'SHA-384' };

const chacha: AeadColumns = {
  aead: 'CHACHA20_POLY1305',
  hash: 'SHA-256',
  keyLength: 32,
  fixedIvLength: 12,
  recordIvLength: 0,
  tagLength: 16,
  maxSealedRecords: 2 ** 48,
  maxForgedRecords: 2 ** 36,
};

/** Every suite of this library, in no order of preference. */
export const cipherSuites: readonly CipherSuite[] = [
  { id: 0xc0a8, name: 'TLS_PSK_WITH_AES_128_CCM_8', keyExchange: 'PSK', ...ccm8 },
  { id: 0xc0a4, name: 'TLS_PSK_WITH_AES_128_CCM', keyExchange: 'PSK', ...ccm },
  { id: 0x00a8, name: 'TLS_PSK_WITH_AES_128_GCM_SHA256', keyExchange: 'PSK', ...gcm },
  { id: 0xc0a9, name: 'TLS_PSK_WITH_AES_256_CCM_8', keyExchange: 'PSK', ...ccm8x256 },
  { id: 0xc0a5, name: 'TLS_PSK_WITH_AES_256_CCM', keyExchange: 'PSK', ...ccm256 },
  { id: 0x00a9, name: 'TLS_PSK_WITH_AES_256_GCM_SHA384', keyExchange: 'PSK', ...gcm256 },
  { id: 0xccab, name: 'TLS_PSK_WITH_CHACHA20_POLY1305_SHA256', keyExchange: 'PSK', ...chacha },
  { id: 0xd001, name: 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256', keyExchange: 'ECDHE_PSK', ...gcm },
  { id: 0xd002, name: 'TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384', keyExchange: 'ECDHE_PSK', ...gcm256 },
  { id: 0xd003, name: 'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256', keyExchange: 'ECDHE_PSK', ...ccm8 },
  { id: 0xd005, name: 'TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256', keyExchange: 'ECDHE_PSK', ...ccm },
  { id: 0xccac, name: 'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256', keyExchange: 'ECDHE_PSK', ...chacha },
  { id: 0xc0ae, name: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', keyExchange: 'ECDHE_ECDSA', ...ccm8 },
  { id: 0xc0ac, name: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM', keyExchange: 'ECDHE_ECDSA', ...ccm },
  { id: 0xc0af, name: 'TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8', keyExchange: 'ECDHE_ECDSA', ...ccm8x256 },
  { id: 0xc0ad, name: 'TLS_ECDHE_ECDSA_WITH_AES_256_CCM', keyExchange: 'ECDHE_ECDSA', ...ccm256 },
  { id: 0xc02b, name: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', keyExchange: 'ECDHE_ECDSA', ...gcm },
  { id: 0xc02c, name: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', keyExchange: 'ECDHE_ECDSA', ...gcm256 },
  {
    id: 0xcca9,
    name: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    keyExchange: 'ECDHE_ECDSA',
    ...chacha,
  },
  { id: 0xc02f, name: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', keyExchange: 'ECDHE_RSA', ...gcm },
  { id: 0xc030, name: 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', keyExchange: 'ECDHE_RSA', ...gcm256 },
  { id: 0xcca8, name: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', keyExchange: 'ECDHE_RSA', ...chacha },
];

/** The suite with this registered value, or `undefined` when it is not one of ours. */
export function suiteById(id: number): CipherSuite | undefined {
  return cipherSuites.find((suite) => suite.id === id);
}

/** The suite with this registered name, or `undefined` when it is not one of ours. */
export function suiteByName(name: string): CipherSuite | undefined {
  return cipherSuites.find((suite) => suite.name === name);
}

/** Whether the server of a suite signs its key exchange, having shown a certificate or raw public key. */
export function signsKeyExchange({ keyExchange }: CipherSuite): boolean {
  return keyExchange === 'ECDHE_ECDSA' || keyExchange === 'ECDHE_RSA';
}
