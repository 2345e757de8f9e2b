/**
 * CertificateRequest (RFC 5246 §7.4.4, RFC 8422 §5.5). Encodes and decodes only.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import { handshakeFault } from '../decode-fault.ts';

/** ClientCertificateType; for ecdsa_sign Ed25519 keys count too (RFC 8422 §3). */
export const ClientCertificateType = { RsaSign: 1, EcdsaSign: 64 } as const;

/** What a server takes from its client. */
export interface CertificateRequest {
  /** Kinds of keys; see `ClientCertificateType`. */
  readonly certificateTypes: readonly number[];
  /** Registered values of SignatureAndHashAlgorithm. */
  readonly signatureSchemes: readonly number[];
}

/** The body, without names of authorities: they would tell whom the server trusts, and fill datagrams. */
export function encodeCertificateRequest(request: CertificateRequest): Uint8Array {
  const writer = new ByteWriter(32).vector8(Uint8Array.from(request.certificateTypes));
  writer.nested(2, () => {
    for (const scheme of request.signatureSchemes) writer.u16(scheme);
  });
  return writer.u16(0).finish();
}

/** Decodes a body. The names of authorities are checked for their form and left out. */
export function decodeCertificateRequest(body: Uint8Array): CertificateRequest | DecodeFault {
  const reader = new ByteReader(body);
  const types = reader.vector8();
  const schemes = new ByteReader(reader.vector16());
  const signatureSchemes: number[] = [];
  while (schemes.remaining >= 2) signatureSchemes.push(schemes.u16());
  const authorities = new ByteReader(reader.vector16());
  while (authorities.remaining > 0 && !authorities.failed) authorities.vector16();
  const isWhole = reader.finished && schemes.finished && authorities.finished;
  if (!isWhole || types.length === 0 || signatureSchemes.length === 0) {
    return handshakeFault(reader.position, 'CertificateRequest does not fit');
  }
  return { certificateTypes: [...types], signatureSchemes };
}
