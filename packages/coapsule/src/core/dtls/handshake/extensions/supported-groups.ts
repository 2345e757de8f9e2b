/**
 * supported_groups (RFC 8422 §5.1.1): the curves a client takes, the preferred first.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { ByteWriter } from '../../../foundation/byte-writer.ts';
import type { NamedGroup } from '../../../foundation/crypto-provider.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** Groups of ECDHE here, the preferred first, with their registered values (RFC 8422 §5.1.1). */
export const namedGroups: readonly { readonly name: NamedGroup; readonly value: number }[] = [
  { name: 'x25519', value: 0x001d },
  { name: 'secp256r1', value: 0x0017 },
  { name: 'secp384r1', value: 0x0018 },
];

/** The extension that offers all of `namedGroups`. */
export function supportedGroupsExtension(): Extension {
  const writer = new ByteWriter();
  writer.nested(2, () => {
    for (const { value } of namedGroups) writer.u16(value);
  });
  return { type: ExtensionType.SupportedGroups, data: writer.finish() };
}

/** The values a client offers, `undefined` when it does not send the extension. */
export function readSupportedGroups(list: ExtensionList): readonly number[] | undefined | 'malformed' {
  const data = extensionData(list, ExtensionType.SupportedGroups);
  if (data === undefined) return undefined;
  const reader = new ByteReader(data);
  const vector = new ByteReader(reader.vector16());
  const values: number[] = [];
  while (vector.remaining >= 2) values.push(vector.u16());
  return reader.finished && vector.finished && values.length > 0 ? values : 'malformed';
}
