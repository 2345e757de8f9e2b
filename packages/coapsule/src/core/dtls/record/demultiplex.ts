/**
 * Splits a datagram into its records (RFC 6347 §4.1.1: a datagram may hold several, none spans two).
 *
 * Looks at headers only. Nothing here is authenticated, so a fault is a reason to discard, never to close
 * (RFC 6347 §4.1.2.7).
 *
 * @module
 */

import { noBytes } from '../../foundation/bytes.ts';
import type { DecodeFault } from '../../foundation/errors.ts';
import {
  ContentType,
  connectionIdRecordType,
  isContentType,
  maxCiphertextLength,
  maxPlaintextLength,
  ProtocolVersion,
  type RecordType,
  recordHeaderLength,
} from './record-header.ts';

/** Where a record lies in its datagram; the bytes are not copied. */
export interface RecordView {
  /** The content type; `connectionIdRecordType` when that is encrypted and only opening the record tells it. */
  readonly recordType: RecordType;
  /** 0xfeff or 0xfefd; in epoch 0 any 0xfeXX. */
  readonly version: number;
  readonly epoch: number;
  /** 0 … 2^48 - 1, exact. */
  readonly sequenceNumber: number;
  /** Not empty if and only if `recordType` is `connectionIdRecordType`. A view of the datagram. */
  readonly connectionId: Uint8Array;
  readonly datagram: Uint8Array;
  /** Where the fragment begins in `datagram`; the header is the bytes before it, see `recordLength`. */
  readonly fragmentOffset: number;
  readonly fragmentLength: number;
}

/** What `splitRecords` found. */
export interface SplitDatagram {
  /** Well-formed records in their order. */
  readonly records: readonly RecordView[];
  /** Set when there were bytes that are no record of ours; they are to be discarded. The first such place. */
  readonly fault?: DecodeFault;
}

/**
 * The records of one datagram.
 *
 * Stops at the first record with another header layout (RFC 9147 §4, or a connection id where we gave none), another
 * version than DTLS 1.0 or 1.2, or a length that is not there or too large; the records before it are kept (RFC 6347
 * §4.1.2.7). One with a content type nobody knows here is skipped by its length. In epoch 0 any minor version will
 * do, since a client may put its highest there (RFC 5246 Appendix E.1). An empty datagram has no records and no fault.
 *
 * @param datagram Not changed; the views refer to it.
 * @param ownConnectionIdLength Bytes of the connection ids that we give to peers (RFC 9146 §3: the record does not
 *        tell); 0 when we give none.
 * @returns never throws.
 */
export function splitRecords(datagram: Uint8Array, ownConnectionIdLength = 0): SplitDatagram {
  const records: RecordView[] = [];
  let offset = 0;
  let skipped: DecodeFault | undefined;
  while (offset < datagram.length) {
    const recordType = at(datagram, offset);
    const connectionIdLength = recordType === connectionIdRecordType ? ownConnectionIdLength : 0;
    const headerLength = recordHeaderLength + connectionIdLength;
    if (datagram.length - offset < headerLength) {
      return {
        records,
        fault: skipped ?? recordFault(datagram.length, 'the datagram ends inside a record header'),
      };
    }
    if (hasOtherHeader(recordType) || (recordType === connectionIdRecordType && connectionIdLength === 0)) {
      return { records, fault: skipped ?? recordFault(offset, `unknown content type ${recordType}`) };
    }
    const version = u16(datagram, offset + 1);
    const epoch = u16(datagram, offset + 3);
    const isKnown = version === ProtocolVersion.Dtls12 || version === ProtocolVersion.Dtls10;
    if (!isKnown && (epoch > 0 || version >>> 8 !== 0xfe)) {
      return {
        records,
        fault: skipped ?? recordFault(offset + 1, `unknown record version 0x${version.toString(16)}`),
      };
    }
    const fragmentOffset = offset + headerLength;
    const fragmentLength = u16(datagram, fragmentOffset - 2);
    // RFC 5246 §6.2.1, §6.2.3: protection may add up to 2048 bytes, and epoch 0 has none.
    if (fragmentLength > (epoch === 0 ? maxPlaintextLength : maxCiphertextLength)) {
      return {
        records,
        fault: skipped ?? recordFault(fragmentOffset - 2, `a record of ${fragmentLength} bytes is too long`),
      };
    }
    if (fragmentOffset + fragmentLength > datagram.length) {
      return {
        records,
        fault: skipped ?? recordFault(fragmentOffset - 2, 'the datagram ends inside a record'),
      };
    }
    if (isRecordType(recordType, epoch)) {
      const sequenceNumber = u16(datagram, offset + 5) * 0x1_0000_0000 + u32(datagram, offset + 7);
      const connectionId =
        connectionIdLength === 0 ? noBytes : datagram.subarray(offset + 11, offset + 11 + connectionIdLength);
      records.push({
        recordType,
        version,
        epoch,
        sequenceNumber,
        connectionId,
        datagram,
        fragmentOffset,
        fragmentLength,
      });
    } else {
      skipped ??= recordFault(offset, `unknown content type ${recordType} in epoch ${epoch}`);
    }
    offset = fragmentOffset + fragmentLength;
  }
  return skipped === undefined ? { records } : { records, fault: skipped };
}

/** The fragment of a record as a view: the content itself in epoch 0, otherwise still protected. */
export function fragmentOf(record: RecordView): Uint8Array {
  return record.datagram.subarray(record.fragmentOffset, record.fragmentOffset + record.fragmentLength);
}

/** Bytes of a whole record: header, connection id and fragment. */
export function recordLength({ connectionId, fragmentLength }: RecordView): number {
  return recordHeaderLength + connectionId.length + fragmentLength;
}

/** The same record in an array of its own, for one that is to outlive its datagram or to be opened twice. */
export function copyRecord(record: RecordView): RecordView {
  const headerLength = recordHeaderLength + record.connectionId.length;
  const start = record.fragmentOffset - headerLength;
  const datagram = record.datagram.slice(start, record.fragmentOffset + record.fragmentLength);
  return {
    ...record,
    connectionId: record.connectionId.length === 0 ? noBytes : datagram.subarray(11, headerLength - 2),
    datagram,
    fragmentOffset: headerLength,
  };
}

/** The unified header of DTLS 1.3 begins with the bits 001. */
function hasOtherHeader(firstByte: number): boolean {
  return firstByte >>> 5 === 1;
}

/** RFC 9146 §3, RFC 9853 §4: what these two types hold is always protected. */
function isRecordType(value: number, epoch: number): value is RecordType {
  if (value === connectionIdRecordType || value === ContentType.ReturnRoutabilityCheck) return epoch > 0;
  return isContentType(value);
}

function at(bytes: Uint8Array, offset: number): number {
  return bytes[offset] as number;
}

function u16(bytes: Uint8Array, offset: number): number {
  return (at(bytes, offset) << 8) | at(bytes, offset + 1);
}

function u32(bytes: Uint8Array, offset: number): number {
  return u16(bytes, offset) * 0x1_0000 + u16(bytes, offset + 2);
}

function recordFault(offset: number, reason: string): DecodeFault {
  return { kind: 'decode-fault', layer: 'dtls-record', offset, reason };
}
