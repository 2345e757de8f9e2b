/**
 * Signatures on `node:crypto`: ECDSA on P-256 and P-384, Ed25519, RSA-PSS and RSA-PKCS1 (RFC 8422 §5.4, RFC 8446 §4.2.3).
 *
 * @module
 */

import {
  constants,
  createPrivateKey,
  createPublicKey,
  verify as isGood,
  type KeyObject,
  type SignKeyObjectInput,
  sign as signOf,
  type VerifyKeyObjectInput,
} from 'node:crypto';
import { concatBytes, equalBytes } from '../core/foundation/bytes.ts';
import type {
  PublicKey,
  PublicKeyType,
  SignatureScheme,
  SigningKey,
} from '../core/foundation/crypto-provider.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { RecencyMap } from '../core/foundation/recency-map.ts';
import { DerReader, derTag } from '../core/x509/der.ts';
import { plainBytes } from './plain-bytes.ts';
import { publicKeyObject } from './public-key-object.ts';

interface Algorithm {
  /** Of the keys it is for. */
  readonly family: 'ec' | 'ed25519' | 'rsa';
  /** Undefined for Ed25519, which has its own. */
  readonly hash: string | undefined;
  /** Undefined where they are those of Node. */
  readonly options: Omit<SignKeyObjectInput, 'key'> | undefined;
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const pkcs1 = { padding: constants.RSA_PKCS1_PADDING };

const algorithms: Readonly<Record<SignatureScheme, Algorithm>> = {
  ecdsa_sha256: { family: 'ec', hash: 'sha256', options: undefined },
  ecdsa_sha384: { family: 'ec', hash: 'sha384', options: undefined },
  ecdsa_sha512: { family: 'ec', hash: 'sha512', options: undefined },
  ed25519: { family: 'ed25519', hash: undefined, options: undefined },
  rsa_pss_sha256: { family: 'rsa', hash: 'sha256', options: pss },
  rsa_pss_sha384: { family: 'rsa', hash: 'sha384', options: pss },
  rsa_pss_sha512: { family: 'rsa', hash: 'sha512', options: pss },
  rsa_pkcs1_sha256: { family: 'rsa', hash: 'sha256', options: pkcs1 },
  rsa_pkcs1_sha384: { family: 'rsa', hash: 'sha384', options: pkcs1 },
  rsa_pkcs1_sha512: { family: 'rsa', hash: 'sha512', options: pkcs1 },
};

/**
 * A public key out of the DER of a SubjectPublicKeyInfo; see `CryptoProvider.publicKey`.
 *
 * Strangers send these: OpenSSL sees only the few forms that are accepted, never curves with parameters of their own,
 * compressed points or other algorithms.
 */
export function nodePublicKey(spki: Uint8Array): PublicKey | undefined {
  const name = Buffer.from(spki.buffer, spki.byteOffset, spki.length).toString('latin1');
  const known = recentKeys.use(name);
  if (known !== undefined) return known;
  const key = readPublicKey(spki);
  if (key === undefined) return undefined;
  recentKeys.set(name, key);
  recentKeys.keepLatest(mostRecentKeys);
  return key;
}

/** A device has the same key in each handshake, and its CA that of all devices; reading one costs as much as a signature. */
const mostRecentKeys = 1024;

/** By their bytes. */
const recentKeys = new RecencyMap<PublicKey>();

function readPublicKey(spki: Uint8Array): PublicKey | undefined {
  const form = fixedForm(spki);
  if (form === undefined && !isRsa(spki)) return undefined;
  try {
    const key = publicKeyObject(spki);
    // There is one way to write these: nothing of the bytes is left open but the point, which OpenSSL has checked.
    if (form !== undefined) return usable(key, form.type, form.bits, spki.slice());
    // OpenSSL overlooks bytes after the key, and gives some malformed keys back in another form.
    const read = publicKeyOf(key);
    return read !== undefined && equalBytes(read.spki, spki) ? read : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A private key for signatures. An EC key is taken in its usual form, whatever its file had: a named curve and an
 * uncompressed point (RFC 5480 §2.1.1, RFC 8422 §5.1.2).
 *
 * @throws ApiMisuseError when it is no private key of a supported type.
 */
export function nodeSigningKey(given: KeyObject): SigningKey {
  if (given.type !== 'private') {
    throw new ApiMisuseError(`got a ${given.type} key, expected a private one`);
  }
  const key = usualForm(given);
  const publicKey = publicKeyOf(createPublicKey(key));
  if (publicKey === undefined) {
    throw new ApiMisuseError(`got ${describeKey(key)}, expected ${acceptedKeys}`);
  }
  return {
    publicKey,
    sign(scheme, ...parts) {
      const { family, hash, options } = algorithms[scheme];
      if (familyOf(publicKey.type) !== family) {
        throw new ApiMisuseError(`scheme: got ${scheme}, which does not fit a key of type ${publicKey.type}`);
      }
      return plainBytes(signOf(hash ?? null, concatBytes(...parts), withOptions(key, options)));
    },
  };
}

/** A key in an object with options costs Node 24 two exceptions of its own, a third of the time of a signature. */
function withOptions(
  key: KeyObject,
  options: Algorithm['options'],
): KeyObject | (SignKeyObjectInput & VerifyKeyObjectInput) {
  return options === undefined ? key : { key, ...options };
}

/** The keys that are accepted, for texts that say what was expected. */
export const acceptedKeys = 'EC on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits';

/** Type and size of a key, for texts. */
function describeKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  const { namedCurve, modulusLength } = asymmetricKeyDetails ?? {};
  if (namedCurve !== undefined) return `${asymmetricKeyType} on ${namedCurve}`;
  return modulusLength === undefined
    ? `${asymmetricKeyType}`
    : `${asymmetricKeyType} of ${modulusLength} bits`;
}

function usualForm(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== 'ec' || publicKeyOf(createPublicKey(key)) !== undefined) return key;
  try {
    return createPrivateKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
  } catch {
    // A curve that has no name.
    return key;
  }
}

function publicKeyOf(key: KeyObject): PublicKey | undefined {
  const type = keyType(key);
  if (type === undefined) return undefined;
  const spki = spkiOf(key);
  if (fixedForm(spki) === undefined && !isRsa(spki)) return undefined;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? (type === 'ec-secp384r1' ? 384 : 256);
  return usable(key, type, bits, spki);
}

function usable(key: KeyObject, type: PublicKeyType, bits: number, spki: Uint8Array): PublicKey {
  return {
    type,
    bits,
    spki,
    verify(scheme, signature, ...parts) {
      const algorithm = algorithms[scheme];
      if (algorithm.family !== familyOf(type)) return false;
      try {
        const { hash, options } = algorithm;
        return isGood(hash ?? null, concatBytes(...parts), withOptions(key, options), signature);
      } catch {
        return false;
      }
    },
  };
}

/**
 * SubjectPublicKeyInfo up to the key itself, and the bytes of the key. EC: a named curve and an uncompressed point
 * (RFC 5480 §2.1.1, RFC 8422 §5.1.2); Ed25519: RFC 8410 §4.
 */
const forms = (
  [
    {
      type: 'ec-secp256r1',
      bits: 256,
      prefix: '3059301306072a8648ce3d020106082a8648ce3d03010703420004',
      keyLength: 64,
    },
    {
      type: 'ec-secp384r1',
      bits: 384,
      prefix: '3076301006072a8648ce3d020106052b8104002203620004',
      keyLength: 96,
    },
    { type: 'ed25519', bits: 256, prefix: '302a300506032b6570032100', keyLength: 32 },
  ] as const
).map((form) => ({ ...form, prefix: plainBytes(Buffer.from(form.prefix, 'hex')) }));

/** The form of a key that is no RSA key; `undefined` when it has none that is accepted. */
function fixedForm(spki: Uint8Array): (typeof forms)[number] | undefined {
  return forms.find(
    ({ prefix, keyLength }) =>
      spki.length === prefix.length + keyLength && equalBytes(spki.subarray(0, prefix.length), prefix),
  );
}

/** RFC 3279 §2.3.1, of a size that is accepted. */
function isRsa(spki: Uint8Array): boolean {
  const input = DerReader.of(spki);
  const info = input.enter(derTag.sequence, 'SubjectPublicKeyInfo');
  input.close('SubjectPublicKeyInfo');
  const algorithm = info.enter(derTag.sequence, 'algorithm');
  const oid = algorithm.objectIdentifier('algorithm');
  algorithm.null('parameters');
  algorithm.close('algorithm');
  const bytes = info.wholeBytes('key');
  info.close('key');
  if (input.fault !== undefined || oid !== '1.2.840.113549.1.1.1') return false;
  const keyInput = DerReader.of(bytes);
  const key = keyInput.enter(derTag.sequence, 'RSAPublicKey');
  keyInput.close('RSAPublicKey');
  const modulus = key.integer('modulus');
  const exponent = key.integer('exponent');
  key.close('RSAPublicKey');
  // With the byte that keeps an INTEGER positive.
  return keyInput.fault === undefined && modulus.length <= mostRsaBits / 8 + 1 && exponent.length <= 5;
}

function familyOf(type: PublicKeyType): Algorithm['family'] {
  return type === 'rsa' || type === 'ed25519' ? type : 'ec';
}

/** The least size of an RSA key, in bits (RFC 9325 §4.5), and one that keeps a verification short. */
const leastRsaBits = 2048;
const mostRsaBits = 8192;
/** A public exponent of 32 bits or more would only cost time. */
const mostRsaExponent = 2n ** 32n;

function keyType(key: KeyObject): PublicKeyType | undefined {
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return 'ed25519';
    case 'rsa': {
      const usualExponent =
        publicExponent >= 3n && publicExponent < mostRsaExponent && publicExponent % 2n === 1n;
      return modulusLength >= leastRsaBits && modulusLength <= mostRsaBits && usualExponent
        ? 'rsa'
        : undefined;
    }
    case 'ec':
      if (namedCurve === 'prime256v1') return 'ec-secp256r1';
      return namedCurve === 'secp384r1' ? 'ec-secp384r1' : undefined;
    default:
      return undefined;
  }
}

function spkiOf(key: KeyObject): Uint8Array {
  return plainBytes(key.export({ format: 'der', type: 'spki' }));
}
