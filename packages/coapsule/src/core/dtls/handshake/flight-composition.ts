/**
 * A flight as it is put together: each message gets its message_seq, counts in the transcript, and takes its place.
 *
 * Sending it, and sending it again, is the business of the context.
 *
 * @module
 */

import { finishedBody } from './derive-keys.ts';
import type { FlightContent, HandshakeContext, HandshakeParameters } from './handshake-context.ts';
import { HandshakeType } from './handshake-type.ts';

/** One flight of several messages. */
export class FlightComposition {
  readonly #context: HandshakeContext;
  readonly #contents: FlightContent[] = [];

  constructor(context: HandshakeContext) {
    this.#context = context;
  }

  /** Adds a message of epoch 0. */
  add(type: number, body: Uint8Array): void {
    this.#add(type, body, 0);
  }

  /** Adds ChangeCipherSpec and our Finished over all messages so far: the end of what we have to say. */
  addFinished(parameters: HandshakeParameters, masterSecret: Uint8Array): void {
    this.#contents.push({ kind: 'change-cipher-spec' });
    const { role } = this.#context;
    this.#add(HandshakeType.Finished, finishedBody(this.#context, parameters, masterSecret, role), 1);
  }

  /** Sends it as the flight with this number in RFC 6347 Figure 1. */
  send(number: 4 | 5 | 6): void {
    this.#context.sendFlight(number, this.#contents);
  }

  #add(type: number, body: Uint8Array, epoch: 0 | 1): void {
    const message = { type, messageSeq: this.#context.nextMessageSeq(), body };
    this.#context.transcript.add(message);
    this.#contents.push({ kind: 'message', message, epoch });
  }
}
