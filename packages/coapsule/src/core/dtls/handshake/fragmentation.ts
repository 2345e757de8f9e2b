/**
 * Packs the messages of a flight into datagrams no larger than the MTU (RFC 6347 §4.1.1.1, §4.2.3).
 *
 * A message that fits into a record and a datagram of its own is never cut, because some peers cannot join fragments;
 * otherwise datagrams are filled. Does not seal records: it is told how many bytes sealing adds.
 *
 * @module
 */

import { messageHeaderLength } from './message-header.ts';

/** What `planFlight` needs to know of each part of a flight. */
export interface FlightPart {
  /** Bytes of the content: of a message's body, or of a ChangeCipherSpec. */
  readonly length: number;
  /** Whether the content is a handshake message, which has a header of its own and may be cut. */
  readonly isMessage: boolean;
  /** Bytes the record layer adds: 13, or more under protection. */
  readonly recordOverhead: number;
}

/** What no datagram and no record may exceed, in bytes. */
export interface FlightLimits {
  /** Largest datagram; at least 64, so that each record can carry something. */
  readonly mtu: number;
  /** Most plaintext of a record, at least 64 (RFC 8449 §4). */
  readonly recordLimit: number;
}

/** One record to be sent: which part, and which bytes of it. */
export interface PlannedRecord {
  readonly part: number;
  readonly offset: number;
  readonly length: number;
}

/** A fragment with fewer bytes of the body than this is not worth its headers, unless it is all there is. */
const leastFragment = 8;

/**
 * The records of each datagram, in order. A record whose headers alone leave no room in `mtu`, as with a connection id
 * of 255 bytes (RFC 9146 §3), gets a datagram of its own, larger than that.
 */
export function planFlight(
  parts: readonly FlightPart[],
  { mtu, recordLimit }: FlightLimits,
): PlannedRecord[][] {
  const datagrams: PlannedRecord[][] = [];
  let current: PlannedRecord[] = [];
  let room = mtu;
  const nextDatagram = (): void => {
    if (current.length > 0) datagrams.push(current);
    current = [];
    room = mtu;
  };
  for (let part = 0; part < parts.length; part++) {
    const { length, isMessage, recordOverhead } = parts[part] as FlightPart;
    const overhead = recordOverhead + (isMessage ? messageHeaderLength : 0);
    if (overhead + length > room && overhead + length <= mtu) nextDatagram();
    let offset = 0;
    do {
      const least = overhead + Math.min(leastFragment, length - offset);
      if (room < least) nextDatagram();
      const taken = Math.min(
        length - offset,
        Math.max(room, least) - overhead,
        recordLimit - (isMessage ? messageHeaderLength : 0),
      );
      current.push({ part, offset, length: taken });
      room -= overhead + taken;
      offset += taken;
    } while (offset < length);
  }
  nextDatagram();
  return datagrams;
}
