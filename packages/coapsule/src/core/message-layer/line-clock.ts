/**
 * When a slow line will have sent what it was given: so that the timer of a message begins behind what is queued, and leaves
 * the bytes of the message and of its answer their time. On usual networks it stands still.
 *
 * RFC 7252 §4.8.1: the parameters suit where a message and its acknowledgement take less than ACK_TIMEOUT; at 9,600 baud
 * two packets of 1,024 bytes take 2.1 s.
 *
 * @module
 */

import { after, type DurationMs, type Instant } from '../foundation/instant.ts';

/** What a line carries. */
export interface LineRate {
  readonly bytesPerSecond: number;
  /** What security and framing add to each message. */
  readonly overheadBytes: number;
  /** Longest answer there may be, with all that is added to it. */
  readonly answerBytes: number;
}

/** The clock of all messages of an endpoint, which share its line. */
export class LineClock {
  readonly #rate: LineRate | undefined;
  /** When the last byte that was given to the line will have left. */
  #idleAt: Instant | undefined;

  /** @param rate Without it nothing takes any time. */
  constructor(rate: LineRate | undefined) {
    this.#rate = rate;
  }

  /** A message goes to the line: how long until it has left, behind all before it, and a largest answer could be here. */
  sent(messageBytes: number, now: Instant): DurationMs {
    const rate = this.#rate;
    if (rate === undefined) return 0;
    const begins = this.#idleAt !== undefined && this.#idleAt > now ? this.#idleAt : now;
    const takesMs = (bytes: number): DurationMs => (1000 * bytes) / rate.bytesPerSecond;
    this.#idleAt = after(begins, takesMs(messageBytes + rate.overheadBytes));
    return this.#idleAt - now + takesMs(rate.answerBytes);
  }
}
