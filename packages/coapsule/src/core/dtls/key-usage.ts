/**
 * What is done with the keys of associations: records are sealed with a number each, forgeries are counted, and both
 * are told of before they are too many (docs/decisions/011).
 *
 * @module
 */

import type { AssociationTable } from './association-table.ts';
import type { DtlsOutput } from './dtls-output.ts';
import { maySeal, shouldRenewAfterForgeries, shouldRenewAfterSealing } from './key-limits.ts';
import { ContentType } from './record/record-header.ts';
import { sealRecord } from './record/seal-record.ts';

/** What this file needs of its surroundings. */
export interface KeyUsageSurroundings {
  readonly table: AssociationTable;
  readonly emit: (output: DtlsOutput) => void;
  /** Whether the next sequence number of an association is reserved for this process. */
  readonly isReserved: (slot: number, isAlert: boolean) => boolean;
}

/** The keys of all associations of a layer. */
export class KeyUsage {
  readonly #surroundings: KeyUsageSurroundings;

  constructor(surroundings: KeyUsageSurroundings) {
    this.#surroundings = surroundings;
  }

  /**
   * A sealed record. The only place where a sequence number of epoch 1 is taken.
   *
   * @returns `undefined` when the keys sealed all they may, or no number is reserved.
   */
  seal(slot: number, contentType: ContentType, content: Uint8Array): Uint8Array | undefined {
    const { table, isReserved } = this.#surroundings;
    const { write } = table.keys(slot);
    const isAlert = contentType === ContentType.Alert;
    if (!maySeal(write.suite, table.writeSequence(slot), isAlert) || !isReserved(slot, isAlert)) {
      return undefined;
    }
    const record = sealRecord(write, contentType, 1, table.takeWriteSequence(slot), content);
    table.traffic.noteSent(slot, record.length);
    if (shouldRenewAfterSealing(write.suite, table.writeSequence(slot))) {
      this.#askForRenewal(slot, 'sealed-records');
    }
    return record;
  }

  /**
   * Counts a record that did not authenticate.
   *
   * @returns whether there were too many under one key, so that one of them might succeed (RFC 9325 §4.4).
   */
  noteForgery(slot: number): boolean {
    const { table } = this.#surroundings;
    const suite = table.suite(slot);
    const forged = table.countForgedRecord(slot);
    if (shouldRenewAfterForgeries(suite, forged)) this.#askForRenewal(slot, 'forged-records');
    return forged > suite.maxForgedRecords;
  }

  #askForRenewal(slot: number, reason: 'sealed-records' | 'forged-records'): void {
    const { table, emit } = this.#surroundings;
    if (!table.markRenewalTold(slot)) return;
    emit({
      kind: 'renew-association',
      association: table.id(slot),
      address: table.address(slot),
      role: table.role(slot),
      reason,
    });
  }
}
