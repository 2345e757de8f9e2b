/**
 * HelloVerifyRequest (RFC 6347 §4.2.1). Encodes and decodes only.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import { handshakeFault } from '../decode-fault.ts';

/** A cookie the client is to send back. */
export interface HelloVerifyRequest {
  /** Tells the packet format only, not the version that will be chosen. */
  readonly version: number;
  /** 0 … 255 bytes. */
  readonly cookie: Uint8Array;
}

/** The body: 3 bytes and the cookie. */
export function encodeHelloVerifyRequest(message: HelloVerifyRequest): Uint8Array {
  return new ByteWriter(3 + message.cookie.length).u16(message.version).vector8(message.cookie).finish();
}

/** Decodes a body; the cookie is a view of it. */
export function decodeHelloVerifyRequest(body: Uint8Array): HelloVerifyRequest | DecodeFault {
  const reader = new ByteReader(body);
  const version = reader.u16();
  const cookie = reader.vector8();
  return reader.finished
    ? { version, cookie }
    : handshakeFault(reader.position, 'HelloVerifyRequest does not fit');
}
