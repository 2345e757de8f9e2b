/**
 * The peer's records of epoch 1 during a handshake: opened once they may be, kept until then.
 *
 * What they hold is not looked at here. Their window and what is left of them go on into the association.
 *
 * @module
 */

import { discardReasonOf } from '../discard-reason.ts';
import type { DtlsDiscardReason } from '../dtls-output.ts';
import { isNewRecord, markRecordReceived, type ReplayWindowState } from '../record/anti-replay-window.ts';
import { copyRecord, type RecordView } from '../record/demultiplex.ts';
import type { EpochKeys } from '../record/epoch-keys.ts';
import { isOpenFault, type OpenedRecord, openRecord } from '../record/open-record.ts';
import { ContentType, connectionIdRecordType } from '../record/record-header.ts';

import { HeldRecords } from './held-records.ts';

/** What one side reads in epoch 1. */
export class ProtectedRecords {
  /** The peer's keys, once they are known. */
  keys: EpochKeys | undefined;
  readonly window: ReplayWindowState = { highest: -1, recent: 0, older: 0 };
  readonly held: HeldRecords = new HeldRecords();

  /**
   * Opens a record where it lies, or keeps a copy when it is too early.
   *
   * @param isReadable Whether the peer's ChangeCipherSpec has come. Application data waits for its Finished all the
   *        same.
   * @returns what it held, `held`, or why the record is discarded.
   */
  open(record: RecordView, isReadable: boolean): OpenedRecord | 'held' | DtlsDiscardReason {
    const isData = record.recordType === ContentType.ApplicationData;
    if (!isReadable || isData || this.keys === undefined) return this.#hold(record, isData);
    if (!isNewRecord(this.window, record.sequenceNumber)) return 'replayed-record';
    // RFC 9146 §4: only opening it tells whether it is application data, which has to be opened once more then.
    const closed = record.recordType === connectionIdRecordType ? copyRecord(record) : record;
    const opened = openRecord(this.keys, record);
    if (isOpenFault(opened)) return discardReasonOf(opened);
    if (opened.contentType === ContentType.ApplicationData) return this.#hold(closed, true);
    markRecordReceived(this.window, record.sequenceNumber);
    return opened;
  }

  #hold(record: RecordView, isData: boolean): 'held' | DtlsDiscardReason {
    return this.held.add(record, isData) ? 'held' : 'handshake-limit';
  }
}
