/**
 * Why a certificate or raw public key of a peer is not accepted.
 *
 * @module
 */

/** The cause (RFC 5280 §6, RFC 9525, RFC 7250 §6). */
export type CertificateFailureCause =
  | 'certificate-malformed'
  | 'certificate-expired'
  | 'certificate-not-yet-valid'
  | 'certificate-revoked'
  | 'certificate-usage'
  | 'certificate-constraint'
  | 'certificate-signature'
  | 'certificate-unsupported'
  | 'unknown-ca'
  | 'name-mismatch'
  | 'unknown-public-key';
