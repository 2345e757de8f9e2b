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
import { HandshakeRecords } from './handshake-records.ts';
import { type TracedHandshake, traceAlert, traceSent } from './handshake-trace.ts';

/** What one side sends. */
export class OutgoingFlights {
  readonly records: HandshakeRecords;
  /** The flight that is under way, or was sent last. */
  flight: Flight | undefined;
  /** RFC 6347 §4.2.2, next_transmit_seq. */
  messageSeq: number;
  /** Most plaintext of a record, in bytes. */
  recordLimit: number = maxPlaintextLength;
  readonly #traced: TracedHandshake;
  readonly #mtu: number;
  readonly #emit: (output: DtlsOutput) => void;

  constructor(
    traced: TracedHandshake,
    mtu: number,
    emit: (output: DtlsOutput) => void,
    first: { readonly recordSequenceNumber: number; readonly messageSeq: number },
  ) {
    this.#traced = traced;
    this.#mtu = mtu;
    this.#emit = emit;
    this.records = new HandshakeRecords(first.recordSequenceNumber);
    this.messageSeq = first.messageSeq;
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
    const datagrams = encodeFlight(
      flight,
      { mtu: this.#mtu, recordLimit: this.recordLimit },
      this.records,
      (sent) => {
        this.#emit(traceSent(this.#traced, flight.number, sent, retransmit));
      },
    );
    for (const datagram of datagrams) this.#transmit(datagram);
  }

  /** Sends a fatal alert, in the epoch we write in: epoch 1 begins with the flight that has our Finished. */
  sendAlert(description: AlertDescription): void {
    if (!this.records.hasNumbersLeft) return;
    const epoch = this.isFinishedSent ? 1 : 0;
    const datagram = this.records.record(ContentType.Alert, epoch, encodeAlert('fatal', description));
    this.#emit(traceAlert(this.#traced, 'sent', alertName(description), epoch));
    this.#transmit(datagram);
  }

  #transmit(datagram: Uint8Array): void {
    this.#emit({ kind: 'transmit', address: this.#traced.address, datagram });
  }
}
