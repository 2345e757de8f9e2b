/**
 * X.509 certificates (RFC 5280 §4.1): from DER to a value that path validation can judge.
 *
 * Decoding says that the bytes are a certificate, nothing about whether it may be trusted.
 *
 * @module
 */

import { equalBytes, toHex } from '../foundation/bytes.ts';
import type { DecodeFault } from '../foundation/errors.ts';
import { type CertificateExtensions, noExtensions, readExtensions } from './certificate-extensions.ts';
import { contextTag, DerReader, derTag } from './der.ts';
import { type DistinguishedName, readName } from './distinguished-name.ts';
import { readSignatureAlgorithm, type SignatureAlgorithm } from './signature-algorithm.ts';
import { readPublicKeyInfo } from './subject-public-key.ts';

/** A decoded certificate. Byte strings are views of `der`. */
export interface Certificate extends CertificateExtensions {
  readonly der: Uint8Array;
  readonly version: 1 | 2 | 3;
  /** Hexadecimal, at most 20 bytes, without leading zero bytes. */
  readonly serialNumber: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  /** Milliseconds since 1970; both ends are within the validity. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** The SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** What is signed. */
  readonly toBeSigned: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** A CA whose certificates are accepted, or the one certificate that is. */
export interface TrustAnchor {
  readonly certificate: Certificate;
}

/**
 * Decodes one certificate; never throws.
 *
 * Beyond the grammar it refuses: bytes behind the certificate, two signature algorithms that differ, extensions that
 * come twice or stand in a certificate that is not of version 3, a serial number that is negative or longer than 20
 * bytes, an issuer without a name, and a validity that ends before it begins.
 *
 * @param der Kept and not copied; must not change afterwards.
 */
export function decodeCertificate(der: Uint8Array): Certificate | DecodeFault {
  const input = DerReader.of(der);
  const outer = input.enter(derTag.sequence, 'certificate');
  input.close('certificate');
  const toBeSigned = outer.element(derTag.sequence, 'tbsCertificate');
  const signatureAlgorithm = readSignatureAlgorithm(outer);
  const signature = outer.wholeBytes('signature');
  outer.close('certificate');

  const tbs = outer.inside(toBeSigned);
  const version = readVersion(tbs);
  const serialNumber = readSerialNumber(tbs);
  const innerAlgorithm = readSignatureAlgorithm(tbs);
  // RFC 5280 §4.1.1.2.
  if (!equalBytes(innerAlgorithm.der, signatureAlgorithm.der)) {
    tbs.refuse('the signature algorithms inside and outside differ');
  }
  const issuer = readName(tbs, 'issuer');
  // RFC 5280 §4.1.2.4.
  if (issuer.relativeNames.length === 0) tbs.refuse('issuer is empty');
  const { notBeforeMs, notAfterMs } = readValidity(tbs);
  const subject = readName(tbs, 'subject');
  const spki = readPublicKeyInfo(tbs);
  // RFC 5280 §4.1.2.8: issuerUniqueID and subjectUniqueID; nothing reads them.
  for (const tag of [contextTag(1, 'primitive'), contextTag(2, 'primitive')]) {
    if (!tbs.next(tag)) continue;
    if (version === 1) tbs.refuse('a unique identifier in version 1');
    tbs.any('unique identifier');
  }
  let extensions = noExtensions;
  if (tbs.next(contextTag(3, 'constructed'))) {
    if (version !== 3) tbs.refuse(`extensions in version ${version}`);
    const field = tbs.enter(contextTag(3, 'constructed'), 'extensions');
    extensions = readExtensions(field);
    field.close('extensions');
  }
  tbs.close('tbsCertificate');

  if (input.fault !== undefined) return input.fault;
  return {
    der,
    version,
    serialNumber,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    spki,
    toBeSigned: toBeSigned.encoding,
    signatureAlgorithm,
    signature,
    ...extensions,
  };
}

/** A certificate to be trusted without a signature of another one; also of version 1. Never throws. */
export function trustAnchor(der: Uint8Array): TrustAnchor | DecodeFault {
  const certificate = decodeCertificate(der);
  return 'kind' in certificate ? certificate : { certificate };
}

/** Whether issuer and subject are the same (RFC 5280 §3.2), which says nothing about the signature. */
export function isSelfIssued(certificate: Certificate): boolean {
  return equalBytes(certificate.issuer.der, certificate.subject.der);
}

function readVersion(tbs: DerReader): 1 | 2 | 3 {
  const tag = contextTag(0, 'constructed');
  if (!tbs.next(tag)) return 1;
  const field = tbs.enter(tag, 'version');
  const value = field.smallInteger('version');
  field.close('version');
  if (value === 1) return 2;
  if (value !== 2) tbs.refuse(`version ${value + 1} is not known`);
  return 3;
}

function readSerialNumber(tbs: DerReader): string {
  const bytes = tbs.integer('serialNumber');
  const magnitude = bytes[0] === 0 && bytes.length > 1 ? bytes.subarray(1) : bytes;
  // RFC 5280 §4.1.2.2. Zero is not allowed either, but roots have it.
  if ((bytes[0] ?? 0) >= 0x80) tbs.refuse('serialNumber is negative');
  if (magnitude.length > 20) tbs.refuse('serialNumber is longer than 20 bytes');
  return toHex(magnitude);
}

function readValidity(tbs: DerReader): Pick<Certificate, 'notBeforeMs' | 'notAfterMs'> {
  const validity = tbs.enter(derTag.sequence, 'validity');
  const notBeforeMs = validity.time('notBefore');
  const notAfterMs = validity.time('notAfter');
  validity.close('validity');
  if (notAfterMs < notBeforeMs) validity.refuse('validity ends before it begins');
  return { notBeforeMs, notAfterMs };
}
