/**
 * Records of epoch 1 that come before they can be read: kept, within limits, so that a reordered Finished or
 * early application data does not cost a retransmission (RFC 6347 §4.1 leaves keeping or dropping to us).
 *
 * @module
 */

import type { RecordView } from '../record/demultiplex.ts';
import { ContentType, recordHeaderLength } from '../record/record-header.ts';

/**
 * Most records and bytes kept for one handshake, and of one handshake record: a Finished is far smaller. When there
 * is no room, such a record takes the place of the oldest ones, so that forged records cannot keep it out.
 */
const heldRecordLimits = { records: 8, bytes: 4096, handshakeRecordBytes: 256 } as const;

/** Records as they came, still protected. */
export class HeldRecords {
  #records: RecordView[] = [];

  /** Bytes kept. */
  get bytes(): number {
    return this.#records.reduce((sum, { fragmentLength }) => sum + fragmentLength, 0);
  }

  /** Keeps a copy of a record; false when there is no room. */
  add(record: RecordView): boolean {
    const { records, bytes, handshakeRecordBytes } = heldRecordLimits;
    const isFull = (): boolean =>
      this.#records.length >= records || this.bytes + record.fragmentLength > bytes;
    if (record.contentType === ContentType.Handshake) {
      if (record.fragmentLength > handshakeRecordBytes) return false;
      while (isFull()) this.#records.shift();
    }
    if (isFull()) return false;
    const start = record.fragmentOffset - recordHeaderLength;
    const datagram = record.datagram.slice(start, record.fragmentOffset + record.fragmentLength);
    this.#records.push({ ...record, datagram, fragmentOffset: recordHeaderLength });
    return true;
  }

  /** Takes out what is not application data, in the order it came. */
  takeHandshakeRecords(): RecordView[] {
    const isData = ({ contentType }: RecordView): boolean => contentType === ContentType.ApplicationData;
    const taken = this.#records.filter((record) => !isData(record));
    this.#records = this.#records.filter(isData);
    return taken;
  }

  /** Takes out all that is left. */
  takeAll(): RecordView[] {
    const taken = this.#records;
    this.#records = [];
    return taken;
  }
}
