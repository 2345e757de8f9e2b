/**
 * Plaintext → protected record (RFC 6347 §4.1, RFC 5246 §6.2.3.3).
 *
 * Does not count sequence numbers: the epoch's owner does, and must never give one twice.
 *
 * @module
 */

import { InvariantError } from '../../foundation/errors.ts';
import {
  type EpochKeys,
  explicitNonce,
  implicitNonce,
  recordAdditionalData,
  recordOverhead,
} from './epoch-keys.ts';
import {
  type ContentType,
  isRecordNumber,
  maxPlaintextLength,
  ProtocolVersion,
  recordHeaderLength,
  writeEpochAndSequenceNumber,
  writeRecordHeader,
} from './record-header.ts';

/**
 * A whole protected record in a new array.
 *
 * The explicit nonce of CCM and GCM is epoch and sequence number, as RFC 6655 §3 and RFC 5288 §3 suggest: it
 * cannot repeat, while a random one can.
 *
 * @param plaintext At most 2^14 bytes; copied.
 * @throws InvariantError for epoch 0, a sequence number above 2^48 - 1 (RFC 6347 §4.1: it must not wrap) or
 *         a plaintext too long. The caller ends the epoch before that.
 */
export function sealRecord(
  keys: EpochKeys,
  contentType: ContentType,
  epoch: number,
  sequenceNumber: number,
  plaintext: Uint8Array,
): Uint8Array {
  if (epoch === 0 || !isRecordNumber(epoch, sequenceNumber) || plaintext.length > maxPlaintextLength) {
    throw new InvariantError(
      `record ${epoch}/${sequenceNumber} of ${plaintext.length} bytes cannot be sealed`,
    );
  }
  const { suite } = keys;
  const version = ProtocolVersion.Dtls12;
  const record = new Uint8Array(recordOverhead(suite) + plaintext.length);
  writeRecordHeader(record, contentType, version, epoch, sequenceNumber, record.length - recordHeaderLength);
  const plaintextOffset = recordHeaderLength + suite.recordIvLength;
  let nonce: Uint8Array;
  if (suite.recordIvLength === 8) {
    writeEpochAndSequenceNumber(record, recordHeaderLength, epoch, sequenceNumber);
    nonce = explicitNonce(keys, record, recordHeaderLength);
  } else {
    nonce = implicitNonce(keys, epoch, sequenceNumber);
  }
  record.set(plaintext, plaintextOffset);
  const additionalData = recordAdditionalData(contentType, version, epoch, sequenceNumber, plaintext.length);
  keys.aead.seal(nonce, additionalData, record, plaintextOffset, plaintext.length);
  return record;
}
