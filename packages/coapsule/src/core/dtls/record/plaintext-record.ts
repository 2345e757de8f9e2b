/**
 * Records of epoch 0, which nothing protects (RFC 6347 §4.1).
 *
 * Encoding only; `demultiplex.ts` reads records of any epoch.
 *
 * @module
 */

import { noBytes } from '../../foundation/bytes.ts';
import { InvariantError } from '../../foundation/errors.ts';
import {
  type ContentType,
  isRecordNumber,
  maxPlaintextLength,
  recordHeaderLength,
  writeRecordHeader,
} from './record-header.ts';

/**
 * A whole record with its fragment in the clear.
 *
 * @param version As on the wire: 0xfeff or 0xfefd.
 * @param sequenceNumber 0 … 2^48 - 1.
 * @param fragment At most 2^14 bytes; copied.
 * @throws InvariantError when epoch, sequence number or fragment do not fit; all are our own doing.
 */
export function encodePlaintextRecord(
  contentType: ContentType,
  version: number,
  epoch: number,
  sequenceNumber: number,
  fragment: Uint8Array,
): Uint8Array {
  if (!isRecordNumber(epoch, sequenceNumber) || fragment.length > maxPlaintextLength) {
    throw new InvariantError(
      `record ${epoch}/${sequenceNumber} of ${fragment.length} bytes cannot be encoded`,
    );
  }
  const record = new Uint8Array(recordHeaderLength + fragment.length);
  writeRecordHeader(record, contentType, version, epoch, sequenceNumber, noBytes, fragment.length);
  record.set(fragment, recordHeaderLength);
  return record;
}
