/**
 * Certificates that were decoded lately: a device shows the same ones in each handshake, and several steps of one
 * handshake look at them.
 *
 * Decoding depends on the bytes alone, so that a result can be used again; whether a certificate is valid now, and whether
 * it is accepted at all, is judged each time. Bounded, and nothing is kept that did not decode.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import { type DecodeFault, isDecodeFault } from '../foundation/errors.ts';
import { hashOfBytes } from '../foundation/slot-index.ts';
import { type Certificate, decodeCertificate } from './certificate.ts';

/** Certificates kept, and the longest one of them in bytes: about 2 MB in all. */
const most = 256;
const longest = 4096;

/** By the hash of their bytes; the one that was not used for the longest time is first. */
const recent = new Map<number, Certificate>();

/**
 * What `decodeCertificate` returns, made of a copy of the bytes; the same object for the same bytes, while it is
 * remembered.
 */
export function recentCertificate(der: Uint8Array): Certificate | DecodeFault {
  const hash = hashOfBytes(der);
  let certificate = recent.get(hash);
  if (certificate === undefined || !equalBytes(certificate.der, der)) {
    const decoded = decodeCertificate(der.slice());
    if (isDecodeFault(decoded) || der.length > longest) return decoded;
    certificate = decoded;
  }
  recent.delete(hash);
  recent.set(hash, certificate);
  if (recent.size > most) {
    const [oldest] = recent.keys();
    recent.delete(oldest as number);
  }
  return certificate;
}
