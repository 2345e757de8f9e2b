/**
 * Records of epoch 1 that come before they can be read: kept, within limits, so that a reordered Finished or
 * early application data does not cost a retransmission (RFC 6347 §4.1 leaves keeping or dropping to us).
 *
 * @module
 */

import type { RecordView } from '../record/demultiplex.ts';
import { ContentType, recordHeaderLength } from '../record/record-header.ts';

/** Most records and bytes kept for one handshake. */
const heldRecordLimits = { records: 8, bytes: 4096 } as const;

/** Records as they came, still protected. */
export class HeldRecords {
  #records: RecordView[] = [];

  /** Bytes kept. */
  get bytes(): number {
    return this.#records.reduce((sum, { fragmentLength }) => sum + fragmentLength, 0);
  }

  /** Keeps a copy of a record; false when there is no room. */
  add(record: RecordView): boolean {
    const { records, bytes } = heldRecordLimits;
    if (this.#records.length >= records || this.bytes + record.fragmentLength > bytes) return false;
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
