/**
 * connection_id (RFC 9146 §3): what the sender wants to find in records to it; may be empty.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** The extension to send, in both Hellos. */
export function connectionIdExtension(connectionId: Uint8Array): Extension {
  const data = new ByteWriter(1 + connectionId.length).vector8(connectionId).finish();
  return { type: ExtensionType.ConnectionId, data };
}

/** The connection id of a Hello (0 … 255 bytes, a copy), `undefined` when it does not have the extension. */
export function readConnectionId(list: ExtensionList): Uint8Array | undefined | 'malformed' {
  const data = extensionData(list, ExtensionType.ConnectionId);
  if (data === undefined) return undefined;
  const reader = new ByteReader(data);
  const connectionId = reader.vector8();
  return reader.finished ? connectionId.slice() : 'malformed';
}
