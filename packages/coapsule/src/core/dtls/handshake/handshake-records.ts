/**
 * The records one side writes during a handshake: in the clear in epoch 0, protected in epoch 1.
 *
 * @module
 */

import { InvariantError } from '../../foundation/errors.ts';
import { type EpochKeys, recordOverhead } from '../record/epoch-keys.ts';
import { encodePlaintextRecord } from '../record/plaintext-record.ts';
import {
  type ContentType,
  maxSequenceNumber,
  ProtocolVersion,
  recordHeaderLength,
} from '../record/record-header.ts';
import { sealRecord } from '../record/seal-record.ts';
import type { FlightRecords } from './flight.ts';

/** More than any flight here has: about 70 kB of handshake messages at the smallest MTU. */
const maxRecordsOfFlight = 0x400;

/** Writes records of both epochs and counts their sequence numbers. */
export class HandshakeRecords implements FlightRecords {
  /** Next sequence number of epoch 0 and of epoch 1. */
  readonly sequence: [number, number];
  /** Keys of epoch 1, once they are known. */
  write: EpochKeys | undefined;

  constructor(firstSequenceNumber: number) {
    this.sequence = [firstSequenceNumber, 0];
  }

  /**
   * Whether there are sequence numbers for another flight. The peer of a server chooses where they begin, so that
   * this is asked before each one.
   */
  get hasNumbersLeft(): boolean {
    return Math.max(...this.sequence) <= maxSequenceNumber - maxRecordsOfFlight;
  }

  overhead(epoch: 0 | 1): number {
    return epoch === 1 && this.write !== undefined ? recordOverhead(this.write) : recordHeaderLength;
  }

  record(contentType: ContentType, epoch: 0 | 1, content: Uint8Array): Uint8Array {
    const sequenceNumber = this.sequence[epoch]++;
    if (epoch === 0) {
      return encodePlaintextRecord(contentType, ProtocolVersion.Dtls12, 0, sequenceNumber, content);
    }
    if (this.write === undefined) throw new InvariantError('a protected record without keys');
    return sealRecord(this.write, contentType, 1, sequenceNumber, content);
  }
}
