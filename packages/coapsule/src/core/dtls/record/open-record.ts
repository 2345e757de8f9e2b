/**
 * Protected record → authenticated plaintext, or the reason to discard it (RFC 6347 §4.1.2).
 *
 * Does not look at the anti-replay window: its owner checks it before and marks it after (§4.1.2.6).
 *
 * @module
 */

import type { RecordView } from './demultiplex.ts';
import { type EpochKeys, explicitNonce, implicitNonce, recordAdditionalData } from './epoch-keys.ts';
import { maxPlaintextLength } from './record-header.ts';

/** Why a record could not be opened. It is to be discarded in silence (RFC 6347 §4.1.2.7). */
export interface OpenFault {
  readonly kind: 'open-fault';
  readonly reason: 'record-too-short' | 'record-too-long' | 'not-authentic';
}

const tooShort: OpenFault = Object.freeze({ kind: 'open-fault', reason: 'record-too-short' });
const tooLong: OpenFault = Object.freeze({ kind: 'open-fault', reason: 'record-too-long' });
const notAuthentic: OpenFault = Object.freeze({ kind: 'open-fault', reason: 'not-authentic' });

/**
 * Decrypts a record where it lies in its datagram.
 *
 * @param keys Those of `record.epoch`; the caller picks them.
 * @returns a view of the plaintext (0 … 2^14 bytes) in the datagram, which now holds it in place of the
 *          ciphertext; or a fault, and then the datagram is as it was. Never throws.
 */
export function openRecord(keys: EpochKeys, record: RecordView): Uint8Array | OpenFault {
  const { recordIvLength, tagLength } = keys.suite;
  const { contentType, version, epoch, sequenceNumber, datagram, fragmentOffset } = record;
  // Lengths first: no key touches a record that cannot be one.
  const plaintextLength = record.fragmentLength - recordIvLength - tagLength;
  if (plaintextLength < 0) return tooShort;
  if (plaintextLength > maxPlaintextLength) return tooLong;
  // The explicit nonce is the sender's choice (RFC 5288 §3), so it is taken from the record, not computed.
  const nonce =
    recordIvLength === 8
      ? explicitNonce(keys, datagram, fragmentOffset)
      : implicitNonce(keys, epoch, sequenceNumber);
  const additionalData = recordAdditionalData(contentType, version, epoch, sequenceNumber, plaintextLength);
  const start = fragmentOffset + recordIvLength;
  const opened = keys.aead.open(nonce, additionalData, datagram, start, plaintextLength + tagLength);
  return opened < 0 ? notAuthentic : datagram.subarray(start, start + opened);
}

/** Whether `openRecord` refused. */
export function isOpenFault(result: Uint8Array | OpenFault): result is OpenFault {
  return 'kind' in result;
}
