/**
 * Signatures on `node:crypto`: ECDSA on P-256 and P-384, Ed25519, RSA-PSS and RSA-PKCS1 (RFC 8422 §5.4, RFC 8446 §4.2.3).
 *
 * @module
 */

import {
  constants,
  createPublicKey,
  verify as isGood,
  type KeyObject,
  type SignKeyObjectInput,
  sign as signOf,
} from 'node:crypto';
import { concatBytes, equalBytes } from '../core/foundation/bytes.ts';
import type {
  PublicKey,
  PublicKeyType,
  SignatureScheme,
  SigningKey,
} from '../core/foundation/crypto-provider.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { plainBytes } from './plain-bytes.ts';

interface Algorithm {
  /** Of the keys it is for. */
  readonly family: 'ec' | 'ed25519' | 'rsa';
  /** Undefined for Ed25519, which has its own. */
  readonly hash: string | undefined;
  readonly options: Omit<SignKeyObjectInput, 'key'>;
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const pkcs1 = { padding: constants.RSA_PKCS1_PADDING };

const algorithms: Readonly<Record<SignatureScheme, Algorithm>> = {
  ecdsa_sha256: { family: 'ec', hash: 'sha256', options: { dsaEncoding: 'der' } },
  ecdsa_sha384: { family: 'ec', hash: 'sha384', options: { dsaEncoding: 'der' } },
  ecdsa_sha512: { family: 'ec', hash: 'sha512', options: { dsaEncoding: 'der' } },
  ed25519: { family: 'ed25519', hash: undefined, options: {} },
  rsa_pss_sha256: { family: 'rsa', hash: 'sha256', options: pss },
  rsa_pss_sha384: { family: 'rsa', hash: 'sha384', options: pss },
  rsa_pss_sha512: { family: 'rsa', hash: 'sha512', options: pss },
  rsa_pkcs1_sha256: { family: 'rsa', hash: 'sha256', options: pkcs1 },
  rsa_pkcs1_sha384: { family: 'rsa', hash: 'sha384', options: pkcs1 },
  rsa_pkcs1_sha512: { family: 'rsa', hash: 'sha512', options: pkcs1 },
};

/** A public key out of the DER of a SubjectPublicKeyInfo; see `CryptoProvider.publicKey`. */
export function nodePublicKey(spki: Uint8Array): PublicKey | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    // OpenSSL overlooks bytes after the key, and a compressed point would come back in another form.
    if (!equalBytes(spkiOf(key), spki)) return undefined;
    return publicKeyOf(key);
  } catch {
    return undefined;
  }
}

/**
 * A private key for signatures.
 *
 * @throws ApiMisuseError when it is no private key of a supported type.
 */
export function nodeSigningKey(key: KeyObject): SigningKey {
  if (key.type !== 'private') throw new ApiMisuseError(`key: got a ${key.type} key, expected a private one`);
  const publicKey = publicKeyOf(createPublicKey(key));
  if (publicKey === undefined) {
    const curve = key.asymmetricKeyDetails?.namedCurve;
    const type = curve === undefined ? key.asymmetricKeyType : `${key.asymmetricKeyType} on ${curve}`;
    throw new ApiMisuseError(
      `key: got ${type}, expected EC on P-256 or P-384, Ed25519, or RSA of at least 2048 bits`,
    );
  }
  return {
    publicKey,
    sign(scheme, ...parts) {
      const { hash, options } = algorithms[scheme];
      return plainBytes(signOf(hash ?? null, concatBytes(...parts), { key, ...options }));
    },
  };
}

function publicKeyOf(key: KeyObject): PublicKey | undefined {
  const type = keyType(key);
  if (type === undefined) return undefined;
  const family = type.startsWith('ec-') ? 'ec' : (type as 'ed25519' | 'rsa');
  return {
    type,
    bits:
      type === 'rsa' ? (key.asymmetricKeyDetails?.modulusLength ?? 0) : type === 'ec-secp384r1' ? 384 : 256,
    spki: spkiOf(key),
    verify(scheme, signature, ...parts) {
      const algorithm = algorithms[scheme];
      if (algorithm.family !== family) return false;
      try {
        const { hash, options } = algorithm;
        return isGood(hash ?? null, concatBytes(...parts), { key, ...options }, signature);
      } catch {
        return false;
      }
    },
  };
}

/** The least size of an RSA key, in bits (RFC 9325 §4.5). */
const leastRsaBits = 2048;

function keyType(key: KeyObject): PublicKeyType | undefined {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return 'ed25519';
    case 'rsa':
      return (key.asymmetricKeyDetails?.modulusLength ?? 0) >= leastRsaBits ? 'rsa' : undefined;
    case 'ec':
      switch (key.asymmetricKeyDetails?.namedCurve) {
        case 'prime256v1':
          return 'ec-secp256r1';
        case 'secp384r1':
          return 'ec-secp384r1';
        default:
          return undefined;
      }
    default:
      return undefined;
  }
}

function spkiOf(key: KeyObject): Uint8Array {
  return plainBytes(key.export({ format: 'der', type: 'spki' }));
}
