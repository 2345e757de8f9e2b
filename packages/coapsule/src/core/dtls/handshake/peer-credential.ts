/**
 * What the peer shows in its Certificate message, and the key in it.
 *
 * Whether it is to be believed is judged by the application (`verify-peer`); here, only that it has a key that
 * signatures can be checked with.
 *
 * @module
 */

import type { PublicKey } from '../../foundation/crypto-provider.ts';
import type { CertificateFailureCause } from '../../x509/certificate-failure.ts';
import { recentCertificate } from '../../x509/recent-certificates.ts';
import { AlertDescription } from '../alert.ts';
import type { PeerAuthentication, PresentedCredential } from '../credentials.ts';
import type { SessionProof } from '../session/session-state.ts';
import { isDecodeFault } from './decode-fault.ts';
import type { FailureOfState, HandshakeContext, PeerVerdict } from './handshake-context.ts';
import type { HandshakeFailureCause } from './handshake-failure.ts';

/** A credential and its public key. */
export interface PeerKey {
  readonly credential: PresentedCredential;
  readonly key: PublicKey;
}

/** Takes the key out of a credential; or says why it has none that is of use. */
export function keyOfCredential(
  context: HandshakeContext,
  credential: PresentedCredential,
): PeerKey | FailureOfState {
  let spki: Uint8Array;
  if (credential.kind === 'raw-public-key') {
    spki = credential.publicKey;
  } else {
    const certificate = recentCertificate(credential.chain[0] as Uint8Array);
    if (isDecodeFault(certificate)) {
      return failureOfVerdict('certificate-malformed', `the peer's certificate: ${certificate.reason}`);
    }
    spki = certificate.spki;
  }
  const key = context.crypto.publicKey(spki);
  if (key !== undefined) return { credential, key };
  const detail = "the peer's public key is malformed, of a type that is not spoken here, or too short";
  return failureOfVerdict('certificate-unsupported', detail);
}

/** What the application is told of how the peer proved itself. */
export function authenticationOf(proof: SessionProof): PeerAuthentication {
  if (proof.kind === 'psk') return { kind: 'psk' };
  return proof.kind === 'x509' ? { kind: 'x509', certificate: proof.chain[0] as Uint8Array } : proof;
}

/** The alert for each cause (RFC 5246 §7.2.2). */
const alerts: Readonly<Record<CertificateFailureCause, AlertDescription>> = {
  'certificate-malformed': AlertDescription.BadCertificate,
  'certificate-expired': AlertDescription.CertificateExpired,
  'certificate-not-yet-valid': AlertDescription.CertificateExpired,
  'certificate-revoked': AlertDescription.CertificateRevoked,
  'certificate-usage': AlertDescription.UnsupportedCertificate,
  'certificate-constraint': AlertDescription.BadCertificate,
  'certificate-signature': AlertDescription.BadCertificate,
  'certificate-unsupported': AlertDescription.UnsupportedCertificate,
  'unknown-ca': AlertDescription.UnknownCa,
  'name-mismatch': AlertDescription.CertificateUnknown,
  'unknown-public-key': AlertDescription.CertificateUnknown,
};

/** The failure for a credential that is not accepted. */
function failureOfVerdict(cause: HandshakeFailureCause, detail: string): FailureOfState {
  const alert = (alerts as Partial<Record<HandshakeFailureCause, AlertDescription>>)[cause];
  // RFC 5246 §7.2.2: a valid certificate, and still the application does not want to go on.
  return { cause, detail, alert: alert ?? AlertDescription.AccessDenied };
}

/** The failure of a verdict that is not good. */
export function rejection(verdict: Extract<PeerVerdict, { accepted: false }>): FailureOfState {
  return failureOfVerdict(verdict.cause, verdict.detail);
}
