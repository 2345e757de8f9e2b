/**
 * server_name (RFC 6066 §3): the host name a client wants to reach. Sent only; a server here has one face.
 *
 * @module
 */

import { ByteWriter } from '../../../foundation/byte-writer.ts';
import { encodeUtf8 } from '../../../foundation/utf8.ts';
import { type Extension, ExtensionType } from './extension-list.ts';

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
