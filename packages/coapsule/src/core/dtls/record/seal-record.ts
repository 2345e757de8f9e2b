/**
 * Content → protected record (RFC 6347 §4.1, RFC 5246 §6.2.3.3; with a connection id, RFC 9146 §4).
 *
 * Does not count sequence numbers: the epoch's owner does, and must never give one twice.
 *
 * @module
 */

import { InvariantError } from '../../foundation/errors.ts';
import {
  connectionIdRecordAdditionalData,
  explicitNonce,
  implicitNonce,
  innerTypeLength,
  type RecordKeys,
  recordAdditionalData,
  recordOverhead,
} from './epoch-keys.ts';
import {
  type ContentType,
  connectionIdRecordType,
  isRecordNumber,
  maxPlaintextLength,
  ProtocolVersion,
  recordHeaderLength,
  writeEpochAndSequenceNumber,
  writeRecordHeader,
} from './record-header.ts';

/**
 * A whole protected record in a new array; with the connection id of the keys, when they have one. There is no padding.
 *
 * The explicit nonce of CCM and GCM is epoch and sequence number, as RFC 6655 §3 and RFC 5288 §3 suggest: it
 * cannot repeat, while a random one can.
 *
 * @param content At most 2^14 bytes, or one less with a connection id; copied.
 * @throws InvariantError for epoch 0, a sequence number above 2^48 - 1 (RFC 6347 §4.1: it must not wrap) or
 *         a content too long. The caller ends the epoch before that.
 */
export function sealRecord(
  keys: RecordKeys,
  contentType: ContentType,
  epoch: number,
  sequenceNumber: number,
  content: Uint8Array,
): Uint8Array {
  const { suite, connectionId } = keys;
  const hasConnectionId = connectionId.length > 0;
  const plaintextLength = content.length + (hasConnectionId ? innerTypeLength : 0);
  if (epoch === 0 || !isRecordNumber(epoch, sequenceNumber) || plaintextLength > maxPlaintextLength) {
    throw new InvariantError(`record ${epoch}/${sequenceNumber} of ${content.length} bytes cannot be sealed`);
  }
  const version = ProtocolVersion.Dtls12;
  const headerLength = recordHeaderLength + connectionId.length;
  const record = new Uint8Array(recordOverhead(keys) + content.length);
  writeRecordHeader(
    record,
    hasConnectionId ? connectionIdRecordType : contentType,
    version,
    epoch,
    sequenceNumber,
    connectionId,
    record.length - headerLength,
  );
  let nonce: Uint8Array;
  if (suite.recordIvLength === 8) {
    writeEpochAndSequenceNumber(record, headerLength, epoch, sequenceNumber);
    nonce = explicitNonce(keys, record, headerLength);
  } else {
    nonce = implicitNonce(keys, epoch, sequenceNumber);
  }
  const plaintextOffset = headerLength + suite.recordIvLength;
  record.set(content, plaintextOffset);
  if (hasConnectionId) record[plaintextOffset + content.length] = contentType;
  const additionalData = hasConnectionId
    ? connectionIdRecordAdditionalData(connectionId, version, epoch, sequenceNumber, plaintextLength)
    : recordAdditionalData(contentType, version, epoch, sequenceNumber, plaintextLength);
  keys.aead.seal(nonce, additionalData, record, plaintextOffset, plaintextLength);
  return record;
}
