/**
 * Records of epoch 1 that come before they can be read: kept, within limits, so that a reordered Finished or
 * early application data does not cost a retransmission (RFC 6347 §4.1 leaves keeping or dropping to us).
 *
 * @module
 */

import { copyRecord, type RecordView } from '../record/demultiplex.ts';
import { ContentType, connectionIdRecordType } from '../record/record-header.ts';

/**
 * Most records and bytes kept for one handshake, and of one handshake record: a Finished is far smaller. When there
 * is no room, such a record takes the place of the oldest ones, so that forged records cannot keep it out. A short
 * one with a connection id, whose type nobody can see, may be one.
 */
const heldRecordLimits = { records: 8, bytes: 4096, handshakeRecordBytes: 256 } as const;

/** Records as they came, still protected. */
export class HeldRecords {
  #records: { readonly record: RecordView; readonly isData: boolean }[] = [];

  /** Bytes kept. */
  get bytes(): number {
    return this.#records.reduce((sum, { record }) => sum + record.fragmentLength, 0);
  }

  /**
   * Keeps a copy of a record; false when there is no room.
   *
   * @param isData Whether it is known to hold application data.
   */
  add(record: RecordView, isData: boolean): boolean {
    const { records, bytes, handshakeRecordBytes } = heldRecordLimits;
    const isFull = (): boolean =>
      this.#records.length >= records || this.bytes + record.fragmentLength > bytes;
    const isShort = record.fragmentLength <= handshakeRecordBytes;
    if (record.recordType === ContentType.Handshake && !isShort) return false;
    if (
      record.recordType === ContentType.Handshake ||
      (record.recordType === connectionIdRecordType && isShort && !isData)
    ) {
      while (isFull()) this.#records.shift();
    }
    if (isFull()) return false;
    this.#records.push({ record: copyRecord(record), isData });
    return true;
  }

  /** Takes out what is not known to be application data, in the order it came. */
  takeHandshakeRecords(): RecordView[] {
    const taken = this.#records.filter(({ isData }) => !isData);
    this.#records = this.#records.filter(({ isData }) => isData);
    return taken.map(({ record }) => record);
  }

  /** Takes out all that is left. */
  takeAll(): RecordView[] {
    const taken = this.#records;
    this.#records = [];
    return taken.map(({ record }) => record);
  }
}
