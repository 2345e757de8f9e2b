/**
 * Raw public keys (RFC 7250) are known by the SHA-256 of their SubjectPublicKeyInfo.
 *
 * @module
 */

import { fromHex, toHex } from '../foundation/bytes.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';

const prefix = 'sha256:';

/** `sha256:` and 64 hexadecimal digits in lower case. */
export function publicKeyFingerprint(crypto: Pick<CryptoProvider, 'digest'>, spki: Uint8Array): string {
  return prefix + toHex(crypto.digest('SHA-256', spki));
}

/**
 * The form of `publicKeyFingerprint` of what somebody typed: any case, colons between the bytes allowed, `sha256:` may be
 * missing. `undefined` when it is not a fingerprint.
 */
export function normalizeFingerprint(text: string): string | undefined {
  const digits = text.trim().replace(/^sha-?256:/i, '');
  const bare = /^[0-9a-f]{2}(?::[0-9a-f]{2}){31}$/i.test(digits) ? digits.replaceAll(':', '') : digits;
  const bytes = fromHex(bare);
  return bytes?.length === 32 ? prefix + toHex(bytes) : undefined;
}

/** Whether a key has this fingerprint, in any form that `normalizeFingerprint` takes. */
export function matchesFingerprint(
  crypto: Pick<CryptoProvider, 'digest'>,
  spki: Uint8Array,
  fingerprint: string,
): boolean {
  return normalizeFingerprint(fingerprint) === publicKeyFingerprint(crypto, spki);
}
