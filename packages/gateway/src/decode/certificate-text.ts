/**
 * A certificate or raw public key of a handshake in one line.
 *
 * @module
 */

import { describeCertificates, describePublicKey } from 'coapsule';
import { printable } from '../text/printable.ts';
import { shortHex } from './decoded-field.ts';

/** Whose it is and until when; hex for what is neither certificate nor public key. */
export function certificateText(der: Uint8Array): string {
  try {
    const [certificate] = describeCertificates(der);
    if (certificate !== undefined) {
      return printable(`${certificate.subject}, until ${certificate.notAfter.toISOString().slice(0, 10)}`);
    }
  } catch {
    // RFC 7250 §3: what stands there may be a SubjectPublicKeyInfo.
  }
  try {
    const { fingerprint } = describePublicKey(der);
    return `raw public key ${fingerprint}`;
  } catch {
    return shortHex(der);
  }
}
