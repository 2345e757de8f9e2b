/**
 * signature_algorithms (RFC 5246 §7.4.1.4.1, RFC 8422 §5.1.3, RFC 8446 §4.2.3), and which scheme fits which key.
 *
 * SHA-1 is not in the table (RFC 9155), nor are keys bound to RSA-PSS.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { PublicKeyType, SignatureScheme } from '../../../foundation/crypto-provider.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** Schemes with their registered values, the preferred first; the first is mandatory (RFC 7925 §4.2). */
const schemeValues: Readonly<Record<SignatureScheme, number>> = {
  ecdsa_sha256: 0x0403,
  ecdsa_sha384: 0x0503,
  ecdsa_sha512: 0x0603,
  ed25519: 0x0807,
  rsa_pss_sha256: 0x0804,
  rsa_pss_sha384: 0x0805,
  rsa_pss_sha512: 0x0806,
  rsa_pkcs1_sha256: 0x0401,
  rsa_pkcs1_sha384: 0x0501,
  rsa_pkcs1_sha512: 0x0601,
};

/** What a key can sign with, the preferred first. */
const schemesOfKey: Readonly<Record<PublicKeyType, readonly SignatureScheme[]>> = {
  'ec-secp256r1': ['ecdsa_sha256', 'ecdsa_sha384', 'ecdsa_sha512'],
  'ec-secp384r1': ['ecdsa_sha384', 'ecdsa_sha256', 'ecdsa_sha512'],
  ed25519: ['ed25519'],
  rsa: [
    'rsa_pss_sha256',
    'rsa_pss_sha384',
    'rsa_pss_sha512',
    'rsa_pkcs1_sha256',
    'rsa_pkcs1_sha384',
    'rsa_pkcs1_sha512',
  ],
};

/** The registered values of all schemes, the preferred first. */
export const signatureSchemeValues: readonly number[] = Object.values(schemeValues);

/** The registered value of a scheme. */
export function signatureSchemeValue(scheme: SignatureScheme): number {
  return schemeValues[scheme];
}

/** The name of a registered value that is known here. */
export function signatureSchemeName(value: number): SignatureScheme | undefined {
  return (Object.keys(schemeValues) as SignatureScheme[]).find((name) => schemeValues[name] === value);
}

/** The scheme with a registered value, when it fits this type of key. */
export function signatureSchemeOf(value: number, key: PublicKeyType): SignatureScheme | undefined {
  return schemesOfKey[key].find((scheme) => schemeValues[scheme] === value);
}

/** The scheme to sign with: the first of the key's that the peer takes. */
export function chooseSignatureScheme(
  key: PublicKeyType,
  accepted: readonly number[],
): SignatureScheme | undefined {
  return schemesOfKey[key].find((scheme) => accepted.includes(schemeValues[scheme]));
}

/** The extension that offers all schemes. */
export function signatureAlgorithmsExtension(): Extension {
  const writer = new ByteWriter();
  writer.nested(2, () => {
    for (const value of signatureSchemeValues) writer.u16(value);
  });
  return { type: ExtensionType.SignatureAlgorithms, data: writer.finish() };
}

/**
 * The values a client takes. Without the extension none: what RFC 5246 §7.4.1.4.1 assumes then is SHA-1, which
 * is not done here (RFC 9155 §2).
 */
export function readSignatureAlgorithms(list: ExtensionList): readonly number[] | 'malformed' {
  const data = extensionData(list, ExtensionType.SignatureAlgorithms);
  if (data === undefined) return [];
  const reader = new ByteReader(data);
  const vector = new ByteReader(reader.vector16());
  const values: number[] = [];
  while (vector.remaining >= 2) values.push(vector.u16());
  return reader.finished && vector.finished && values.length > 0 ? values : 'malformed';
}
