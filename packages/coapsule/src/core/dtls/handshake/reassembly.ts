/**
 * Puts handshake messages back in order and together (RFC 6347 §4.2.2, §4.2.3), within limits.
 *
 * Slots are found by epoch and message_seq, never by type alone. Anybody can send fragments in the clear, so none
 * of them may block a message: what does not fit with what is there takes its place, and the next message in order
 * always finds room, at the cost of those ahead of it. A forged piece then costs a retransmission, not the
 * handshake. Decodes no bodies.
 *
 * @module
 */

import type { HandshakeMessage, MessageFragment } from './message-header.ts';

/** Bytes charged for a slot besides its body. */
const slotCharge = 128;

/** Limits of one handshake. */
export const reassemblyLimits: {
  readonly messageLength: number;
  readonly messagesAhead: number;
  readonly keptBytes: number;
  readonly ranges: number;
} = {
  /** Largest body in bytes; a longer announced length is refused before anything is kept. */
  messageLength: 16_384,
  /** How far ahead of the next message_seq a message may be, itself included. */
  messagesAhead: 8,
  /** Bytes of all slots together: whole bodies, from their first fragment on, and 128 for each slot. */
  keptBytes: 16_384 + 8 * slotCharge,
  /** Ranges of bytes with gaps between them, in all slots together. */
  ranges: 32,
};

/**
 * What became of a fragment: `kept`, `ahead` (kept, but an earlier message is missing), `old` (its message
 * was handled before), or refused.
 */
export type FragmentFate = 'kept' | 'ahead' | 'old' | 'refused';

/** Bytes `start` … `end` (not included) of a body that have come. */
interface Range {
  readonly start: number;
  readonly end: number;
}

interface Slot {
  readonly messageSeq: number;
  readonly type: number;
  readonly body: Uint8Array;
  /** Sorted, with gaps between them. */
  ranges: readonly Range[];
}

/** Messages of one handshake on their way in. */
export class Reassembly {
  /** RFC 6347 §4.2.2, next_receive_seq. */
  nextReceiveSeq = 0;
  readonly #slots = new Map<number, Slot>();

  /** Bytes kept now, for tests of the limits. */
  get keptBytes(): number {
    let bytes = 0;
    for (const slot of this.#slots.values()) bytes += slotCharge + slot.body.length;
    return bytes;
  }

  /** Takes one fragment that came in `epoch`; copies what it keeps. */
  add(epoch: number, fragment: MessageFragment): FragmentFate {
    const { messageSeq, length, type } = fragment;
    if (messageSeq < this.nextReceiveSeq) return 'old';
    if (messageSeq >= this.nextReceiveSeq + reassemblyLimits.messagesAhead) return 'refused';
    if (length > reassemblyLimits.messageLength) return 'refused';
    // An empty piece of a message that is not empty says nothing; keeping it would be a way to fill slots.
    if (fragment.fragment.length === 0 && length > 0) return 'refused';
    const key = slotKey(epoch, messageSeq);
    let slot = this.#slots.get(key);
    if (slot !== undefined && !fits(slot, fragment)) {
      this.#slots.delete(key);
      slot = undefined;
    }
    if (slot === undefined) {
      if (!this.#makeRoom(messageSeq, slotCharge + length, 1)) return 'refused';
      slot = { messageSeq, type, body: new Uint8Array(length), ranges: [] };
      this.#slots.set(key, slot);
    }
    const range = { start: fragment.fragmentOffset, end: fragment.fragmentOffset + fragment.fragment.length };
    const ranges = withRange(slot.ranges, range);
    if (!this.#makeRoom(messageSeq, 0, ranges.length - slot.ranges.length)) {
      if (messageSeq > this.nextReceiveSeq) return 'refused';
      // Too many gaps: begin anew with the latest fragment, as when bytes differ.
      slot.ranges = [range];
    } else {
      slot.ranges = ranges;
    }
    slot.body.set(fragment.fragment, range.start);
    return messageSeq > this.nextReceiveSeq ? 'ahead' : 'kept';
  }

  /** The next message in order, when all of it has come in `epoch`; moves `nextReceiveSeq` on. */
  take(epoch: number): HandshakeMessage | undefined {
    const message = this.#whole(slotKey(epoch, this.nextReceiveSeq));
    if (message !== undefined) this.skipTo(message.messageSeq + 1);
    return message;
  }

  /**
   * A whole message of one of `types` in epoch 0 at any message_seq ahead. The first answers of a server are
   * found so, because servers without state number them in different ways. Does not move `nextReceiveSeq`,
   * but forgets the message.
   */
  takeOutOfOrder(types: readonly number[]): HandshakeMessage | undefined {
    for (let ahead = 0; ahead < reassemblyLimits.messagesAhead; ahead++) {
      const key = slotKey(0, this.nextReceiveSeq + ahead);
      const message = this.#whole(key);
      if (message === undefined || !types.includes(message.type)) continue;
      this.#slots.delete(key);
      return message;
    }
    return undefined;
  }

  /** Waits again for a message that was taken but cannot be the one of the peer. */
  waitAgainFor(message: HandshakeMessage): void {
    this.nextReceiveSeq = Math.min(this.nextReceiveSeq, message.messageSeq);
  }

  /** Sets `nextReceiveSeq` and forgets what lies before it. */
  skipTo(messageSeq: number): void {
    this.nextReceiveSeq = messageSeq;
    for (const [key, slot] of this.#slots) if (slot.messageSeq < messageSeq) this.#slots.delete(key);
  }

  /** Forgets all that is kept, but not where it stands. */
  clear(): void {
    this.#slots.clear();
  }

  #whole(key: number): HandshakeMessage | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined || byteCount(slot.ranges) !== slot.body.length) return undefined;
    return { type: slot.type, messageSeq: slot.messageSeq, body: slot.body };
  }

  /** Forgets slots farther ahead, the farthest first, until so much more fits; false when it does not even so. */
  #makeRoom(messageSeq: number, bytes: number, ranges: number): boolean {
    for (;;) {
      if (
        this.keptBytes + bytes <= reassemblyLimits.keptBytes &&
        this.#rangeCount + ranges <= reassemblyLimits.ranges
      )
        return true;
      let farthest: number | undefined;
      let farthestSeq = messageSeq;
      for (const [key, slot] of this.#slots) {
        if (slot.messageSeq <= farthestSeq) continue;
        farthest = key;
        farthestSeq = slot.messageSeq;
      }
      if (farthest === undefined) return false;
      this.#slots.delete(farthest);
    }
  }

  get #rangeCount(): number {
    let count = 0;
    for (const slot of this.#slots.values()) count += slot.ranges.length;
    return count;
  }
}

function slotKey(epoch: number, messageSeq: number): number {
  return epoch * 0x1_0000 + messageSeq;
}

function byteCount(ranges: readonly Range[]): number {
  let count = 0;
  for (const { start, end } of ranges) count += end - start;
  return count;
}

/** Whether a fragment has the type and length of a slot, and the same bytes where both have some. */
function fits(slot: Slot, fragment: MessageFragment): boolean {
  if (slot.type !== fragment.type || slot.body.length !== fragment.length) return false;
  const { fragmentOffset, fragment: bytes } = fragment;
  for (const { start, end } of slot.ranges) {
    const to = Math.min(end, fragmentOffset + bytes.length);
    for (let i = Math.max(start, fragmentOffset); i < to; i++) {
      if (slot.body[i] !== bytes[i - fragmentOffset]) return false;
    }
  }
  return true;
}

/** The ranges with one more, touching ones joined; the same array when nothing is new. */
function withRange(ranges: readonly Range[], added: Range): readonly Range[] {
  let { start, end } = added;
  const apart: Range[] = [];
  for (const range of ranges) {
    if (range.start <= added.start && range.end >= added.end) return ranges;
    if (range.end < added.start || range.start > added.end) {
      apart.push(range);
      continue;
    }
    start = Math.min(start, range.start);
    end = Math.max(end, range.end);
  }
  apart.push({ start, end });
  return apart.sort((a, b) => a.start - b.start);
}
