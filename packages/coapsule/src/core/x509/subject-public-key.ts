/**
 * What kind of key a SubjectPublicKeyInfo holds (RFC 5280 §4.1.2.7, RFC 3279, RFC 5480, RFC 8410), for texts.
 *
 * Whether a key can be used is for `CryptoProvider.publicKey` to say; this also names those that cannot.
 *
 * @module
 */

import { DerReader, derTag } from './der.ts';

const keyTypes: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.10': 'RSA-PSS',
  '1.2.840.10040.4.1': 'DSA',
  '1.3.101.110': 'X25519',
  '1.3.101.111': 'X448',
  '1.3.101.112': 'Ed25519',
  '1.3.101.113': 'Ed448',
};

const curves: Readonly<Record<string, string>> = {
  '1.2.840.10045.3.1.1': 'P-192',
  '1.3.132.0.33': 'P-224',
  '1.2.840.10045.3.1.7': 'P-256',
  '1.3.132.0.34': 'P-384',
  '1.3.132.0.35': 'P-521',
  '1.3.132.0.10': 'secp256k1',
  '1.3.36.3.3.2.8.1.1.7': 'brainpoolP256r1',
  '1.3.36.3.3.2.8.1.1.11': 'brainpoolP384r1',
};

/** Such as `EC on P-256`, `RSA of 2048 bits` or `a key of type 1.2.3`. Never throws. */
export function describePublicKey(spki: Uint8Array): string {
  const info = DerReader.of(spki).enter(derTag.sequence, 'SubjectPublicKeyInfo');
  const algorithm = info.enter(derTag.sequence, 'key algorithm');
  const oid = algorithm.objectIdentifier('key algorithm');
  if (oid === '1.2.840.10045.2.1') {
    // RFC 5480 §2.1.1: namedCurve only.
    if (!algorithm.next(derTag.objectIdentifier)) return 'EC on a curve without a name';
    const curve = algorithm.objectIdentifier('curve');
    return `EC on ${curves[curve] ?? `the curve ${curve}`}`;
  }
  if (oid === '1.2.840.113549.1.1.1') {
    const key = DerReader.of(info.wholeBytes('key')).enter(derTag.sequence, 'RSAPublicKey');
    const modulus = key.integer('modulus');
    const leading = modulus[0] === 0 ? 1 : 0;
    const bits = 8 * (modulus.length - leading) - Math.clz32(modulus[leading] ?? 0) + 24;
    return key.fault === undefined ? `RSA of ${bits} bits` : 'RSA';
  }
  return keyTypes[oid] ?? (oid === '' ? 'no key' : `a key of type ${oid}`);
}

/** Refuses what is no SubjectPublicKeyInfo by its outer form: an algorithm, then whole bytes. */
export function readPublicKeyInfo(reader: DerReader): Uint8Array {
  const whole = reader.element(derTag.sequence, 'subjectPublicKeyInfo');
  const info = reader.inside(whole);
  const algorithm = info.enter(derTag.sequence, 'key algorithm');
  algorithm.objectIdentifier('key algorithm');
  if (algorithm.more) algorithm.any('key algorithm: parameters');
  algorithm.close('key algorithm');
  info.wholeBytes('key');
  info.close('subjectPublicKeyInfo');
  return whole.encoding;
}
