/**
 * Messages that are sent once and not kept: Empty acknowledgements, Resets, and answers in acknowledgements.
 *
 * RFC 7252 §4.2, §5.2.1: none of them is acknowledged. What a copy of a request is answered is remembered in
 * `deduplication.ts`.
 *
 * @module
 */

import type { OutputQueue } from '../foundation/output-queue.ts';
import { emptyDatagram } from './empty-message.ts';
import type { MessageLayerCounters } from './message-layer-limits.ts';
import type { MessageLayerOutput, PeerKey } from './message-layer-output.ts';

/** See the module comment. */
export class UnkeptMessages {
  readonly #counters: MessageLayerCounters;
  readonly #outputs: OutputQueue<MessageLayerOutput>;

  constructor(counters: MessageLayerCounters, outputs: OutputQueue<MessageLayerOutput>) {
    this.#counters = counters;
    this.#outputs = outputs;
  }

  /** Sends an Empty message that answers the one with this Message ID. */
  sendEmpty(peer: PeerKey, type: 'ACK' | 'RST', messageId: number): void {
    if (type === 'RST') this.#counters.resetsSent++;
    this.send(peer, emptyDatagram(type, messageId));
  }

  /** Sends a message that is complete. */
  send(peer: PeerKey, datagram: Uint8Array): void {
    this.#counters.transmitted++;
    this.#outputs.push({ kind: 'transmit', peer, datagram });
  }
}
