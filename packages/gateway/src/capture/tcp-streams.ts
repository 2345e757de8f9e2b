/**
 * Byte streams out of TCP segments: in order, each byte once (RFC 9293 §3.10).
 *
 * Segments may be retransmitted, overlap, and come in any order. A capture that begins in the midst of a connection begins with the
 * first segment it has. What is missing is waited for within bounds; then the stream goes on behind the gap, and says so. Nothing
 * is kept of what was given out.
 *
 * @module
 */

import { BoundedMap } from '../memory/bounded-map.ts';
import type { TransportUnit } from './ip-reader.ts';

/** What a segment brought. */
export interface StreamPiece {
  /** Those bytes that come next in the stream; none for a segment that brought nothing new, or came early. */
  readonly bytes: Uint8Array;
  /** Bytes before them are missing: what they continue is not known. */
  readonly isAfterGap: boolean;
  /** A connection begins here. */
  readonly isFirst: boolean;
  /** How the segment stands to the stream, where it is not the next one. */
  readonly note?: 'retransmission' | 'out of order';
}

/** Directions of connections that are kept in mind; the oldest go. */
const mostDirections = 4096;

/** What waits for a gap to be filled, of one direction. */
const mostWaitingBytes = 512 * 1024;
const mostWaitingPieces = 256;

interface Direction {
  /** Sequence number of the byte that comes next. */
  next: number;
  readonly waiting: Map<number, Uint8Array>;
  waitingBytes: number;
  hasBegun: boolean;
  /** Its beginning was not seen, and nothing of it yet: `next` is from an acknowledgement, which may be that of a keep-alive. */
  isGuess: boolean;
}

/** Puts the segments of one capture together. */
export class TcpStreams {
  readonly #directions = new BoundedMap<string, Direction>(mostDirections);

  /** @param segment of TCP, in the order of the capture. */
  read({ source, destination, payload, tcp }: TransportUnit): StreamPiece {
    const { sequence = 0, isFirst = false } = tcp ?? {};
    const key = `${source.host} ${source.port} ${destination.host} ${destination.port}`;
    if (isFirst) {
      // RFC 9293 §3.4: SYN takes one number. A second one with the same number is a retransmission.
      const start = add(sequence, 1);
      const known = this.#directions.get(key);
      if (known !== undefined && !known.hasBegun && known.next === start && payload.length === 0)
        return { bytes: none, isAfterGap: false, isFirst: false, note: 'retransmission' };
      const direction = begin(start);
      this.#directions.set(key, direction);
      // Data with SYN (RFC 7413).
      return { ...this.#piece(direction, start, payload), isFirst: true };
    }
    const known = this.#directions.get(key);
    if (known !== undefined) return this.#piece(known, sequence, payload);
    const direction = begin(sequence, true);
    // An acknowledgement alone says where the stream is; with data it begins.
    this.#directions.set(key, direction);
    return { ...this.#piece(direction, sequence, payload), isFirst: true };
  }

  #piece(direction: Direction, sequence: number, payload: Uint8Array): StreamPiece {
    if (payload.length === 0) return { bytes: none, isAfterGap: false, isFirst: false };
    if (direction.isGuess) {
      direction.isGuess = false;
      direction.next = sequence;
    }
    const ahead = distance(direction.next, sequence);
    if (ahead > 0) {
      this.#wait(direction, sequence, payload);
      const isTooMuch =
        direction.waitingBytes > mostWaitingBytes || direction.waiting.size > mostWaitingPieces;
      if (!isTooMuch) return { bytes: none, isAfterGap: false, isFirst: false, note: 'out of order' };
      // What is missing was lost by the capture, or nobody will ever send it.
      direction.next = [...direction.waiting.keys()].reduce((one, other) =>
        distance(direction.next, one) < distance(direction.next, other) ? one : other,
      );
      return { bytes: this.#take(direction, none), isAfterGap: true, isFirst: false };
    }
    const known = -ahead;
    if (known >= payload.length)
      return { bytes: none, isAfterGap: false, isFirst: false, note: 'retransmission' };
    direction.hasBegun = true;
    const fresh = payload.subarray(known);
    direction.next = add(direction.next, fresh.length);
    return { bytes: this.#take(direction, fresh), isAfterGap: false, isFirst: false };
  }

  #wait(direction: Direction, sequence: number, payload: Uint8Array): void {
    const known = direction.waiting.get(sequence);
    if (known !== undefined && known.length >= payload.length) return;
    direction.waiting.set(sequence, payload);
    direction.waitingBytes += payload.length - (known?.length ?? 0);
  }

  /** `first`, and all that waits and continues it. */
  #take(direction: Direction, first: Uint8Array): Uint8Array {
    if (direction.waiting.size === 0) return first;
    const pieces = [first];
    for (let found = true; found; ) {
      found = false;
      for (const [sequence, payload] of direction.waiting) {
        const ahead = distance(direction.next, sequence);
        if (ahead > 0) continue;
        direction.waiting.delete(sequence);
        direction.waitingBytes -= payload.length;
        if (-ahead >= payload.length) continue;
        const fresh = payload.subarray(-ahead);
        pieces.push(fresh);
        direction.next = add(direction.next, fresh.length);
        found = true;
      }
    }
    direction.hasBegun = true;
    return joined(pieces);
  }
}

const none = new Uint8Array();

function begin(next: number, isGuess = false): Direction {
  return { next, waiting: new Map(), waitingBytes: 0, hasBegun: false, isGuess };
}

function add(sequence: number, count: number): number {
  return (sequence + count) >>> 0;
}

/** How far `other` is ahead of `one`, modulo 2^32: negative behind it (RFC 9293 §3.4). */
function distance(one: number, other: number): number {
  return (other - one) | 0;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
