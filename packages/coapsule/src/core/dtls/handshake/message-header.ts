/**
 * The 12-byte header before each handshake message or fragment of one (RFC 6347 §4.2.2).
 *
 * Knows no message bodies; cutting and joining are in `fragmentation.ts` and `reassembly.ts`.
 *
 * @module
 */

import type { ByteReader } from '../../foundation/byte-reader.ts';

/** Bytes of a header. */
export const messageHeaderLength = 12;

/** A whole handshake message. */
export interface HandshakeMessage {
  /** 0 … 255; see `HandshakeType`. */
  readonly type: number;
  /** 0 … 65535, counted by each side within a handshake. */
  readonly messageSeq: number;
  readonly body: Uint8Array;
}

/** One fragment as it came in a record; a whole message is the fragment that covers all. */
export interface MessageFragment {
  readonly type: number;
  /** Length of the whole body in bytes. */
  readonly length: number;
  readonly messageSeq: number;
  readonly fragmentOffset: number;
  /** View of the fragment's bytes. */
  readonly fragment: Uint8Array;
}

/**
 * Reads one header and the bytes it announces.
 *
 * @returns the fragment, or `undefined` when the record ends too soon or the fragment reaches over the end
 *          of its message (RFC 6347 §4.2.3).
 */
export function decodeMessageFragment(reader: ByteReader): MessageFragment | undefined {
  const type = reader.u8();
  const length = reader.u24();
  const messageSeq = reader.u16();
  const fragmentOffset = reader.u24();
  const fragment = reader.view(reader.u24());
  if (reader.failed || fragmentOffset + fragment.length > length) return undefined;
  return { type, length, messageSeq, fragmentOffset, fragment };
}

/** The header of a message that comes in one fragment. */
export function encodeMessageHeader(message: HandshakeMessage): Uint8Array {
  const bytes = new Uint8Array(messageHeaderLength);
  writeHeader(bytes, message, 0, message.body.length);
  return bytes;
}

/** Header and bytes `offset` … `offset + length` of a message's body. */
export function encodeMessageFragment(message: HandshakeMessage, offset: number, length: number): Uint8Array {
  const { body } = message;
  const bytes = new Uint8Array(messageHeaderLength + length);
  writeHeader(bytes, message, offset, length);
  bytes.set(length === body.length ? body : body.subarray(offset, offset + length), messageHeaderLength);
  return bytes;
}

function writeHeader(
  bytes: Uint8Array,
  { type, messageSeq, body }: HandshakeMessage,
  offset: number,
  length: number,
): void {
  bytes[0] = type;
  writeU24(bytes, 1, body.length);
  bytes[4] = messageSeq >>> 8;
  bytes[5] = messageSeq;
  writeU24(bytes, 6, offset);
  writeU24(bytes, 9, length);
}

function writeU24(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 16;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value;
}
