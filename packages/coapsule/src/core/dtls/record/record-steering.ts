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
  if (datagram[0] !== connectionIdRecordType || datagram.length <= recordHeaderLength) return -1;
  return datagram[connectionIdOffset] as number;
}

/** Whether a datagram begins with a protected record without a connection id: only its address tells whose it is. */
export function isProtectedWithoutConnectionId(datagram: Uint8Array): boolean {
  if (datagram.length <= recordHeaderLength || !isContentType(datagram[0] as number)) return false;
  return datagram[3] !== 0 || datagram[4] !== 0;
}
