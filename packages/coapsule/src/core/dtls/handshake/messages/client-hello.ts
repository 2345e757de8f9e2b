/**
 * ClientHello (RFC 5246 §7.4.1.2, with the cookie of RFC 6347 §4.2.1). Encodes and decodes only.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { DecodeFault } from '../../../foundation/errors.ts';
import { handshakeFault, isDecodeFault } from '../decode-fault.ts';
import {
  decodeExtensionList,
  type ExtensionList,
  encodeExtensionList,
} from '../extensions/extension-list.ts';

/** The part of a ClientHello up to the cookie, which a server can check without the rest. */
export interface ClientHelloStart {
  /** client_version: 0xfefd for DTLS 1.2. */
  readonly version: number;
  /** 32 bytes. */
  readonly random: Uint8Array;
  /** 0 … 32 bytes. */
  readonly sessionId: Uint8Array;
  /** 0 … 255 bytes. */
  readonly cookie: Uint8Array;
}

/** A whole ClientHello. */
export interface ClientHello extends ClientHelloStart {
  readonly cipherSuites: readonly number[];
  readonly compressionMethods: Uint8Array;
  readonly extensions: ExtensionList;
}

/** Bytes of version and random, which come before the length of the session id. */
const fixedLength = 34;

/** Where the length byte of the cookie lies in a body with this session id. */
export function cookieOffset(start: Pick<ClientHelloStart, 'sessionId'>): number {
  return fixedLength + 1 + start.sessionId.length;
}

/** The body of a ClientHello. */
export function encodeClientHello(hello: ClientHello): Uint8Array {
  const writer = new ByteWriter(128);
  writer.u16(hello.version).bytes(hello.random).vector8(hello.sessionId).vector8(hello.cookie);
  writer.nested(2, () => {
    for (const suite of hello.cipherSuites) writer.u16(suite);
  });
  writer.vector8(hello.compressionMethods);
  encodeExtensionList(writer, hello.extensions);
  return writer.finish();
}

/** Decodes a body, or the beginning of one, as far as the cookie; the views refer to it. */
export function decodeClientHelloStart(body: Uint8Array): ClientHelloStart | DecodeFault {
  return readStart(new ByteReader(body));
}

/** Decodes a whole body; byte strings are views of it. */
export function decodeClientHello(body: Uint8Array): ClientHello | DecodeFault {
  const reader = new ByteReader(body);
  const start = readStart(reader);
  if (isDecodeFault(start)) return start;
  const suites = new ByteReader(reader.vector16());
  const cipherSuites: number[] = [];
  while (suites.remaining >= 2) cipherSuites.push(suites.u16());
  if (cipherSuites.length === 0 || !suites.finished) {
    return handshakeFault(reader.position, 'the list of cipher suites is empty or cut');
  }
  const compressionMethods = reader.vector8();
  if (reader.failed || compressionMethods.length === 0) {
    return handshakeFault(reader.position, 'the list of compression methods is empty or cut');
  }
  const extensions = decodeExtensionList(reader);
  if (extensions === undefined) return handshakeFault(reader.position, 'the list of extensions is cut');
  return { ...start, cipherSuites, compressionMethods, extensions };
}

function readStart(reader: ByteReader): ClientHelloStart | DecodeFault {
  const version = reader.u16();
  const random = reader.view(32);
  const sessionId = reader.vector8();
  const cookie = reader.vector8();
  if (reader.failed) return handshakeFault(reader.position, 'ClientHello ends before its cookie does');
  if (sessionId.length > 32) return handshakeFault(fixedLength, 'session id of more than 32 bytes');
  return { version, random, sessionId, cookie };
}
