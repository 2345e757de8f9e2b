/**
 * The peer's records of epoch 1 during a handshake: opened once they may be, kept until then.
 *
 * What they hold is not looked at here. Their window and what is left of them go on into the association.
 *
 * Where a client may have one of several keys, the first record tells which: it opens with one of them (RFC 4279 names no
 * other sign). The others are made only when it does not open with the first, and forgotten when one fits, so that only a
 * handshake whose key is not the first pays for them.
 *
 * @module
 */

import { InvariantError } from '../../foundation/errors.ts';
import { discardReasonOf } from '../discard-reason.ts';
import type { DtlsDiscardReason } from '../dtls-output.ts';
import { isNewRecord, markRecordReceived, type ReplayWindowState } from '../record/anti-replay-window.ts';
import { copyRecord, type RecordView } from '../record/demultiplex.ts';
import type { EpochKeys } from '../record/epoch-keys.ts';
import { isOpenFault, type OpenedRecord, openRecord } from '../record/open-record.ts';
import { ContentType, connectionIdRecordType } from '../record/record-header.ts';

import type { InstalledKeys } from './handshake-context.ts';
import { HeldRecords } from './held-records.ts';

/** What one side reads in epoch 1. */
export class ProtectedRecords {
  /** The peer's keys, once they are known. */
  keys: EpochKeys | undefined;
  readonly window: ReplayWindowState = { highest: -1, recent: 0, older: 0 };
  readonly held: HeldRecords = new HeldRecords();
  /** Which of the keys that were installed is in use. */
  installedIndex = 0;
  #others: (InstalledKeys | (() => InstalledKeys))[] = [];
  #onOther: (keys: InstalledKeys) => void = () => {};

  /**
   * The keys, and those that may be the right ones in their place.
   *
   * @param onOther Is told when one of the others is: it is the one in use then.
   */
  install(
    { read }: InstalledKeys,
    others: readonly (() => InstalledKeys)[],
    onOther: (keys: InstalledKeys) => void,
  ): void {
    this.keys = read;
    this.#others = [...others];
    this.#onOther = onOther;
  }

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
    const first = openRecord(this.keys, record);
    const isOther = isOpenFault(first) && first.reason === 'not-authentic' && this.#others.length > 0;
    const opened = isOther ? this.#openWithOther(record) : first;
    if (isOpenFault(opened)) return discardReasonOf(opened);
    this.#others = [];
    if (opened.contentType === ContentType.ApplicationData) return this.#hold(closed, true);
    markRecordReceived(this.window, record.sequenceNumber);
    return opened;
  }

  /** What does not open leaves the record as it was. */
  #openWithOther(record: RecordView): ReturnType<typeof openRecord> {
    let opened: ReturnType<typeof openRecord> | undefined;
    for (const [i, other] of this.#others.entries()) {
      const keys = typeof other === 'function' ? other() : other;
      this.#others[i] = keys;
      opened = openRecord(keys.read, record);
      if (isOpenFault(opened)) continue;
      this.keys = keys.read;
      this.installedIndex = i + 1;
      this.#onOther(keys);
      return opened;
    }
    if (opened === undefined) throw new InvariantError('no other keys');
    return opened;
  }

  #hold(record: RecordView, isData: boolean): 'held' | DtlsDiscardReason {
    return this.held.add(record, isData) ? 'held' : 'handshake-limit';
  }
}
