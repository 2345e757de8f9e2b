/**
 * CertificateVerify: the client's signature over all messages before it (RFC 5246 §7.4.8). Encodes and decodes only.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import { handshakeFault } from '../decode-fault.ts';

/** A digitally-signed element (RFC 5246 §4.7). */
export interface DigitallySigned {
  /** Registered value of SignatureAndHashAlgorithm. */
  readonly scheme: number;
  readonly signature: Uint8Array;
}

/** Writes a digitally-signed element. */
export function writeDigitallySigned(writer: ByteWriter, signed: DigitallySigned): void {
  writer.u16(signed.scheme).vector16(signed.signature);
}

/** Reads a digitally-signed element; the signature is a view. */
export function readDigitallySigned(reader: ByteReader): DigitallySigned {
  return { scheme: reader.u16(), signature: reader.vector16() };
}

/** The body of a CertificateVerify. */
export function encodeCertificateVerify(signed: DigitallySigned): Uint8Array {
  const writer = new ByteWriter(80);
  writeDigitallySigned(writer, signed);
  return writer.finish();
}

/** Decodes a body; the signature is a view of it. */
export function decodeCertificateVerify(body: Uint8Array): DigitallySigned | DecodeFault {
  const reader = new ByteReader(body);
  const signed = readDigitallySigned(reader);
  return reader.finished ? signed : handshakeFault(reader.position, 'CertificateVerify does not fit');
}
