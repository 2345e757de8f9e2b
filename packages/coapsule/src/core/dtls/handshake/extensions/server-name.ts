/**
 * server_name (RFC 6066 §3): the host name a client wants to reach; a server that makes use of it answers with an empty
 * one.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import { noBytes } from '../../../foundation/bytes.ts';
import { decodeUtf8, encodeUtf8 } from '../../../foundation/utf8.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/**
 * The extension for a host name, or `undefined` when the text is none: RFC 6066 §3 allows no literal
 * addresses, only ASCII names of 1 … 255 bytes.
 */
export function serverNameExtension(name: string): Extension | undefined {
  const hostName = name.endsWith('.') ? name.slice(0, -1) : name;
  const isName = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(hostName) && hostName.length <= 255;
  // A name whose last label is a number would be read as an IPv4 address.
  if (!isName || /(^|\.)[0-9]+$/.test(hostName)) return undefined;
  const writer = new ByteWriter();
  writer.nested(2, () => writer.u8(0).vector16(encodeUtf8(hostName)));
  return { type: ExtensionType.ServerName, data: writer.finish() };
}

/** The extension of a ServerHello. */
export const serverNameAnswer: Extension = { type: ExtensionType.ServerName, data: noBytes };

/**
 * The host name in a ClientHello, in lower case without a trailing dot; `undefined` when it does not have the extension
 * or names of other types only.
 */
export function readServerName(list: ExtensionList): string | undefined | 'malformed' {
  const data = extensionData(list, ExtensionType.ServerName);
  if (data === undefined) return undefined;
  const reader = new ByteReader(data);
  const names = new ByteReader(reader.vector16());
  if (!reader.finished || names.remaining === 0) return 'malformed';
  let hostName: string | undefined;
  const seen = new Set<number>();
  while (names.remaining > 0) {
    const type = names.u8();
    const name = names.vector16();
    // RFC 6066 §3: no two names of the same type.
    if (names.failed || name.length === 0 || seen.has(type)) return 'malformed';
    seen.add(type);
    if (type !== 0) continue;
    const text = decodeUtf8(name);
    if (text === undefined || name.length > 255 || !/^[!-~]+$/.test(text)) return 'malformed';
    hostName = text.toLowerCase().replace(/\.$/, '');
  }
  return hostName;
}

/** Whether a ServerHello has it; `malformed` when it is there with data. */
export function readServerNameAnswer(list: ExtensionList): boolean | 'malformed' {
  const data = extensionData(list, ExtensionType.ServerName);
  if (data === undefined) return false;
  return data.length === 0 ? true : 'malformed';
}
