/**
 * The additional authenticated data of OSCORE messages.
 *
 * RFC 8613 §5.4, RFC 8152 §5.3.
 *
 * @module
 */

import { InvariantError } from '../foundation/errors.ts';

/** The array of three, "Encrypt0", no protected header; then the byte string of what follows (RFC 8152 §5.3). */
const structure = [0x83, 0x68, ...[...'Encrypt0'].map((letter) => letter.charCodeAt(0)), 0x40] as const;

/** The array of five of §5.4: version 1, and an array with the algorithm. */
const start = [0x85, 0x01, 0x81] as const;

/** Up to here a length, or a number, is in the head of its CBOR item (RFC 8949 §3). */
const inHead = 23;

const byteString = 0x40;

/**
 * The AAD of a request and of all its responses: there are no Class I options in which they could differ (§4.1.2).
 *
 * Written without an encoder, since each message needs one, and all lengths are short: a nonce has no room for a longer `kid`.
 *
 * @param algorithm Number of the AEAD algorithm in the COSE registry, 0 … 255.
 * @param requestKid The `kid` of the request, 0 … 7 bytes.
 * @param requestPartialIv The Partial IV of the request, as it was sent, 1 … 5 bytes.
 */
export function additionalData(
  algorithm: number,
  requestKid: Uint8Array,
  requestPartialIv: Uint8Array,
): Uint8Array {
  const algorithmLength = algorithm > inHead ? 2 : 1;
  const external = start.length + algorithmLength + 1 + requestKid.length + 1 + requestPartialIv.length + 1;
  if (external > inHead) throw new InvariantError(`an external_aad of ${external} bytes`);
  const data = new Uint8Array(structure.length + 1 + external);
  let at = 0;
  for (const byte of structure) data[at++] = byte;
  data[at++] = byteString | external;
  for (const byte of start) data[at++] = byte;
  if (algorithm > inHead) data[at++] = 0x18;
  data[at++] = algorithm;
  data[at++] = byteString | requestKid.length;
  for (let i = 0; i < requestKid.length; i++) data[at++] = requestKid[i] as number;
  data[at++] = byteString | requestPartialIv.length;
  for (let i = 0; i < requestPartialIv.length; i++) data[at++] = requestPartialIv[i] as number;
  // No options of Class I.
  data[at] = byteString;
  return data;
}
