/**
 * ClientKeyExchange of PSK (RFC 4279 §2), ECDHE_PSK (RFC 5489 §2), ECDHE_ECDSA and ECDHE_RSA (RFC 8422 §5.7).
 * Encodes and decodes only.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import type { KeyExchange } from '../../cipher-suites.ts';
import { handshakeFault } from '../decode-fault.ts';

/** The identity, the client's public key, or both. */
export interface ClientKeyExchange {
  /** psk_identity, 0 … 65535 bytes (at least 128 must be taken, RFC 4279 §5.3). Present with a PSK. */
  readonly identity?: Uint8Array;
  /** Present with everything but plain PSK; 1 … 255 bytes. */
  readonly publicKey?: Uint8Array;
}

/** The body of a ClientKeyExchange. */
export function encodeClientKeyExchange(message: ClientKeyExchange): Uint8Array {
  const writer = new ByteWriter();
  if (message.identity !== undefined) writer.vector16(message.identity);
  if (message.publicKey !== undefined) writer.vector8(message.publicKey);
  return writer.finish();
}

/** Decodes the body that belongs to this key exchange; byte strings are views of it. */
export function decodeClientKeyExchange(
  body: Uint8Array,
  keyExchange: KeyExchange,
): ClientKeyExchange | DecodeFault {
  const reader = new ByteReader(body);
  const identity = keyExchange === 'PSK' || keyExchange === 'ECDHE_PSK' ? reader.vector16() : undefined;
  if (keyExchange === 'PSK') {
    return reader.finished && identity !== undefined
      ? { identity }
      : handshakeFault(reader.position, 'ClientKeyExchange does not fit');
  }
  const publicKey = reader.vector8();
  if (!reader.finished || publicKey.length === 0) {
    return handshakeFault(reader.position, 'ClientKeyExchange has no public key, or more than one');
  }
  return { publicKey, ...(identity === undefined ? {} : { identity }) };
}
