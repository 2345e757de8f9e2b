/**
 * Our flights and alerts of one handshake on their way out, with the numbers of messages and records.
 *
 * When a flight is sent again is decided by `flight-machine.ts`; sealing is in `handshake-records.ts`.
 *
 * @module
 */

import { type AlertDescription, alertName, encodeAlert } from '../alert.ts';
import type { DtlsOutput } from '../dtls-output.ts';
import { ContentType, maxPlaintextLength } from '../record/record-header.ts';
import { encodeFlight, type Flight } from './flight.ts';
import type { HandshakeFacts } from './handshake-facts.ts';
import { HandshakeRecords } from './handshake-records.ts';
import { type TracedHandshake, traceAlert, traceSent } from './handshake-trace.ts';

/**
 * RFC 6347 §4.1.1.1: after repeated loss, smaller datagrams, since the path may refuse large ones. So often the flight
 * goes out in full size, then once in the first of these sizes, and from then on in the second one: 548 bytes are
 * what RFC 791 has every host take, 256 pass where even that is too much.
 */
const fullSizeTransmissions = 3;
const smallerSizes: readonly number[] = [548, 256];

/** What one side sends. */
export class OutgoingFlights {
  readonly records: HandshakeRecords;
  /** RFC 6347 §4.2.2, next_transmit_seq. */
  messageSeq: number;
  /** Most plaintext of a record, in bytes. */
  recordLimit: number = maxPlaintextLength;
  readonly #traced: TracedHandshake;
  readonly #mtu: number;
  /** The datagrams sent so far. */
  #datagrams = 0;
  #flight: Flight | undefined;
  #transmissions = 0;
  #largestDatagram = 0;
  /** Bytes of the flight when it was sent last. */
  #transmittedBytes = 0;
  #limit: number;
  readonly #emit: (output: DtlsOutput) => void;

  constructor(
    traced: TracedHandshake,
    mtu: number,
    emit: (output: DtlsOutput) => void,
    first: { readonly recordSequenceNumber: number; readonly messageSeq: number },
  ) {
    this.#traced = traced;
    this.#mtu = mtu;
    this.#limit = mtu;
    this.#emit = emit;
    this.records = new HandshakeRecords(first.recordSequenceNumber);
    this.messageSeq = first.messageSeq;
  }

  /** The flight that is under way, or was sent last. */
  get flight(): Flight | undefined {
    return this.#flight;
  }

  set flight(flight: Flight) {
    // Another ClientHello in the place of one that was not answered is no new flight.
    if (flight.number !== this.#flight?.number) {
      this.#transmissions = 0;
      this.#largestDatagram = 0;
    }
    this.#flight = flight;
  }

  /** How often the flight was sent, in datagrams of which size first, and how far that was cut down since. */
  get effort(): Pick<HandshakeFacts, 'transmissions' | 'largestDatagram' | 'reducedTo'> {
    return {
      transmissions: this.#transmissions,
      largestDatagram: this.#largestDatagram,
      reducedTo: this.#reducedTo,
    };
  }

  get #reducedTo(): number | undefined {
    return this.#limit < this.#mtu ? this.#limit : undefined;
  }

  /** Bytes of all its datagrams when it was sent last. */
  get transmittedBytes(): number {
    return this.#transmittedBytes;
  }

  /** Whether our Finished is out, and so whatever we send is protected. */
  get isFinishedSent(): boolean {
    const last = this.flight?.contents.at(-1);
    return last?.kind === 'message' && last.epoch === 1;
  }

  /** Sends the flight, in new records. */
  transmit(retransmit: boolean): void {
    const { flight } = this;
    if (flight === undefined || !this.records.hasNumbersLeft) return;
    this.#reduceDatagrams();
    this.#transmissions++;
    // A peer with little room may have one buffer of the size of its records for whole datagrams (GnuTLS, Mbed TLS).
    const largestRecord = this.recordLimit + this.records.overhead(this.isFinishedSent ? 1 : 0);
    const limits = { mtu: Math.min(this.#limit, largestRecord), recordLimit: this.recordLimit };
    const reducedTo = this.#reducedTo;
    const datagrams = encodeFlight(flight, limits, this.records, (sent, bytes, index) => {
      const number = this.#datagrams + index;
      const datagram = reducedTo === undefined ? { bytes, number } : { bytes, number, reducedTo };
      this.#emit(traceSent(this.#traced, flight.number, sent, datagram, retransmit));
    });
    this.#datagrams += datagrams.length;
    this.#transmittedBytes = 0;
    for (const datagram of datagrams) {
      this.#transmittedBytes += datagram.length;
      if (this.#transmissions === 1) this.#largestDatagram = Math.max(this.#largestDatagram, datagram.length);
      this.#transmit(datagram);
    }
  }

  /** The size stays for the flights after this one: what the path refused once, it will refuse again. */
  #reduceDatagrams(): void {
    if (this.#transmissions < fullSizeTransmissions) return;
    const size = smallerSizes[Math.min(this.#transmissions - fullSizeTransmissions, smallerSizes.length - 1)];
    // Where all datagrams were small, their size is not what is wrong.
    if (size === undefined || this.#largestDatagram <= size) return;
    this.#limit = Math.min(this.#limit, size);
  }

  /** Sends a fatal alert, in the epoch we write in: epoch 1 begins with the flight that has our Finished. */
  sendAlert(description: AlertDescription): void {
    if (!this.records.hasNumbersLeft) return;
    const epoch = this.isFinishedSent ? 1 : 0;
    const datagram = this.records.record(ContentType.Alert, epoch, encodeAlert('fatal', description));
    const traced = { bytes: datagram.length, number: this.#datagrams++ };
    this.#emit(traceAlert(this.#traced, 'sent', alertName(description), epoch, traced));
    this.#transmit(datagram);
  }

  #transmit(datagram: Uint8Array): void {
    this.#emit({ kind: 'transmit', address: this.#traced.address, datagram });
  }
}
