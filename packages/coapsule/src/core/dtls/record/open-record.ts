/**
 * Protected record → authenticated content, or the reason to discard it (RFC 6347 §4.1.2, RFC 9146 §4).
 *
 * Does not look at the anti-replay window: its owner checks it before and marks it after (§4.1.2.6).
 *
 * @module
 */

import { equalBytes } from '../../foundation/bytes.ts';
import type { RecordView } from './demultiplex.ts';
import {
  connectionIdRecordAdditionalData,
  explicitNonce,
  implicitNonce,
  type RecordKeys,
  recordAdditionalData,
} from './epoch-keys.ts';
import {
  type ContentType,
  connectionIdRecordType,
  isContentType,
  maxPlaintextLength,
} from './record-header.ts';

/** What a record held. */
export interface OpenedRecord {
  /** With a connection id, the type that was encrypted. */
  readonly contentType: ContentType;
  /** 0 … 2^14 bytes: a view of the datagram. */
  readonly content: Uint8Array;
}

/** Why a record could not be opened. It is to be discarded in silence (RFC 6347 §4.1.2.7). */
export interface OpenFault {
  readonly kind: 'open-fault';
  readonly reason:
    | 'record-too-short'
    | 'record-too-long'
    /** Another connection id than these keys are for, or one missing, or one too many (RFC 9146 §3). */
    | 'other-connection-id'
    | 'not-authentic'
    /** Authentic, but of no content type: nothing but zeros, or a type nobody knows here (RFC 9146 §4). */
    | 'no-content-type';
}

const tooShort = fault('record-too-short');
const tooLong = fault('record-too-long');
const otherConnectionId = fault('other-connection-id');
const notAuthentic = fault('not-authentic');
const noContentType = fault('no-content-type');

/**
 * Decrypts a record where it lies in its datagram.
 *
 * @param keys Those of `record.epoch`; the caller picks them.
 * @returns what it held, in the datagram in place of the ciphertext; or a fault, and then the datagram is as it was
 *          unless the record was authentic. Never throws.
 */
export function openRecord(keys: RecordKeys, record: RecordView): OpenedRecord | OpenFault {
  const { recordIvLength, tagLength } = keys.suite;
  const { recordType, version, epoch, sequenceNumber, datagram, fragmentOffset } = record;
  if (!equalBytes(record.connectionId, keys.connectionId)) return otherConnectionId;
  // Lengths first: no key touches a record that cannot be one.
  const plaintextLength = record.fragmentLength - recordIvLength - tagLength;
  if (plaintextLength < 0) return tooShort;
  if (plaintextLength > maxPlaintextLength) return tooLong;
  // The explicit nonce is the sender's choice (RFC 5288 §3), so it is taken from the record, not computed.
  const nonce =
    recordIvLength === 8
      ? explicitNonce(keys, datagram, fragmentOffset)
      : implicitNonce(keys, epoch, sequenceNumber);
  const additionalData =
    recordType === connectionIdRecordType
      ? connectionIdRecordAdditionalData(keys.connectionId, version, epoch, sequenceNumber, plaintextLength)
      : recordAdditionalData(recordType, version, epoch, sequenceNumber, plaintextLength);
  const start = fragmentOffset + recordIvLength;
  const opened = keys.aead.open(nonce, additionalData, datagram, start, plaintextLength + tagLength);
  if (opened < 0) return notAuthentic;
  if (recordType !== connectionIdRecordType) {
    return { contentType: recordType, content: datagram.subarray(start, start + opened) };
  }
  // RFC 9146 §4: the type is the last byte that is not padding.
  let typeOffset = start + opened - 1;
  while (typeOffset >= start && datagram[typeOffset] === 0) typeOffset--;
  const contentType = typeOffset < start ? 0 : (datagram[typeOffset] as number);
  if (!isContentType(contentType)) return noContentType;
  return { contentType, content: datagram.subarray(start, typeOffset) };
}

/** Whether `openRecord` refused. */
export function isOpenFault(result: OpenedRecord | OpenFault): result is OpenFault {
  return 'kind' in result;
}

function fault(reason: OpenFault['reason']): OpenFault {
  return Object.freeze({ kind: 'open-fault', reason });
}
