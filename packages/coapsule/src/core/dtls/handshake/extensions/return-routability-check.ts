/**
 * rrc (RFC 9853 §3): both sides do return routability checks; an extension without data, only beside connection_id.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** The extension to send. */
export const returnRoutabilityCheckExtension: Extension = {
  type: ExtensionType.ReturnRoutabilityCheck,
  data: noBytes,
};

/** Whether a Hello has it; `malformed` when it is there with data. */
export function readReturnRoutabilityCheck(list: ExtensionList): boolean | 'malformed' {
  const data = extensionData(list, ExtensionType.ReturnRoutabilityCheck);
  if (data === undefined) return false;
  return data.length === 0 ? true : 'malformed';
}
