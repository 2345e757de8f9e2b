/**
 * The datagrams of one handshake as a list people can read: who sent what, when, how large, and what became of it.
 *
 * Made from `handshake-trace` outputs. Shows what TCP hides and DTLS does itself: cookie, retransmission, order and
 * fragments. Holds no key material, and at most a few kilobytes.
 *
 * @module
 */

import type { DtlsRole, HandshakeTrace } from '../dtls-output.ts';
import type { TranscriptContent, TranscriptDatagram } from './transcript-datagram.ts';

/** What a handshake cost on the wire. */
export interface TranscriptTotals {
  readonly datagrams: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Highest flight number that was reached. */
  readonly flights: number;
  /** Datagrams that repeated something. */
  readonly retransmitted: number;
  /** From the first datagram to the last. */
  readonly ms: number;
}

/** What is kept: the first datagrams and the last ones, and contents of all of them beyond the first of each. */
interface Kept {
  readonly first: number;
  readonly last: number;
  readonly contents: number;
}

/** About 16 kB, and 6 kB for a server, which may have very many handshakes at a time. */
const keptBy: Readonly<Record<DtlsRole, Kept>> = {
  client: { first: 40, last: 24, contents: 96 },
  server: { first: 16, last: 8, contents: 32 },
};

/** More than a handshake without losses has. */
const mostNoted = 24;

/** Puts traces together to datagrams. */
export class HandshakeTranscript {
  readonly #datagrams: { -readonly [Key in keyof Row]: Row[Key] }[] = [];
  #startMs: number | undefined;
  #last: { readonly direction: string; readonly number: number } | undefined;
  #leftOut = 0;
  readonly #kept: Kept;
  #contentsLeft: number;
  /** Traces that are not among the datagrams yet: of most handshakes nobody asks for those. */
  #noted: { readonly trace: HandshakeTrace; readonly nowMs: number }[] = [];

  /** @param role Of the side that keeps it: a server keeps less. */
  constructor(role: DtlsRole = 'client') {
    this.#kept = keptBy[role];
    this.#contentsLeft = this.#kept.contents;
  }

  /** The datagrams so far, oldest first. */
  get datagrams(): readonly TranscriptDatagram[] {
    this.#putTogether();
    return this.#datagrams;
  }

  /** How many were forgotten, out of the middle. */
  get leftOut(): number {
    this.#putTogether();
    return this.#leftOut;
  }

  /** Takes one trace of the handshake, at the time it was made, by any clock of milliseconds. */
  note(trace: HandshakeTrace, nowMs: number): void {
    this.#noted.push({ trace, nowMs });
    if (this.#noted.length >= mostNoted) this.#putTogether();
  }

  #putTogether(): void {
    const noted = this.#noted;
    this.#noted = [];
    for (const { trace, nowMs } of noted) this.#add(trace, nowMs);
  }

  #add(trace: HandshakeTrace, nowMs: number): void {
    this.#startMs ??= nowMs;
    const { name, epoch, messageSeq, fragment, retransmit, reordered, direction, flight, datagram } = trace;
    const content: TranscriptContent = {
      name,
      epoch,
      ...(messageSeq === undefined ? {} : { messageSeq }),
      ...(fragment === undefined ? {} : { fragment }),
      retransmit,
      reordered,
    };
    const number = datagram?.number;
    const isSame =
      number !== undefined && this.#last?.number === number && this.#last.direction === direction;
    const row = this.#datagrams.at(-1);
    if (isSame && row !== undefined) {
      if (this.#contentsLeft === 0) return;
      this.#contentsLeft--;
      row.contents = [...row.contents, content];
      return;
    }
    this.#last = number === undefined ? undefined : { direction, number };
    const { first, last } = this.#kept;
    if (this.#datagrams.length >= first + last) {
      const [forgotten] = this.#datagrams.splice(first, 1);
      this.#contentsLeft += (forgotten?.contents.length ?? 1) - 1;
      this.#leftOut++;
    }
    this.#datagrams.push({
      atMs: nowMs - this.#startMs,
      direction,
      ...(datagram === undefined ? {} : { bytes: datagram.bytes }),
      ...(flight === undefined ? {} : { flight }),
      ...(datagram?.reducedTo === undefined ? {} : { reducedTo: datagram.reducedTo }),
      contents: [content],
    });
  }
}

type Row = TranscriptDatagram;

/** Sums up a transcript. */
export function transcriptTotals(datagrams: readonly TranscriptDatagram[]): TranscriptTotals {
  const bytes = (direction: TranscriptDatagram['direction']): number =>
    datagrams.reduce((sum, one) => sum + (one.direction === direction ? (one.bytes ?? 0) : 0), 0);
  return {
    datagrams: datagrams.length,
    bytesSent: bytes('sent'),
    bytesReceived: bytes('received'),
    flights: Math.max(0, ...datagrams.map(({ flight }) => flight ?? 0)),
    retransmitted: datagrams.filter(({ contents }) => contents.some(({ retransmit }) => retransmit)).length,
    ms: datagrams.at(-1)?.atMs ?? 0,
  };
}
