/**
 * Last flights, sent again to peers that did not get them (RFC 6347 §4.2.4): those of servers, and of clients where a
 * session went on (RFC 5246 §7.3).
 *
 * @module
 */

import { ByteReader } from '../foundation/byte-reader.ts';
import { noBytes } from '../foundation/bytes.ts';
import { after, elapsedMs, type Instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { type AssociationTable, type FinalFlight, maxContentLength } from './association-table.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { AssociationId, DtlsOutput } from './dtls-output.ts';
import { encodeFlight, type FlightRecords } from './handshake/flight.ts';
import type { Established } from './handshake/handshake-outcome.ts';
import { traceSent } from './handshake/handshake-trace.ts';
import { HandshakeType } from './handshake/handshake-type.ts';
import { decodeMessageFragment } from './handshake/message-header.ts';
import { recordOverheadOf } from './record/epoch-keys.ts';
import { encodePlaintextRecord } from './record/plaintext-record.ts';
import {
  type ContentType,
  maxSequenceNumber,
  ProtocolVersion,
  recordHeaderLength,
} from './record/record-header.ts';

/** A client with the timers of RFC 6347 sends its last flight five times again within 60 s. */
const maxRepetitions = 16;

/** Bytes of verify_data (RFC 5246 §7.4.9). */
const finishedLength = 12;

/** What is kept of a last flight of our own; `undefined` when the peer sent the last one. */
export function finalFlightOf(left: Established, now: Instant): FinalFlight | undefined {
  if (left.finalFlight === undefined) return undefined;
  return {
    flight: left.finalFlight,
    peerMessageSeq: left.peerMessageSeq,
    writeSequenceEpoch0: left.writeSequenceEpoch0,
    lastSent: now,
    repetitionsLeft: maxRepetitions,
  };
}

/** What this file needs of its surroundings. */
export interface FinalFlightSurroundings {
  readonly table: AssociationTable;
  readonly config: CheckedDtlsConfig;
  readonly emit: (output: DtlsOutput) => void;
  /** A sealed record; `undefined` when the keys have sealed all they may. */
  readonly seal: (slot: number, contentType: ContentType, content: Uint8Array) => Uint8Array | undefined;
  readonly transmit: (slot: number, datagram: Uint8Array) => void;
}

/** The flights and how long they are kept. */
export class FinalFlights {
  readonly #surroundings: FinalFlightSurroundings;
  readonly #timers = new TimerQueue<AssociationId>();

  constructor(surroundings: FinalFlightSurroundings) {
    this.#surroundings = surroundings;
  }

  /** Keeps the flight of a new association for a while. */
  add(association: AssociationId, now: Instant): void {
    this.#timers.set(association, after(now, this.#surroundings.config.finalFlightMs));
  }

  /** The peer has it, or the association is over. */
  drop(slot: number): void {
    this.#surroundings.table.dropFinalFlight(slot);
    this.#timers.cancel(this.#surroundings.table.id(slot));
  }

  /**
   * The peer sent its last flight again, so it lacks ours. Only its very Finished counts, and only so often: each
   * repetition takes a sequence number of epoch 0, and a client chose where those begin.
   */
  repeat(slot: number, content: Uint8Array, now: Instant): void {
    const { table, config, emit, transmit } = this.#surroundings;
    const final = table.finalFlight(slot);
    if (final === undefined || !isFinished(content, final.peerMessageSeq)) return;
    if (elapsedMs(final.lastSent, now) < config.initialTimeoutMs / 2) return;
    if (final.repetitionsLeft === 0 || final.writeSequenceEpoch0 > maxSequenceNumber) {
      this.drop(slot);
      return;
    }
    final.repetitionsLeft--;
    final.lastSent = now;
    const traced = { association: table.id(slot), address: table.address(slot), role: table.role(slot) };
    const limits = { mtu: config.mtu, recordLimit: maxContentLength(table, slot) };
    const records = this.#recordsFor(slot, final);
    const datagrams = encodeFlight(final.flight, limits, records, (sent, bytes) => {
      emit(traceSent(traced, final.flight.number, sent, { bytes }, true));
    });
    for (const datagram of datagrams) transmit(slot, datagram);
  }

  handleTimeout(now: Instant): void {
    for (;;) {
      const due = this.#timers.expire(now);
      if (due === undefined) return;
      const slot = this.#surroundings.table.slotOf(due);
      if (slot !== undefined) this.#surroundings.table.dropFinalFlight(slot);
    }
  }

  nextTimeout(): Instant | undefined {
    return this.#timers.next();
  }

  #recordsFor(slot: number, final: FinalFlight): FlightRecords {
    const { table, seal } = this.#surroundings;
    return {
      overhead: (epoch) =>
        epoch === 1 ? recordOverheadOf(table.suite(slot), table.peerIdLength(slot)) : recordHeaderLength,
      record: (contentType, epoch, content) =>
        epoch === 1
          ? // Nothing, when the keys are used up: then the association is about to end.
            (seal(slot, contentType, content) ?? noBytes)
          : encodePlaintextRecord(
              contentType,
              ProtocolVersion.Dtls12,
              0,
              final.writeSequenceEpoch0++,
              content,
            ),
    };
  }
}

/** Whether a handshake record holds a whole Finished with this message_seq, and nothing else. */
function isFinished(content: Uint8Array, messageSeq: number): boolean {
  const reader = new ByteReader(content);
  const message = decodeMessageFragment(reader);
  return (
    message !== undefined &&
    reader.finished &&
    message.type === HandshakeType.Finished &&
    message.messageSeq === messageSeq &&
    message.fragment.length === finishedLength
  );
}
