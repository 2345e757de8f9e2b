/**
 * Certificate: a chain of X.509 certificates (RFC 5246 §7.4.2) or one raw public key (RFC 7250 §3). Encodes and
 * decodes only; what is in a certificate is not looked at.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import type { CertificateType, PresentedCredential } from '../../credentials.ts';
import { handshakeFault } from '../decode-fault.ts';

/** Longest chain that is taken; each certificate costs a verification. */
const maxChainLength = 10;

/** The body for a credential, or for none: then an empty list (RFC 5246 §7.4.6). */
export function encodeCertificate(credential: PresentedCredential | undefined): Uint8Array {
  const writer = new ByteWriter(512);
  if (credential?.kind === 'raw-public-key') {
    writer.nested(3, () => writer.bytes(credential.publicKey));
    return writer.finish();
  }
  writer.nested(3, () => {
    for (const certificate of credential?.chain ?? []) writer.nested(3, () => writer.bytes(certificate));
  });
  return writer.finish();
}

/**
 * Decodes the body for the type that was negotiated; byte strings are copies.
 *
 * @returns the credential, `undefined` for an empty list, or a fault.
 */
export function decodeCertificate(
  body: Uint8Array,
  type: CertificateType,
): PresentedCredential | undefined | DecodeFault {
  const reader = new ByteReader(body);
  const content = reader.view(reader.u24());
  if (!reader.finished) return handshakeFault(reader.position, 'Certificate does not fit');
  if (content.length === 0) return undefined;
  if (type === 'raw-public-key') return { kind: 'raw-public-key', publicKey: content.slice() };
  const list = new ByteReader(content);
  const chain: Uint8Array[] = [];
  while (list.remaining > 0) {
    const certificate = list.view(list.u24());
    if (list.failed || certificate.length === 0) {
      return handshakeFault(3 + list.position, 'a certificate of the list is empty or cut');
    }
    if (chain.length === maxChainLength) {
      return handshakeFault(3 + list.position, `more than ${maxChainLength} certificates`);
    }
    chain.push(certificate.slice());
  }
  return { kind: 'x509', chain };
}
