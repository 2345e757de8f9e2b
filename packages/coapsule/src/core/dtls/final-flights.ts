/**
 * Last flights, sent again to peers that did not get them (RFC 6347 §4.2.4): those of servers, and of clients where a
 * session went on (RFC 5246 §7.3).
 *
 * @module
 */

import { ByteArena } from '../foundation/byte-arena.ts';
import { ByteReader } from '../foundation/byte-reader.ts';
import { ByteWriter } from '../foundation/byte-writer.ts';
import { noBytes } from '../foundation/bytes.ts';
import { grown, placesFor } from '../foundation/grown.ts';
import { after, elapsedMs, type Instant, instant } from '../foundation/instant.ts';
import { SlotLists } from '../foundation/slot-lists.ts';
import { type AssociationTable, maxContentLength } from './association-table.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { DtlsOutput } from './dtls-output.ts';
import { encodeFlight, type Flight, type FlightRecords } from './handshake/flight.ts';
import type { FlightContent } from './handshake/handshake-context.ts';
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

/** The only list of flights. */
const byAge = 0;

/** Bytes of verify_data (RFC 5246 §7.4.9). */
const finishedLength = 12;

/** What this file needs of its surroundings. */
export interface FinalFlightSurroundings {
  readonly table: AssociationTable;
  readonly config: CheckedDtlsConfig;
  readonly emit: (output: DtlsOutput) => void;
  /** A sealed record; `undefined` when the keys have sealed all they may. */
  readonly seal: (slot: number, contentType: ContentType, content: Uint8Array) => Uint8Array | undefined;
  readonly transmit: (slot: number, datagram: Uint8Array) => void;
}

/** The flights and how long they are kept: bytes by slot, as many associations are made within that time. */
export class FinalFlights {
  readonly #surroundings: FinalFlightSurroundings;
  readonly #flights = new ByteArena();
  #offsets = new Uint32Array(16);
  /** Of the bytes of a slot; 0 for one without a flight. */
  #lengths = new Uint32Array(16);
  /** Oldest first, as all are kept for the same time. */
  readonly #order = new SlotLists();
  #keptUntil = new Float64Array(16);

  constructor(surroundings: FinalFlightSurroundings) {
    this.#surroundings = surroundings;
  }

  /** Keeps the last flight of a new association for a while, when it was ours. */
  add(slot: number, left: Established, now: Instant): void {
    if (left.finalFlight === undefined) return;
    if (slot >= this.#offsets.length) this.#grow(placesFor(slot));
    const { finalFlight: flight, peerMessageSeq, writeSequenceEpoch0 } = left;
    const final = {
      flight,
      peerMessageSeq,
      writeSequenceEpoch0,
      lastSent: now,
      repetitionsLeft: maxRepetitions,
    };
    this.#store(slot, final);
    this.#keptUntil[slot] = after(now, this.#surroundings.config.finalFlightMs);
    this.#order.append(byAge, slot);
  }

  /** Whether there is one. */
  has(slot: number): boolean {
    return (this.#lengths[slot] ?? 0) > 0;
  }

  /** The peer has it, or the association is over. */
  drop(slot: number): void {
    if (!this.has(slot)) return;
    this.#flights.remove(this.#offsets[slot] as number, this.#lengths[slot] as number);
    this.#lengths[slot] = 0;
    this.#order.remove(byAge, slot);
  }

  /**
   * The peer sent its last flight again, so it lacks ours. Only its very Finished counts, and only so often: each
   * repetition takes a sequence number of epoch 0, and a client chose where those begin.
   */
  repeat(slot: number, content: Uint8Array, now: Instant): void {
    if (!this.has(slot)) return;
    const { table, config, emit, transmit } = this.#surroundings;
    const [offset, length] = [this.#offsets[slot] as number, this.#lengths[slot] as number];
    const final = decodeFinalFlight(this.#flights.slice(offset, length));
    if (!isFinished(content, final.peerMessageSeq)) return;
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
    this.#flights.remove(offset, length);
    this.#store(slot, final);
    for (const datagram of datagrams) transmit(slot, datagram);
  }

  handleTimeout(now: Instant): void {
    for (let slot = this.#order.first(byAge); slot >= 0; slot = this.#order.first(byAge)) {
      if ((this.#keptUntil[slot] as number) > now) return;
      this.drop(slot);
    }
  }

  nextTimeout(): Instant | undefined {
    const slot = this.#order.first(byAge);
    return slot < 0 ? undefined : (this.#keptUntil[slot] as Instant);
  }

  #store(slot: number, final: FinalFlight): void {
    const bytes = encodeFinalFlight(final);
    this.#offsets[slot] = this.#flights.add(bytes);
    this.#lengths[slot] = bytes.length;
  }

  #grow(capacity: number): void {
    this.#offsets = grown(this.#offsets, capacity);
    this.#lengths = grown(this.#lengths, capacity);
    this.#keptUntil = grown(this.#keptUntil, capacity);
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

/** A last flight, kept for a peer that did not get it. */
interface FinalFlight {
  readonly flight: Flight;
  /** message_seq of the peer's Finished, whose repetition asks for this flight. */
  readonly peerMessageSeq: number;
  /** Next sequence number of epoch 0, in which its ChangeCipherSpec goes. */
  writeSequenceEpoch0: number;
  /** To a millisecond. */
  lastSent: Instant;
  repetitionsLeft: number;
}

const inEpoch0 = 0;
const inEpoch1 = 1;
const changeCipherSpec = 2;

function encodeFinalFlight(final: FinalFlight): Uint8Array {
  const { flight, peerMessageSeq, writeSequenceEpoch0, lastSent, repetitionsLeft } = final;
  const writer = new ByteWriter(64)
    .u8(flight.number)
    .u16(peerMessageSeq)
    .u48(writeSequenceEpoch0)
    .u48(Math.max(0, Math.floor(lastSent)))
    .u8(repetitionsLeft);
  for (const content of flight.contents) {
    if (content.kind === 'change-cipher-spec') {
      writer.u8(changeCipherSpec);
      continue;
    }
    const { type, messageSeq, body } = content.message;
    writer
      .u8(content.epoch === 0 ? inEpoch0 : inEpoch1)
      .u8(type)
      .u16(messageSeq);
    writer.nested(3, () => writer.bytes(body));
  }
  return writer.finish();
}

function decodeFinalFlight(bytes: Uint8Array): FinalFlight {
  const reader = new ByteReader(bytes);
  const number = reader.u8();
  const peerMessageSeq = reader.u16();
  const writeSequenceEpoch0 = reader.u48();
  const lastSent = instant(reader.u48());
  const repetitionsLeft = reader.u8();
  const contents: FlightContent[] = [];
  while (reader.remaining > 0) {
    const kind = reader.u8();
    if (kind === changeCipherSpec) {
      contents.push({ kind: 'change-cipher-spec' });
      continue;
    }
    const [type, messageSeq] = [reader.u8(), reader.u16()];
    const body = reader.view(reader.u24());
    contents.push({
      kind: 'message',
      message: { type, messageSeq, body },
      epoch: kind === inEpoch0 ? 0 : 1,
    });
  }
  const flight = { number, contents };
  return { flight, peerMessageSeq, writeSequenceEpoch0, lastSent, repetitionsLeft };
}
