/**
 * What came of the peer's present flight, and how often, for the cause of a handshake that nobody finishes.
 *
 * Counts only; anybody can send what is counted here, so nothing ends because of it.
 *
 * @module
 */

import { HandshakeType, handshakeTypeName } from './handshake-type.ts';
import type { MessageFragment } from './message-header.ts';

/** Most messages and pieces that are looked at; a flight seldom has more. */
const limits = { messages: 16, pieces: 128 } as const;

interface Observed {
  readonly type: number;
  readonly total: number;
  /** Bytes of different pieces that came. */
  bytes: number;
}

/** The messages of a peer's flight while it is waited for. */
export class ObservedFlights {
  /** HelloVerifyRequests that came. */
  cookieRequests = 0;
  /** Server: ClientHellos that came again although flight 4 was sent. */
  repeatedHellos = 0;
  /** Client: how often the server sent the end of flight 4 again after our flight 5. */
  repeatedAnswers = 0;
  readonly #messages = new Map<number, Observed>();
  /** How often each piece came, by message_seq and offset. */
  readonly #pieces = new Map<number, number>();

  /** Our next flight goes out: what comes from now on belongs to the peer's next one. */
  begin(): void {
    this.#messages.clear();
    this.#pieces.clear();
    this.repeatedAnswers = 0;
  }

  /** A fragment came. Returns whether it came before, since our flight went out. */
  noteFragment({ type, messageSeq, length, fragmentOffset, fragment }: MessageFragment): boolean {
    if (type === HandshakeType.HelloVerifyRequest) this.cookieRequests++;
    if (type === HandshakeType.HelloVerifyRequest || type === HandshakeType.ClientHello) return false;
    let message = this.#messages.get(messageSeq);
    if (message === undefined) {
      if (this.#messages.size >= limits.messages) return false;
      message = { type, total: length, bytes: 0 };
      this.#messages.set(messageSeq, message);
    }
    // An offset has 24 bits.
    const piece = messageSeq * 0x100_0000 + fragmentOffset;
    const times = this.#pieces.get(piece) ?? 0;
    if (times === 0) message.bytes += fragment.length;
    if (times > 0 || this.#pieces.size < limits.pieces) this.#pieces.set(piece, times + 1);
    return times > 0;
  }

  /** The messages that came, such as `ServerHello, 400 of 1024 bytes of Certificate`; empty when none did. */
  get text(): string {
    return [...this.#messages.entries()]
      .sort(([a], [b]) => a - b)
      .map(([, { type, total, bytes }]) => {
        const name = handshakeTypeName(type);
        return bytes < total ? `${bytes} of ${total} bytes of ${name}` : name;
      })
      .join(', ');
  }

  get isEmpty(): boolean {
    return this.#messages.size === 0;
  }

  /** Whether something came that has to wait for the message with this number, or for the rest of it. */
  hasGapAt(messageSeq: number): boolean {
    return [...this.#messages.keys()].some((seen) => seen >= messageSeq);
  }

  /** How often the piece came that came most often: so often at least the peer sent its flight. */
  get transmissions(): number {
    return Math.max(0, ...this.#pieces.values());
  }
}
