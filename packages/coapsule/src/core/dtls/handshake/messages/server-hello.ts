/**
 * ServerHello (RFC 5246 §7.4.1.3). Encodes and decodes only.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import { handshakeFault } from '../decode-fault.ts';
import {
  decodeExtensionList,
  type ExtensionList,
  encodeExtensionList,
} from '../extensions/extension-list.ts';

/** What the server chose. */
export interface ServerHello {
  /** server_version: 0xfefd for DTLS 1.2. */
  readonly version: number;
  /** 32 bytes. */
  readonly random: Uint8Array;
  /** 0 … 32 bytes. */
  readonly sessionId: Uint8Array;
  readonly cipherSuite: number;
  readonly compressionMethod: number;
  readonly extensions: ExtensionList;
}

/** The body of a ServerHello. */
export function encodeServerHello(hello: ServerHello): Uint8Array {
  const writer = new ByteWriter(128);
  writer.u16(hello.version).bytes(hello.random).vector8(hello.sessionId);
  writer.u16(hello.cipherSuite).u8(hello.compressionMethod);
  encodeExtensionList(writer, hello.extensions);
  return writer.finish();
}

/** Decodes a body; byte strings are views of it. */
export function decodeServerHello(body: Uint8Array): ServerHello | DecodeFault {
  const reader = new ByteReader(body);
  const version = reader.u16();
  const random = reader.view(32);
  const sessionId = reader.vector8();
  const cipherSuite = reader.u16();
  const compressionMethod = reader.u8();
  if (reader.failed || sessionId.length > 32)
    return handshakeFault(reader.position, 'ServerHello does not fit');
  const extensions = decodeExtensionList(reader);
  if (extensions === undefined) return handshakeFault(reader.position, 'the list of extensions is cut');
  return { version, random, sessionId, cipherSuite, compressionMethod, extensions };
}
