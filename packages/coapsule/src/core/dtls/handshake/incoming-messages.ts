/**
 * Handshake messages on their way to the states: which fragments are taken at all, what a repetition is, and in
 * which order messages go on (RFC 6347 §4.2.2, §4.2.4).
 *
 * Joining fragments is `reassembly.ts`; what a message means is the business of the states.
 *
 * @module
 */

import type { HandshakeState } from './handshake-context.ts';
import { HandshakeType } from './handshake-type.ts';
import type { HandshakeMessage, MessageFragment } from './message-header.ts';
import { Reassembly } from './reassembly.ts';

/** Fragments taken out of one datagram; at an MTU of 1500 there is no room for more that carry anything. */
const fragmentsOfDatagram = 64;

const firstAnswers: readonly number[] = [HandshakeType.HelloVerifyRequest, HandshakeType.ServerHello];

/**
 * What became of a fragment:
 * - `kept`, `ahead` (of a message that is missing yet),
 * - `old` (of a message handled before), `repeated` (old, and it shows that the peer lacks our last flight),
 * - `unexpected` (the next message, but of a type that has no place in this state),
 * - `late-answer` (to a ClientHello of an earlier run of this client), `refused` (by the limits, or not for now).
 */
export type MessageFate = 'kept' | 'ahead' | 'old' | 'repeated' | 'unexpected' | 'late-answer' | 'refused';

/** The messages of one peer. */
export class IncomingMessages {
  readonly #reassembly = new Reassembly();
  #fragmentsLeft = fragmentsOfDatagram;
  #lastTaken: HandshakeMessage | undefined;
  /** The message that completed the peer's flight before our present one. */
  #answered: HandshakeMessage | undefined;

  constructor(firstMessageSeq: number) {
    this.#reassembly.skipTo(firstMessageSeq);
  }

  /** message_seq of the message that was taken last. */
  get lastMessageSeq(): number {
    return this.#reassembly.nextReceiveSeq - 1;
  }

  /** Bytes kept of messages that are not whole, or not next. */
  get keptBytes(): number {
    return this.#reassembly.keptBytes;
  }

  /** A new datagram begins. */
  beginDatagram(): void {
    this.#fragmentsLeft = fragmentsOfDatagram;
  }

  /**
   * Takes one fragment; copies what it keeps.
   *
   * @param latestAnswer The highest message_seq a ServerHello may have; servers number it no higher than the
   *        ClientHello it answers.
   */
  add(epoch: 0 | 1, fragment: MessageFragment, state: HandshakeState, latestAnswer: number): MessageFate {
    if (this.#fragmentsLeft-- <= 0) return 'refused';
    const { type, messageSeq } = fragment;
    if (messageSeq < this.#reassembly.nextReceiveSeq)
      return this.#isOfAnswered(fragment) ? 'repeated' : 'old';
    if (epoch === 0) {
      // What is protected came from the peer, whatever it is: the state says what is wrong with it.
      if (state.takes !== 'epoch-0' && state.takes !== 'first-answer') return 'refused';
      if (!state.expects.includes(type)) {
        const isNext = state.takes === 'epoch-0' && messageSeq === this.#reassembly.nextReceiveSeq;
        // A ClientHello goes round the states: it may be repeated under another number.
        return isNext && type !== HandshakeType.ClientHello ? 'unexpected' : 'refused';
      }
      if (state.takes === 'first-answer' && type === HandshakeType.ServerHello && messageSeq > latestAnswer) {
        return 'late-answer';
      }
    }
    const fate = this.#reassembly.add(epoch, fragment);
    return fate === 'ahead' && state.takes === 'first-answer' && firstAnswers.includes(type) ? 'kept' : fate;
  }

  /** The message the state can take now, if it is there. */
  next(takes: HandshakeState['takes']): HandshakeMessage | undefined {
    const message = this.#take(takes);
    if (message !== undefined) this.#lastTaken = message;
    return message;
  }

  /** The message `next` gave was none of the peer's: waits for it again. */
  refuse(message: HandshakeMessage): void {
    this.#reassembly.waitAgainFor(message);
  }

  /** Our next flight goes out: what is kept cannot be an answer to it. */
  noteFlightSent(): void {
    this.#reassembly.clear();
    // A late HelloVerifyRequest says nothing about the ClientHello after it.
    this.#answered = this.#lastTaken?.type === HandshakeType.HelloVerifyRequest ? undefined : this.#lastTaken;
  }

  #take(takes: HandshakeState['takes']): HandshakeMessage | undefined {
    switch (takes) {
      case 'nothing':
        return undefined;
      case 'epoch-0':
        return this.#reassembly.take(0);
      case 'epoch-1':
        return this.#reassembly.take(1);
      case 'first-answer': {
        const message = this.#reassembly.takeOutOfOrder(firstAnswers);
        if (message?.type === HandshakeType.ServerHello) this.#reassembly.skipTo(message.messageSeq + 1);
        return message;
      }
    }
  }

  #isOfAnswered({ type, messageSeq, length }: MessageFragment): boolean {
    const answered = this.#answered;
    return (
      answered !== undefined &&
      answered.type === type &&
      answered.messageSeq === messageSeq &&
      answered.body.length === length
    );
  }
}
