/**
 * Certificates and public keys out of options, with errors that name the option.
 *
 * @module
 */

import { ApiMisuseError, InvariantError, isDecodeFault } from '../core/foundation/errors.ts';
import { type Certificate, decodeCertificate, type TrustAnchor } from '../core/x509/certificate.ts';
import { normalizeFingerprint } from '../core/x509/raw-public-key.ts';
import { readCertificates, readPublicKey, systemTrustAnchors } from '../crypto/node-credentials.ts';
import {
  type CertificateInfo,
  certificateInfo,
  type PublicKeyInfo,
  publicKeyInfo,
} from './certificate-info.ts';
import type { CertificateInput, PublicKeyInput, TrustAnchors } from './credential-options.ts';

/** Puts the name of the option before what `read` complains about. */
export function reading<Value>(where: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ApiMisuseError)) throw error;
    throw new ApiMisuseError(`${where}: ${error.message}`);
  }
}

/** @throws ApiMisuseError for what is not a certificate. */
export function decodedCertificates(
  where: string,
  input: CertificateInput | readonly CertificateInput[],
): Certificate[] {
  const list: readonly unknown[] = Array.isArray(input) ? input : [input];
  return list
    .flatMap((one) => reading(where, () => readCertificates(certificateSource(one))))
    .map((der) => {
      const certificate = decodeCertificate(der);
      if (isDecodeFault(certificate))
        throw new InvariantError('a certificate was read that cannot be decoded');
      return certificate;
    });
}

function certificateSource(input: unknown): string | Uint8Array {
  if (typeof input === 'string' || input instanceof Uint8Array) return input;
  const { raw } = (input ?? {}) as { readonly raw?: unknown };
  if (raw instanceof Uint8Array) return raw;
  throw new ApiMisuseError(
    `got ${input === null ? 'null' : typeof input}, expected PEM text, DER bytes or an X509Certificate`,
  );
}

/** The trust anchors of an option, decoded; those of the system when they are first asked for. */
export function trustAnchorsOf(where: string, given: TrustAnchors): () => readonly TrustAnchor[] {
  if (given === 'system') return systemTrustAnchors;
  const anchors = decodedCertificates(where, given).map((certificate) => ({ certificate }));
  if (anchors.length === 0) throw new ApiMisuseError(`${where}: got an empty list, expected a certificate`);
  return () => anchors;
}

/** The fingerprint of a key, or the one that was given. @throws ApiMisuseError for what is neither. */
export function fingerprintOf(where: string, input: PublicKeyInput): string {
  const given = typeof input === 'string' ? normalizeFingerprint(input) : undefined;
  return given ?? publicKeyInfo(reading(where, () => readPublicKey(input)).spki).fingerprint;
}

/**
 * What certificates say: subject, names, fingerprint, dates. Says nothing about whether they can be trusted.
 *
 * @throws ApiMisuseError for what is not a certificate.
 */
export function describeCertificates(
  input: CertificateInput | readonly CertificateInput[],
): CertificateInfo[] {
  return decodedCertificates('describeCertificates', input).map(certificateInfo);
}

/**
 * Fingerprint and type of a public key, also that of a certificate or private key.
 *
 * @throws ApiMisuseError for what is none.
 */
export function describePublicKey(input: PublicKeyInput): PublicKeyInfo {
  return publicKeyInfo(reading('describePublicKey', () => readPublicKey(input)).spki);
}
