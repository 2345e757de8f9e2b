/**
 * Certificates that are refused although a trust anchor vouches for them.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { Certificate } from '../core/x509/certificate.ts';
import { ecdsaTwins } from '../core/x509/ecdsa-twin.ts';
import { normalizeFingerprint, publicKeyFingerprint } from '../core/x509/raw-public-key.ts';
import { nodeCrypto } from '../crypto/node-crypto.ts';
import type { DeniedCertificate } from './credential-options.ts';

/** A deny list that has been checked. */
export interface DenyList {
  has(certificate: Certificate): boolean;
}

/** @throws ApiMisuseError for an entry that could never match. */
export function denyList(where: string, entries: readonly DeniedCertificate[]): DenyList {
  const fingerprints = new Set<string>();
  /** Serial number → issuers, or any. */
  const serialNumbers = new Map<string, Set<string> | 'any'>();
  for (const [index, entry] of entries.entries()) {
    const place = `${where}: deniedCertificates[${index}]`;
    if (typeof entry === 'string') {
      const fingerprint = normalizeFingerprint(entry);
      if (fingerprint === undefined) {
        throw new ApiMisuseError(
          `${place} is '${entry}'; expected a SHA-256 fingerprint in 64 hexadecimal digits`,
        );
      }
      fingerprints.add(fingerprint);
      continue;
    }
    const serialNumber = entry.serialNumber
      .replaceAll(':', '')
      .toLowerCase()
      .replace(/^(?:00)+(?=.)/, '');
    if (!/^(?:[0-9a-f]{2})+$/.test(serialNumber)) {
      throw new ApiMisuseError(
        `${place}.serialNumber is '${entry.serialNumber}'; expected hexadecimal digits`,
      );
    }
    const known = serialNumbers.get(serialNumber);
    if (entry.issuer === undefined || known === 'any') serialNumbers.set(serialNumber, 'any');
    else serialNumbers.set(serialNumber, (known ?? new Set()).add(entry.issuer));
  }
  return {
    has(certificate) {
      if (fingerprints.size > 0) {
        // Its holder can write the signature down in another form: then it is another fingerprint, and still denied.
        const forms = [certificate.der, ...ecdsaTwins(certificate)];
        if (forms.some((der) => fingerprints.has(publicKeyFingerprint(nodeCrypto, der)))) return true;
      }
      const issuers = serialNumbers.get(certificate.serialNumber);
      return issuers === 'any' || issuers?.has(certificate.issuer.text) === true;
    },
  };
}
