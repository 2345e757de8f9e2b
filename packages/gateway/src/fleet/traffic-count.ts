/**
 * The bytes of a fleet by layer: what its devices wanted to say, what CoAP made of it, what protection added, what handshakes took.
 *
 * Counted at the device, as datagrams without the headers of UDP and below. What was sent again counts each time.
 *
 * @module
 */

import type { ClientOptions, TraceEvent } from 'coapsule';
import { decodeMessage, isDecodeFault, OptionNumber } from 'coapsule/message';

/** How messages are protected. */
export type Protection = 'none' | 'dtls' | 'oscore';

/** Bytes of AES-CCM-16-64-128's tag, and those that RFC 8613 §5.3 moves: the code, and the marker that there is once more. */
const oscoreMovedBytes = 8 + 1 + 1;

/** Of one group of devices. */
export class TrafficCount {
  datagramsSent = 0;
  datagramsReceived = 0;
  sentBytes = 0;
  receivedBytes = 0;
  /** Of datagrams while there is no association yet. */
  handshakeBytes = 0;
  /** CoAP messages with everything in them, protected by OSCORE where they are. */
  messageBytes = 0;
  /** Datagrams that carried them. */
  messageDatagrams = 0;
  /** What OSCORE made them longer by. */
  oscoreBytes = 0;
  payloadBytes = 0;
  retransmissions = 0;
  fullHandshakes = 0;
  resumedHandshakes = 0;
  /** Associations that went on without one. */
  takenOver = 0;

  /** What DTLS records add to their messages. */
  get recordBytes(): number {
    return this.sentBytes + this.receivedBytes - this.handshakeBytes - this.messageBytes;
  }

  /** Header, token, options and marker of the messages. */
  get coapBytes(): number {
    return this.messageBytes - this.payloadBytes - this.oscoreBytes;
  }

  /**
   * The options that let a new client be counted here.
   *
   * @param protection Of what it sends; of OSCORE payloads only `payload` knows the length.
   * @param onHandshake Is told how long each took, from its first datagram on.
   */
  options(
    protection: Protection,
    onHandshake: (ms: number) => void,
  ): Required<Pick<ClientOptions, 'capture' | 'trace'>> {
    let isUp = protection !== 'dtls';
    let handshakeBegan: number | undefined;
    return {
      capture: ({ direction, datagram }) => {
        if (direction === 'sent') {
          this.datagramsSent++;
          this.sentBytes += datagram.length;
        } else {
          this.datagramsReceived++;
          this.receivedBytes += datagram.length;
        }
        if (isUp) {
          this.messageDatagrams++;
          return;
        }
        this.handshakeBytes += datagram.length;
        handshakeBegan ??= performance.now();
      },
      trace: (event) => {
        if (event.kind === 'connected') {
          isUp = true;
          if (handshakeBegan !== undefined) onHandshake(performance.now() - handshakeBegan);
        } else if (event.kind === 'closed') {
          isUp = protection !== 'dtls';
          handshakeBegan = undefined;
        }
        this.#take(event, protection);
      },
    };
  }

  /** A payload that was protected from end to end, and so cannot be seen in its message. */
  payload(bytes: number): void {
    this.payloadBytes += bytes;
  }

  /** Adds those of another group. */
  add(other: TrafficCount): void {
    this.datagramsSent += other.datagramsSent;
    this.datagramsReceived += other.datagramsReceived;
    this.sentBytes += other.sentBytes;
    this.receivedBytes += other.receivedBytes;
    this.handshakeBytes += other.handshakeBytes;
    this.messageBytes += other.messageBytes;
    this.messageDatagrams += other.messageDatagrams;
    this.oscoreBytes += other.oscoreBytes;
    this.payloadBytes += other.payloadBytes;
    this.retransmissions += other.retransmissions;
    this.fullHandshakes += other.fullHandshakes;
    this.resumedHandshakes += other.resumedHandshakes;
    this.takenOver += other.takenOver;
  }

  #take(event: TraceEvent, protection: Protection): void {
    switch (event.kind) {
      case 'message':
        this.messageBytes += event.bytes.length;
        this.#look(event.bytes, protection);
        return;
      case 'retransmission':
        this.retransmissions++;
        return;
      case 'connected':
        if (event.imported === true) this.takenOver++;
        else if (event.resumed) this.resumedHandshakes++;
        else this.fullHandshakes++;
        return;
      default:
        return;
    }
  }

  #look(bytes: Uint8Array, protection: Protection): void {
    const message = decodeMessage(bytes);
    if (isDecodeFault(message)) return;
    if (protection !== 'oscore') {
      this.payloadBytes += message.payload.length;
      return;
    }
    const option = message.options.first(OptionNumber.Oscore);
    if (option !== undefined) this.oscoreBytes += 1 + option.length + oscoreMovedBytes;
  }
}
