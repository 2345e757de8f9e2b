/**
 * Issues certificates in the profile of RFC 7925 §4.4 and RFC 5280: authorities, servers, devices.
 *
 * Every certificate has the key usages and extended key usages of its role and no others. Names of servers are in the
 * subjectAltName (RFC 9525 §2); a device is named by the common name of its subject. No revocation, no requests by
 * others (CSR).
 *
 * @module
 */

import 'reflect-metadata'; // before @peculiar/x509, which needs it at import
import { createPublicKey, type KeyObject, type webcrypto, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { type KeyType, newPrivateKey, privateKeyPem } from './private-key.ts';
import {
  nameOf,
  newSerialNumber,
  pemText,
  type SignedSubject,
  signCertificate,
  signingAlgorithm,
  type Validity,
} from './sign-certificate.ts';

/** A certificate and its private key. */
export interface Issued {
  readonly certificatePem: string;
  /** PKCS #8, not encrypted. */
  readonly privateKeyPem: string;
}

/** An authority that signs. */
export interface Issuer {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
}

/** Makes an authority that may issue end certificates and no further authorities. */
export async function issueAuthority(
  commonName: string,
  { type, ...validity }: Validity & { readonly type: KeyType },
): Promise<Issued> {
  const privateKey = newPrivateKey(type);
  const keys = cryptoKeys(privateKey);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    serialNumber: newSerialNumber(),
    name: nameOf(commonName),
    keys,
    signingAlgorithm: signingAlgorithm(keys.privateKey),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificatePem: pemText(certificate), privateKeyPem: privateKeyPem(privateKey) };
}

/** What a certificate is for. */
export interface Subject {
  readonly role: 'server' | 'device';
  readonly commonName: string;
  /** DNS names and IP addresses. */
  readonly names: readonly string[];
  readonly type: KeyType;
}

/** Makes a key and a certificate for a server or a device. */
export async function issueCertificate(
  issuer: Issuer,
  { role, commonName, names, type }: Subject,
  validity: Validity,
): Promise<Issued> {
  const privateKey = newPrivateKey(type);
  const { publicKey } = cryptoKeys(privateKey);
  const further =
    names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names.map(generalName))];
  const certificatePem = await signed(issuer, { role, commonName, further, publicKey }, validity);
  return { certificatePem, privateKeyPem: privateKeyPem(privateKey) };
}

/** What a certificate is for, and until when it holds. */
export interface CertifiedSubject {
  readonly role: Subject['role'];
  readonly commonName: string;
}

/** What the certificate of a server or device is for; undefined for that of an authority, or one that says neither. */
export function certifiedSubject(certificate: X509Certificate): CertifiedSubject | undefined {
  const parsed = new x509.X509Certificate(new Uint8Array(certificate.raw));
  const usages = parsed.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [];
  const commonName = parsed.subjectName.getField('CN')[0] ?? '';
  if (certificate.ca || commonName === '') return undefined;
  if (usages.includes(x509.ExtendedKeyUsage.serverAuth)) return { role: 'server', commonName };
  return usages.includes(x509.ExtendedKeyUsage.clientAuth) ? { role: 'device', commonName } : undefined;
}

/** Makes another certificate for the same key, with the same names. @returns it in PEM. */
export async function renewCertificate(
  issuer: Issuer,
  before: X509Certificate,
  subject: CertifiedSubject,
  validity: Validity,
): Promise<string> {
  const names = new x509.X509Certificate(new Uint8Array(before.raw)).getExtension(
    x509.SubjectAlternativeNameExtension,
  );
  const publicKey = before.publicKey.toCryptoKey(importAlgorithm(before.publicKey), true, ['verify']);
  return signed(issuer, { ...subject, further: names === null ? [] : [names], publicKey }, validity);
}

function signed(issuer: Issuer, subject: SignedSubject, validity: Validity): Promise<string> {
  const authority = new x509.X509Certificate(new Uint8Array(issuer.certificate.raw));
  return signCertificate({ authority, key: cryptoKeys(issuer.privateKey).privateKey }, subject, validity);
}

function cryptoKeys(privateKey: KeyObject): {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
} {
  const algorithm = importAlgorithm(privateKey);
  return {
    privateKey: privateKey.toCryptoKey(algorithm, true, ['sign']),
    publicKey: createPublicKey(privateKey).toCryptoKey(algorithm, true, ['verify']),
  };
}

function importAlgorithm(key: KeyObject): webcrypto.EcKeyImportParams | { readonly name: string } {
  if (key.asymmetricKeyType === 'ed25519') return { name: 'Ed25519' };
  const namedCurve = key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256';
  return { name: 'ECDSA', namedCurve };
}

function generalName(name: string): { readonly type: 'dns' | 'ip'; readonly value: string } {
  return { type: isIP(name) === 0 ? 'dns' : 'ip', value: name };
}
