/**
 * What protection costs in each record, for those who count bytes.
 *
 * @module
 */

import { type CipherSuite, type CipherSuiteName, suiteByName } from './cipher-suites.ts';
import { recordOverheadOf } from './record/epoch-keys.ts';

/**
 * Bytes that a DTLS 1.2 record has more than its content: header, explicit nonce and authentication tag, and with a
 * connection id that and the real content type (RFC 6347 §4.1, RFC 9146 §4). 29 with TLS_PSK_WITH_AES_128_CCM_8.
 *
 * @param connectionIdLength 0 … 255 bytes; 0 is a record in the usual format.
 */
export function recordOverhead(suite: CipherSuiteName, connectionIdLength = 0): number {
  return recordOverheadOf(suiteByName(suite) as CipherSuite, connectionIdLength);
}
