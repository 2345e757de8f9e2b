/**
 * Certificates and public keys as people, hooks and logs see them.
 *
 * @module
 */

import { formatIpv6 } from '../core/foundation/ip-literal.ts';
import type { Certificate } from '../core/x509/certificate.ts';
import { deviceIdentity } from '../core/x509/device-identity.ts';
import type { GeneralName } from '../core/x509/general-name.ts';
import { publicKeyFingerprint } from '../core/x509/raw-public-key.ts';
import { describePublicKey } from '../core/x509/subject-public-key.ts';
import { nodeCrypto } from '../crypto/node-crypto.ts';

/** A certificate for people and for hooks. */
export interface CertificateInfo {
  /** RFC 4514 text, such as `CN=sensor-7,O=Example`. */
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal digits, lower case. */
  readonly serialNumber: string;
  /**
   * `sha256:` and 64 hexadecimal digits, over the whole certificate. Good to recognise a certificate that is accepted, not
   * to refuse one: its holder can write an ECDSA signature in another form (`deniedCertificates` knows both).
   */
  readonly fingerprint: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The DNS names, IP addresses, URIs and mail addresses of the subjectAltName. */
  readonly names: readonly string[];
  /** What its holder is called, as a device (RFC 7925 §4.4.2); empty when the certificate has no name for that. */
  readonly identity: string;
  readonly publicKey: PublicKeyInfo;
  readonly der: Uint8Array;
}

/** A public key for people and for hooks. */
export interface PublicKeyInfo {
  /** `sha256:` and 64 hexadecimal digits, over `spki`. */
  readonly fingerprint: string;
  /** Such as `EC on P-256`. */
  readonly type: string;
  /** SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7). */
  readonly spki: Uint8Array;
}

/** By what was decoded: a certificate that is remembered (`recent-certificates.ts`) is described once. */
const described = new WeakMap<Certificate, CertificateInfo>();

/** What there is to say about a decoded certificate; the same object for the same one. */
export function certificateInfo(certificate: Certificate): CertificateInfo {
  const known = described.get(certificate);
  if (known !== undefined) return known;
  const info = describe(certificate);
  described.set(certificate, info);
  return info;
}

function describe(certificate: Certificate): CertificateInfo {
  return {
    subject: certificate.subject.text,
    issuer: certificate.issuer.text,
    serialNumber: certificate.serialNumber,
    fingerprint: publicKeyFingerprint(nodeCrypto, certificate.der),
    notBefore: new Date(certificate.notBeforeMs),
    notAfter: new Date(certificate.notAfterMs),
    names: certificate.subjectAltNames.map(nameText).filter((name) => name !== undefined),
    identity: deviceIdentity(certificate) ?? '',
    publicKey: publicKeyInfo(certificate.spki),
    der: certificate.der,
  };
}

/** What there is to say about a SubjectPublicKeyInfo. */
export function publicKeyInfo(spki: Uint8Array): PublicKeyInfo {
  return {
    fingerprint: publicKeyFingerprint(nodeCrypto, spki),
    type: describePublicKey(spki),
    spki,
  };
}

function nameText(name: GeneralName): string | undefined {
  switch (name.kind) {
    case 'dns':
    case 'email':
    case 'uri':
      return name.value;
    case 'ip':
      return name.bytes.length === 4 ? name.bytes.join('.') : formatIpv6(name.bytes);
    default:
      return undefined;
  }
}
