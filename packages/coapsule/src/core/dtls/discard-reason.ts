/**
 * Why a record is discarded, from what was found wrong with it.
 *
 * @module
 */

import type { DtlsDiscardReason } from './dtls-output.ts';
import type { RecordView } from './record/demultiplex.ts';
import type { OpenFault } from './record/open-record.ts';
import { ContentType, connectionIdRecordType } from './record/record-header.ts';

/** The reason for a protected record that could not be opened. */
export function discardReasonOf({ reason }: OpenFault): DtlsDiscardReason {
  switch (reason) {
    case 'other-connection-id':
      return 'connection-id-mismatch';
    case 'no-content-type':
      return 'unexpected-content-type';
    case 'record-too-short':
    case 'record-too-long':
    case 'not-authentic':
      return 'authentication-failed';
  }
}

/** The reason for a record in the clear that no handshake takes. */
export function plaintextReasonOf({ recordType }: RecordView): DtlsDiscardReason {
  switch (recordType) {
    case ContentType.ApplicationData:
      return 'plaintext-application-data';
    case ContentType.Alert:
      return 'plaintext-alert';
    case ContentType.Handshake:
      return 'plaintext-handshake-message';
    case ContentType.ChangeCipherSpec:
      return 'unexpected-change-cipher-spec';
    case ContentType.ReturnRoutabilityCheck:
    case connectionIdRecordType:
      return 'unexpected-content-type';
  }
}
