/**
 * The peer's records of epoch 1 during a handshake: opened once they may be, kept until then.
 *
 * What they hold is not looked at here. Their window and what is left of them go on into the association.
 *
 * @module
 */

import type { DtlsDiscardReason } from '../dtls-output.ts';
import { isNewRecord, markRecordReceived, type ReplayWindowState } from '../record/anti-replay-window.ts';
import type { RecordView } from '../record/demultiplex.ts';
import type { EpochKeys } from '../record/epoch-keys.ts';
import { isOpenFault, openRecord } from '../record/open-record.ts';
import { ContentType } from '../record/record-header.ts';
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
   * @returns the plaintext, `held`, or why the record is discarded.
   */
  open(record: RecordView, isReadable: boolean): Uint8Array | 'held' | DtlsDiscardReason {
    if (!isReadable || record.contentType === ContentType.ApplicationData || this.keys === undefined) {
      return this.held.add(record) ? 'held' : 'handshake-limit';
    }
    if (!isNewRecord(this.window, record.sequenceNumber)) return 'replayed-record';
    const plaintext = openRecord(this.keys, record);
    if (isOpenFault(plaintext)) return 'authentication-failed';
    markRecordReceived(this.window, record.sequenceNumber);
    return plaintext;
  }
}
