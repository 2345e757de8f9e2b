/**
 * renegotiation_info and its stand-in, the signalling cipher suite value (RFC 5746 §3.2, §3.3).
 *
 * Renegotiation itself is not done; OpenSSL 3 clients refuse servers that do not answer this extension.
 *
 * @module
 */

import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** TLS_EMPTY_RENEGOTIATION_INFO_SCSV, sent in the list of cipher suites (RFC 5746 §3.3). */
export const emptyRenegotiationInfoScsv = 0x00ff;

/** The extension of an initial handshake: renegotiated_connection is empty. */
export const renegotiationInfoExtension: Extension = {
  type: ExtensionType.RenegotiationInfo,
  data: Uint8Array.of(0),
};

/** Whether a Hello of an initial handshake has it; `malformed` when renegotiated_connection is not empty. */
export function readRenegotiationInfo(list: ExtensionList): boolean | 'malformed' {
  const data = extensionData(list, ExtensionType.RenegotiationInfo);
  if (data === undefined) return false;
  return data.length === 1 && data[0] === 0 ? true : 'malformed';
}
