/**
 * How much one key may protect (RFC 9325 §4.4, RFC 9147 §4.5.3; docs/decisions/011).
 *
 * @module
 */

import type { CipherSuite } from './cipher-suites.ts';
import { maxSequenceNumber } from './record/record-header.ts';

/** Share of a limit at which a new handshake is asked for, while there is time for it. */
const renewalShare = 0.9;

/** Records of the sealing limit that are left for alerts, so that the end can be told. */
const reservedForAlerts = 16;

/** Whether one more record may be sealed after `sealed` ones; an alert may use what is reserved for it. */
export function maySeal(suite: CipherSuite, sealed: number, isAlert: boolean): boolean {
  return sealed < sealingLimit(suite) - (isAlert ? 0 : reservedForAlerts);
}

/** Whether so many records were sealed that the keys should be replaced soon. */
export function shouldRenewAfterSealing(suite: CipherSuite, sealed: number): boolean {
  return sealed >= renewalShare * sealingLimit(suite);
}

/** Whether so many forged records came that the keys should be replaced soon. */
export function shouldRenewAfterForgeries(suite: CipherSuite, forged: number): boolean {
  return forged >= renewalShare * suite.maxForgedRecords;
}

// Sequence numbers begin at 0, so the next one is at least the number of records sealed.
function sealingLimit({ maxSealedRecords }: CipherSuite): number {
  return Math.min(maxSealedRecords, maxSequenceNumber + 1);
}
