/**
 * extended_master_secret (RFC 7627 §5.1): an extension without data, in both Hellos.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** The extension to send. */
export const extendedMasterSecretExtension: Extension = {
  type: ExtensionType.ExtendedMasterSecret,
  data: noBytes,
};

/** Whether a Hello has it; `malformed` when it is there with data. */
export function readExtendedMasterSecret(list: ExtensionList): boolean | 'malformed' {
  const data = extensionData(list, ExtensionType.ExtendedMasterSecret);
  if (data === undefined) return false;
  return data.length === 0 ? true : 'malformed';
}
