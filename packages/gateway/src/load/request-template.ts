/**
 * One request, encoded once and sent many times: only Message ID and token change.
 *
 * RFC 7252 §3. An answer is looked at no further than to know whose it is: type, code, Message ID, token.
 *
 * @module
 */

import { type Code, encodeMessage, type OptionReader } from 'coapsule/message';

/** What is asked for. */
export interface LoadRequest {
  readonly code: Code;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
  readonly confirmable: boolean;
}

/** What a datagram says about the request that was sent last. */
export type AnswerKind =
  /** Its response: `RequestTemplate.code`. */
  | 'response'
  /** Its response, Confirmable: to be acknowledged as well. */
  | 'separate-response'
  /** It has arrived; the response comes later. */
  | 'acknowledged'
  | 'reset'
  /** Of no meaning for it: late, or no CoAP message. */
  | 'stray';

const tokenLength = 4;

/** The messages of one client. */
export class RequestTemplate {
  /** The request to send; changed by `next`. */
  readonly message: Uint8Array;
  /** Of the last `'response'` or `'separate-response'`. */
  code = 0;
  readonly #acknowledgement = Uint8Array.of(0x60, 0, 0, 0);

  /** @param start Where Message IDs and tokens begin, 0 … 2^32 - 1: random, as an earlier run may have had the same port. */
  constructor({ code, options, payload, confirmable }: LoadRequest, start: number) {
    const token = Uint8Array.of(start >>> 24, (start >>> 16) & 255, (start >>> 8) & 255, start & 255);
    const type = confirmable ? 'CON' : 'NON';
    this.message = encodeMessage({ type, code, messageId: start & 0xffff, token, options, payload });
  }

  /** The next request: the next Message ID and the next token. */
  next(): void {
    const { message } = this;
    for (let index = 3; index > 1; index--) if (increment(message, index)) break;
    for (let index = 3 + tokenLength; index > 3; index--) if (increment(message, index)) break;
  }

  /** Whose answer a datagram is. */
  judge(datagram: Uint8Array): AnswerKind {
    const { message } = this;
    if (datagram.length < 4) return 'stray';
    const first = datagram[0] as number;
    const type = (first >> 4) & 3;
    const code = datagram[1] as number;
    const isOurs = datagram[2] === message[2] && datagram[3] === message[3];
    if (code === 0) return !isOurs || type < 2 ? 'stray' : type === 3 ? 'reset' : 'acknowledged';
    if ((first & 15) !== tokenLength || datagram.length < 4 + tokenLength || code < 64) return 'stray';
    for (let index = 4; index < 4 + tokenLength; index++) {
      if (datagram[index] !== message[index]) return 'stray';
    }
    this.code = code;
    return type === 0 ? 'separate-response' : 'response';
  }

  /** The acknowledgement of a Confirmable message; valid until the next call. */
  acknowledgementOf(datagram: Uint8Array): Uint8Array {
    this.#acknowledgement[2] = datagram[2] as number;
    this.#acknowledgement[3] = datagram[3] as number;
    return this.#acknowledgement;
  }
}

/** Adds 1 to a byte; false when there is a carry. */
function increment(bytes: Uint8Array, index: number): boolean {
  const sum = ((bytes[index] as number) + 1) & 255;
  bytes[index] = sum;
  return sum !== 0;
}
