/**
 * Puts handshake messages back in order and together (RFC 6347 §4.2.2, §4.2.3), within limits.
 *
 * Slots are found by epoch and message_seq, never by type alone; all fragments of a slot agree on type and
 * length; overlapping bytes must be equal. Only received bytes are kept. Decodes no bodies.
 *
 * @module
 */

import { concatBytes } from '../../foundation/bytes.ts';
import type { HandshakeMessage, MessageFragment } from './message-header.ts';

/** Limits of one handshake. */
export const reassemblyLimits = {
  /** Largest body in bytes; a longer announced length is refused before anything is kept. */
  messageLength: 16_384,
  /** How far ahead of the next message_seq a message may be, itself included. */
  messagesAhead: 8,
  /** Bytes kept in all slots together. */
  keptBytes: 16_384,
  /** Separate pieces kept of one message; joined pieces count once. */
  piecesOfMessage: 64,
} as const;

/**
 * What became of a fragment: `kept`, `ahead` (kept, but an earlier message is missing), `old` (its message
 * was handled before: the peer repeats itself), or refused.
 */
export type FragmentFate = 'kept' | 'ahead' | 'old' | 'refused';

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface Slot {
  readonly type: number;
  readonly length: number;
  /** Sorted, with gaps between them. */
  pieces: Piece[];
}

/** Messages of one handshake on their way in. */
export class Reassembly {
  /** RFC 6347 §4.2.2, next_receive_seq. */
  nextReceiveSeq = 0;
  readonly #slots = new Map<number, Slot>();
  #keptBytes = 0;

  /** Bytes kept now, for tests of the limits. */
  get keptBytes(): number {
    return this.#keptBytes;
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
    if (slot !== undefined && (slot.type !== type || slot.length !== length)) {
      // A whole message may take the place of pieces that do not belong to it, or a forged piece would
      // block the slot for good.
      if (fragment.fragment.length < length || isWhole(slot)) return 'refused';
      this.#drop(key);
      slot = undefined;
    }
    const ahead = messageSeq > this.nextReceiveSeq ? 'ahead' : 'kept';
    if (slot === undefined) {
      if (this.#keptBytes + fragment.fragment.length > reassemblyLimits.keptBytes) return 'refused';
      slot = { type, length, pieces: [] };
      this.#slots.set(key, slot);
    }
    const pieces = addPiece(slot.pieces, { offset: fragment.fragmentOffset, bytes: fragment.fragment });
    if (pieces === undefined || pieces.length > reassemblyLimits.piecesOfMessage) return 'refused';
    const added = byteCount(pieces) - byteCount(slot.pieces);
    if (this.#keptBytes + added > reassemblyLimits.keptBytes) return 'refused';
    this.#keptBytes += added;
    slot.pieces = pieces;
    return ahead;
  }

  /** The next message in order, when all of it has come in `epoch`; moves `nextReceiveSeq` on. */
  take(epoch: number): HandshakeMessage | undefined {
    const message = this.#peek(epoch, this.nextReceiveSeq);
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
      const messageSeq = this.nextReceiveSeq + ahead;
      const slot = this.#slots.get(slotKey(0, messageSeq));
      if (slot === undefined || !types.includes(slot.type)) continue;
      const message = this.#peek(0, messageSeq);
      if (message === undefined) continue;
      this.#drop(slotKey(0, messageSeq));
      return message;
    }
    return undefined;
  }

  /** Sets `nextReceiveSeq` and forgets what lies before it. */
  skipTo(messageSeq: number): void {
    this.nextReceiveSeq = messageSeq;
    for (const key of this.#slots.keys()) if ((key & 0xffff) < messageSeq) this.#drop(key);
  }

  /** Forgets all that is kept, but not where it stands. */
  clear(): void {
    this.#slots.clear();
    this.#keptBytes = 0;
  }

  #peek(epoch: number, messageSeq: number): HandshakeMessage | undefined {
    const slot = this.#slots.get(slotKey(epoch, messageSeq));
    if (slot === undefined || !isWhole(slot)) return undefined;
    return { type: slot.type, messageSeq, body: concatBytes(...slot.pieces.map((piece) => piece.bytes)) };
  }

  #drop(key: number): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    this.#keptBytes -= byteCount(slot.pieces);
  }
}

function slotKey(epoch: number, messageSeq: number): number {
  return epoch * 0x1_0000 + messageSeq;
}

function isWhole(slot: Slot): boolean {
  return byteCount(slot.pieces) === slot.length;
}

function byteCount(pieces: readonly Piece[]): number {
  let count = 0;
  for (const piece of pieces) count += piece.bytes.length;
  return count;
}

/** The pieces with one more, touching ones joined; `undefined` when overlapping bytes differ. */
function addPiece(pieces: readonly Piece[], added: Piece): Piece[] | undefined {
  let start = added.offset;
  let end = added.offset + added.bytes.length;
  const touching: Piece[] = [];
  const apart: Piece[] = [];
  for (const piece of pieces) {
    const pieceEnd = piece.offset + piece.bytes.length;
    if (pieceEnd < added.offset || piece.offset > added.offset + added.bytes.length) {
      apart.push(piece);
      continue;
    }
    touching.push(piece);
    start = Math.min(start, piece.offset);
    end = Math.max(end, pieceEnd);
  }
  const joined = new Uint8Array(end - start);
  joined.set(added.bytes, added.offset - start);
  for (const piece of touching) {
    const from = Math.max(piece.offset, added.offset);
    const to = Math.min(piece.offset + piece.bytes.length, added.offset + added.bytes.length);
    for (let i = from; i < to; i++) {
      if (piece.bytes[i - piece.offset] !== added.bytes[i - added.offset]) return undefined;
    }
    joined.set(piece.bytes, piece.offset - start);
  }
  apart.push({ offset: start, bytes: joined });
  return apart.sort((a, b) => a.offset - b.offset);
}
