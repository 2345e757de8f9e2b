/**
 * ServerKeyExchange of PSK (RFC 4279 §2) and ECDHE_PSK (RFC 5489 §2, RFC 8422 §5.4). Encodes and decodes only.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import type { KeyExchange } from '../../cipher-suites.ts';
import { handshakeFault } from '../decode-fault.ts';

/** ECCurveType named_curve, the only one left (RFC 8422 §5.4). */
const namedCurve = 3;

/** The server's ephemeral public key. */
export interface ServerEcdhParams {
  /** Registered value of the group. */
  readonly group: number;
  /** 1 … 255 bytes. */
  readonly publicKey: Uint8Array;
}

/** The hint, and with ECDHE_PSK the public key. */
export interface ServerKeyExchange {
  /** psk_identity_hint, 0 … 65535 bytes; empty when there is none (RFC 5489 §2). */
  readonly hint: Uint8Array;
  /** Present exactly with ECDHE_PSK. */
  readonly ecdh?: ServerEcdhParams;
}

/** The body of a ServerKeyExchange. */
export function encodeServerKeyExchange(message: ServerKeyExchange): Uint8Array {
  const writer = new ByteWriter().vector16(message.hint);
  if (message.ecdh !== undefined) {
    writer.u8(namedCurve).u16(message.ecdh.group).vector8(message.ecdh.publicKey);
  }
  return writer.finish();
}

/** Decodes the body that belongs to this key exchange; byte strings are views of it. */
export function decodeServerKeyExchange(
  body: Uint8Array,
  keyExchange: KeyExchange,
): ServerKeyExchange | DecodeFault {
  const reader = new ByteReader(body);
  const hint = reader.vector16();
  if (keyExchange === 'PSK') {
    return reader.finished ? { hint } : handshakeFault(reader.position, 'ServerKeyExchange does not fit');
  }
  const curveType = reader.u8();
  const group = reader.u16();
  const publicKey = reader.vector8();
  if (!reader.finished || curveType !== namedCurve || publicKey.length === 0) {
    return handshakeFault(reader.position, 'ServerKeyExchange is no named curve with a public key');
  }
  return { hint, ecdh: { group, publicKey } };
}
