/**
 * The additional authenticated data of OSCORE messages.
 *
 * RFC 8613 §5.4, RFC 8152 §5.3.
 *
 * @module
 */

import { encodeCbor } from '../cbor/encode.ts';
import { noBytes } from '../foundation/bytes.ts';

/** The only version there is (RFC 8613 §5.4). */
const oscoreVersion = 1;

/**
 * The AAD of a request and of all its responses: there are no Class I options in which they could differ (§4.1.2).
 *
 * @param algorithm Number of the AEAD algorithm in the COSE registry.
 * @param requestKid The `kid` of the request.
 * @param requestPartialIv The Partial IV of the request, as it was sent.
 */
export function additionalData(
  algorithm: number,
  requestKid: Uint8Array,
  requestPartialIv: Uint8Array,
): Uint8Array {
  const externalAad = encodeCbor([oscoreVersion, [algorithm], requestKid, requestPartialIv, noBytes]);
  return encodeCbor(['Encrypt0', noBytes, externalAad]);
}
