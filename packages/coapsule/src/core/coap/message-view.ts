/**
 * One CoAP message: the interface every layer works with, and the lazy view of a received one.
 *
 * RFC 7252 §3. Bytes become a view in `message-codec.ts`.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';
import type { Code } from './code.ts';
import type { OptionReader } from './option-set.ts';
import { OptionView } from './option-view.ts';

/** Confirmable, Non-confirmable, Acknowledgement or Reset (RFC 7252 §3, §4). */
export type MessageType = 'CON' | 'NON' | 'ACK' | 'RST';

/** What every framing of CoAP carries (RFC 7252 §3, RFC 8323 §3.2). */
export interface MessageContent {
  readonly code: Code;
  /** 0 … 8 bytes, or as many as RFC 8974 lets through. */
  readonly token: Uint8Array;
  readonly options: OptionReader;
  /** Empty when there is none. */
  readonly payload: Uint8Array;
}

/** A CoAP message in a datagram (RFC 7252 §3). */
export interface Message extends MessageContent {
  readonly type: MessageType;
  /** 0 … 65535. */
  readonly messageId: number;
}

/**
 * A received message: offsets into its datagram. Token, option values and payload are views of the
 * datagram, made when asked for; the datagram must not be changed while the message is in use.
 */
export class MessageView implements Message {
  readonly type: MessageType;
  readonly code: Code;
  readonly messageId: number;
  /** The whole message as it was received. */
  readonly datagram: Uint8Array;
  readonly #tokenStart: number;
  readonly #optionsStart: number;
  readonly #optionsEnd: number;
  readonly #presence: number;
  readonly #payloadStart: number;
  #token: Uint8Array | undefined;
  #options: OptionReader | undefined;

  /** For `decodeMessage`, which has checked the datagram. Offsets are from the start of the datagram. */
  constructor(
    datagram: Uint8Array,
    type: MessageType,
    tokenStart: number,
    optionsStart: number,
    optionsEnd: number,
    presence: number,
    payloadStart: number,
  ) {
    this.type = type;
    this.code = datagram[1] as number;
    this.messageId = ((datagram[2] as number) << 8) | (datagram[3] as number);
    this.datagram = datagram;
    this.#tokenStart = tokenStart;
    this.#optionsStart = optionsStart;
    this.#optionsEnd = optionsEnd;
    this.#presence = presence;
    this.#payloadStart = payloadStart;
  }

  get token(): Uint8Array {
    this.#token ??=
      this.#tokenStart === this.#optionsStart
        ? noBytes
        : this.datagram.subarray(this.#tokenStart, this.#optionsStart);
    return this.#token;
  }

  get options(): OptionReader {
    this.#options ??= new OptionView(this.datagram, this.#optionsStart, this.#optionsEnd, this.#presence);
    return this.#options;
  }

  get payload(): Uint8Array {
    return this.#payloadStart === this.datagram.length ? noBytes : this.datagram.subarray(this.#payloadStart);
  }
}
