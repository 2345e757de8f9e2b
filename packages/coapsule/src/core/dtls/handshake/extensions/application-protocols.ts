/**
 * application_layer_protocol_negotiation (RFC 7301 §3.1): a list in a ClientHello, one name in a ServerHello.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import { decodeUtf8, encodeUtf8 } from '../../../foundation/utf8.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** The extension for these names; a ServerHello has exactly one. */
export function applicationProtocolsExtension(names: readonly string[]): Extension {
  const writer = new ByteWriter();
  writer.nested(2, () => {
    for (const name of names) writer.vector8(encodeUtf8(name));
  });
  return { type: ExtensionType.ApplicationProtocols, data: writer.finish() };
}

/** The names in a Hello, `undefined` when it does not have the extension. Names that are not UTF-8 are left out. */
export function readApplicationProtocols(list: ExtensionList): readonly string[] | undefined | 'malformed' {
  const data = extensionData(list, ExtensionType.ApplicationProtocols);
  if (data === undefined) return undefined;
  const reader = new ByteReader(data);
  const vector = new ByteReader(reader.vector16());
  if (!reader.finished || vector.remaining === 0) return 'malformed';
  const names: string[] = [];
  while (vector.remaining > 0) {
    const name = vector.vector8();
    if (vector.failed || name.length === 0) return 'malformed';
    const text = decodeUtf8(name);
    if (text !== undefined) names.push(text);
  }
  return names;
}
