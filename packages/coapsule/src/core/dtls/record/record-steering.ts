/**
 * What the outside of a datagram tells about whose it is, where several endpoints share a port: the connection id of its
 * first record (RFC 9146 §4), or that it is protected at all.
 *
 * Looks at headers only. Nothing here is authenticated: it may steer, never decide.
 *
 * @module
 */

import { connectionIdRecordType, isContentType, recordHeaderLength } from './record-header.ts';

/** Where the connection id begins in a record that has one. */
const connectionIdOffset = 11;

/** The first byte of the connection id of a datagram's first record; -1 when that has none. */
export function firstConnectionIdByte(datagram: Uint8Array): number {
  return connectionIdByte(datagram, 0);
}

/** A byte of that connection id; it is for the caller to know that it has so many. */
export function connectionIdByte(datagram: Uint8Array, index: number): number {
  if (datagram[0] !== connectionIdRecordType || datagram.length <= recordHeaderLength + index) return -1;
  return datagram[connectionIdOffset + index] as number;
}

/** That connection id, of a length that the datagram does not tell; undefined when it has none. */
export function connectionIdOf(datagram: Uint8Array, length: number): Uint8Array | undefined {
  if (connectionIdByte(datagram, length) < 0) return undefined;
  return datagram.subarray(connectionIdOffset, connectionIdOffset + length);
}

/** Whether a datagram begins with a protected record without a connection id: only its address tells whose it is. */
export function isProtectedWithoutConnectionId(datagram: Uint8Array): boolean {
  if (datagram.length <= recordHeaderLength || !isContentType(datagram[0] as number)) return false;
  return datagram[3] !== 0 || datagram[4] !== 0;
}
