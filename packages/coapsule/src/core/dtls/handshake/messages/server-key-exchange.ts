/**
 * ServerKeyExchange of PSK (RFC 4279 §2), ECDHE_PSK (RFC 5489 §2), ECDHE_ECDSA and ECDHE_RSA (RFC 8422 §5.4).
 * Encodes and decodes only.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import { noBytes } from '../../../foundation/bytes.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import type { KeyExchange } from '../../cipher-suites.ts';
import { handshakeFault } from '../decode-fault.ts';
import { type DigitallySigned, readDigitallySigned, writeDigitallySigned } from './certificate-verify.ts';

/** ECCurveType named_curve, the only one left (RFC 8422 §5.4). */
const namedCurve = 3;

/** The server's ephemeral public key. */
export interface ServerEcdhParams {
  /** Registered value of the group. */
  readonly group: number;
  /** 1 … 255 bytes. */
  readonly publicKey: Uint8Array;
}

/** Which fields are there depends on the key exchange. */
export interface ServerKeyExchange {
  /** psk_identity_hint, 0 … 65535 bytes; empty when there is none (RFC 5489 §2), or no PSK. */
  readonly hint: Uint8Array;
  /** Present with everything but plain PSK. */
  readonly ecdh?: ServerEcdhParams;
  /** Present with certificates and raw public keys: over both randoms and `signedParams`. */
  readonly signed?: DigitallySigned;
}

/** The bytes that the server signs, beside the randoms (RFC 8422 §5.4, ServerECDHParams). */
export function signedParams({ group, publicKey }: ServerEcdhParams): Uint8Array {
  return new ByteWriter(4 + publicKey.length).u8(namedCurve).u16(group).vector8(publicKey).finish();
}

/** The body of a ServerKeyExchange. */
export function encodeServerKeyExchange(message: ServerKeyExchange): Uint8Array {
  const writer = new ByteWriter(160);
  if (message.signed === undefined) writer.vector16(message.hint);
  if (message.ecdh !== undefined) writer.bytes(signedParams(message.ecdh));
  if (message.signed !== undefined) writeDigitallySigned(writer, message.signed);
  return writer.finish();
}

/** Decodes the body that belongs to this key exchange; byte strings are views of it. */
export function decodeServerKeyExchange(
  body: Uint8Array,
  keyExchange: KeyExchange,
): ServerKeyExchange | DecodeFault {
  const reader = new ByteReader(body);
  const usesPsk = keyExchange === 'PSK' || keyExchange === 'ECDHE_PSK';
  const hint = usesPsk ? reader.vector16() : noBytes;
  if (keyExchange === 'PSK') {
    return reader.finished ? { hint } : handshakeFault(reader.position, 'ServerKeyExchange does not fit');
  }
  const curveType = reader.u8();
  const group = reader.u16();
  const publicKey = reader.vector8();
  const signed = usesPsk ? undefined : readDigitallySigned(reader);
  if (!reader.finished || curveType !== namedCurve || publicKey.length === 0) {
    return handshakeFault(reader.position, 'ServerKeyExchange is no named curve with a public key');
  }
  return { hint, ecdh: { group, publicKey }, ...(signed === undefined ? {} : { signed }) };
}
