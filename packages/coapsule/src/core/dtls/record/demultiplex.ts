/**
 * Splits a datagram into its records (RFC 6347 §4.1.1: a datagram may hold several, none spans two).
 *
 * Looks at headers only. Nothing here is authenticated, so a fault is a reason to discard, never to close
 * (RFC 6347 §4.1.2.7).
 *
 * @module
 */

import type { DecodeFault } from '../../foundation/errors.ts';
import {
  type ContentType,
  maxCiphertextLength,
  maxPlaintextLength,
  ProtocolVersion,
  recordHeaderLength,
} from './record-header.ts';

/** Where a record lies in its datagram; the bytes are not copied. */
export interface RecordView {
  readonly contentType: ContentType;
  /** 0xfeff or 0xfefd; in epoch 0 any 0xfeXX. */
  readonly version: number;
  readonly epoch: number;
  /** 0 … 2^48 - 1, exact. */
  readonly sequenceNumber: number;
  readonly datagram: Uint8Array;
  /** Where the fragment begins in `datagram`; the header is the 13 bytes before it. */
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
 * Stops at the first record with another header layout (RFC 9147 §4, RFC 9146 §4), another version than DTLS 1.0
 * or 1.2, or a length that is not there or too large; the records before it are kept (RFC 6347 §4.1.2.7). One with
 * a content type nobody knows here is skipped by its length. In epoch 0 any minor version will do, since a client
 * may put its highest there (RFC 5246 Appendix E.1). An empty datagram has no records and no fault.
 *
 * @param datagram Not changed; the views refer to it.
 * @returns never throws.
 */
export function splitRecords(datagram: Uint8Array): SplitDatagram {
  const records: RecordView[] = [];
  let offset = 0;
  let skipped: DecodeFault | undefined;
  while (offset < datagram.length) {
    if (datagram.length - offset < recordHeaderLength) {
      return {
        records,
        fault: skipped ?? recordFault(datagram.length, 'the datagram ends inside a record header'),
      };
    }
    const contentType = at(datagram, offset);
    if (hasOtherHeader(contentType)) {
      return { records, fault: skipped ?? recordFault(offset, `unknown content type ${contentType}`) };
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
    const fragmentLength = u16(datagram, offset + 11);
    // RFC 5246 §6.2.1, §6.2.3: protection may add up to 2048 bytes, and epoch 0 has none.
    if (fragmentLength > (epoch === 0 ? maxPlaintextLength : maxCiphertextLength)) {
      return {
        records,
        fault: skipped ?? recordFault(offset + 11, `a record of ${fragmentLength} bytes is too long`),
      };
    }
    const fragmentOffset = offset + recordHeaderLength;
    if (fragmentOffset + fragmentLength > datagram.length) {
      return { records, fault: skipped ?? recordFault(offset + 11, 'the datagram ends inside a record') };
    }
    const sequenceNumber = u16(datagram, offset + 5) * 0x1_0000_0000 + u32(datagram, offset + 7);
    if (isContentType(contentType)) {
      records.push({ contentType, version, epoch, sequenceNumber, datagram, fragmentOffset, fragmentLength });
    } else {
      skipped ??= recordFault(offset, `unknown content type ${contentType}`);
    }
    offset = fragmentOffset + fragmentLength;
  }
  return skipped === undefined ? { records } : { records, fault: skipped };
}

/** The fragment of a record as a view: the content itself in epoch 0, otherwise still protected. */
export function fragmentOf(record: RecordView): Uint8Array {
  return record.datagram.subarray(record.fragmentOffset, record.fragmentOffset + record.fragmentLength);
}

/** The unified header of DTLS 1.3 begins with the bits 001; tls12_cid (25) has a connection id before its length. */
function hasOtherHeader(firstByte: number): boolean {
  return firstByte >>> 5 === 1 || firstByte === 25;
}

function isContentType(value: number): value is ContentType {
  return value >= 20 && value <= 23;
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
