/**
 * What one certificate of a path has to fulfil, whatever its place (RFC 5280 §6.1.3), as the end of the path, and as an
 * issuer in it (§6.1.4).
 *
 * @module
 */

import { type Certificate, isSelfIssued } from './certificate.ts';
import type { CertificateFailureCause } from './certificate-failure.ts';
import { constraintCost, violatedConstraint } from './name-constraints.ts';
import { formatUtc } from './utc-time.ts';

/** Why a path is not accepted: the cause, and a sentence about the certificate. */
export interface PathRefusal {
  readonly accepted: false;
  readonly cause: CertificateFailureCause;
  readonly detail: string;
}

/** Whose certificate it is, and so what its extended key usage has to allow. */
export type CertificatePurpose = 'server' | 'client';

/** A refusal; the detail has no control characters and no key. */
export function refusal(cause: CertificateFailureCause, detail: string): PathRefusal {
  return { accepted: false, cause, detail };
}

/** The subject for a sentence, or the serial number when the subject is empty. */
export function nameOf({ subject, serialNumber }: Certificate): string {
  return subject.relativeNames.length > 0 ? subject.text : `certificate ${serialNumber}`;
}

/** Version, validity, critical extensions. A trust anchor may be of version 1. */
export function checkAnywhere(
  certificate: Certificate,
  isAnchor: boolean,
  nowMs: number,
): PathRefusal | undefined {
  const name = nameOf(certificate);
  const { version, notBeforeMs, notAfterMs, unknownCritical } = certificate;
  if (version !== 3 && !isAnchor) {
    return refusal('certificate-unsupported', `${name} is a certificate of version ${version}, not 3`);
  }
  if (nowMs > notAfterMs) {
    const dates = `${name} expired on ${formatUtc(notAfterMs)}; now it is ${formatUtc(nowMs)}`;
    return refusal('certificate-expired', dates);
  }
  // Written so that a clock that is not a number is refused too.
  if (!(nowMs >= notBeforeMs)) {
    const now = Number.isFinite(nowMs) ? formatUtc(nowMs) : 'unknown';
    const dates = `${name} is not valid before ${formatUtc(notBeforeMs)}; now it is ${now}`;
    return refusal('certificate-not-yet-valid', dates);
  }
  // RFC 5280 §4.2.
  if (unknownCritical.length > 0) {
    const list = unknownCritical.slice(0, 3).join(', ');
    return refusal(
      'certificate-unsupported',
      `${name} has critical extensions that are not understood: ${list}`,
    );
  }
  return undefined;
}

/** Purposes (RFC 5280 §4.2.1.12). */
const anyPurpose = '2.5.29.37.0';
const purposes: Readonly<Record<CertificatePurpose, { readonly oid: string; readonly name: string }>> = {
  server: { oid: '1.3.6.1.5.5.7.3.1', name: 'serverAuth' },
  client: { oid: '1.3.6.1.5.5.7.3.2', name: 'clientAuth' },
};

/** The peer's own certificate: it signs in the handshake, so it needs digitalSignature (RFC 8422 §5.3). */
export function checkLeaf(certificate: Certificate, purpose: CertificatePurpose): PathRefusal | undefined {
  const { keyUsage } = certificate;
  if (keyUsage !== undefined && !keyUsage.has('digitalSignature')) {
    const usages = [...keyUsage].join(', ');
    const detail = `${nameOf(certificate)} has keyUsage ${usages}, not digitalSignature`;
    return refusal('certificate-usage', detail);
  }
  return checkPurpose(certificate, purpose);
}

/** An absent extension allows every purpose; that of an issuer limits what it issues, as is general practice. */
function checkPurpose(certificate: Certificate, purpose: CertificatePurpose): PathRefusal | undefined {
  const { extendedKeyUsage } = certificate;
  const { oid, name } = purposes[purpose];
  if (extendedKeyUsage === undefined) return undefined;
  if (extendedKeyUsage.includes(oid) || extendedKeyUsage.includes(anyPurpose)) return undefined;
  const other = Object.values(purposes).find((row) => extendedKeyUsage.includes(row.oid));
  const instead = other === undefined ? '' : ` but ${other.name}`;
  return refusal('certificate-usage', `${nameOf(certificate)} does not have extKeyUsage ${name}${instead}`);
}

/**
 * A CA of the path, the trust anchor too (RFC 5280 leaves open whether its extensions count; here they do). Its name
 * constraints are for `checkNames`.
 *
 * @param below The certificates under it, the peer's own first.
 */
export function checkIssuer(
  issuer: Certificate,
  below: readonly Certificate[],
  purpose: CertificatePurpose,
): PathRefusal | undefined {
  const name = nameOf(issuer);
  const { version, basicConstraints, keyUsage } = issuer;
  // Only a root that is a trust anchor gets here with version 1, which has no extensions to say so.
  if (version === 3 && basicConstraints?.ca !== true) {
    return refusal(
      'certificate-usage',
      `${name} is no CA (basicConstraints), but issued ${nameOf(last(below))}`,
    );
  }
  if (keyUsage !== undefined && !keyUsage.has('keyCertSign')) {
    return refusal('certificate-usage', `${name} may not sign certificates (keyUsage)`);
  }
  // RFC 5280 §4.2.1.9: neither the last certificate nor self-issued ones count.
  const intermediates = below.slice(1).filter((certificate) => !isSelfIssued(certificate)).length;
  const pathLength = basicConstraints?.pathLength;
  if (pathLength !== undefined && intermediates > pathLength) {
    const detail = `${name} allows ${pathLength} CAs below it (pathLenConstraint), the path has ${intermediates}`;
    return refusal('certificate-constraint', detail);
  }
  return checkPurpose(issuer, purpose);
}

/**
 * The name constraints of every CA of a path that ends with a trust anchor, the topmost first (RFC 5280 §6.1).
 *
 * @param path The peer's own certificate first, the trust anchor last.
 * @param budget Comparisons of a name with a subtree that may still be made; lowered.
 */
export function checkNames(
  path: readonly Certificate[],
  purpose: CertificatePurpose,
  budget: { left: number },
): PathRefusal | undefined {
  for (let i = path.length - 1; i > 0; i--) {
    const issuer = path[i] as Certificate;
    const { nameConstraints } = issuer;
    if (nameConstraints === undefined) continue;
    for (const [below, certificate] of path.slice(0, i).entries()) {
      // RFC 5280 §6.1.3 (b): self-issued certificates are exempt, unless they are the last.
      if (below > 0 && isSelfIssued(certificate)) continue;
      budget.left -= constraintCost(certificate, nameConstraints);
      if (budget.left < 0) {
        const detail = `${nameOf(certificate)} has too many names for the name constraints of ${nameOf(issuer)}`;
        return refusal('certificate-unsupported', detail);
      }
      const violation = violatedConstraint(certificate, nameConstraints, below === 0 ? purpose : 'issuer');
      if (violation !== undefined) {
        const detail = `${nameOf(certificate)} breaks the name constraints of ${nameOf(issuer)}: the name ${violation}`;
        return refusal('certificate-constraint', detail);
      }
    }
  }
  return undefined;
}

function last(path: readonly Certificate[]): Certificate {
  return path[path.length - 1] as Certificate;
}
