/**
 * ec_point_formats (RFC 8422 §5.1.2): only `uncompressed` is left of it, and it must be in the list.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

const uncompressed = 0;

/** The extension to send, in both Hellos. */
export const ecPointFormatsExtension: Extension = {
  type: ExtensionType.EcPointFormats,
  data: Uint8Array.of(1, uncompressed),
};

/** Whether a Hello has it; `malformed` also when `uncompressed` is missing (illegal_parameter). */
export function readEcPointFormats(list: ExtensionList): boolean | 'malformed' {
  const data = extensionData(list, ExtensionType.EcPointFormats);
  if (data === undefined) return false;
  const reader = new ByteReader(data);
  const formats = reader.vector8();
  return reader.finished && formats.includes(uncompressed) ? true : 'malformed';
}
