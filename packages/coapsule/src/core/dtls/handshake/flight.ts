/**
 * One flight: its contents, turned into datagrams each time it is sent (RFC 6347 §4.2.4).
 *
 * Each transmission makes new records with new sequence numbers; message_seq stays (RFC 6347 §4.2.2).
 *
 * @module
 */

import { concatBytes } from '../../foundation/bytes.ts';
import { ContentType } from '../record/record-header.ts';
import { type FlightLimits, type FlightPart, type PlannedRecord, planFlight } from './fragmentation.ts';
import type { FlightContent } from './handshake-context.ts';
import { encodeMessageFragment } from './message-header.ts';

/** Contents under their number in RFC 6347 Figure 1. */
export interface Flight {
  readonly number: number;
  readonly contents: readonly FlightContent[];
}

/** Makes records for a flight, each with the next sequence number of its epoch. */
export interface FlightRecords {
  /** Bytes the record layer adds in this epoch. */
  overhead(epoch: 0 | 1): number;
  /** A whole record. */
  record(contentType: ContentType, epoch: 0 | 1, content: Uint8Array): Uint8Array;
}

/** Bytes of a content that one record carries. */
export interface SentContent {
  readonly content: FlightContent;
  readonly offset: number;
  readonly length: number;
}

const changeCipherSpecBody = Uint8Array.of(1);

/** The datagrams of one transmission; `onRecord` is told of each record, and of the datagram it is in. */
export function encodeFlight(
  flight: Flight,
  limits: FlightLimits,
  records: FlightRecords,
  onRecord: (sent: SentContent, datagramBytes: number, datagramIndex: number) => void,
): Uint8Array[] {
  const parts = flight.contents.map((content): FlightPart => {
    const isMessage = content.kind === 'message';
    return {
      isMessage,
      length: isMessage ? content.message.body.length : changeCipherSpecBody.length,
      recordOverhead: records.overhead(isMessage ? content.epoch : 0),
    };
  });
  const datagrams: Uint8Array[] = [];
  for (const plan of planFlight(parts, limits)) {
    const encoded = plan.map((record) => encodeRecord(flight, record, records));
    const datagram = encoded.length === 1 ? (encoded[0] as Uint8Array) : concatBytes(...encoded);
    for (const { part, offset, length } of plan) {
      const content = flight.contents[part] as FlightContent;
      onRecord({ content, offset, length }, datagram.length, datagrams.length);
    }
    datagrams.push(datagram);
  }
  return datagrams;
}

function encodeRecord(
  { contents }: Flight,
  { part, offset, length }: PlannedRecord,
  records: FlightRecords,
): Uint8Array {
  const content = contents[part] as FlightContent;
  if (content.kind === 'change-cipher-spec') {
    // Always epoch 0: what it announces is the epoch after it.
    return records.record(ContentType.ChangeCipherSpec, 0, changeCipherSpecBody);
  }
  const { message, epoch } = content;
  return records.record(ContentType.Handshake, epoch, encodeMessageFragment(message, offset, length));
}
