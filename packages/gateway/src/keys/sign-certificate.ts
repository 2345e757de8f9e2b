/**
 * Signs certificates of servers and devices in the profile of RFC 7925 §4.4 and RFC 5280, with the keys of the Web Cryptography API: on
 * the command line, and in the browser, where the key of an authority stays in the page.
 *
 * Every certificate has the key usages and extended key usages of its role and no others.
 *
 * @module
 */

import 'reflect-metadata'; // before @peculiar/x509, which needs it at import
import * as x509 from '@peculiar/x509';

export { X509Certificate } from '@peculiar/x509';

/** A key of the Web Cryptography API: the types of Node and of browsers call it by different names. */
export type SigningKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** Days a certificate holds. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Who signs. */
export interface CertificateSigner {
  readonly authority: x509.X509Certificate;
  readonly key: SigningKey;
}

/** Whom a certificate is for. */
export interface SignedSubject {
  readonly role: 'server' | 'device';
  readonly commonName: string;
  readonly publicKey: SigningKey;
  /** Besides those of the role. */
  readonly further?: readonly x509.Extension[];
}

/** @returns it in PEM. */
export async function signCertificate(
  { authority, key }: CertificateSigner,
  { role, commonName, publicKey, further = [] }: SignedSubject,
  validity: Validity,
): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity,
    serialNumber: newSerialNumber(),
    subject: nameOf(commonName),
    // The encoded form: names are compared byte by byte in many implementations.
    issuer: authority.subjectName,
    publicKey,
    signingKey: key,
    signingAlgorithm: signingAlgorithm(key),
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        role === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
      ]),
      ...further,
      await authorityKeyIdentifier(authority),
    ],
  });
  return pemText(certificate);
}

/** The signature that a key makes. */
export function signingAlgorithm({
  algorithm,
}: SigningKey): { readonly name: 'Ed25519' } | { readonly name: 'ECDSA'; readonly hash: string } {
  if (algorithm.name === 'Ed25519') return { name: 'Ed25519' };
  const { namedCurve } = algorithm as { readonly namedCurve?: string };
  return { name: 'ECDSA', hash: namedCurve === 'P-384' ? 'SHA-384' : 'SHA-256' };
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets; random, so that nobody can foresee what will be signed. */
export function newSerialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A subject of a common name alone. */
export function nameOf(commonName: string): x509.Name {
  return new x509.Name([{ CN: [{ utf8String: commonName }] }]);
}

/** With a line feed at its end. */
export function pemText(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`;
}

/** RFC 5280 §4.2.1.1: the identifier in the issuer's certificate; one over its key when it has none. */
async function authorityKeyIdentifier(
  authority: x509.X509Certificate,
): Promise<x509.AuthorityKeyIdentifierExtension> {
  const keyId = authority.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  return keyId === undefined
    ? await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey)
    : new x509.AuthorityKeyIdentifierExtension(keyId);
}
