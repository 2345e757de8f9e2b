/**
 * One line of the transcript of a handshake. Types only: `handshake-transcript.ts` makes them.
 *
 * @module
 */

/** One content of a datagram. */
export interface TranscriptContent {
  /** Such as `ClientHello`, `ChangeCipherSpec`, `alert decrypt_error`. */
  readonly name: string;
  readonly epoch: number;
  readonly messageSeq?: number;
  readonly fragment?: { readonly offset: number; readonly length: number; readonly total: number };
  readonly retransmit: boolean;
  readonly reordered: boolean;
}

/** One datagram that had a part in the handshake. */
export interface TranscriptDatagram {
  /** Since the first datagram. */
  readonly atMs: number;
  readonly direction: 'sent' | 'received';
  /** Of the UDP payload; missing when it is not known. */
  readonly bytes?: number;
  /** RFC 6347 Figures 1 and 2; missing for alerts. */
  readonly flight?: number;
  /** The datagram size it was made for after repeated loss (RFC 6347 §4.1.1.1). */
  readonly reducedTo?: number;
  readonly contents: readonly TranscriptContent[];
}
